//! Request bodies, of either version of HTTP, and within limits: so many bytes, and no longer a pause than allowed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::handler::BoxError;
use super::streams::upload::Upload;
use crate::config::Limits;
use crate::http::refusal::Refusal;

/// What a client sends with its request.
#[derive(Debug)]
pub enum ClientBody {
    /// Nothing.
    Empty,
    /// A message's body on HTTP/1.
    Http1(Incoming),
    /// A stream's on HTTP/2.
    Http2(Upload<RecvStream>),
}

impl From<Upload<RecvStream>> for ClientBody {
    fn from(body: Upload<RecvStream>) -> Self {
        Self::Http2(body)
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            ClientBody::Empty => Poll::Ready(None),
            ClientBody::Http1(body) => Pin::new(body).poll_frame(cx).map_err(BoxError::from),
            ClientBody::Http2(body) => body.poll_frame(cx).map_err(BoxError::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ClientBody::Empty => true,
            ClientBody::Http1(body) => body.is_end_stream(),
            ClientBody::Http2(body) => body.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ClientBody::Empty => SizeHint::with_exact(0),
            ClientBody::Http1(body) => body.size_hint(),
            ClientBody::Http2(body) => body.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// Why a request body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than `request_body`.
    #[error("the request body is larger than {limit} bytes")]
    TooLarge {
        /// `request_body`
        limit: u64,
    },
    /// A pause longer than `body_timeout`.
    #[error("no byte of the request body came for {pause:?}")]
    Timeout {
        /// `body_timeout`
        pause: Duration,
    },
    /// The connection broke, or the framing.
    #[error("the request body broke off: {0}")]
    Broken(#[source] BoxError),
}

impl BodyError {
    /// What to answer, if it can still be answered.
    pub fn refusal(&self) -> Refusal {
        match self {
            BodyError::TooLarge { .. } => Refusal::BodyTooLarge,
            BodyError::Timeout { .. } => Refusal::RequestTimeout,
            BodyError::Broken(_) => Refusal::BadBody,
        }
    }
}

/// A request body that keeps to the limits. After an error it is over.
#[derive(Debug)]
pub struct LimitedBody<B = ClientBody> {
    /// None after an error.
    inner: Option<B>,
    left: u64,
    limit: u64,
    pause: Duration,
    /// Runs while the next bytes are waited for.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl<B> LimitedBody<B> {
    /// Puts `body` under `request_body` and `body_timeout`.
    pub fn new(body: B, limits: &Limits) -> Self {
        let limit = limits.request_body;
        Self {
            inner: Some(body),
            left: limit,
            limit,
            pause: limits.body_timeout,
            timer: None,
            waiting: false,
        }
    }

    /// Whether the pause has become too long; registers for when it does.
    fn overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let pause = self.pause;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + pause);
        }
        timer.as_mut().poll(cx).is_ready()
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.inner = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl<B> Body for LimitedBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let polled = Pin::new(inner).poll_frame(cx);
        if polled.is_pending() && this.overdue(cx) {
            let pause = this.pause;
            return this.fail(BodyError::Timeout { pause });
        }
        let Some(frame) = ready!(polled) else { return Poll::Ready(None) };
        this.waiting = false;
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return this.fail(BodyError::Broken(error.into())),
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match this.left.checked_sub(length) {
            Some(left) => this.left = left,
            None => {
                let limit = this.limit;
                return this.fail(BodyError::TooLarge { limit });
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;
    use crate::server::tests::limits;

    struct Never;
    impl Body for Never {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn counts_bytes() {
        let mut limits = limits();
        for (limit, expected) in [(4, Some(Refusal::BodyTooLarge)), (5, None)] {
            limits.request_body = limit;
            let body = LimitedBody::new(Full::new(Bytes::from_static(b"hello")), &limits);
            let result = body.collect().await;
            assert_eq!(result.err().map(|error| error.refusal()), expected);
        }
    }

    #[tokio::test]
    async fn a_pause_ends_it_for_good() {
        let mut limits = limits();
        limits.body_timeout = Duration::from_millis(20);
        let mut body = LimitedBody::new(Never, &limits);
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.refusal(), Refusal::RequestTimeout);
        assert!(body.frame().await.is_none() && body.is_end_stream());
    }
}
