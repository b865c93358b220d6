//! The head of a response on a stream, by the rules that HTTP/2 and HTTP/3 share, and what follows it.

use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body;

use super::super::handler::{BoxError, Handler};
use super::super::response::Tracked;
use super::super::service::Service;
use super::super::takeover::Takeover;
use super::halves::Respond;
use super::pump::{Pump, Windows};
use super::tunnel::Tunnel;
use super::websocket::Opening;
use crate::http::hop_by_hop;
use crate::http::refusal::Refusal;

/// What a request was, as far as its response depends on it.
pub enum Asked<V> {
    /// Anything whose response may have a body.
    Usual,
    /// HEAD.
    Head,
    /// A tunnel for a WebSocket.
    WebSocket(Box<Opening<V>>),
}

/// Leave to answer one request.
pub struct Reply<R: Respond> {
    respond: R,
    asked: Asked<R::Receive>,
}

/// A response whose head is the protocol's to send.
pub enum Sent<B, S: Windows, R: Respond> {
    /// It has no body, or the protocol would not take it.
    All,
    /// Its body is to follow.
    Body(Pump<B, S, R::Send>),
    /// Bytes both ways are to follow.
    Tunnel(Tunnel<B, S, R::Send, R::Receive>),
}

impl<R: Respond> Reply<R> {
    /// To a request that was this.
    pub fn new(respond: R, asked: Asked<R::Receive>) -> Self {
        Self { respond, asked }
    }

    /// Ready when the client wants no answer any more.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.respond.poll_gone(cx)
    }

    /// Sends interim responses. What the protocol will not take is not sent: they are a courtesy.
    pub fn interim(&mut self, responses: Vec<Response<()>>) {
        for response in responses {
            if let Err(error) = self.respond.interim(response) {
                tracing::debug!(%error, "interim response");
            }
        }
    }

    /// Sends the head, and of a tunnel or an impossible response that of another in its place.
    pub fn send<H: Handler, S: Windows>(
        mut self,
        mut response: Response<Tracked<H::Body, S>>,
        service: &Service<H, S>,
    ) -> Sent<H::Body, S, R> {
        let status = response.status();
        if let Asked::WebSocket(opening) = self.asked {
            self.asked = Asked::Usual;
            if status == StatusCode::SWITCHING_PROTOCOLS && opening.is_accepted_by(response.headers()) {
                let takeover = response.extensions_mut().remove::<Takeover>();
                if let Some(takeover) = takeover {
                    return self.open(response, takeover, *opening);
                }
            }
            if status.is_success() || status.is_informational() {
                // Passed on, it would say that the tunnel is open (RFC 8441 §5).
                response = service.replace(Refusal::OriginAmbiguous, response.into_body().into_in_flight());
            }
        } else if status.is_informational() {
            response = service.replace(Refusal::Internal, response.into_body().into_in_flight());
        }
        self.usual(response)
    }

    fn usual<B, S: Windows>(mut self, response: Response<Tracked<B, S>>) -> Sent<B, S, R>
    where
        B: Body<Data = Bytes, Error = BoxError> + Unpin,
    {
        let (parts, body) = response.into_parts();
        let mut head = Response::from_parts(parts, ());
        hop_by_hop::strip_response(head.headers_mut());
        if !head.headers().contains_key(header::DATE) {
            head.headers_mut().insert(header::DATE, now());
        }
        let none = matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || body.is_end_stream();
        if !none
            && !head.headers().contains_key(header::CONTENT_LENGTH)
            && let Some(length) = body.size_hint().exact()
        {
            head.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        // To a HEAD, the length is that of the body a GET would have got (RFC 9110 §8.6).
        let end = none || matches!(self.asked, Asked::Head);
        match self.respond.head(head, end) {
            Ok(_) if end => Sent::All,
            Ok(stream) => Sent::Body(Pump::new(stream, body)),
            Err(error) => {
                tracing::debug!(%error, "response head");
                self.respond.reset();
                Sent::All
            }
        }
    }

    /// The tunnel's 200, which has no length and no Sec-WebSocket-Accept (RFC 8441 §5).
    fn open<B, S: Windows>(
        mut self,
        response: Response<Tracked<B, S>>,
        takeover: Takeover,
        opening: Opening<R::Receive>,
    ) -> Sent<B, S, R> {
        let (parts, body) = response.into_parts();
        let mut head = Response::from_parts(parts, ());
        *head.status_mut() = StatusCode::OK;
        hop_by_hop::strip_response(head.headers_mut());
        head.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        head.headers_mut().remove(header::CONTENT_LENGTH);
        match self.respond.head(head, false) {
            Ok(stream) => Sent::Tunnel(Tunnel::new(stream, opening.into_stream(), takeover, body)),
            Err(error) => {
                tracing::debug!(%error, "tunnel head");
                self.respond.reset();
                Sent::All
            }
        }
    }
}

/// For responses that have no Date: few, since what is stored has one.
fn now() -> HeaderValue {
    let date = httpdate::fmt_http_date(SystemTime::now());
    // A date is letters, digits and punctuation.
    HeaderValue::try_from(date).unwrap_or_else(|_| HeaderValue::from_static(""))
}
