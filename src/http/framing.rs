//! What the raw bytes of an HTTP/1 request head say about its framing, for what the parser behind would hide.
//!
//! The parser joins repeated lengths, drops a length beside Transfer-Encoding and takes a bare LF for a line end: all
//! of which a proxy in front may read differently, and then a body is a second request. [`HeadScan`] looks at the
//! bytes as they arrive and reports such a head as a [`Defect`] (RFC 9112 §2.2, §6.1, §6.3). It is no parser: what the
//! parser refuses by itself it does not look for.
//!
//! It runs on every request: one search per line, and a look at its first letter. How much a head may measure is the
//! caller's business, and so is what follows it.

mod defect;

pub use self::defect::Defect;
use super::decimal;
use super::list::trim;

/// How many bytes follow a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// A length beyond this is one that no peer means, and that arithmetic elsewhere need not cope with.
const LONGEST: u64 = i64::MAX as u64;

/// The scanner of one head. It keeps numbers, not bytes: the caller does, as long as the head has no end.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeadScan {
    /// Where the first line begins that was not read yet.
    line: usize,
    /// Lines read, the request line included.
    lines: usize,
    /// Bytes of the request target, so far.
    target: usize,
    /// The request line ends in HTTP/1.0, which knows no Transfer-Encoding (RFC 9112 §6.1).
    old_version: bool,
    bare_lf: bool,
    framing: Option<Framing>,
    /// The first that was met.
    defect: Option<Defect>,
}

impl HeadScan {
    /// Reads on in `head`, which begins with the head's first byte, holds at least what the last call had, and may go
    /// on behind the head's end. Gives back where the head ends, if it does; then there is nothing more to read.
    pub fn read(&mut self, head: &[u8]) -> Option<usize> {
        loop {
            let rest = head.get(self.line..).unwrap_or_default();
            let Some(length) = memchr::memchr(b'\n', rest) else {
                if self.lines == 0 {
                    // The CR of a line end that is cut in two is no part of a target, not even where no version follows.
                    self.target = target(rest.strip_suffix(b"\r").unwrap_or(rest)).len();
                }
                return None;
            };
            let (line, _) = rest.split_at_checked(length).unwrap_or_default();
            self.line += length + 1;
            let line = line.strip_suffix(b"\r").unwrap_or_else(|| {
                self.bare_lf = true;
                line
            });
            match (self.lines, line.first()) {
                // Empty lines before the request line (RFC 9112 §2.2).
                (0, None) => continue,
                (0, Some(_)) => self.request_line(line),
                (_, None) => return Some(self.line),
                (_, Some(first)) => self.field(*first, line),
            }
            self.lines += 1;
        }
    }

    /// Bytes of the request target, or of its part that has arrived.
    pub fn target(&self) -> usize {
        self.target
    }

    /// How many field lines were read.
    pub fn fields(&self) -> usize {
        self.lines.saturating_sub(1)
    }

    /// What is known so far, and final once the head has ended.
    ///
    /// # Errors
    /// When what follows the head can be read in two ways. A LF without CR is none of that where nothing follows.
    pub fn verdict(&self) -> Result<Framing, Defect> {
        match (self.defect, self.framing) {
            (Some(defect), _) => Err(defect),
            (None, None) => Ok(Framing::None),
            (None, Some(_)) if self.bare_lf => Err(Defect::BareLf),
            (None, Some(framing)) => Ok(framing),
        }
    }

    fn request_line(&mut self, line: &[u8]) {
        self.target = target(line).len();
        self.old_version = line.ends_with(b" HTTP/1.0");
    }

    fn field(&mut self, first: u8, line: &[u8]) {
        // Only these two first letters can matter, and most fields have others.
        let read = match first | 0x20 {
            b'c' => value(line, b"content-length").map(|value| self.length(value)),
            b't' => value(line, b"transfer-encoding").map(|value| self.coding(value)),
            _ => return,
        };
        match read {
            None => {}
            Some(Ok(framing)) => self.framing = Some(framing),
            Some(Err(defect)) => self.defect = self.defect.or(Some(defect)),
        }
    }

    fn length(&self, value: &[u8]) -> Result<Framing, Defect> {
        match self.framing {
            Some(Framing::Chunked) => Err(Defect::LengthAndCoding),
            Some(_) => Err(Defect::RepeatedLength),
            None => {
                let length = decimal::parse(value).filter(|&length| length <= LONGEST);
                length.map(Framing::Length).ok_or(Defect::BadLength)
            }
        }
    }

    fn coding(&self, value: &[u8]) -> Result<Framing, Defect> {
        match self.framing {
            Some(Framing::Chunked) => Err(Defect::RepeatedCoding),
            Some(_) => Err(Defect::LengthAndCoding),
            None if !value.eq_ignore_ascii_case(b"chunked") => Err(Defect::OtherCoding),
            None if self.old_version => Err(Defect::CodingInOldVersion),
            None => Ok(Framing::Chunked),
        }
    }
}

/// The request target in a request line, whole or so far.
fn target(line: &[u8]) -> &[u8] {
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    parts.nth(1).unwrap_or_default()
}

/// The value of the field called `name`, without the white space around it. A name with white space before its colon
/// is none: the parser refuses the whole head for it (RFC 9112 §5.1).
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    head.eq_ignore_ascii_case(name).then(|| trim(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The verdict and where the head ended, with `step` more bytes at each call.
    fn scan(bytes: &[u8], step: usize) -> (Result<Framing, Defect>, Option<usize>) {
        let mut scan = HeadScan::default();
        let mut end = None;
        for until in (0..bytes.len()).step_by(step).skip(1).chain([bytes.len()]) {
            end = scan.read(&bytes[..until]);
            if end.is_some() {
                break;
            }
        }
        (scan.verdict(), end)
    }

    fn verdict(fields: &str) -> Result<Framing, Defect> {
        let head = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let whole = scan(head.as_bytes(), head.len());
        assert_eq!(whole.1, Some(head.len()), "{head:?}");
        for step in 1..20 {
            assert_eq!(scan(head.as_bytes(), step), whole, "{head:?} by {step}");
        }
        whole.0
    }

    #[test]
    fn heads_that_mean_one_thing() {
        let far = format!("Transfer-Encoding-{}: gzip\r\n", "x".repeat(80));
        let long = format!("Content-Length:{}50\r\n", " ".repeat(48));
        for (fields, expected) in [
            ("", Framing::None),
            ("Host: a\r\n", Framing::None),
            ("Host: a\r\nContent-Length: 5\r\n", Framing::Length(5)),
            ("content-length:\t9223372036854775807 \r\n", Framing::Length(i64::MAX as u64)),
            ("TRANSFER-encoding: Chunked\r\n", Framing::Chunked),
            ("Content-Length-X: 5\r\nX-Content-Length: 6\r\nContent-Type: a:b\r\n", Framing::None),
            ("Transfer-Encodings: gzip\r\nTE: gzip\r\n", Framing::None),
            ("X: Content-Length: 5\r\n", Framing::None),
            (far.as_str(), Framing::None),
            (long.as_str(), Framing::Length(50)),
            ("no colon\r\n", Framing::None),
            ("X: 1\nY: 2\n", Framing::None),
        ] {
            assert_eq!(verdict(fields), Ok(expected), "{fields:?}");
        }
    }

    #[test]
    fn heads_that_do_not() {
        let long_coding = format!("Transfer-Encoding:{}chunkedx\r\n", " ".repeat(39));
        let many = "Content-Length: 1\r\n".repeat(300);
        for (fields, expected) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Defect::LengthAndCoding),
            ("Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0\r\n", Defect::LengthAndCoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Defect::RepeatedCoding),
            ("Transfer-Encoding: gzip, chunked\r\n", Defect::OtherCoding),
            ("Transfer-Encoding: xchunked\r\n", Defect::OtherCoding),
            ("Transfer-Encoding: chunked;a=b\r\n", Defect::OtherCoding),
            ("Transfer-Encoding: \x0bchunked\r\n", Defect::OtherCoding),
            ("Transfer-Encoding:\r\n", Defect::OtherCoding),
            (long_coding.as_str(), Defect::OtherCoding),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Defect::RepeatedLength),
            (many.as_str(), Defect::RepeatedLength),
            ("Content-Length: 5, 5\r\n", Defect::BadLength),
            ("Content-Length: +5\r\n", Defect::BadLength),
            ("Content-Length: 0x5\r\n", Defect::BadLength),
            ("Content-Length: \r\n", Defect::BadLength),
            ("Content-Length: 9223372036854775808\r\n", Defect::BadLength),
            ("Content-Length: 18446744073709551616\r\n", Defect::BadLength),
            ("X: 1\nTransfer-Encoding: chunked\r\n", Defect::BareLf),
            ("Content-Length: 5\nX: 1\r\n", Defect::BareLf),
        ] {
            assert_eq!(verdict(fields), Err(expected), "{fields:?}");
        }
    }

    #[test]
    fn an_old_client_sends_no_chunks() {
        for (version, expected) in [("1.0", Err(Defect::CodingInOldVersion)), ("1.1", Ok(Framing::Chunked))] {
            let head = format!("POST / HTTP/{version}\r\nTransfer-Encoding: chunked\r\n\r\n");
            for step in [1, 5, 40, 1000] {
                assert_eq!(scan(head.as_bytes(), step).0, expected, "{head} by {step}");
            }
        }
    }

    #[test]
    fn what_limits_are_about_is_known_before_the_end() {
        let mut scan = HeadScan::default();
        for (head, target, fields) in [
            ("\r\nGET", 0, 0),
            ("\r\nGET /a?b", 4, 0),
            ("\r\nGET /a?bc HTTP/1.", 5, 0),
            ("\r\nGET /a?bc HTTP/1.1\r\n", 5, 0),
            ("\r\nGET /a?bc HTTP/1.1\r\nx: y z\r\na", 5, 1),
        ] {
            assert_eq!(scan.read(head.as_bytes()), None);
            assert_eq!((scan.target(), scan.fields()), (target, fields), "{head:?}");
        }
    }

    #[test]
    fn the_head_ends_where_it_ends() {
        let bytes = b"\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n";
        let (verdict, end) = scan(bytes, bytes.len());
        assert_eq!(verdict, Ok(Framing::Length(3)));
        assert_eq!(&bytes[end.unwrap()..][..3], b"abc");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_are_split(text in "([a-c: \r\n]|\r\n|\r\n\r\n|Content-Length:|Transfer-Encoding: chunked|[0-9]){0,40}", step in 1usize..50) {
            let head = format!("GET / HTTP/1.1\r\n{text}\r\n\r\n");
            let whole = scan(head.as_bytes(), head.len());
            prop_assert!(whole.1.is_some());
            prop_assert_eq!(whole, scan(head.as_bytes(), step));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1usize..50) {
            prop_assert!(scan(&bytes, step).1.is_none_or(|end| end <= bytes.len()));
        }
    }
}
