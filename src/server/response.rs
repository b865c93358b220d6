//! Response bodies as the connection sees them: whose they are, and when they end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::handler::BoxError;
use super::state::State;
use crate::http::cache_status::{CACHE_STATUS, CacheStatus};
use crate::http::refusal::Refusal;

/// One request in flight: from the service's call to the end of the response's body, or of either by a drop.
#[derive(Debug)]
pub struct InFlight<S: State> {
    state: Arc<S>,
}

impl<S: State> InFlight<S> {
    /// Begins now.
    pub fn begin(state: Arc<S>) -> Self {
        state.begin();
        Self { state }
    }
}

impl<S: State> Drop for InFlight<S> {
    fn drop(&mut self) {
        self.state.end();
    }
}

/// A response body, of the handler or of the server.
#[derive(Debug)]
pub struct Tracked<B, S: State> {
    source: Source<B>,
    in_flight: InFlight<S>,
}

#[derive(Debug)]
enum Source<B> {
    Handler(B),
    /// None when it was sent.
    Own(Option<Bytes>),
}

impl<B, S: State> Tracked<B, S> {
    /// The handler's.
    pub fn handler(body: B, in_flight: InFlight<S>) -> Self {
        Self { source: Source::Handler(body), in_flight }
    }

    /// The server's own.
    pub fn own(body: Bytes, in_flight: InFlight<S>) -> Self {
        Self { source: Source::Own(Some(body).filter(|body| !body.is_empty())), in_flight }
    }

    /// Its connection's.
    pub fn state(&self) -> &S {
        &self.in_flight.state
    }

    /// The request without what it was answered with.
    pub fn into_in_flight(self) -> InFlight<S> {
        self.in_flight
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin, S: State> Body for Tracked<B, S> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match &mut this.source {
            Source::Own(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Source::Handler(body) => {
                // A panic in a body ends that response, as one in the handler does.
                match catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) {
                    Ok(polled) => polled,
                    Err(_) => Poll::Ready(Some(Err("the response body panicked".into()))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Handler(body) => body.is_end_stream(),
            Source::Own(body) => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Handler(body) => body.size_hint(),
            Source::Own(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
        }
    }
}

/// The way to https, for good (RFC 9110 §15.4.9); no cache may keep it.
pub fn redirect<B, S: State>(
    location: HeaderValue,
    server_name: &str,
    in_flight: InFlight<S>,
) -> Response<Tracked<B, S>> {
    let mut response = Response::new(Tracked::own(Bytes::new(), in_flight));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CACHE_STATUS, CacheStatus::own(server_name).detail("redirect_https").to_value());
    headers.insert(header::LOCATION, location);
    response
}

/// A refusal as a response. On HTTP/1 it ends the connection; where streams have ends of their own, Connection is taken out
/// with all other fields of the hop.
pub fn refusal<B, S: State>(
    refusal: Refusal,
    server_name: &str,
    in_flight: InFlight<S>,
) -> Response<Tracked<B, S>> {
    let mut response = refusal.response(refusal.status(), None);
    let headers = response.headers_mut();
    headers.insert(CACHE_STATUS, refusal.cache_status(server_name));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response.map(|text| Tracked::own(text.into(), in_flight))
}
