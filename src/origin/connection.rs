//! Open connections: one in use, and a thread's idle ones.
//!
//! Idle connections are taken up last in, first out, so that a pool that needs few keeps few: those at the bottom
//! time out.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::member::Member;
use super::pace::Outgoing;
use super::wire::Received;

/// An idle connection is closed after this; servers usually do so after 60 s or more, and the one who closes
/// first never sends a request into a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections kept per member and thread.
const MAX_IDLE: usize = 64;
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

pub(super) enum Sender {
    H1(http1::SendRequest<Outgoing>),
    H2(http2::SendRequest<Outgoing>),
}

/// A connection that is in use. Dropped, it is closed, unless it is HTTP/2 and others still use it.
pub(super) struct Connection {
    sender: Sender,
    shared: Arc<Shared>,
}

/// What lives as long as the socket is wanted.
struct Shared {
    member: Arc<Member>,
    received: Received,
    task: AbortHandle,
    idle: Mutex<bool>,
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
        Self { sender, shared: Arc::new(Shared { member, received, task, idle: Mutex::new(false) }) }
    }

    pub(super) fn is_h2(&self) -> bool {
        matches!(self.sender, Sender::H2(_))
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
            Sender::H2(sender) => sender.try_send_request(request).await,
        }
    }

    /// Another handle on the same HTTP/2 connection.
    fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::H1(_) => None,
            Sender::H2(sender) => {
                Some(Self { sender: Sender::H2(sender.clone()), shared: self.shared.clone() })
            }
        }
    }

    /// Whether a request can be sent now; an error means never again.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        match &mut self.sender {
            Sender::H1(sender) => sender.poll_ready(cx),
            Sender::H2(sender) => sender.poll_ready(cx),
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
        while let Some(mut last) = idle.pop() {
            if last.since.elapsed() >= IDLE_TIMEOUT && !last.connection.is_h2() {
                continue;
            }
            if let Poll::Ready(Ok(())) = last.connection.poll_ready(&mut cx) {
                if let Some(shared) = last.connection.share() {
                    idle.push(Idle { connection: shared, since: Instant::now() });
                }
                last.connection.shared.set_idle(false);
                return Some(last.connection);
            }
        }
        None
    }

    /// Takes back a connection whose response is at its end, now or as soon as it can carry the next request.
    pub(super) fn give_back(self: &Arc<Self>, mut connection: Connection) {
        if connection.is_h2() {
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

    /// Lets others use a new HTTP/2 connection at once. The first of several made at the same time stays.
    pub(super) fn publish(&self, connection: &Connection) {
        if let Some(shared) = connection.share() {
            let mut all = self.idle.lock();
            let idle = all.entry(connection.shared.member.place.identity).or_default();
            if idle.is_empty() {
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
