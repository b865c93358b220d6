//! The transports a connection can run over, as one type.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// Where a connection comes from, before anything was read from it.
#[derive(Debug)]
pub enum Accepted {
    /// TCP, with both addresses.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// A connection's transport.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over a unix socket.
    UnixTls(Box<TlsStream<UnixStream>>),
}

impl Stream {
    /// What has come of plain TCP, without taking it; empty if nothing has.
    pub async fn peek(&self) -> Vec<u8> {
        let mut bytes = vec![0; 2048];
        let length = match self {
            Stream::Tcp(stream) => stream.peek(&mut bytes).await.unwrap_or(0),
            Stream::Tls(_) | Stream::Unix(_) | Stream::UnixTls(_) => 0,
        };
        bytes.truncate(length);
        bytes
    }

    /// Makes the coming drop a reset, so that the kernel does not keep unsent bytes for a client that takes
    /// none. On a unix socket a drop frees them anyway.
    pub fn reset_on_drop(&self) {
        let tcp = match self {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Unix(_) | Stream::UnixTls(_) => return,
        };
        // The connection may be gone already; then there is nothing to free.
        let _ = tcp.set_zero_linger();
    }
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Tls($stream) => $call,
            Stream::Unix($stream) => $call,
            Stream::UnixTls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
