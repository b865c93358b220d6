//! The halves of a stream, as a protocol's folder gives them. All are polled: what can't be done now wakes the task of
//! the context given. A half that is dropped before its end resets the stream in its direction.

use std::error::Error;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response};

/// Leave to send the head of a response.
pub trait Respond: Send + 'static {
    /// What a body goes to then.
    type Send: SendHalf;
    /// Where the request's body comes from.
    type Receive: ReceiveHalf;
    /// A `:protocol`.
    type Protocol: AsRef<[u8]>;
    /// What the protocol says against it.
    type Error: Error + Send + Sync + 'static;

    /// What an extended CONNECT asks for, as its `:protocol` says (RFC 8441 §4, RFC 9220 §3); taken out of the head.
    fn extended_protocol(parts: &mut Parts) -> Option<Self::Protocol>;

    /// Sends an interim response.
    ///
    /// # Errors
    /// When the stream is gone, or the head can't be sent.
    fn interim(&mut self, response: Response<()>) -> Result<(), Self::Error>;

    /// Sends the head, and the end too if it is one. To be called once.
    ///
    /// # Errors
    /// When the stream is gone, or the head can't be sent.
    fn head(&mut self, response: Response<()>, end: bool) -> Result<Self::Send, Self::Error>;

    /// Ends the stream as an error of the server's.
    fn reset(&mut self);

    /// Ready when the client wants no answer any more.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The server's half of a stream after its head.
pub trait SendHalf: Send + Unpin + 'static {
    /// What the protocol says against it.
    type Error: Error + Send + Sync + 'static;

    /// How many of `wanted` bytes (at least one) the client has room for, once it is any; none when the client wants no more.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Option<Result<usize, Self::Error>>>;

    /// Sends so many bytes as there is room for at most; with `end` they are the last.
    ///
    /// # Errors
    /// When the stream is gone.
    fn data(&mut self, data: Bytes, end: bool) -> Result<(), Self::Error>;

    /// Sends trailers, and the end.
    ///
    /// # Errors
    /// When the stream is gone.
    fn trailers(&mut self, trailers: HeaderMap) -> Result<(), Self::Error>;

    /// Ends the stream as an error of the server's: never a clean end, since what came looks whole then.
    fn reset(&mut self);

    /// Ready when the client wants no more.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;
}

/// The client's half of a stream.
pub trait ReceiveHalf: Send + Unpin + 'static {
    /// What the protocol says against it. A reset is one, whatever its code: half a body must never look whole.
    type Error: Error + Send + Sync + 'static;

    /// The next bytes; none at their end.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>>;

    /// So many received bytes are read, and the client may send as many more.
    fn release(&mut self, length: usize);

    /// What follows the bytes, after their end.
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Self::Error>>;

    /// Whether nothing is to come, no trailers either.
    fn is_end(&self) -> bool;
}
