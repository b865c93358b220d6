//! The bytes of an HTTP/1 connection, between its transport and hyper, where limits and answers of our own apply.
//!
//! Reading, they pass the [`Scan`]; what it refuses never reaches hyper. Writing, hyper's own answers to
//! heads it cannot parse (an empty 400, 414 or 431) are recognised by when they come, not by how they look:
//! no request is in flight, so nothing a handler said can be pending. They are replaced by ours, which say
//! why. A refusal waits until the responses to the requests before it are written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::glimpse::Glimpse;
use super::super::link::Link;
use super::hints::Turns;
use super::refusal;
use super::scan::Scan;
use super::state::State;
use crate::http::refusal::Refusal;

/// A connection with the rules of HTTP/1 on it.
#[derive(Debug)]
pub struct GuardedIo {
    link: Link<State>,
    scan: Scan,
    /// Once there is one, it is the last that is written.
    answer: Option<Answer>,
    turns: Turns,
    /// An interim response, or several, being written.
    hints: BytesMut,
    /// A refusal waits for a response to end; wake this then.
    reader: Option<Waker>,
    /// This node's, for answers.
    server_name: Arc<str>,
}

/// An answer of our own that is being written.
#[derive(Debug)]
struct Answer {
    refusal: Refusal,
    bytes: Vec<u8>,
    written: usize,
}

impl GuardedIo {
    /// `turns` is where interim responses come from.
    pub fn new(link: Link<State>, scan: Scan, turns: Turns, server_name: Arc<str>) -> Self {
        Self { link, scan, answer: None, turns, hints: BytesMut::new(), reader: None, server_name }
    }

    /// What this layer has answered with, if it has.
    pub fn refused(&self) -> Option<Refusal> {
        self.answer.as_ref().map(|answer| answer.refusal)
    }

    /// What was seen of the head that was refused, where the scan has refused it.
    pub fn seen(&self) -> Option<Glimpse> {
        self.scan.seen().cloned()
    }

    /// Whether a head has begun and not ended.
    pub fn in_head(&self) -> bool {
        self.scan.in_head()
    }

    /// Says goodbye. With `linger`, or after a refusal, a client that still sends something does not lose the answer by it.
    pub async fn close(self, linger: bool) {
        let linger = linger || self.answer.is_some() || self.scan.owes();
        self.link.close(linger).await;
    }

    /// Ends it without a goodbye: the client sees a reset.
    pub fn reset(self) {
        self.link.reset();
    }

    /// Bytes as they come from now on, after `ahead`, which hyper has read; `None` if some are lost: they came
    /// before the response did, and were taken for a request that could not be.
    pub fn into_raw(mut self, ahead: &[u8]) -> Option<Link<State>> {
        if self.scan.lost() || self.scan.refused().is_some() {
            return None;
        }
        self.link.unread(ahead);
        Some(self.link)
    }

    fn begin_answer(&mut self, refusal: Refusal) {
        self.scan.refuse(refusal);
        self.answer =
            Some(Answer { refusal, bytes: refusal::message(refusal, &self.server_name), written: 0 });
    }

    /// Ready when no answer of ours is left to write.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(answer) = &mut self.answer
            && answer.written < answer.bytes.len()
        {
            let wrote = Pin::new(&mut self.link).poll_write(cx, &answer.bytes[answer.written..]);
            answer.written += ready!(wrote)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when no interim response is left to write. Whoever calls it knows that hyper is between messages.
    fn poll_hints(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.hints.is_empty() {
                match ready!(Pin::new(&mut self.link).poll_write(cx, &self.hints))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    wrote => self.hints.advance(wrote),
                }
            }
            match self.turns.take() {
                Some(bytes) => self.hints = BytesMut::from(&bytes[..]),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Whether what hyper writes now, beginning with `head`, is an answer of its own: then ours has its place.
    fn intercept(&mut self, head: &[u8]) -> bool {
        if self.answer.is_some() {
            return true;
        }
        if !self.link.state().quiet() {
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
            if self.link.state().overdue() && self.scan.refused().is_none() {
                self.scan.refuse(Refusal::RequestTimeout);
            }
            if self.scan.lost() {
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = self.scan.refused() {
                if self.answer.is_none() && !self.link.state().answered(self.scan.heads()) {
                    self.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                if self.answer.is_none() {
                    self.begin_answer(refusal);
                }
                ready!(self.poll_answer(cx))?;
                return Pin::new(&mut self.link).poll_flush(cx);
            }
            ready!(Pin::new(&mut self.link).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            let passed = self.scan.feed(&buf.filled()[before..]);
            self.link.state().head(self.scan.in_head());
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
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
        Pin::new(&mut this.link).poll_write(cx, buf)
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
        Pin::new(&mut this.link).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.link.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_answer(cx))?;
        this.turns.flushed(cx.waker());
        ready!(this.poll_hints(cx))?;
        ready!(Pin::new(&mut this.link).poll_flush(cx))?;
        if this.link.state().flushed()
            && let Some(reader) = this.reader.take()
        {
            reader.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// Only flushes: hyper is done, but [`GuardedIo::close`] says how the transport ends.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
