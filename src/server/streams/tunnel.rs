//! A stream as bytes both ways: DATA frames without meaning, each side no faster than the other takes them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::response::Tracked;
use super::super::state::State;
use super::super::takeover::Takeover;
use super::halves::{ReceiveHalf, SendHalf};

/// Bytes that are asked room for at once.
const PIECE: usize = 16 * 1024;

/// An open tunnel and who has it.
pub struct Tunnel<B, S: State, T, V> {
    takeover: Takeover,
    ends: Ends<T, V>,
    /// Its request is in flight as long as it is open.
    request: Tracked<B, S>,
}

impl<B, S: State, T: SendHalf, V: ReceiveHalf> Tunnel<B, S, T, V> {
    /// Of a stream that was answered.
    pub fn new(send: T, receive: V, takeover: Takeover, request: Tracked<B, S>) -> Self {
        Self { takeover, ends: Ends { send, receive, unread: Bytes::new(), ended: false }, request }
    }

    /// Gives it to who has it. What is dropped without having ended both ways is reset, as a connection would be
    /// (RFC 8441 §5).
    pub async fn run(self) {
        let Self { takeover, ends, request } = self;
        takeover.run(Box::new(ends)).await;
        drop(request);
    }
}

/// Both directions of a stream.
struct Ends<T, V> {
    send: T,
    receive: V,
    /// Of the last DATA frame. Its bytes are released when they are read.
    unread: Bytes,
    /// Ours is.
    ended: bool,
}

impl<T: Unpin, V: ReceiveHalf> AsyncRead for Ends<T, V> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.unread.is_empty() {
            match ready!(this.receive.poll_data(cx)) {
                Some(data) => this.unread = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = this.unread.len().min(buf.remaining());
        buf.put_slice(&this.unread[..length]);
        this.unread.advance(length);
        this.receive.release(length);
        Poll::Ready(Ok(()))
    }
}

impl<T: SendHalf, V: Unpin> AsyncWrite for Ends<T, V> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let length = match ready!(this.send.poll_room(cx, buf.len().min(PIECE))) {
            Some(room) => room.map_err(io::Error::other)?.min(buf.len()),
            None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        let data = Bytes::copy_from_slice(&buf[..length]);
        Poll::Ready(this.send.data(data, false).map(|()| length).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The protocol sends what it has.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if std::mem::replace(&mut this.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(this.send.data(Bytes::new(), true).map_err(io::Error::other))
    }
}
