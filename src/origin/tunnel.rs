//! A connection to a member that speaks another protocol since its 101: bytes both ways, counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::Hold;
use super::gate::Place;

/// Bytes to and from the member. Dropped, the connection is closed.
pub struct OriginTunnel {
    io: TokioIo<Upgraded>,
    counts: Counts,
    hold: Hold,
}

struct Counts {
    moved: Arc<AtomicU64>,
    open: prometheus::IntGauge,
    received: prometheus::IntCounter,
    sent: prometheus::IntCounter,
}

impl Drop for Counts {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// How much a tunnel has carried, to tell whether it is in use.
#[derive(Debug, Clone)]
pub struct Activity(Arc<AtomicU64>);

impl Activity {
    /// Bytes so far, both ways.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl OriginTunnel {
    pub(super) fn new(upgraded: Upgraded, hold: Hold) -> Self {
        let (open, received, sent) = hold.leave.member().origin.metrics.tunnel();
        open.inc();
        let counts = Counts { moved: Arc::default(), open, received, sent };
        Self { io: TokioIo::new(upgraded), counts, hold }
    }

    /// See [`Activity`].
    pub fn activity(&self) -> Activity {
        Activity(self.counts.moved.clone())
    }

    /// Gives `place` up with the tunnel.
    pub(super) fn keep(&mut self, place: Place) {
        self.hold.place = Some(place);
    }
}

impl AsyncRead for OriginTunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        self.counts.moved.fetch_add(read, Ordering::Relaxed);
        self.counts.received.inc_by(read);
        polled
    }
}

impl AsyncWrite for OriginTunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            self.counts.moved.fetch_add(written as u64, Ordering::Relaxed);
            self.counts.sent.inc_by(written as u64);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for OriginTunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginTunnel").field("bytes", &self.activity().bytes()).finish_non_exhaustive()
    }
}
