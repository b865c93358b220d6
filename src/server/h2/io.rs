//! The bytes of an HTTP/2 connection, between its transport and h2: small writes are gathered.
//!
//! h2 writes each DATA frame by itself; gathered, a burst of responses is one TLS record and one system call.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::link::Link;
use super::state::State;

/// Writes of up to so many bytes are gathered, and a flush is forced at so many in all: a full TLS record.
const GATHER: usize = 16 * 1024;

/// A connection whose small writes wait for the next flush that is meant.
#[derive(Debug)]
pub struct GatheringIo {
    link: Link<State>,
    gathered: BytesMut,
}

impl GatheringIo {
    /// Over this.
    pub fn new(link: Link<State>) -> Self {
        Self { link, gathered: BytesMut::new() }
    }

    /// Keeps a small write for the next flush; larger ones go out behind what is kept.
    fn poll_gather(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.gathered.len() + length > GATHER {
            ready!(self.poll_gathered(cx))?;
        }
        if length > GATHER {
            return Pin::new(&mut self.link).poll_write_vectored(cx, bufs);
        }
        // The first reserve is for a head and a small body, so that most bursts grow once or never.
        self.gathered.reserve(if self.gathered.is_empty() { length.max(4096) } else { length });
        bufs.iter().for_each(|buf| self.gathered.extend_from_slice(buf));
        self.link.state().set_gathered(true);
        Poll::Ready(Ok(length))
    }

    /// Ready when nothing gathered is left to write.
    fn poll_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            match ready!(Pin::new(&mut self.link).poll_write(cx, &self.gathered))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                wrote => self.gathered.advance(wrote),
            }
        }
        let state = self.link.state();
        if state.gathered() {
            state.set_gathered(false);
            if state.in_flight() == 0 {
                // An idle connection keeps no buffer.
                self.gathered = BytesMut::new();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for GatheringIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.link).poll_read(cx, buf))?;
        this.link.state().heard();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GatheringIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_gather(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_gather(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.link.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.link.state().flush_can_wait() {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_gathered(cx))?;
        Pin::new(&mut this.link).poll_flush(cx)
    }

    /// A window update that comes after a close would be answered with a reset, and the rest of a body lost: the link
    /// reads on until the client has ended it too.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_gathered(cx))?;
        Pin::new(&mut this.link).poll_shutdown(cx)
    }
}
