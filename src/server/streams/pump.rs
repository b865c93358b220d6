//! A response's body on its way to the client, no faster than the client's windows allow.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;

use super::super::handler::BoxError;
use super::super::response::Tracked;
use super::super::state::State;
use super::halves::SendHalf;

/// Bytes that are asked room for at once: what one stream asks for, others do not get.
const PIECE: usize = 32 * 1024;

/// A state that knows of bodies which wait for the client's windows.
pub trait Windows: State {
    /// Bytes of a body wait for the client's window.
    fn given(&self);

    /// Some of them were taken, or the body is gone.
    fn taken(&self);
}

/// Moves a body to its stream. Ends when all of it is the protocol's to send, or when nobody wants it any more.
pub struct Pump<B, S: Windows, T> {
    stream: T,
    body: Tracked<B, S>,
    /// What the body has given and the windows had no room for yet.
    data: Bytes,
    /// The connection's state was told that some of it waits.
    waits: bool,
}

impl<B, S, T> Pump<B, S, T>
where
    B: Body<Data = Bytes, Error = BoxError> + Unpin,
    S: Windows,
    T: SendHalf,
{
    /// Of a body that is not at its end, to a stream that has its response's head.
    pub fn new(stream: T, body: Tracked<B, S>) -> Self {
        Self { stream, body, data: Bytes::new(), waits: false }
    }

    /// Moves what can be moved now; ready at the end, or with what the protocol says against it.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        loop {
            while !self.data.is_empty() {
                let Some(room) = ready!(self.poll_room(cx)) else { return Poll::Ready(Ok(())) };
                let data = self.data.split_to(room?.min(self.data.len()));
                let end = self.data.is_empty() && self.body.is_end_stream();
                self.stream.data(data, end)?;
                if end {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(self.stream.data(Bytes::new(), true)),
                Some(Err(error)) => {
                    tracing::debug!(%error, "response body");
                    self.stream.reset();
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() && self.body.is_end_stream() => {
                        return Poll::Ready(self.stream.data(data, true));
                    }
                    Ok(data) => self.data = data,
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(self.stream.trailers(trailers));
                    }
                },
            }
        }
    }

    /// How much the windows have room for, once it is anything.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<usize, T::Error>>> {
        let room = self.stream.poll_room(cx, self.data.len().min(PIECE));
        self.set_waits(room.is_pending());
        room
    }
}

impl<B, S: Windows, T> Pump<B, S, T> {
    fn set_waits(&mut self, waits: bool) {
        match (self.waits, waits) {
            (false, true) => self.body.state().given(),
            (true, false) => self.body.state().taken(),
            _ => {}
        }
        self.waits = waits;
    }
}

impl<B, S: Windows, T> Drop for Pump<B, S, T> {
    fn drop(&mut self) {
        self.set_waits(false);
    }
}

impl<B, S, T> Future for Pump<B, S, T>
where
    B: Body<Data = Bytes, Error = BoxError> + Unpin,
    S: Windows,
    T: SendHalf,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let moved = match this.poll_move(cx) {
            Poll::Ready(moved) => moved,
            // Nothing can be moved: the client may have left meanwhile.
            Poll::Pending => ready!(this.stream.poll_gone(cx)),
        };
        if let Err(error) = moved {
            tracing::debug!(%error, "response stream");
            this.stream.reset();
        }
        Poll::Ready(())
    }
}
