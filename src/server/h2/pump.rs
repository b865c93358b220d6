//! A response's body on its way to the client, no faster than the client's windows allow.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use super::super::handler::BoxError;
use super::super::response::Tracked;

/// Bytes that are asked room for at once: what one stream asks for, others do not get.
const PIECE: usize = 32 * 1024;

/// Moves a body to its stream. Ends when all of it is h2's to send, or when nobody wants it any more.
pub struct Pump<B> {
    stream: SendStream<Bytes>,
    body: Tracked<B>,
    /// What the body has given and the windows had no room for yet.
    data: Bytes,
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Pump<B> {
    /// Of a body that is not at its end, to a stream that has its response's head.
    pub fn new(stream: SendStream<Bytes>, body: Tracked<B>) -> Self {
        Self { stream, body, data: Bytes::new() }
    }

    /// Moves what can be moved now; ready at the end, or with what h2 says against it.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            while !self.data.is_empty() {
                let room = ready!(self.poll_room(cx))?;
                let data = self.data.split_to(room.min(self.data.len()));
                let end = self.data.is_empty() && self.body.is_end_stream();
                self.stream.send_data(data, end)?;
                if end {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(self.stream.send_data(Bytes::new(), true)),
                Some(Err(error)) => {
                    tracing::debug!(%error, "response body");
                    // Never a clean end: what came looks whole then.
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() && self.body.is_end_stream() => {
                        return Poll::Ready(self.stream.send_data(data, true));
                    }
                    Ok(data) => self.data = data,
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(self.stream.send_trailers(trailers));
                    }
                },
            }
        }
    }

    /// How much the windows have room for, once it is anything.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, h2::Error>> {
        self.stream.reserve_capacity(self.data.len().min(PIECE));
        let room = self.stream.capacity();
        if room > 0 {
            self.body.set_waits(false);
            return Poll::Ready(Ok(room));
        }
        self.body.set_waits(true);
        loop {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(0)) => {}
                Some(Ok(room)) => {
                    self.body.set_waits(false);
                    return Poll::Ready(Ok(room));
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                // It was reset.
                None => return Poll::Ready(Err(Reason::CANCEL.into())),
            }
        }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Future for Pump<B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let moved = match this.poll_move(cx) {
            Poll::Ready(moved) => moved,
            // Nothing can be moved: the client may have left meanwhile.
            Poll::Pending => ready!(this.stream.poll_reset(cx)).map(|_| ()),
        };
        if let Err(error) = moved {
            tracing::debug!(%error, "response stream");
            this.stream.send_reset(Reason::INTERNAL_ERROR);
        }
        Poll::Ready(())
    }
}
