//! A connection's transport under the rules that every protocol has: what was read ahead comes first, the connection's
//! state learns whether the client takes bytes, and the end is one that loses nothing.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

use super::state::State;
use super::stream::Stream;

/// How long a closing connection may take to say goodbye, and a client to stop sending after a refusal.
pub const LINGER: Duration = Duration::from_secs(2);

/// A transport and the state of its connection.
#[derive(Debug)]
pub struct Link<S: State> {
    stream: Stream,
    /// What was read already; given out first.
    prefix: Vec<u8>,
    state: Arc<S>,
    /// It is closed for writing, and the client may take so long to close it for reading.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S: State> Link<S> {
    /// `prefix` was read from `stream` already.
    pub fn new(stream: Stream, prefix: Vec<u8>, state: Arc<S>) -> Self {
        Self { stream, prefix, state, lingering: None }
    }

    /// Its connection's.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Gives back bytes that were read, to be read again.
    pub fn unread(&mut self, bytes: &[u8]) {
        self.prefix.splice(..0, bytes.iter().copied());
    }

    /// Says goodbye. With `linger`, a client that still sends something does not lose the answer by it.
    pub async fn close(mut self, linger: bool) {
        // Too late is as good as done: the drop closes it.
        let _ = tokio::time::timeout(LINGER, goodbye(&mut self.stream, linger)).await;
    }

    /// Ends it without a goodbye: the client sees a reset.
    pub fn reset(self) {
        self.stream.reset_on_drop();
    }

    /// Notes whether the client takes bytes.
    fn noted<T>(&self, result: Poll<T>) -> Poll<T> {
        match result {
            Poll::Pending => self.state.blocked(),
            Poll::Ready(_) => self.state.unblocked(),
        }
        result
    }
}

impl<S: State> Drop for Link<S> {
    fn drop(&mut self) {
        if self.state.abandoned() {
            self.stream.reset_on_drop();
        }
    }
}

impl<S: State> AsyncRead for Link<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.prefix.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let length = this.prefix.len().min(buf.remaining());
        buf.put_slice(&this.prefix[..length]);
        this.prefix.drain(..length);
        if this.prefix.is_empty() {
            this.prefix = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: State> AsyncWrite for Link<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.noted(wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.noted(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.noted(flushed)
    }

    /// Ends it for writing and reads on until the client has ended it too: to bytes that come after a close the kernel
    /// answers with a reset, and what the client has not taken yet is lost.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.noted(shut))?;
        }
        let patience = this.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        poll_waste(&mut this.stream, cx).map(Ok)
    }
}

/// Ready when the client sends nothing any more; what it sends until then is thrown away.
fn poll_waste(stream: &mut Stream, cx: &mut Context<'_>) -> Poll<()> {
    let mut waste = [0; 4096];
    loop {
        let mut buf = ReadBuf::new(&mut waste);
        match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {}
            Ok(()) | Err(_) => return Poll::Ready(()),
        }
    }
}

/// Ends what is sent. With `linger` the client may still be sending, and that is read away: a close with unread bytes is
/// a reset, and a reset can overtake the answer (RFC 9112 §9.6).
pub async fn goodbye(stream: &mut Stream, linger: bool) {
    if stream.shutdown().await.is_err() || !linger {
        return;
    }
    let mut waste = vec![0; 16 * 1024];
    while matches!(stream.read(&mut waste).await, Ok(read) if read > 0) {}
}
