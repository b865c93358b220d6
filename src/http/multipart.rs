//! The layout of a `multipart/byteranges` body (RFC 9110 §14.6): all its bytes but those of the representation.
//!
//! The length of the whole is known before the first byte is sent, so it goes out with Content-Length, part by
//! part: head, bytes of the range, next head, …, trailer.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderValue;
use smallvec::SmallVec;

use super::range::{ByteRange, ContentRange};

/// What separates the parts: 1 to 70 letters, digits, `-`, `_` or `.` (a subset of RFC 2046 §5.1.1 that needs no
/// quotes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(SmallVec<[u8; 32]>);

impl Boundary {
    /// 32 hexadecimal digits. With random bits it is in no body.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits.to_be_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect())
    }

    /// `None` if the text is too short, too long, or has other bytes.
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        ((1..=70).contains(&text.len()) && text.as_bytes().iter().all(allowed))
            .then(|| Self(SmallVec::from_slice(text.as_bytes())))
    }

    /// The value of the response's Content-Type.
    pub fn content_type(&self) -> HeaderValue {
        const TYPE: &[u8] = b"multipart/byteranges; boundary=";
        // The constructors let nothing in that a field value may not have, so the fallback is never taken.
        HeaderValue::from_bytes(&[TYPE, &self.0].concat())
            .unwrap_or_else(|_| HeaderValue::from_static("multipart/byteranges"))
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// One part: send `head`, then the bytes of `range`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The boundary and the part's fields, to the first byte of its content.
    pub head: Bytes,
    /// What follows it.
    pub range: ByteRange,
}

/// What a body of several ranges is sent from.
#[derive(Debug)]
pub enum Piece {
    /// A boundary and a part's head.
    Text(Bytes),
    /// Bytes of the representation: from, to.
    Range(u64, u64),
}

/// A body of several ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    parts: Vec<Part>,
    trailer: Bytes,
    content_length: u64,
}

impl Multipart {
    /// Lays out `ranges` of a representation of `complete` bytes. `content_type` is the representation's, and is
    /// repeated in every part. RFC 9110 §15.3.7.2 wants at least two ranges; one is laid out all the same.
    pub fn new(
        complete: u64,
        content_type: Option<&HeaderValue>,
        ranges: &[ByteRange],
        boundary: &Boundary,
    ) -> Self {
        let mut text = BytesMut::with_capacity((ranges.len() + 1) * 128);
        let mut parts = Vec::with_capacity(ranges.len());
        let mut content_length = 0u64;
        for &range in ranges {
            let first = parts.is_empty();
            write_head(&mut text, first, content_type, ContentRange::of(range, complete), boundary);
            let head = text.split().freeze();
            content_length = content_length.saturating_add(head.len() as u64).saturating_add(range.len());
            parts.push(Part { head, range });
        }
        text.put_slice(b"\r\n--");
        text.put_slice(&boundary.0);
        text.put_slice(b"--\r\n");
        let trailer = text.freeze();
        content_length = content_length.saturating_add(trailer.len() as u64);
        Self { parts, trailer, content_length }
    }

    /// All of the body, last piece first.
    pub fn pieces_from_the_end(&self) -> Vec<Piece> {
        let mut pieces = vec![Piece::Text(self.trailer.clone())];
        for part in self.parts.iter().rev() {
            pieces.push(Piece::Range(part.range.first, part.range.last + 1));
            pieces.push(Piece::Text(part.head.clone()));
        }
        pieces
    }

    /// Bytes of the whole body.
    pub fn content_length(&self) -> u64 {
        self.content_length
    }

    /// In the order to send them.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What follows the last part.
    pub fn trailer(&self) -> &Bytes {
        &self.trailer
    }
}

fn write_head(
    text: &mut BytesMut,
    first: bool,
    content_type: Option<&HeaderValue>,
    range: ContentRange,
    boundary: &Boundary,
) {
    // The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1); the first one needs none.
    text.put_slice(if first { b"--" } else { b"\r\n--" });
    text.put_slice(&boundary.0);
    if let Some(content_type) = content_type {
        text.put_slice(b"\r\nContent-Type: ");
        text.put_slice(content_type.as_bytes());
    }
    // Writing to memory does not fail.
    let _ = write!(text.writer(), "\r\nContent-Range: {range}\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn send(body: &Multipart, whole: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        for part in body.parts() {
            sent.extend_from_slice(&part.head);
            sent.extend_from_slice(&whole[part.range.first as usize..=part.range.last as usize]);
        }
        sent.extend_from_slice(body.trailer());
        sent
    }

    #[test]
    fn two_parts_as_in_the_rfc() {
        let whole = b"0123456789";
        let ranges = [ByteRange { first: 0, last: 1 }, ByteRange { first: 7, last: 9 }];
        let kind = HeaderValue::from_static("text/plain");
        let body = Multipart::new(10, Some(&kind), &ranges, &Boundary::new("SEP").unwrap());
        let expected = "--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
            \r\n--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-9/10\r\n\r\n789\r\n--SEP--\r\n";
        assert_eq!(String::from_utf8(send(&body, whole)).unwrap(), expected);
        assert_eq!(body.content_length(), expected.len() as u64);
    }

    #[test]
    fn a_part_without_type_has_no_type() {
        let body = Multipart::new(3, None, &[ByteRange { first: 0, last: 0 }], &Boundary::new("b").unwrap());
        assert_eq!(body.parts()[0].head, "--b\r\nContent-Range: bytes 0-0/3\r\n\r\n");
    }

    #[test]
    fn boundaries_need_no_quotes() {
        assert_eq!(
            Boundary::from_bits(0xab).content_type(),
            format!("multipart/byteranges; boundary={:032x}", 0xab)
        );
        assert_eq!(Boundary::new("a.B_9-").unwrap().content_type(), "multipart/byteranges; boundary=a.B_9-");
        for text in ["", "a b", "a\"", "a\r\n", "é", &"x".repeat(71)] {
            assert_eq!(Boundary::new(text), None, "{text}");
        }
        assert!(Boundary::new(&"x".repeat(70)).is_some());
    }

    proptest! {
        #[test]
        fn the_length_is_the_length(spans in proptest::collection::vec((0u64..500, 0u64..500), 0..10), bits: u128) {
            let whole = vec![b'x'; 1000];
            let ranges: Vec<_> =
                spans.iter().map(|(first, more)| ByteRange { first: *first, last: first + more }).collect();
            let body = Multipart::new(1000, None, &ranges, &Boundary::from_bits(bits));
            prop_assert_eq!(body.content_length(), send(&body, &whole).len() as u64);
        }
    }
}
