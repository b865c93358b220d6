//! What connections share: all of them, those of one worker, those of one listener.

use std::sync::Arc;

use hyper::server::conn::http1;
use rustls::ServerConfig;
use tokio::sync::Semaphore;

use super::clock::Clock;
use super::drain::{Drain, Open};
use super::metrics::{ListenerMetrics, ServerMetrics};
use super::per_ip::PerIp;
use super::{h1, h2};
use crate::config::Limits;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// `[server.limits]`
    pub limits: Arc<Limits>,
    /// This node's name in Cache-Status.
    pub server_name: Arc<str>,
    /// For all times.
    pub clock: Clock,
    /// The word to stop.
    pub drain: Drain,
    /// `connections`
    pub slots: Arc<Semaphore>,
    /// `connections_per_ip`, if there is a limit.
    pub per_ip: Option<Arc<PerIp>>,
    /// Counted here.
    pub metrics: ServerMetrics,
}

/// What the connections of one worker share.
#[derive(Debug)]
pub struct Worker<H> {
    /// Answers requests.
    pub handler: H,
    /// Settings of what is spoken, by protocol.
    pub protocols: Protocols,
    /// This worker's connections.
    pub open: Arc<Open>,
    /// What it shares with the others.
    pub shared: Arc<Shared>,
}

impl<H> std::ops::Deref for Worker<H> {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// A listener, as all workers see it.
#[derive(Debug)]
pub struct Listener {
    /// Index into `Config::listeners`.
    pub index: usize,
    /// Its address as configured, for people.
    pub name: String,
    /// It terminates TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// It answers with redirects to this port.
    pub redirect: Option<u16>,
    /// Its own metrics.
    pub metrics: ListenerMetrics,
}

/// Settings of each protocol, made once for a worker.
#[derive(Debug, Clone)]
pub struct Protocols {
    /// hyper's.
    pub h1: http1::Builder,
    /// h2's.
    pub h2: ::h2::server::Builder,
}

impl Protocols {
    /// From the limits.
    pub fn new(limits: &Limits) -> Self {
        Self { h1: h1::settings::settings(limits), h2: h2::settings::settings(limits) }
    }
}
