//! Bytes read as text, so that a seed is a file that one can read and write: lines, numbers, header blocks.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What is left to read. Nothing in it is wrong: what is not there is empty, or zero.
pub(crate) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\n', self.0).unwrap_or(self.0.len());
        let line = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        line
    }

    /// The next line, if it is text.
    pub(crate) fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.line()).unwrap_or_default()
    }

    /// Numbers on the next line; those that are too large saturate.
    pub(crate) fn numbers<const N: usize>(&mut self) -> [u64; N] {
        let mut words = self.line().split(|&byte| byte == b' ');
        std::array::from_fn(|_| {
            let digits = words.next().unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit());
            digits.fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
        })
    }

    /// `name: value` lines up to an empty one. What is no field is left out.
    pub(crate) fn fields(&mut self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        while !self.0.is_empty() && fields.len() < 200 {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), value) {
                fields.append(name, value);
            }
        }
        fields
    }

    /// A field value from the next line.
    pub(crate) fn value(&mut self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(self.line()).ok()
    }
}

/// One field with these lines.
pub(crate) fn field(name: HeaderName, lines: &[&[u8]]) -> HeaderMap {
    let values = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
    HeaderMap::from_iter(values.map(|value| (name.clone(), value)))
}

/// The lines of `data`, at most a dozen.
pub(crate) fn lines(data: &[u8]) -> Vec<&[u8]> {
    data.split(|&byte| byte == b'\n').take(12).collect()
}
