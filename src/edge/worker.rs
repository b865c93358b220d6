//! What a worker thread has: its own connections and counters, and the parts that all threads share.

use std::sync::Arc;

use ipnet::IpNet;

use crate::cache::disk::DiskTier;
use crate::cache::fill::Fills;
use crate::cache::memory::MemoryTier;
use crate::cache::metrics::CacheMetrics;
use crate::config::Limits;
use crate::http::forwarded::Via;
use crate::origin::Client;
use crate::telemetry::{HotShard, Recorder};

use super::clock::Clock;
use super::route::Sites;

/// What all worker threads share.
pub struct Shared {
    /// What is served under which hosts.
    pub sites: Sites,
    /// Objects in RAM.
    pub memory: MemoryTier,
    /// Objects on disk, behind those.
    pub disk: Option<DiskTier>,
    /// Origin fetches that requests wait for.
    pub fills: Arc<Fills>,
    /// What time it is.
    pub clock: Clock,
    /// What the cache counts.
    pub cache_metrics: CacheMetrics,
    /// This node's name in Via and Cache-Status.
    pub server_name: String,
    /// Whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bytes of a body that is kept whole.
    pub max_object: u64,
    /// What is bounded of a request.
    pub limits: Limits,
    /// This node's member of Via, made once.
    pub via: Via,
}

/// One worker thread's part. Cloned for each connection and each fill.
#[derive(Clone)]
pub struct Worker {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// This thread's connections to origins.
    pub client: Client,
    /// This thread's counters.
    pub recorder: Recorder,
    /// This thread's busiest keys.
    pub hot: Arc<HotShard>,
}
