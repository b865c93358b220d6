//! A stream as bytes both ways: DATA frames without meaning, each side no faster than the other takes them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::response::Tracked;
use super::super::takeover::Takeover;

/// Bytes that are asked room for at once.
const PIECE: usize = 16 * 1024;

/// An open tunnel and who has it.
pub struct Tunnel<B> {
    takeover: Takeover,
    ends: Ends,
    /// Its request is in flight as long as it is open.
    request: Tracked<B>,
}

impl<B> Tunnel<B> {
    /// Of a stream that was answered.
    pub fn new(
        send: SendStream<Bytes>,
        receive: RecvStream,
        takeover: Takeover,
        request: Tracked<B>,
    ) -> Self {
        Self { takeover, ends: Ends { send, receive, unread: Bytes::new(), ended: false }, request }
    }

    /// Gives it to who has it. What is dropped without having ended both ways is reset by h2, as a connection would be
    /// (RFC 8441 §5).
    pub async fn run(self) {
        let Self { takeover, ends, request } = self;
        takeover.run(Box::new(ends)).await;
        drop(request);
    }
}

/// Both directions of a stream.
struct Ends {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Of the last DATA frame. Its bytes are released when they are read.
    unread: Bytes,
    /// Ours is.
    ended: bool,
}

impl Ends {
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(wanted.min(PIECE));
        let room = self.send.capacity();
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        loop {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(0)) => {}
                Some(room) => return Poll::Ready(room.map_err(io::Error::other)),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
    }
}

impl AsyncRead for Ends {
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
        // More than was received is never released, which is all it could fail for.
        let _ = this.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ends {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let length = ready!(this.poll_room(cx, buf.len()))?.min(buf.len());
        let data = Bytes::copy_from_slice(&buf[..length]);
        Poll::Ready(this.send.send_data(data, false).map(|()| length).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // h2 sends what it has.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if std::mem::replace(&mut this.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(this.send.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}
