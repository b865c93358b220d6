//! Requests of HTTP/1 as hyper has them, and what their responses need before hyper writes their heads.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use parking_lot::Mutex;

use super::super::body::ClientBody;
use super::super::handler::Handler;
use super::super::response::Tracked;
use super::super::service::{Answer, Promise, Service, poll_unwound};
use super::super::takeover::Takeover;
use super::hints::Turns;
use super::state::State;

/// What the requests of one connection have in common.
#[derive(Debug)]
pub struct Serving<H> {
    /// Answers them.
    pub service: Service<H, State>,
    turns: Turns,
    /// Who has the connection when hyper is done with it.
    takeover: Mutex<Option<Takeover>>,
    /// A request of it was HTTP/1.0, where the end of the connection can end a body.
    old: AtomicBool,
}

impl<H: Handler> Serving<H> {
    /// Of a connection on which nothing was said yet.
    pub fn new(service: Service<H, State>, turns: Turns) -> Self {
        Self { service, turns, takeover: Mutex::new(None), old: AtomicBool::new(false) }
    }

    /// Who has the connection now that hyper is done with it.
    pub fn take_over(&self) -> Option<Takeover> {
        self.takeover.lock().take()
    }

    /// Whether a request of it was HTTP/1.0.
    pub fn is_old(&self) -> bool {
        self.old.load(Ordering::Relaxed)
    }

    /// Answers one request.
    pub fn call(self: &Arc<Self>, request: Request<Incoming>) -> Called<H::Body> {
        if request.version() == Version::HTTP_10 {
            self.old.store(true, Ordering::Relaxed);
        }
        let may_have_interim = request.version() == Version::HTTP_11 && request.body().is_end_stream();
        match self.service.answer(request.map(ClientBody::Http1)) {
            Answer::Now(response) => Called::Now(Some(self.last(response))),
            Answer::Later(future, in_flight) => {
                let serving = Arc::clone(self);
                if may_have_interim {
                    self.turns.begin();
                }
                Called::Later(Box::pin(async move {
                    let mut future = future;
                    let answered = std::future::poll_fn(|cx| poll_unwound(&mut future, cx)).await;
                    serving.turns.end();
                    serving.last(serving.service.answered(answered, in_flight))
                }))
            }
        }
    }

    /// What is done to every response just before hyper writes its head.
    fn last<B>(&self, mut response: Response<B>) -> Response<B> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            *self.takeover.lock() = response.extensions_mut().remove::<Takeover>();
        } else if self.service.shared.drain.is_draining() {
            // Who is told so sends its next request elsewhere; hyper ends the connection after the body (RFC 9112 §9.6).
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A call under way, as hyper wants it.
pub enum Called<B> {
    /// Answered already; none once hyper has taken it.
    Now(Option<Response<Tracked<B, State>>>),
    /// Being answered.
    Later(Promise<Tracked<B, State>>),
}

impl<B: Unpin> Future for Called<B> {
    type Output = Result<Response<Tracked<B, State>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            // hyper does not poll again what was ready.
            Called::Now(response) => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
            Called::Later(future) => future.as_mut().poll(cx).map(Ok),
        }
    }
}
