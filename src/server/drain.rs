//! The word that the server is to stop, passed to every accept loop and connection.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// While the server drains: how long a connection without a request is kept for one that is on its way, in milliseconds.
/// More than the round trip of nearly every client, and little beside `shutdown_timeout`. HTTP/1 only: HTTP/2 says up to
/// which request it answers. (nginx: `keepalive_min_timeout`; HAProxy: `idle-close-on-response`.)
pub const LAST_REQUEST: u64 = 2_000;

/// Shared by all workers.
#[derive(Debug, Default)]
pub struct Drain {
    draining: AtomicBool,
    deadline: Mutex<Option<Instant>>,
    notify: Notify,
}

impl Drain {
    /// Gives the word: whatever is still there at `deadline` is dropped.
    pub fn start(&self, deadline: Instant) {
        *self.deadline.lock() = Some(deadline);
        self.draining.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    /// Whether the word was given.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// When what is left is dropped; now, if no word was given.
    pub fn deadline(&self) -> Instant {
        self.deadline.lock().unwrap_or_else(Instant::now)
    }

    /// Wakes whoever polled it before the word is given; to be followed by [`Drain::is_draining`].
    pub fn notified(&self) -> Notified<'_> {
        self.notify.notified()
    }

    /// Ends when the word was given so long ago that a request which was on its way then has arrived.
    pub async fn last_request(&self) {
        self.wait().await;
        tokio::time::sleep(Duration::from_millis(LAST_REQUEST)).await;
    }

    /// Ends when the word is given.
    pub async fn wait(&self) {
        let mut notified = std::pin::pin!(self.notified());
        // Registered before looking, so that the word cannot fall in between.
        notified.as_mut().enable();
        if !self.is_draining() {
            notified.await;
        }
    }
}

/// How many connections a worker has.
#[derive(Debug, Default)]
pub struct Open {
    count: AtomicUsize,
    none: Notify,
}

impl Open {
    /// One more, until it is dropped.
    pub fn enter(self: &std::sync::Arc<Self>) -> Entered {
        self.count.fetch_add(1, Ordering::AcqRel);
        Entered(self.clone())
    }

    /// Ends when there are none.
    pub async fn none(&self) {
        loop {
            let mut notified = std::pin::pin!(self.none.notified());
            notified.as_mut().enable();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// One of a worker's connections.
#[derive(Debug)]
pub struct Entered(std::sync::Arc<Open>);

impl Drop for Entered {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}
