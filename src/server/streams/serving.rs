//! Requests of streams: answered on the spot what needs no waiting, the others by a task each.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use http::request::Parts;
use http::{Method, Request, header};

use super::super::body::ClientBody;
use super::super::handler::Handler;
use super::super::service::{Answer, Service};
use super::halves::{ReceiveHalf, Respond};
use super::hints::{Desk, StreamHints};
use super::pump::Windows;
use super::reply::{Asked, Reply, Sent};
use super::upload::Upload;
use super::waiting::Waiting;
use super::websocket::{Accept, Opening};

/// What the streams of one connection have in common.
#[derive(Debug)]
pub struct Serving<H, S> {
    /// Answers them.
    pub service: Service<H, S>,
    /// Where a handler finds its stream's way for interim responses.
    pub desk: Desk,
}

impl<H: Handler, S: Windows> Serving<H, S> {
    /// Answers one request, or leaves it to a task of its own.
    pub fn take<R: Respond>(self: &Arc<Self>, request: Request<R::Receive>, respond: R)
    where
        Upload<R::Receive>: Into<ClientBody>,
    {
        let (parts, stream) = request.into_parts();
        let Read { request, asked, hints } = Read::of::<R>(parts, stream);
        let reply = Reply::new(respond, asked);
        match self.service.answer(request) {
            Answer::Now(response) => match reply.send(response, &self.service) {
                Sent::All => {}
                Sent::Body(mut pump) => {
                    // What is not at its end now is polled again by its task, with that one's waker.
                    let mut quiet = Context::from_waker(Waker::noop());
                    if Pin::new(&mut pump).poll(&mut quiet).is_pending() {
                        tokio::spawn(pump);
                    }
                }
                Sent::Tunnel(tunnel) => drop(tokio::spawn(tunnel.run())),
            },
            Answer::Later(promise, in_flight) => {
                let serving = Arc::clone(self);
                tokio::spawn(Waiting { serving, promise, in_flight, reply, hints }.run());
            }
        }
    }
}

/// A request as the handler gets it, what its response depends on, and the way for the 100 that it may expect.
struct Read<V> {
    request: Request<ClientBody>,
    asked: Asked<V>,
    hints: Option<StreamHints>,
}

impl<V: ReceiveHalf> Read<V>
where
    Upload<V>: Into<ClientBody>,
{
    fn of<R: Respond<Receive = V>>(mut parts: Parts, stream: V) -> Self {
        let mut asked = if parts.method == Method::HEAD { Asked::Head } else { Asked::Usual };
        let mut hints = None;
        let body = if parts.method == Method::CONNECT {
            let protocol = R::extended_protocol(&mut parts);
            match Accept::begin(&mut parts, protocol.as_ref().map(AsRef::as_ref)) {
                Some(accept) => asked = Asked::WebSocket(Box::new(Opening::new(accept, stream))),
                // Its bytes are none of a message, and nobody tunnels them.
                None => drop(stream),
            }
            ClientBody::Empty
        } else if stream.is_end() {
            ClientBody::Empty
        } else {
            let expects = parts.headers.get(header::EXPECT);
            if expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
                hints = Some(StreamHints::default());
            }
            Upload::new(stream, &parts.headers, hints.clone()).into()
        };
        Self { request: Request::from_parts(parts, body), asked, hints }
    }
}
