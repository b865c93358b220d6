//! A connection whose protocol is known, and on which nothing was said by it yet.

use std::sync::Arc;

use super::handler::{Handler, Peer};
use super::interim::Interim;
use super::link::Link;
use super::service::Service;
use super::state::{Core, Deadlines, State};
use super::stream::Stream;
use super::worker::{Listener, Worker};

/// What a protocol's folder gets to serve.
#[derive(Debug)]
pub struct Opened<H> {
    /// The transport.
    pub stream: Stream,
    /// What was read of it to find out the protocol.
    pub prefix: Vec<u8>,
    /// The other end.
    pub peer: Peer,
    /// Where it came in.
    pub listener: Arc<Listener>,
    /// Whose it is.
    pub worker: Arc<Worker<H>>,
    /// When it was accepted, in milliseconds of the worker's clock.
    pub since: u64,
}

impl<H: Handler> Opened<H> {
    /// Its two sides, which share a state: the bytes, and the service that answers. `interim` is the protocol's way for
    /// interim responses.
    pub fn begin<S: State>(
        self,
        state: impl FnOnce(Core) -> S,
        interim: impl Into<Interim>,
    ) -> (Link<S>, Service<H, S>) {
        let Self { stream, prefix, mut peer, listener, worker, since } = self;
        peer.interim = interim.into();
        let core = Core::new(worker.clock, Deadlines::from(&*worker.limits), since);
        let state = Arc::new(state(core));
        let service = Service {
            handler: worker.handler.clone(),
            peer: Arc::new(peer),
            state: Arc::clone(&state),
            shared: Arc::clone(&worker.shared),
            redirect: listener.redirect,
        };
        (Link::new(stream, prefix, state), service)
    }
}
