//! The halves of a stream of h2's.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, Response};

use super::super::streams::halves::{ReceiveHalf, Respond, SendHalf};

impl Respond for SendResponse<Bytes> {
    type Send = SendStream<Bytes>;
    type Receive = RecvStream;
    type Protocol = Protocol;
    type Error = h2::Error;

    fn extended_protocol(parts: &mut Parts) -> Option<Protocol> {
        parts.extensions.remove::<Protocol>()
    }

    fn interim(&mut self, response: Response<()>) -> Result<(), h2::Error> {
        self.send_informational(response)
    }

    fn head(&mut self, response: Response<()>, end: bool) -> Result<SendStream<Bytes>, h2::Error> {
        self.send_response(response, end)
    }

    fn reset(&mut self) {
        self.send_reset(Reason::INTERNAL_ERROR);
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_reset(cx).map(|_| ())
    }
}

impl SendHalf for SendStream<Bytes> {
    type Error = h2::Error;

    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Option<Result<usize, h2::Error>>> {
        self.reserve_capacity(wanted);
        let room = self.capacity();
        if room > 0 {
            return Poll::Ready(Some(Ok(room)));
        }
        loop {
            match ready!(self.poll_capacity(cx)) {
                Some(Ok(0)) => {}
                room => return Poll::Ready(room),
            }
        }
    }

    fn data(&mut self, data: Bytes, end: bool) -> Result<(), h2::Error> {
        self.send_data(data, end)
    }

    fn trailers(&mut self, trailers: HeaderMap) -> Result<(), h2::Error> {
        self.send_trailers(trailers)
    }

    fn reset(&mut self) {
        self.send_reset(Reason::INTERNAL_ERROR);
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        self.poll_reset(cx).map(|reset| reset.map(|_| ()))
    }
}

impl ReceiveHalf for RecvStream {
    type Error = h2::Error;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        RecvStream::poll_data(self, cx)
    }

    fn release(&mut self, length: usize) {
        // More than was received is never released, which is all it could fail for.
        let _ = self.flow_control().release_capacity(length);
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        RecvStream::poll_trailers(self, cx)
    }

    fn is_end(&self) -> bool {
        self.is_end_stream()
    }
}
