//! One request head: its size, the number of its fields, and what it says about the body's framing.

use memchr::memchr;

use super::body::Body;
use crate::http::refusal::Refusal;

/// What a head may measure.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes, request line and final empty line included.
    pub head: usize,
    /// Field lines.
    pub fields: usize,
    /// Bytes of the request target.
    pub target: usize,
}

/// What is known of a head so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// Where the first line begins that was not read yet.
    line: usize,
    /// Lines read, the request line included.
    lines: usize,
    /// The request line ends in HTTP/1.0, which knows no Transfer-Encoding (RFC 9112 §6.1).
    old: bool,
    chunked: bool,
    length: Option<u64>,
}

/// How far a head was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has no end yet.
    Partial,
    /// It ends before this byte.
    Complete(usize),
    /// It must not be answered by a handler.
    Refused(Refusal),
}

impl Facts {
    /// Reads on in `head`, which begins with the head's first byte and may go on behind its end.
    pub(super) fn read(&mut self, head: &[u8], limits: &HeadLimits) -> Progress {
        while let Some(length) = memchr(b'\n', &head[self.line..]) {
            let end = self.line + length + 1;
            if end > limits.head && self.lines > 0 {
                return Progress::Refused(Refusal::HeadTooLarge);
            }
            let line = &head[self.line..end - 1];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.line = end;
            if let Err(refusal) = match (self.lines, line) {
                // Empty lines before the request line: hyper skips them.
                (0, b"") => continue,
                (0, line) => self.request_line(line, end, limits),
                (_, b"") => return Progress::Complete(end),
                (_, line) => self.field(line, limits),
            } {
                return Progress::Refused(refusal);
            }
            self.lines += 1;
        }
        if self.lines == 0 && target(&head[self.line..]).len() > limits.target {
            return Progress::Refused(Refusal::UriTooLong);
        }
        if head.len() > limits.head {
            return Progress::Refused(Refusal::HeadTooLarge);
        }
        Progress::Partial
    }

    fn request_line(&mut self, line: &[u8], end: usize, limits: &HeadLimits) -> Result<(), Refusal> {
        if target(line).len() > limits.target {
            return Err(Refusal::UriTooLong);
        }
        if end > limits.head {
            return Err(Refusal::HeadTooLarge);
        }
        self.old = line.ends_with(b" HTTP/1.0");
        Ok(())
    }

    fn field(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
        if self.lines > limits.fields {
            return Err(Refusal::HeadTooLarge);
        }
        // Only these two first letters can matter, and most fields have others.
        match line[0] | 0x20 {
            b'c' => match value(line, b"content-length") {
                Some(value) => self.content_length(value),
                None => Ok(()),
            },
            b't' => match value(line, b"transfer-encoding") {
                Some(value) => self.transfer_encoding(value),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        match length {
            Some(length) if !self.chunked && self.length.is_none() && length <= i64::MAX as u64 => {
                self.length = Some(length);
                Ok(())
            }
            _ => Err(Refusal::AmbiguousFraming),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.old || self.chunked || self.length.is_some() || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::AmbiguousFraming);
        }
        self.chunked = true;
        Ok(())
    }

    /// The body that follows.
    pub(super) fn body(&self) -> Option<Body> {
        match (self.chunked, self.length) {
            (true, _) => Some(Body::chunked()),
            (false, Some(length)) if length > 0 => Some(Body::Length(length)),
            (false, _) => None,
        }
    }
}

/// The request target in a request line, whole or so far.
fn target(line: &[u8]) -> &[u8] {
    let Some(method) = memchr(b' ', line) else { return &[] };
    let rest = &line[method + 1..];
    &rest[..memchr(b' ', rest).unwrap_or(rest.len())]
}

/// The value of the field called `name`, without the whitespace around it. A name with whitespace before its
/// colon is none: hyper refuses the whole head for it.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    head.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}
