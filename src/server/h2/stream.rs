//! A stream whose answer takes waiting: interim responses, the answer, and its body, until the client leaves.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Response;

use super::super::handler::Handler;
use super::super::response::InFlight;
use super::super::service::{Panicked, Promise, Service, poll_unwound};
use super::hints::StreamHints;
use super::reply::{Reply, Sent};

/// A stream whose handler has promised an answer.
pub struct Waiting<H: Handler> {
    /// What answers.
    pub service: Arc<Service<H>>,
    /// Its promise.
    pub promise: Promise<H::Body>,
    /// The request.
    pub in_flight: InFlight,
    /// Where the answer goes.
    pub reply: Reply,
    /// Interim responses before it, once somebody has asked for a way to send some.
    pub hints: Option<StreamHints>,
}

impl<H: Handler> Waiting<H> {
    /// Lives the stream's life. A client that leaves ends it, and the promise or the body is dropped.
    pub async fn run(mut self) {
        let Some(answered) = poll_fn(|cx| self.poll_answer(cx)).await else { return };
        let Self { service, promise, in_flight, reply, .. } = self;
        drop(promise);
        let response = service.answered(answered, in_flight);
        match reply.send(response, &service) {
            Sent::All => {}
            Sent::Body(pump) => pump.await,
            Sent::Tunnel(tunnel) => tunnel.run().await,
        }
    }

    /// The answer; none if the client wants it no more.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Response<H::Body>, Panicked>>> {
        let interim = &self.service.peer.interim;
        interim.lend(self.hints.take());
        let polled = poll_unwound(&mut self.promise, cx);
        self.hints = interim.take_back();
        // Before anything is written: h2 would queue it for a stream that is gone.
        let gone = self.reply.poll_gone(cx).is_ready();
        match (&self.hints, polled.is_ready() || gone) {
            (Some(hints), true) => {
                let last = hints.close();
                if !gone {
                    self.reply.interim(last);
                }
            }
            (Some(hints), false) => self.reply.interim(hints.take(cx.waker())),
            (None, _) => {}
        }
        match polled {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            Poll::Pending if gone => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
