//! The body of a response, wherever it comes from, and the record that is written when it is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::cache::growing::{Broken, Reader};
use crate::cache::object::{Content, Object};
use crate::http::multipart::Piece;
use crate::origin::{BoxError, OriginBody};
use crate::telemetry::Pending;

use crate::edge::slices::reader::SliceReader;

/// A body that is not known here.
pub type BoxBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// Where the bytes come from.
pub enum Source {
    /// No body.
    Empty,
    /// All of it at once.
    Once(Bytes),
    /// Bytes of an object that has them: from, to.
    Stored(Arc<Object>, u64, u64),
    /// Several parts of a stored object, as `multipart/byteranges`.
    Parts(Box<Parts>),
    /// A body that is still arriving, and how many bytes of it are to come if that is known.
    Arriving(Reader, Option<u64>),
    /// Made of slices.
    Sliced(Box<SliceReader>),
    /// A part of what comes straight from the origin.
    Cut(Box<Cut>),
    /// Straight from the origin.
    Origin(Box<OriginBody>),
    /// From the origin by way of something that looks at it.
    Watched(BoxBody),
}

/// A `multipart/byteranges` body: texts and parts of an object in turn.
pub struct Parts {
    /// The object.
    pub object: Arc<Object>,
    /// What is left to send, last first.
    pub left: Vec<Piece>,
    /// Bytes left in all.
    pub length: u64,
}

/// The part of an origin's body that a client asked for.
pub struct Cut {
    /// All of it.
    pub body: OriginBody,
    /// Bytes of it that are not for the client.
    pub skip: u64,
    /// Bytes behind those that are.
    pub left: u64,
}

/// A response body. Dropped before its end, it is recorded as incomplete.
pub struct Body {
    source: Source,
    pending: Option<Pending>,
}

impl Body {
    /// A body whose record is written when it ends.
    pub fn new(source: Source, pending: Pending) -> Self {
        let mut body = Self { source, pending: Some(pending) };
        body.finish_at_end();
        body
    }

    fn finish_at_end(&mut self) {
        if self.source.is_end()
            && let Some(pending) = self.pending.take()
        {
            pending.finish();
        }
    }
}

impl Source {
    /// Bytes still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self {
            Source::Empty => Some(0),
            Source::Once(bytes) => Some(bytes.len() as u64),
            Source::Stored(_, from, to) => Some(to.saturating_sub(*from)),
            Source::Parts(parts) => Some(parts.length),
            Source::Arriving(_, remaining) => *remaining,
            Source::Sliced(reader) => Some(reader.remaining()),
            Source::Cut(cut) => Some(cut.left),
            Source::Origin(body) => body.size_hint().exact(),
            Source::Watched(body) => body.size_hint().exact(),
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Source::Origin(body) => body.is_end_stream(),
            Source::Watched(body) => body.is_end_stream(),
            _ => self.remaining() == Some(0),
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let data = match self {
            Source::Empty => None,
            Source::Once(bytes) if bytes.is_empty() => None,
            Source::Once(bytes) => Some(std::mem::take(bytes)),
            Source::Stored(object, from, to) => read(object, from, *to),
            Source::Parts(parts) => parts.next(),
            Source::Arriving(reader, remaining) => return poll_arriving(reader, remaining, cx),
            Source::Sliced(reader) => {
                return reader.poll_next(cx).map(|next| Some(next?.map(Frame::data).map_err(BoxError::from)));
            }
            Source::Cut(cut) => return cut.poll_data(cx),
            Source::Watched(body) => return body.as_mut().poll_frame(cx),
            Source::Origin(body) => {
                return Pin::new(body.as_mut()).poll_frame(cx).map_err(BoxError::from);
            }
        };
        Poll::Ready(data.map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn read(object: &Object, from: &mut u64, to: u64) -> Option<Bytes> {
    let left = to.saturating_sub(*from);
    let bytes = match &object.body {
        Content::Whole(whole) => whole.slice_at(*from, left),
        Content::Part(extent) => extent.slice_at(*from, left),
        // That is `Source::Sliced`.
        Content::Sliced(_) => None,
    }?;
    *from += bytes.len() as u64;
    Some(bytes)
}

fn poll_arriving(
    reader: &mut Reader,
    remaining: &mut Option<u64>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    let Poll::Ready(next) = reader.poll_next(cx) else { return Poll::Pending };
    Poll::Ready(match next {
        Some(Ok(bytes)) => {
            if let Some(remaining) = remaining {
                *remaining = remaining.saturating_sub(bytes.len() as u64);
            }
            Some(Ok(Frame::data(bytes)))
        }
        Some(Err(broken)) => Some(Err(broken.into())),
        // A body that ends with less than its head announced must not look whole.
        None if remaining.is_some_and(|left| left > 0) => Some(Err(Broken::Origin.into())),
        None => {
            *remaining = Some(0);
            None
        }
    })
}

impl Cut {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while self.left > 0 {
            let mut bytes = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(Some(Err(Broken::Origin.into()))),
            };
            let skip = self.skip.min(bytes.len() as u64);
            self.skip -= skip;
            bytes.advance(skip as usize);
            bytes.truncate(self.left.min(bytes.len() as u64) as usize);
            if !bytes.is_empty() {
                self.left -= bytes.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Poll::Ready(None)
    }
}

impl Parts {
    fn next(&mut self) -> Option<Bytes> {
        loop {
            let bytes = match self.left.last_mut()? {
                Piece::Text(text) => std::mem::take(text),
                Piece::Range(from, to) => read(&self.object, from, *to).unwrap_or_default(),
            };
            if bytes.is_empty() {
                self.left.pop();
                continue;
            }
            self.length = self.length.saturating_sub(bytes.len() as u64);
            return Some(bytes);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.source.poll_data(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(pending)) = (frame.data_ref(), &mut self.pending) {
                    pending.record.bytes_sent += data.len() as u64;
                }
                self.finish_at_end();
            }
            Poll::Ready(None) => {
                if let Some(pending) = self.pending.take() {
                    pending.finish();
                }
            }
            Poll::Ready(Some(Err(_))) => drop(self.pending.take()),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.source, self.source.remaining()) {
            (Source::Origin(body), _) => body.size_hint(),
            (Source::Watched(body), _) => body.size_hint(),
            (_, Some(exact)) => SizeHint::with_exact(exact),
            (_, None) => SizeHint::default(),
        }
    }
}
