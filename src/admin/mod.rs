//! The listener for operators: what the edge is doing, what it has cached, and making it let go of that.
//! `docs/admin-api.yaml` lists the paths.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guard; // who may see and do what
mod index; // the page of links at `/`
mod json; // the JSON that operators send
mod readiness; // named reasons not to send traffic here
mod routes; // what each path answers
mod server; // the socket, its limits, its thread

use std::sync::Arc;

use crate::edge::clock::Clock;
use crate::edge::operate::prefetch::Prefetcher;
use crate::edge::worker::Edge;
use crate::telemetry::{HotKeys, Metrics};

pub use guard::{Access, Needs, Unauthorized};
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
    /// Who may see and do what.
    pub access: Access,
    /// `server.server_name`, shown on the page of links.
    pub server_name: String,
}
