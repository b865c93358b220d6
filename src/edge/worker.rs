//! What a worker thread has: the edge that all threads share, and its own connections and counters.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::settings::Settings;
use crate::cache::store::Store;
use crate::edge::clock::Clock;
use crate::http::time::Time;
use crate::origin::Client;
use crate::telemetry::{HotShard, Recorder};

/// The edge: state that lives as long as the process, and settings that are replaced while requests run.
#[derive(Debug)]
pub struct Edge {
    /// All that is stored.
    pub store: Arc<Store>,
    /// What time it is.
    pub clock: Clock,
    settings: ArcSwap<Settings>,
}

impl Edge {
    /// Of these parts.
    pub fn new(store: Arc<Store>, settings: Settings, clock: Clock) -> Self {
        Self { store, clock, settings: ArcSwap::from_pointee(settings) }
    }

    /// The settings of this moment. Held for a moment only: a request takes from them the route that it keeps.
    pub fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Replaces the settings. Requests that have begun end under those they began with.
    pub fn replace(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
}

/// One worker thread's part. Cloned for each connection and each fill.
#[derive(Clone)]
pub struct Worker {
    /// What all threads share.
    pub edge: Arc<Edge>,
    /// This thread's connections to origins.
    pub client: Client,
    /// This thread's counters.
    pub recorder: Recorder,
    /// This thread's busiest keys.
    pub hot: Arc<HotShard>,
}

impl Worker {
    /// All that is stored.
    pub fn store(&self) -> &Arc<Store> {
        &self.edge.store
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.edge.now()
    }
}
