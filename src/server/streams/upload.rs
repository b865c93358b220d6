//! The body of a request on a stream: what is read gives the client leave to send as much again.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Frame;

use super::halves::ReceiveHalf;
use super::hints::StreamHints;

/// A request body. Dropped before its end, it resets the stream once the response has ended.
#[derive(Debug)]
pub struct Upload<V> {
    stream: V,
    /// Of its Content-Length, if it has one; the protocol resets a stream with more or fewer.
    remaining: Option<u64>,
    data_ended: bool,
    /// The client waits for a 100 (RFC 9110 §10.1.1) until the first byte is asked for.
    expected: Option<StreamHints>,
}

impl<V: ReceiveHalf> Upload<V> {
    /// Of a request with these fields. `expected` gets the 100 that the client waits for, if it does.
    pub fn new(stream: V, headers: &HeaderMap, expected: Option<StreamHints>) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        let remaining = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self { stream, remaining, data_ended: false, expected }
    }

    /// The next bytes, or the trailers.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, V::Error>>> {
        if let Some(hints) = self.expected.take() {
            hints.send(StatusCode::CONTINUE, HeaderMap::new(), usize::MAX);
        }
        if !self.data_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    self.stream.release(data.len());
                    let length = data.len() as u64;
                    self.remaining = self.remaining.map(|left| left.saturating_sub(length));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    /// Whether nothing is to come, no trailers either.
    pub fn is_end(&self) -> bool {
        self.stream.is_end()
    }

    /// Bytes to come, if that was announced.
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}
