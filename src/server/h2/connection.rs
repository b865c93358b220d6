//! The life of an HTTP/2 connection: takes streams in, and has answered on the spot what needs no waiting.
//!
//! A hit costs no task: its response is given to h2 in the same poll that its request came out of, and those of all
//! requests that came together leave together.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::server::{Builder, Connection, Handshake};
use h2::{Ping, PingPong};

use super::super::drive::{Driven, End, drive};
use super::super::handler::Handler;
use super::super::opened::Opened;
use super::super::streams::hints::Desk;
use super::super::streams::serving::Serving;
use super::io::GatheringIo;
use super::state::{Silence, State};

/// Serves a connection to its end.
pub async fn serve<H: Handler>(opened: Opened<H>) {
    let worker = Arc::clone(&opened.worker);
    let desk = Desk::default();
    let (link, service) = opened.begin(State::new, desk.clone());
    let serving = Arc::new(Serving { service, desk });
    let mut connection = Streams::new(GatheringIo::new(link), &worker.protocols.h2, serving.clone());
    let service = &serving.service;
    match drive(Pin::new(&mut connection), &service.state, &worker.drain).await {
        End::Done(Err(error)) => {
            tracing::debug!(peer = %service.peer.addr, %error, "HTTP/2 connection");
        }
        End::Done(Ok(())) | End::Stalled => {}
    }
}

/// A connection, from its preface on.
struct Streams<H: Handler> {
    phase: Phase,
    serving: Arc<Serving<H, State>>,
    /// It was told to go before it was open.
    going: bool,
}

/// There is one for each connection, and it is never moved once it is polled.
#[allow(clippy::large_enum_variant)]
enum Phase {
    /// Our settings go out, the client's preface is awaited.
    Greeting(Handshake<GatheringIo, Bytes>),
    Open(Connection<GatheringIo, Bytes>, Option<PingPong>),
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

impl<H: Handler> Streams<H> {
    /// A connection on which nothing was said yet.
    fn new(io: GatheringIo, settings: &Builder, serving: Arc<Serving<H, State>>) -> Self {
        serving.service.state.heard();
        Self { phase: Phase::Greeting(settings.handshake(io)), serving, going: false }
    }

    fn poll_phases(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            match &mut self.phase {
                Phase::Greeting(handshake) => {
                    let mut connection = ready!(Pin::new(handshake).poll(cx))?;
                    let pings = connection.ping_pong();
                    if self.going {
                        connection.graceful_shutdown();
                    }
                    self.phase = Phase::Open(connection, pings);
                }
                Phase::Open(connection, _) => return poll_streams(connection, &self.serving, cx),
            }
        }
    }
}

impl<H: Handler> Future for Streams<H> {
    type Output = Result<(), h2::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let polled = this.poll_phases(cx);
        if polled.is_ready() || !this.serving.service.state.gathered() {
            return polled;
        }
        // All that was ready is gathered: now it is written, in one piece.
        this.serving.service.state.set_flushing(true);
        let polled = this.poll_phases(cx);
        this.serving.service.state.set_flushing(false);
        polled
    }
}

impl<H: Handler> Driven for Streams<H> {
    type State = State;

    fn drain(_: &State) -> bool {
        true
    }

    fn go(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.going = true;
        if let Phase::Open(connection, _) = &mut this.phase {
            connection.graceful_shutdown();
        }
    }

    fn due(self: Pin<&mut Self>, Silence: Silence, state: &State) {
        state.pinged();
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
    connection: &mut Connection<GatheringIo, Bytes>,
    serving: &Arc<Serving<H, State>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), h2::Error>> {
    let mut quiet = Context::from_waker(Waker::noop());
    let mut round = Round::First;
    loop {
        let polled = match round {
            Round::First => connection.poll_accept(cx),
            Round::Next => connection.poll_accept(&mut quiet),
            Round::Last => {
                serving.service.state.set_flushing(true);
                let polled = connection.poll_accept(cx);
                serving.service.state.set_flushing(false);
                polled
            }
        };
        round = match polled {
            Poll::Ready(Some(Ok((request, respond)))) => {
                // The handler's panics are caught behind this; what is left are those of a body's smaller methods,
                // and the streams beside this one must not end with it. h2 resets what is dropped unanswered.
                let taken = catch_unwind(AssertUnwindSafe(|| serving.take(request, respond)));
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
