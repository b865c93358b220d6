//! The listener for operators: what the edge is doing, what it has cached, and making it let go of that.
//! `docs/admin-api.yaml` lists the paths.

mod asked; // the JSON that operators send
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guard; // who may change state
mod index; // the page of links at `/`
mod readiness; // named reasons not to send traffic here
mod routes; // what each path answers
mod server; // the socket, its limits, its thread

use std::sync::Arc;

use crate::config::Secret;
use crate::edge::clock::Clock;
use crate::edge::operate::prefetch::Prefetcher;
use crate::edge::worker::Edge;
use crate::telemetry::{HotKeys, Metrics};

pub use guard::{Unauthorized, guard};
pub use readiness::Readiness;
pub use server::{AdminServer, bind, serve};

/// What the admin listener shows.
pub struct AdminState {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// For `/hot`.
    pub hot: Arc<HotKeys>,
    /// For `/readyz`.
    pub readiness: Arc<Readiness>,
    /// What is cached, and the log of purges.
    pub edge: Arc<Edge>,
    /// Warms the cache.
    pub prefetcher: Arc<Prefetcher>,
    /// What time it is for the sketch of hot keys.
    pub clock: Clock,
    /// `admin.token`: asked for by what changes state.
    pub token: Option<Secret>,
    /// `server.server_name`, shown on the page of links.
    pub server_name: String,
}
