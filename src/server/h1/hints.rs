//! Interim responses of HTTP/1.1, from whoever has them to the connection's task.
//!
//! hyper's server has no way to send them, so they are written below hyper, and only between messages: after hyper has
//! flushed all it had when the request came, and before the first byte of the final response. While a handler works on
//! a request without a body, hyper has nothing to write, so that is the whole of that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

/// A connection's place for them: its requests have their turn one after the other.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Pipe>);

#[derive(Debug, Default)]
struct Pipe {
    /// A handler is working on a request that may get some.
    open: AtomicBool,
    /// There are bytes to write.
    pending: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Which request of the connection is answered, wrapping.
    turn: u32,
    /// hyper has written all that was before this request's response.
    clean: bool,
    bytes: Vec<u8>,
    /// Bytes queued for this request.
    taken: usize,
    /// The connection's task.
    waker: Option<Waker>,
}

/// Leave to send some to one request.
#[derive(Debug, Clone)]
pub struct Turn {
    pipe: Arc<Pipe>,
    number: u32,
}

impl Turns {
    /// A handler begins to work on a request.
    pub fn begin(&self) {
        let pipe = &self.0;
        let mut queue = pipe.queue.lock();
        queue.turn = queue.turn.wrapping_add(1);
        queue.clean = false;
        queue.taken = 0;
        pipe.open.store(true, Relaxed);
    }

    /// It has a response: nothing more is taken, and what is there goes out before it.
    pub fn end(&self) {
        let pipe = &self.0;
        // Under the lock, so that who is about to queue has done so or will not.
        let _queue = pipe.queue.lock();
        pipe.open.store(false, Relaxed);
    }

    /// hyper has nothing left to write. `waker` is of the task that flushes again.
    pub fn flushed(&self, waker: &Waker) {
        let pipe = &self.0;
        if !pipe.open.load(Relaxed) {
            return;
        }
        let mut queue = pipe.queue.lock();
        queue.clean = true;
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
    }

    /// What is to be written before anything else, if there is something.
    pub fn take(&self) -> Option<Vec<u8>> {
        let pipe = &self.0;
        if !pipe.pending.swap(false, Relaxed) {
            return None;
        }
        Some(std::mem::take(&mut pipe.queue.lock().bytes))
    }

    /// That of the request which is worked on now; none if it takes no interim responses.
    pub fn current(&self) -> Option<Turn> {
        let number = self.0.queue.lock().turn;
        self.0.open.load(Relaxed).then(|| Turn { pipe: Arc::clone(&self.0), number })
    }
}

impl Turn {
    /// Queues one whose fields are fit to be sent, unless it comes too late or all of them exceed `most` bytes.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap, most: usize) {
        let head = head(status, headers);
        let mut queue = self.pipe.queue.lock();
        let in_time = self.pipe.open.load(Relaxed) && queue.turn == self.number && queue.clean;
        if !in_time || queue.taken + head.len() > most {
            return;
        }
        queue.taken += head.len();
        queue.bytes.extend_from_slice(&head);
        self.pipe.pending.store(true, Relaxed);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

/// As HTTP/1.1. The fields were parsed as HTTP, so there is no line break in them.
fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Interim");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
