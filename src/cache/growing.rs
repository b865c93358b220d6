//! A body that is read while it arrives.
//!
//! One producer appends; any number of readers follow, each at its own pace, from any thread. Nobody waits for
//! a slow reader. What has arrived stays until the body is dropped, so its size is what bounds it: a producer
//! that meets a body larger than it may keep says so with [`Growing::set_window`], and from then on only the
//! newest part is kept; the producer waits for the fastest reader, and a reader that falls out of the window is
//! told so and must break its response off.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;

use super::budget::Reserved;
use crate::http::refusal::Refusal;

/// Why a body will never be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The origin's body ended early or was reset.
    #[error("the origin's body broke off")]
    Origin,
    /// The origin answered with an error, and may have said in how many seconds to ask again.
    #[error("the origin answered {status}")]
    Answered {
        /// Its status.
        status: StatusCode,
        /// Its Retry-After.
        retry_after: Option<u32>,
    },
    /// The origin gave no answer.
    #[error("the origin gave no answer: {}", .0.as_str())]
    Unanswered(Refusal),
    /// The reader fell further behind than is kept of a body too large to keep.
    #[error("the reader fell behind")]
    Behind,
    /// What was being fetched is another version than what this response began with.
    #[error("the resource changed at the origin")]
    Changed,
    /// Nobody seemed to want it any more, so it was not fetched to its end.
    #[error("it was given up")]
    Abandoned,
}

/// The shared state of a body that arrives.
#[derive(Debug, Default)]
pub struct Growing {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunks: Vec<Bytes>,
    /// Offset in the body of `chunks[0]`, and how many chunks were dropped before it.
    start: u64,
    dropped: usize,
    /// Offset of the next byte to arrive.
    end: u64,
    done: Option<Result<(), Broken>>,
    window: Option<u64>,
    /// The furthest any reader has read.
    fastest: u64,
    readers: usize,
    /// Somebody reads it, or has.
    begun: bool,
    waiting: Vec<Waker>,
    /// Counts how often `waiting` was emptied, so that a reader knows whether its place in it still holds.
    round: u64,
    producer: Option<Waker>,
    /// Memory that was set aside for it.
    reserved: Option<Reserved>,
}

impl State {
    fn wake_readers(&mut self) -> Vec<Waker> {
        self.round += 1;
        std::mem::take(&mut self.waiting)
    }
}

fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

impl Growing {
    /// Appends what arrived. The chunk is kept as it is: hand in bytes that own their memory.
    pub fn push(&self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        state.end += chunk.len() as u64;
        state.chunks.push(chunk);
        if let Some(window) = state.window {
            // Never what the fastest reader has yet to read: one large chunk must not break off whoever kept up.
            let floor = state.end.saturating_sub(window).min(state.fastest);
            let mut drop = 0;
            while let Some(first) = state.chunks.get(drop) {
                if state.start + first.len() as u64 > floor {
                    break;
                }
                state.start += first.len() as u64;
                drop += 1;
            }
            state.chunks.drain(..drop);
            state.dropped += drop;
        }
        let wakers = state.wake_readers();
        drop(state);
        wake_all(wakers);
    }

    /// Says how it ended. The first word counts.
    pub fn finish(&self, how: Result<(), Broken>) {
        let mut state = self.state.lock();
        state.done.get_or_insert(how);
        let wakers = state.wake_readers();
        drop(state);
        wake_all(wakers);
    }

    /// It may hold so much, for as long as anybody reads it.
    pub fn hold(&self, reserved: Reserved) {
        self.state.lock().reserved = Some(reserved);
    }

    /// Whether it may hold so many bytes.
    pub fn may_hold(&self, bytes: u64) -> bool {
        self.state.lock().reserved.as_mut().is_none_or(|reserved| reserved.grow_to(bytes))
    }

    /// From now on keeps only the newest `bytes`.
    pub fn set_window(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.window = Some(bytes);
        let wakers = state.wake_readers();
        drop(state);
        wake_all(wakers);
    }

    /// Ready once somebody has begun to read, and without a window at once: whoever has just been told of this body needs
    /// a moment to begin, and until then nobody's reading does not mean that nobody wants it.
    pub fn poll_begun(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.begun || state.window.is_none() {
            return Poll::Ready(());
        }
        state.producer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready once nothing more comes, or no longer all of it is kept.
    pub fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.done.is_some() || state.window.is_some() {
            return Poll::Ready(());
        }
        // Asked again only when something has come: a place of its own each time is a place in this round.
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when the producer may append: always without a window; with one, once the fastest reader is near
    /// enough. An error when nobody reads any more, so that going on is pointless.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let mut state = self.state.lock();
        let Some(window) = state.window else { return Poll::Ready(Ok(())) };
        if state.readers == 0 {
            return Poll::Ready(Err(()));
        }
        if state.end.saturating_sub(state.fastest) < window / 2 {
            return Poll::Ready(Ok(()));
        }
        state.producer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Bytes that arrived so far.
    pub fn arrived(&self) -> u64 {
        self.state.lock().end
    }

    /// Everything, when it ended well and nothing was dropped.
    #[cfg(test)]
    pub fn take_whole(&self) -> Option<Vec<Bytes>> {
        let state = self.state.lock();
        (state.done == Some(Ok(())) && state.dropped == 0).then(|| state.chunks.clone())
    }

    /// A reader of the bytes `from..to`; `to` may lie behind the end.
    pub fn reader(self: &Arc<Self>, from: u64, to: u64) -> Reader {
        let mut state = self.state.lock();
        state.readers += 1;
        state.begun = true;
        let producer = state.producer.take();
        drop(state);
        if let Some(producer) = producer {
            producer.wake();
        }
        Reader { body: Arc::clone(self), at: from, to, chunk: 0, chunk_start: 0, place: None }
    }
}

/// One follower of a [`Growing`] body.
#[derive(Debug)]
pub struct Reader {
    body: Arc<Growing>,
    at: u64,
    to: u64,
    /// Number of the chunk looked at last, counted from the body's start, and its offset.
    chunk: usize,
    chunk_start: u64,
    place: Option<(u64, usize)>,
}

impl Reader {
    /// The next bytes; `None` at the end of what was asked for.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if self.at >= self.to {
            return Poll::Ready(None);
        }
        let body = Arc::clone(&self.body);
        let mut state = body.state.lock();
        if self.at < state.start {
            return Poll::Ready(Some(Err(Broken::Behind)));
        }
        if self.at < state.end {
            let bytes = self.take(&state);
            state.fastest = state.fastest.max(self.at);
            if let Some(producer) = state.producer.take() {
                drop(state);
                producer.wake();
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
        match state.done {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(broken)) => Poll::Ready(Some(Err(broken))),
            None => {
                match self.place {
                    Some((round, place)) if round == state.round => {
                        state.waiting[place].clone_from(cx.waker())
                    }
                    _ => {
                        self.place = Some((state.round, state.waiting.len()));
                        state.waiting.push(cx.waker().clone());
                    }
                }
                Poll::Pending
            }
        }
    }

    /// Bytes at `self.at`, which have arrived and are still kept.
    fn take(&mut self, state: &State) -> Bytes {
        if self.chunk < state.dropped {
            (self.chunk, self.chunk_start) = (state.dropped, state.start);
        }
        let mut chunk = &state.chunks[self.chunk - state.dropped];
        while self.chunk_start + chunk.len() as u64 <= self.at {
            self.chunk_start += chunk.len() as u64;
            self.chunk += 1;
            chunk = &state.chunks[self.chunk - state.dropped];
        }
        let from = (self.at - self.chunk_start) as usize;
        let to = (chunk.len() as u64).min(self.to - self.chunk_start) as usize;
        let bytes = chunk.slice(from..to);
        self.at += bytes.len() as u64;
        bytes
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.body.state.lock();
        state.readers -= 1;
        let producer = if state.readers == 0 { state.producer.take() } else { None };
        drop(state);
        if let Some(producer) = producer {
            producer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn next(reader: &mut Reader) -> Option<Result<Bytes, Broken>> {
        poll_fn(|cx| reader.poll_next(cx)).await
    }

    async fn all(mut reader: Reader) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        while let Some(chunk) = next(&mut reader).await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn readers_follow_from_any_point_while_it_grows() {
        let body = Arc::new(Growing::default());
        let whole = tokio::spawn(all(body.reader(0, u64::MAX)));
        let middle = tokio::spawn(all(body.reader(3, 7)));
        for chunk in ["ab", "", "cdef", "ghi"] {
            body.push(Bytes::from_static(chunk.as_bytes()));
            tokio::task::yield_now().await;
        }
        body.finish(Ok(()));
        assert_eq!(whole.await.unwrap().unwrap(), b"abcdefghi");
        assert_eq!(middle.await.unwrap().unwrap(), b"defg");
        assert_eq!(
            all(body.reader(0, u64::MAX)).await.unwrap(),
            b"abcdefghi",
            "a late reader sees all of it"
        );
        assert_eq!(body.take_whole().unwrap().concat(), b"abcdefghi");
    }

    #[tokio::test]
    async fn a_broken_body_is_told_after_what_arrived_and_is_never_whole() {
        let body = Arc::new(Growing::default());
        body.push(Bytes::from_static(b"abc"));
        body.finish(Err(Broken::Origin));
        body.finish(Ok(()));
        let mut reader = body.reader(0, u64::MAX);
        assert_eq!(next(&mut reader).await, Some(Ok(Bytes::from_static(b"abc"))));
        assert_eq!(next(&mut reader).await, Some(Err(Broken::Origin)));
        assert!(body.take_whole().is_none());
    }

    #[tokio::test]
    async fn a_window_keeps_the_newest_and_drops_the_slow() {
        let body = Arc::new(Growing::default());
        let (mut fast, mut slow) = (body.reader(0, u64::MAX), body.reader(0, u64::MAX));
        body.set_window(4);
        for chunk in ["ab", "cd", "ef"] {
            body.push(Bytes::from_static(chunk.as_bytes()));
            let _ = next(&mut fast).await;
        }
        assert_eq!(next(&mut slow).await, Some(Err(Broken::Behind)));
        body.push(Bytes::from_static(b"gh"));
        assert_eq!(next(&mut fast).await, Some(Ok(Bytes::from_static(b"gh"))));
        body.finish(Ok(()));
        assert!(body.take_whole().is_none(), "part of it is gone");
    }

    #[tokio::test]
    async fn one_large_chunk_does_not_break_off_who_kept_up() {
        let body = Arc::new(Growing::default());
        let mut reader = body.reader(0, u64::MAX);
        body.push(Bytes::from_static(b"abc"));
        body.set_window(2);
        body.push(Bytes::from_static(b"defghijk"));
        assert_eq!(next(&mut reader).await, Some(Ok(Bytes::from_static(b"abc"))));
        assert_eq!(next(&mut reader).await, Some(Ok(Bytes::from_static(b"defghijk"))));
        body.push(Bytes::from_static(b"l"));
        body.finish(Ok(()));
        assert_eq!(all(reader).await.unwrap(), b"l");
    }

    #[tokio::test]
    async fn the_producer_waits_for_the_first_reader() {
        let body = Arc::new(Growing::default());
        body.push(Bytes::from_static(b"abcd"));
        assert_eq!(poll_fn(|cx| body.poll_begun(cx)).await, (), "without a window");
        body.set_window(2);
        let begun = tokio::spawn({
            let body = Arc::clone(&body);
            async move { poll_fn(|cx| body.poll_begun(cx)).await }
        });
        tokio::task::yield_now().await;
        assert!(!begun.is_finished());
        let reader = body.reader(0, u64::MAX);
        begun.await.unwrap();
        drop(reader);
        assert_eq!(poll_fn(|cx| body.poll_begun(cx)).await, (), "it has begun, and left");
    }

    #[tokio::test]
    async fn with_a_window_the_producer_waits_for_the_fastest_and_stops_when_all_left() {
        let body = Arc::new(Growing::default());
        let mut reader = body.reader(0, u64::MAX);
        body.set_window(4);
        body.push(Bytes::from_static(b"abcd"));
        let room = tokio::spawn({
            let body = Arc::clone(&body);
            async move { poll_fn(|cx| body.poll_room(cx)).await }
        });
        tokio::task::yield_now().await;
        assert!(!room.is_finished());
        let _ = next(&mut reader).await;
        assert_eq!(room.await.unwrap(), Ok(()));
        drop(reader);
        assert_eq!(poll_fn(|cx| body.poll_room(cx)).await, Err(()));
    }
}
