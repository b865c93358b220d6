//! Open connections: one in use, and a thread's idle ones.
//!
//! Idle connections are taken up last in, first out, so that a pool that needs few keeps few: those at the bottom
//! time out.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::member::Member;
use super::pace::Outgoing;
use super::wire::{Received, Wire};
use crate::http::protocol::Protocol;

/// An idle connection is closed after this; servers usually do so after 60 s or more, and the one who closes
/// first never sends a request into a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections kept per member and thread.
const MAX_IDLE: usize = 64;
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

pub(super) enum Sender {
    H1(http1::SendRequest<Outgoing>),
    H2(http2::SendRequest<Outgoing>, Arc<Driver>),
}

/// What runs an HTTP/2 connection; only it knows how many streams the origin takes at once.
pub(super) struct Driver(Mutex<H2>);

type H2 = http2::Connection<TokioIo<Wire>, Outgoing, TokioExecutor>;

impl Driver {
    pub(super) fn new(connection: H2) -> Arc<Self> {
        Arc::new(Self(Mutex::new(connection)))
    }

    /// Until the connection ends. Its error reaches whoever waits for a response.
    pub(super) async fn run(self: Arc<Self>) {
        std::future::poll_fn(|cx| Pin::new(&mut *self.0.lock()).poll(cx).map(drop)).await;
    }

    fn max_streams(&self) -> usize {
        self.0.lock().current_max_send_streams()
    }
}

/// A connection that is in use. Dropped, it is closed, unless it is HTTP/2 and others still use it.
pub(super) struct Connection {
    sender: Sender,
    shared: Arc<Shared>,
    /// One of the requests that an HTTP/2 connection carries; the handle that waits for the next is none.
    stream: Option<Stream>,
}

/// Counted on its connection for as long as it lives.
struct Stream(Arc<Shared>);

impl Stream {
    fn of(shared: &Arc<Shared>) -> Self {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What lives as long as the socket is wanted.
struct Shared {
    member: Arc<Member>,
    received: Received,
    task: AbortHandle,
    idle: Mutex<bool>,
    streams: AtomicUsize,
}

impl Shared {
    fn set_idle(&self, idle: bool) {
        let mut was = self.idle.lock();
        let metrics = &self.member.origin.metrics;
        match (*was, idle) {
            (false, true) => {
                metrics.active.dec();
                metrics.idle.inc();
            }
            (true, false) => {
                metrics.idle.dec();
                metrics.active.inc();
            }
            _ => {}
        }
        *was = idle;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Not left to hyper: its orderly end waits for a peer that may be what made us give up.
        self.task.abort();
        let metrics = &self.member.origin.metrics;
        if *self.idle.get_mut() { metrics.idle.dec() } else { metrics.active.dec() }
    }
}

impl Connection {
    pub(super) fn new(member: Arc<Member>, sender: Sender, received: Received, task: AbortHandle) -> Self {
        member.origin.metrics.active.inc();
        let (idle, streams) = (Mutex::new(false), AtomicUsize::new(0));
        let shared = Arc::new(Shared { member, received, task, idle, streams });
        let stream = matches!(sender, Sender::H2(..)).then(|| Stream::of(&shared));
        Self { sender, shared, stream }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self.sender {
            Sender::H1(_) => Protocol::Http1,
            Sender::H2(..) => Protocol::Http2,
        }
    }

    /// Bytes received over its life.
    pub(super) fn received(&self) -> u64 {
        self.shared.received.bytes()
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        match &mut self.sender {
            Sender::H1(sender) => sender.try_send_request(request).await,
            Sender::H2(sender, _) => sender.try_send_request(request).await,
        }
    }

    /// Another handle on the same HTTP/2 connection, which waits.
    fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::H1(_) => None,
            Sender::H2(sender, driver) => {
                let (sender, shared) = (Sender::H2(sender.clone(), driver.clone()), self.shared.clone());
                Some(Self { sender, shared, stream: None })
            }
        }
    }

    /// Whether the origin takes another request beside those under way. Beyond its limit hyper would hold it back,
    /// for as long as a stream lives that may have no end.
    fn has_room(&self) -> bool {
        match &self.sender {
            Sender::H1(_) => true,
            Sender::H2(_, driver) => self.shared.streams.load(Ordering::Relaxed) < driver.max_streams(),
        }
    }

    /// Whether a request can be sent now; an error means never again.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        match &mut self.sender {
            Sender::H1(sender) => sender.poll_ready(cx),
            Sender::H2(sender, _) => sender.poll_ready(cx),
        }
    }
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A thread's connections that wait for their next request, by member.
#[derive(Default)]
pub(super) struct Connections {
    idle: Mutex<HashMap<u64, Vec<Idle>>>,
}

impl Connections {
    /// A new set, swept for as long as somebody holds it. Must be called within a runtime.
    pub(super) fn start() -> Arc<Self> {
        let connections = Arc::new(Self::default());
        tokio::spawn(sweep(Arc::downgrade(&connections)));
        connections
    }

    /// The connection that was used last, if one is alive.
    pub(super) fn take(&self, member: &Member) -> Option<Connection> {
        let mut all = self.idle.lock();
        let idle = all.get_mut(&member.place.identity)?;
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = idle.len();
        while let Some(at) = next.checked_sub(1) {
            next = at;
            let last = idle.get_mut(at)?;
            let old = last.since.elapsed() >= IDLE_TIMEOUT && last.connection.protocol() == Protocol::Http1;
            if old || !matches!(last.connection.poll_ready(&mut cx), Poll::Ready(Ok(()))) {
                idle.remove(at);
                continue;
            }
            if !last.connection.has_room() {
                continue;
            }
            let Some(mut shared) = last.connection.share() else {
                let taken = idle.remove(at).connection;
                taken.shared.set_idle(false);
                return Some(taken);
            };
            last.since = Instant::now();
            shared.stream = Some(Stream::of(&shared.shared));
            return Some(shared);
        }
        None
    }

    /// Takes back a connection whose response is at its end, now or as soon as it can carry the next request.
    pub(super) fn give_back(self: &Arc<Self>, mut connection: Connection) {
        if connection.protocol() == Protocol::Http2 {
            return;
        }
        match connection.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => self.park(connection),
            Poll::Ready(Err(_)) => {}
            // The origin has answered before it took the whole request, or hyper's task has yet to run.
            Poll::Pending => {
                let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
                let home = Arc::downgrade(self);
                runtime.spawn(async move {
                    let ready = std::future::poll_fn(|cx| connection.poll_ready(cx));
                    if let (Ok(Ok(())), Some(home)) =
                        (tokio::time::timeout(SWEEP, ready).await, home.upgrade())
                    {
                        home.park(connection);
                    }
                });
            }
        }
    }

    /// Lets others use a new HTTP/2 connection at once. Of several made at the same time those stay that are needed.
    pub(super) fn publish(&self, connection: &Connection) {
        if let Some(shared) = connection.share() {
            let mut all = self.idle.lock();
            let idle = all.entry(connection.shared.member.place.identity).or_default();
            if idle.len() < MAX_IDLE && !idle.iter().any(|idle| idle.connection.has_room()) {
                idle.push(Idle { connection: shared, since: Instant::now() });
            }
        }
    }

    fn park(&self, connection: Connection) {
        let mut all = self.idle.lock();
        let idle = all.entry(connection.shared.member.place.identity).or_default();
        if idle.len() < MAX_IDLE {
            connection.shared.set_idle(true);
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Closes what has waited too long or is dead.
    pub(super) fn sweep(&self, now: Instant) {
        let mut cx = Context::from_waker(Waker::noop());
        self.idle.lock().retain(|_, idle| {
            idle.retain_mut(|one| {
                let alive = matches!(one.connection.poll_ready(&mut cx), Poll::Ready(Ok(())));
                alive && now.saturating_duration_since(one.since) < IDLE_TIMEOUT
            });
            !idle.is_empty()
        });
    }

    #[cfg(test)]
    pub(super) fn idle_count(&self) -> usize {
        self.idle.lock().values().map(Vec::len).sum()
    }
}

async fn sweep(connections: Weak<Connections>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        match connections.upgrade() {
            Some(connections) => connections.sweep(Instant::now()),
            None => return,
        }
    }
}
