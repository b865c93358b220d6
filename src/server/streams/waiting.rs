//! A stream whose answer takes waiting: interim responses, the answer, and its body, until the client leaves.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Response;

use super::super::handler::Handler;
use super::super::response::InFlight;
use super::super::service::{Panicked, Promise, poll_unwound};
use super::halves::Respond;
use super::hints::StreamHints;
use super::pump::Windows;
use super::reply::{Reply, Sent};
use super::serving::Serving;

/// A stream whose handler has promised an answer.
pub struct Waiting<H: Handler, S: Windows, R: Respond> {
    /// What answers.
    pub serving: Arc<Serving<H, S>>,
    /// Its promise.
    pub promise: Promise<H::Body>,
    /// The request.
    pub in_flight: InFlight<S>,
    /// Where the answer goes.
    pub reply: Reply<R>,
    /// Interim responses before it, once somebody has asked for a way to send some.
    pub hints: Option<StreamHints>,
}

impl<H: Handler, S: Windows, R: Respond> Waiting<H, S, R> {
    /// Lives the stream's life. A client that leaves ends it, and the promise or the body is dropped.
    pub async fn run(mut self) {
        let Some(answered) = poll_fn(|cx| self.poll_answer(cx)).await else { return };
        let Self { serving, promise, in_flight, reply, .. } = self;
        drop(promise);
        let response = serving.service.answered(answered, in_flight);
        match reply.send(response, &serving.service) {
            Sent::All => {}
            Sent::Body(pump) => pump.await,
            Sent::Tunnel(tunnel) => tunnel.run().await,
        }
    }

    /// The answer; none if the client wants it no more.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Response<H::Body>, Panicked>>> {
        let desk = &self.serving.desk;
        desk.lend(self.hints.take());
        let polled = poll_unwound(&mut self.promise, cx);
        self.hints = desk.take_back();
        // Before anything is written: it could be queued for a stream that is gone.
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
