//! The life of an HTTP/2 connection: takes streams in, and answers on the spot what needs no waiting.
//!
//! A hit costs no task: its response is given to h2 in the same poll that its request came out of, and those of all
//! requests that came together leave together.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Ping, PingPong, RecvStream};
use http::{Method, Request, header};

use super::super::body::ClientBody;
use super::super::drive;
use super::super::handler::Handler;
use super::super::io::GuardedIo;
use super::super::service::{Answer, Service};
use super::hints::StreamHints;
use super::reply::{Asked, Reply, Sent};
use super::stream::Waiting;
use super::upload::Upload;
use super::websocket::Opening;

/// A connection, from its preface on.
pub struct Serving<H: Handler> {
    phase: Phase,
    service: Arc<Service<H>>,
    /// It was told to go before it was open.
    going: bool,
}

/// There is one for each connection, and it is never moved once it is polled.
#[allow(clippy::large_enum_variant)]
enum Phase {
    /// Our settings go out, the client's preface is awaited.
    Greeting(Handshake<GuardedIo, Bytes>),
    Open(Connection<GuardedIo, Bytes>, Option<PingPong>),
}

/// Polls of h2 while requests are answered. Each response would wake this task for another round although it is
/// this task that gives it to h2. So h2 knows its waker only when it is polled for the last time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Nothing was answered yet.
    First,
    /// Something was, and is gathered.
    Next,
    /// All is, and goes out.
    Last,
}

impl<H: Handler> Serving<H> {
    /// A connection on which nothing was said yet.
    pub fn new(io: GuardedIo, settings: &Builder, service: Arc<Service<H>>) -> Self {
        service.state.heard();
        Self { phase: Phase::Greeting(settings.handshake(io)), service, going: false }
    }
}

impl<H: Handler> Future for Serving<H> {
    type Output = Result<(), h2::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.phase {
                Phase::Greeting(handshake) => {
                    let mut connection = ready!(Pin::new(handshake).poll(cx))?;
                    let pings = connection.ping_pong();
                    if this.going {
                        connection.graceful_shutdown();
                    }
                    this.phase = Phase::Open(connection, pings);
                }
                Phase::Open(connection, _) => return poll_streams(connection, &this.service, cx),
            }
        }
    }
}

impl<H: Handler> drive::Connection for Serving<H> {
    const SAYS_GOODBYE: bool = true;

    fn go(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.going = true;
        if let Phase::Open(connection, _) = &mut this.phase {
            connection.graceful_shutdown();
        }
    }

    fn ping(self: Pin<&mut Self>) {
        if let Phase::Open(_, Some(pings)) = &mut self.get_mut().phase {
            // Whatever the client sends shows that it is there, so nobody waits for the pong itself; but h2 sends no
            // second ping before the first one's was taken.
            let _ = pings.poll_pong(&mut Context::from_waker(Waker::noop()));
            let _ = pings.send_ping(Ping::opaque());
        }
    }
}

/// Answers what comes until nothing does.
fn poll_streams<H: Handler>(
    connection: &mut Connection<GuardedIo, Bytes>,
    service: &Arc<Service<H>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), h2::Error>> {
    let mut quiet = Context::from_waker(Waker::noop());
    let mut round = Round::First;
    loop {
        let polled = match round {
            Round::First => connection.poll_accept(cx),
            Round::Next => connection.poll_accept(&mut quiet),
            Round::Last => {
                service.state.set_flushing(true);
                let polled = connection.poll_accept(cx);
                service.state.set_flushing(false);
                polled
            }
        };
        round = match polled {
            Poll::Ready(Some(Ok((request, respond)))) => {
                // The handler's panics are caught behind this; what is left are those of a body's smaller methods,
                // and the streams beside this one must not end with it. h2 resets what is dropped unanswered.
                let taken = catch_unwind(AssertUnwindSafe(|| take(request, respond, service)));
                if taken.is_err() {
                    tracing::error!("a response panicked before its body");
                }
                Round::Next
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending if round == Round::Next => Round::Last,
            Poll::Pending => return Poll::Pending,
        };
    }
}

/// Answers one request, or leaves it to a task of its own.
fn take<H: Handler>(request: Request<RecvStream>, respond: SendResponse<Bytes>, service: &Arc<Service<H>>) {
    let (request, asked, hints) = read(request);
    let reply = Reply::new(respond, asked);
    match service.answer(request) {
        Answer::Now(response) => match reply.send(response, service) {
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
            let service = Arc::clone(service);
            tokio::spawn(Waiting { service, promise, in_flight, reply, hints }.run());
        }
    }
}

/// The request as the handler gets it, what its response depends on, and the way for the 100 that it may expect.
fn read(request: Request<RecvStream>) -> (Request<ClientBody>, Asked, Option<StreamHints>) {
    let (mut parts, stream) = request.into_parts();
    let mut asked = if parts.method == Method::HEAD { Asked::Head } else { Asked::Usual };
    let mut hints = None;
    let body = if parts.method == Method::CONNECT {
        match Opening::begin(&mut parts) {
            Some(accept) => asked = Asked::WebSocket(Box::new(Opening::new(accept, stream))),
            // Its bytes are none of a message, and nobody tunnels them.
            None => drop(stream),
        }
        ClientBody::Empty
    } else if stream.is_end_stream() {
        ClientBody::Empty
    } else {
        let expects = parts.headers.get(header::EXPECT);
        if expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            hints = Some(StreamHints::default());
        }
        ClientBody::Http2(Upload::new(stream, &parts.headers, hints.clone()))
    };
    (Request::from_parts(parts, body), asked, hints)
}
