//! The bytes of a connection, between its transport and hyper, where limits and answers of our own apply.
//!
//! Reading, HTTP/1 passes the [`Scan`]; what it refuses never reaches hyper. Writing, hyper's own answers to
//! heads it cannot parse (an empty 400, 414 or 431) are recognised by when they come, not by how they look:
//! no request is in flight, so nothing a handler said can be pending. They are replaced by ours, which say
//! why. A refusal waits until the responses to the requests before it are written.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

use super::glimpse::Glimpse;
use super::interim::Interim;
use super::scan::Scan;
use super::state::ConnState;
use super::stream::Stream;
use crate::http::cache_status::CacheStatus;
use crate::http::refusal::Refusal;

/// How long a closing connection may take to say goodbye, and a client to stop sending after a refusal.
const LINGER: Duration = Duration::from_secs(2);

/// A transport with the server's rules on it.
#[derive(Debug)]
pub struct GuardedIo {
    stream: Stream,
    /// What was read to find out the protocol; given out first.
    prefix: Vec<u8>,
    /// HTTP/1 only.
    scan: Option<Scan>,
    state: Arc<ConnState>,
    answer: Option<Answer>,
    interim: Interim,
    /// An interim response, or several, being written.
    hints: BytesMut,
    /// A refusal waits for a response to end; wake this then.
    reader: Option<Waker>,
    refused: Option<Refusal>,
    /// This node's, for answers.
    server_name: Arc<str>,
    /// HTTP/2: it is closed for writing, and the client may take so long to close it for reading.
    lingering: Option<Pin<Box<Sleep>>>,
    /// HTTP/2: small writes are gathered.
    gathers: bool,
    /// Small writes until the next flush. h2 writes each DATA frame by itself; gathered, a burst of
    /// responses is one TLS record and one system call.
    gathered: BytesMut,
}

/// Writes of up to so many bytes are gathered, and a flush is forced at so many in all: a full TLS record.
const GATHER: usize = 16 * 1024;

/// An answer of our own that is being written.
#[derive(Debug)]
struct Answer {
    bytes: Vec<u8>,
    written: usize,
}

impl GuardedIo {
    /// `prefix` was read from `stream` already. `scan` is for HTTP/1; HTTP/2 has none.
    pub fn new(
        stream: Stream,
        prefix: Vec<u8>,
        scan: Option<Scan>,
        state: Arc<ConnState>,
        server_name: Arc<str>,
        interim: Interim,
    ) -> Self {
        let http2 = scan.is_none();
        Self {
            stream,
            prefix,
            scan,
            state,
            answer: None,
            interim,
            hints: BytesMut::new(),
            reader: None,
            refused: None,
            server_name,
            lingering: None,
            gathers: http2,
            gathered: BytesMut::new(),
        }
    }

    /// What this layer has answered with, if it has.
    pub fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    /// What was seen of the head that was refused, where the scan has refused it.
    pub fn seen(&self) -> Option<Glimpse> {
        self.scan.as_ref().and_then(|scan| scan.seen().cloned())
    }

    /// Whether a head has begun and not ended.
    pub fn in_head(&self) -> bool {
        self.scan.as_ref().is_some_and(Scan::in_head)
    }

    /// Says goodbye. With `linger`, or after a refusal, a client that still sends something does not lose the answer by it.
    pub async fn close(mut self, linger: bool) {
        let linger = linger || self.refused.is_some() || self.scan.as_ref().is_some_and(Scan::owes);
        // Too late is as good as done: the drop closes it.
        let _ = tokio::time::timeout(LINGER, goodbye(&mut self.stream, linger)).await;
    }

    /// Ends it without a goodbye: the client sees a reset.
    pub fn reset(self) {
        self.stream.reset_on_drop();
    }

    /// Bytes as they come from now on, after `ahead`, which hyper has read; `None` if some are lost: they came
    /// before the response did, and were taken for a request that could not be.
    pub fn into_raw(mut self, ahead: &[u8]) -> Option<Self> {
        let scan = self.scan.take()?;
        if scan.lost() || scan.refused().is_some() {
            return None;
        }
        self.prefix.splice(..0, ahead.iter().copied());
        Some(self)
    }

    fn begin_answer(&mut self, refusal: Refusal) {
        self.refused = Some(refusal);
        if let Some(scan) = &mut self.scan {
            scan.refuse(refusal);
        }
        self.answer = Some(Answer { bytes: answer(refusal, &self.server_name), written: 0 });
    }

    /// Ready when no answer of ours is left to write.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(answer) = &mut self.answer
            && answer.written < answer.bytes.len()
        {
            let wrote = Pin::new(&mut self.stream).poll_write(cx, &answer.bytes[answer.written..]);
            answer.written += ready!(noted(&self.state, wrote))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when no interim response is left to write. Whoever calls it knows that hyper is between messages.
    fn poll_hints(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.hints.is_empty() {
                let wrote = Pin::new(&mut self.stream).poll_write(cx, &self.hints);
                match ready!(noted(&self.state, wrote))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    wrote => self.hints.advance(wrote),
                }
            }
            match self.interim.take() {
                Some(bytes) => self.hints = BytesMut::from(&bytes[..]),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Keeps a small write for the next flush; larger ones go out behind what is kept.
    fn poll_gather(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.gathered.len() + length > GATHER {
            ready!(self.poll_gathered(cx))?;
        }
        if length > GATHER {
            let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
            return noted(&self.state, wrote);
        }
        // The first reserve is for a head and a small body, so that most bursts grow once or never.
        self.gathered.reserve(if self.gathered.is_empty() { length.max(4096) } else { length });
        bufs.iter().for_each(|buf| self.gathered.extend_from_slice(buf));
        self.state.set_gathered(true);
        Poll::Ready(Ok(length))
    }

    /// Ready when nothing gathered is left to write.
    fn poll_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let wrote = Pin::new(&mut self.stream).poll_write(cx, &self.gathered);
            match ready!(noted(&self.state, wrote))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                wrote => self.gathered.advance(wrote),
            }
        }
        if self.state.gathered() {
            self.state.set_gathered(false);
            if self.state.in_flight() == 0 {
                // An idle connection keeps no buffer.
                self.gathered = BytesMut::new();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether what hyper writes now, beginning with `head`, is an answer of its own: then ours has its place.
    fn intercept(&mut self, head: &[u8]) -> bool {
        if self.answer.is_some() {
            return true;
        }
        if self.scan.is_none() || !self.state.quiet() {
            return false;
        }
        let refusal = match head.get(9..12) {
            Some(b"414") => Refusal::UriTooLong,
            Some(b"431") => Refusal::HeadTooLarge,
            _ => Refusal::MalformedHead,
        };
        self.begin_answer(refusal);
        true
    }

    /// Reads what may pass the scan; nothing read is the end.
    fn poll_scanned(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            let Some(scan) = &mut self.scan else {
                ready!(self.poll_raw(cx, buf))?;
                self.state.heard();
                return Poll::Ready(Ok(()));
            };
            if self.state.overdue() && scan.refused().is_none() {
                scan.refuse(Refusal::RequestTimeout);
            }
            if scan.lost() {
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = scan.refused() {
                if self.answer.is_none() && !self.state.answered(scan.heads()) {
                    self.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                if self.answer.is_none() {
                    self.begin_answer(refusal);
                }
                ready!(self.poll_answer(cx))?;
                return noted(&self.state, Pin::new(&mut self.stream).poll_flush(cx));
            }
            ready!(self.poll_raw(cx, buf))?;
            let read = buf.filled().len() - before;
            let Some(scan) = self.scan.as_mut().filter(|_| read > 0) else {
                return Poll::Ready(Ok(()));
            };
            let passed = scan.feed(&buf.filled()[before..]);
            self.state.head(scan.in_head());
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..length]);
        self.prefix.drain(..length);
        if self.prefix.is_empty() {
            self.prefix = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for GuardedIo {
    fn drop(&mut self) {
        if self.state.abandoned() {
            self.stream.reset_on_drop();
        }
    }
}

impl AsyncRead for GuardedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_scanned(cx, buf)
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.intercept(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(this.poll_hints(cx))?;
        if this.gathers {
            return this.poll_gather(cx, &[IoSlice::new(buf)]);
        }
        let wrote = Pin::new(&mut this.stream).poll_write(cx, buf);
        noted(&this.state, wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.intercept(bufs.first().map_or(&[], |first| first)) {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        ready!(this.poll_hints(cx))?;
        if this.gathers {
            return this.poll_gather(cx, bufs);
        }
        let wrote = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        noted(&this.state, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_answer(cx))?;
        if this.gathers && this.state.flush_can_wait() {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_gathered(cx))?;
        this.interim.flushed(cx.waker());
        ready!(this.poll_hints(cx))?;
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        ready!(noted(&this.state, flushed))?;
        if this.scan.is_some()
            && this.state.flushed()
            && let Some(reader) = this.reader.take()
        {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// HTTP/1 only flushes: hyper is done, but [`GuardedIo::close`] says how the transport ends. HTTP/2 ends it here and
    /// reads on until the client has ended it too: to a window update that comes after the close the kernel answers
    /// with a reset, and the rest of a body is lost.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.scan.is_some() {
            return self.poll_flush(cx);
        }
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(this.poll_gathered(cx))?;
            let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(noted(&this.state, shut))?;
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

/// Notes whether the client takes bytes.
fn noted<T>(state: &ConnState, result: Poll<T>) -> Poll<T> {
    match result {
        Poll::Pending => state.blocked(),
        Poll::Ready(_) => state.unblocked(),
    }
    result
}

/// Answers a connection that HTTP never began on, and ends it.
pub async fn refuse(mut stream: Stream, refusal: Refusal, server_name: &str) {
    let answer = answer(refusal, server_name);
    let ending = async {
        if stream.write_all(&answer).await.is_ok() {
            goodbye(&mut stream, true).await;
        }
    };
    // As in `GuardedIo::close`.
    let _ = tokio::time::timeout(LINGER, ending).await;
}

/// Ends what is sent. With `linger` the client may still be sending, and that is read away: a close with unread bytes is
/// a reset, and a reset can overtake the answer (RFC 9112 §9.6).
async fn goodbye(stream: &mut Stream, linger: bool) {
    if stream.shutdown().await.is_err() || !linger {
        return;
    }
    let mut waste = vec![0; 16 * 1024];
    while matches!(stream.read(&mut waste).await, Ok(read) if read > 0) {}
}

/// A refusal as HTTP/1.1, with the connection's end announced.
fn answer(refusal: Refusal, server_name: &str) -> Vec<u8> {
    let status = refusal.status();
    let body = refusal.body();
    let cache_status = CacheStatus::own(server_name).detail(refusal.as_str()).to_value();
    // All of its bytes are ASCII.
    let cache_status = cache_status.to_str().unwrap_or_default();
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\ncache-status: {cache_status}\r\nconnection: close\r\ndate: {date}\r\n\r\n{body}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    )
    .into_bytes()
}
