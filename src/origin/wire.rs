//! The bytes to and from a member: TCP, TLS over it, or a Unix socket, and whether anything came back yet.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::http::protocol::Protocol;

/// Counts (decrypted) bytes received, which tells a connection that was dead when it was taken up from one that
/// broke off in the middle of a response.
#[derive(Debug, Clone, Default)]
pub(super) struct Received(Arc<AtomicU64>);

impl Received {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

enum Inner {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(super) struct Wire {
    inner: Inner,
    received: Received,
}

impl Wire {
    pub(super) fn tcp(stream: TcpStream) -> Self {
        Self { inner: Inner::Tcp(stream), received: Received::default() }
    }

    pub(super) fn unix(stream: UnixStream) -> Self {
        Self { inner: Inner::Unix(stream), received: Received::default() }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self { inner: Inner::Tls(Box::new(stream)), received: Received::default() }
    }

    pub(super) fn received(&self) -> Received {
        self.received.clone()
    }

    /// What the other side picked by ALPN; `None` where there was no choice.
    pub(super) fn negotiated(&self) -> Option<Protocol> {
        match &self.inner {
            Inner::Tcp(_) | Inner::Unix(_) => None,
            Inner::Tls(tls) => Some(Protocol::of_alpn(tls.get_ref().1.alpn_protocol())),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match &mut self.inner {
            Inner::Tcp(io) => Pin::new(io).poll_read(cx, buf),
            Inner::Unix(io) => Pin::new(io).poll_read(cx, buf),
            Inner::Tls(io) => Pin::new(io.as_mut()).poll_read(cx, buf),
        };
        self.received.0.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Tcp(io) => Pin::new(io).poll_write(cx, buf),
            Inner::Unix(io) => Pin::new(io).poll_write(cx, buf),
            Inner::Tls(io) => Pin::new(io.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Tcp(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Inner::Unix(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Inner::Tls(io) => Pin::new(io.as_mut()).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Tcp(io) => io.is_write_vectored(),
            Inner::Unix(io) => io.is_write_vectored(),
            Inner::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Tcp(io) => Pin::new(io).poll_flush(cx),
            Inner::Unix(io) => Pin::new(io).poll_flush(cx),
            Inner::Tls(io) => Pin::new(io.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Inner::Unix(io) => Pin::new(io).poll_shutdown(cx),
            Inner::Tls(io) => Pin::new(io.as_mut()).poll_shutdown(cx),
        }
    }
}
