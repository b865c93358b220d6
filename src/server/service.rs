//! From a connection to the handler: what is refused before it is called, and what happens when it panics.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;

use super::body::ClientBody;
use super::glimpse::Glimpse;
use super::handler::{Handled, Handler, Peer};
use super::response::{self, InFlight, Tracked};
use super::state::State;
use super::worker::Shared;
use crate::http::protocol::Protocol;
use crate::http::refusal::Refusal;

/// What the requests of one connection have in common.
#[derive(Debug)]
pub struct Service<H, S> {
    /// Answers them.
    pub handler: H,
    /// Whose they are.
    pub peer: Arc<Peer>,
    /// Their connection.
    pub state: Arc<S>,
    /// What it shares with all others.
    pub shared: Arc<Shared>,
    /// `redirect_https`: the port to go to.
    pub redirect: Option<u16>,
}

impl<H: Handler, S: State> Service<H, S> {
    /// Answers one request, in every case.
    pub fn answer(&self, request: Request<ClientBody>) -> Answer<H::Body, S> {
        let in_flight = InFlight::begin(self.state.clone());
        if let Err(refusal) = self.check(&request) {
            return Answer::Now(self.refuse(refusal, &request, in_flight));
        }
        if let Some(port) = self.redirect {
            return Answer::Now(match location(&request, port) {
                Ok(location) => {
                    self.handler.answered(&request, StatusCode::PERMANENT_REDIRECT, &self.peer);
                    response::redirect(location, &self.shared.server_name, in_flight)
                }
                Err(refusal) => self.refuse(refusal, &request, in_flight),
            });
        }
        // After a panic nothing of this request is looked at again, so no broken state is.
        match catch_unwind(AssertUnwindSafe(|| self.handler.handle(request, &self.peer))) {
            Ok(Handled::Now(response)) => Answer::Now(self.answered(Ok(response), in_flight)),
            Ok(Handled::Later(future)) => Answer::Later(future, in_flight),
            Err(_) => Answer::Now(self.answered(Err(Panicked), in_flight)),
        }
    }

    /// The handler's response, or ours for it.
    pub fn answered(
        &self,
        answered: Result<Response<H::Body>, Panicked>,
        in_flight: InFlight<S>,
    ) -> Response<Tracked<H::Body, S>> {
        match answered {
            Ok(response) => response.map(|body| Tracked::handler(body, in_flight)),
            Err(Panicked) => self.replace(Refusal::Internal, in_flight),
        }
    }

    /// A refusal as the response to a request that the handler does not see.
    fn refuse(
        &self,
        refusal: Refusal,
        request: &Request<ClientBody>,
        in_flight: InFlight<S>,
    ) -> Response<Tracked<H::Body, S>> {
        self.handler.refuse(refusal, &Glimpse::of_request(request), &self.peer);
        response::refusal(refusal, &self.shared.server_name, in_flight)
    }

    /// A refusal in place of the handler's response.
    pub fn replace(&self, refusal: Refusal, in_flight: InFlight<S>) -> Response<Tracked<H::Body, S>> {
        self.handler.replaced(refusal, &self.peer);
        response::refusal(refusal, &self.shared.server_name, in_flight)
    }

    /// What is refused by the head alone.
    fn check(&self, request: &Request<ClientBody>) -> Result<(), Refusal> {
        match self.peer.protocol {
            // Measured as bytes on their way in.
            Protocol::Http1 => {}
            Protocol::Http2 => self.measure(request)?,
        }
        // The lower bound is the Content-Length, or zero.
        if request.body().size_hint().lower() > self.shared.limits.request_body {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(())
    }

    /// A head against the limits, where it is not before here that it is seen whole.
    fn measure(&self, request: &Request<ClientBody>) -> Result<(), Refusal> {
        let limits = &self.shared.limits;
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > limits.uri_bytes {
            return Err(Refusal::UriTooLong);
        }
        let headers = request.headers();
        if headers.len() > limits.headers || target + size(headers) > limits.header_bytes {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(())
    }
}

/// Bytes of a header block as HTTP/1 would write it.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// Where the same thing is under https.
fn location<B>(request: &Request<B>, port: u16) -> Result<HeaderValue, Refusal> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => host(request.headers())?,
    };
    let host = authority.host();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || authority.as_str().contains('@') || !host.bytes().all(plain) {
        return Err(Refusal::BadHost);
    }
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target } else { "/" };
    let location = match port {
        443 => format!("https://{host}{target}"),
        port => format!("https://{host}:{port}{target}"),
    };
    HeaderValue::try_from(location).map_err(|_| Refusal::BadPath)
}

fn host(headers: &HeaderMap) -> Result<Authority, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).map_err(|_| Refusal::BadHost),
        _ => Err(Refusal::BadHost),
    }
}

/// A handler's promise of a response.
pub type Promise<B> = Pin<Box<dyn Future<Output = Response<B>> + Send>>;

/// What becomes of a request.
pub enum Answer<B, S: State> {
    /// It is answered.
    Now(Response<Tracked<B, S>>),
    /// It will be, once [`poll_unwound`] gives what [`Service::answered`] takes.
    Later(Promise<B>, InFlight<S>),
}

/// The handler panicked; the panic hook has reported where.
#[derive(Debug)]
pub struct Panicked;

/// Polls `promise` and stops a panic in it.
pub fn poll_unwound<B>(
    promise: &mut Promise<B>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<B>, Panicked>> {
    // After a panic the promise is not polled again, so no broken state is ever looked at.
    match catch_unwind(AssertUnwindSafe(|| promise.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_go_to_the_same_place_and_nowhere_else() {
        let table = [
            ("/a?b=c", vec!["example.com"], 443, Ok("https://example.com/a?b=c")),
            ("/", vec!["example.com:80"], 8443, Ok("https://example.com:8443/")),
            ("/", vec!["[::1]:80"], 443, Ok("https://[::1]/")),
            ("*", vec!["example.com"], 443, Ok("https://example.com/")),
            ("http://other.example/x", vec!["example.com"], 443, Ok("https://other.example/x")),
            ("//evil.example/x", vec!["example.com"], 443, Ok("https://example.com//evil.example/x")),
            ("/", vec!["user@example.com"], 443, Err(Refusal::BadHost)),
            ("/", vec!["exam\"ple.com"], 443, Err(Refusal::BadHost)),
            ("/", vec![""], 443, Err(Refusal::BadHost)),
            ("/", vec![], 443, Err(Refusal::BadHost)),
            ("/", vec!["a.example", "b.example"], 443, Err(Refusal::BadHost)),
        ];
        for (target, hosts, port, expected) in table {
            let mut request = Request::builder().uri(target);
            for host in &hosts {
                request = request.header("host", *host);
            }
            let found = location(&request.body(()).unwrap(), port);
            let found = found.as_ref().map(|value| value.to_str().unwrap()).map_err(|refusal| *refusal);
            assert_eq!(found, expected, "{target} {hosts:?}");
        }
    }
}
