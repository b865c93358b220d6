//! Interim responses of one stream, from whoever has them for it to the task that may write on it.

use std::sync::Arc;
use std::task::Waker;

use http::{HeaderMap, Response, StatusCode};
use parking_lot::Mutex;

/// One stream's. Written by the handler or the request's body, read by the stream's task.
#[derive(Debug, Clone, Default)]
pub struct StreamHints(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Response<()>>,
    /// Bytes of fields that were queued in all.
    taken: usize,
    /// The final response has begun, or the stream is gone.
    closed: bool,
    waker: Option<Waker>,
}

impl StreamHints {
    /// Queues one whose fields are fit to be sent, unless it comes too late or all of them exceed `most` bytes.
    pub fn send(&self, status: StatusCode, headers: HeaderMap, most: usize) {
        // As RFC 7541 §4.1 counts fields; one more for the status.
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        let mut queue = self.0.lock();
        if queue.closed || queue.taken + size + 32 > most {
            return;
        }
        queue.taken += size + 32;
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        queue.waiting.push(response);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }

    /// What is to be written; `waker` is woken by the next.
    pub fn take(&self, waker: &Waker) -> Vec<Response<()>> {
        let mut queue = self.0.lock();
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
        std::mem::take(&mut queue.waiting)
    }

    /// What is left to be written before the final response; nothing is taken after it.
    pub fn close(&self) -> Vec<Response<()>> {
        let mut queue = self.0.lock();
        queue.closed = true;
        queue.waker = None;
        std::mem::take(&mut queue.waiting)
    }
}

/// A connection's place where a handler finds the [`StreamHints`] of the stream it works on. It is lent while a
/// handler's future is polled, and only then: futures of a connection are polled one at a time. So a response that
/// needs no waiting costs nothing here, and a stream whose handler asks for nothing has none.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Mutex<Place>>);

#[derive(Debug, Default)]
enum Place {
    #[default]
    Closed,
    Open(Option<StreamHints>),
}

impl Desk {
    /// A future of the stream that has these is about to be polled.
    pub fn lend(&self, hints: Option<StreamHints>) {
        *self.0.lock() = Place::Open(hints);
    }

    /// It was polled.
    pub fn take_back(&self) -> Option<StreamHints> {
        match std::mem::take(&mut *self.0.lock()) {
            Place::Closed => None,
            Place::Open(hints) => hints,
        }
    }

    /// Those of the stream whose future is being polled.
    pub fn hints(&self) -> Option<StreamHints> {
        match &mut *self.0.lock() {
            Place::Closed => None,
            Place::Open(hints) => Some(hints.get_or_insert_default().clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_has_its_own_and_only_while_it_is_polled() {
        let desk = Desk::default();
        assert!(desk.hints().is_none(), "nobody is polled");
        desk.lend(None);
        assert!(desk.take_back().is_none(), "nobody asked");
        desk.lend(None);
        let first = desk.hints().unwrap();
        first.send(StatusCode::EARLY_HINTS, HeaderMap::new(), 1024);
        let first = desk.take_back().unwrap();
        desk.lend(None);
        assert!(desk.hints().unwrap().take(Waker::noop()).is_empty(), "another stream");
        desk.take_back();
        desk.lend(Some(first));
        assert_eq!(desk.hints().unwrap().take(Waker::noop()).len(), 1);
        desk.take_back();
        assert!(desk.hints().is_none());
    }

    #[test]
    fn none_after_the_final_one_nor_without_end() {
        let hints = StreamHints::default();
        for _ in 0..100 {
            hints.send(StatusCode::PROCESSING, HeaderMap::new(), 1024);
        }
        assert_eq!(hints.take(Waker::noop()).len(), 1024 / 32);
        let hints = StreamHints::default();
        hints.send(StatusCode::EARLY_HINTS, HeaderMap::new(), 1024);
        assert_eq!(hints.close().len(), 1);
        hints.send(StatusCode::EARLY_HINTS, HeaderMap::new(), 1024);
        assert!(hints.close().is_empty());
    }
}
