//! A scanner over the raw bytes of HTTP/1 request heads, for what the parser behind it would hide.
//!
//! The parser joins repeated lengths, drops a length beside Transfer-Encoding and takes a bare LF for a line end: all
//! of which a proxy in front may read differently, and then a body is a second request. [`HeadScan`] looks at the
//! bytes as they arrive and reports such a head as a [`Defect`] (RFC 9112 §2.2, §3.2, §5.1, §5.2, §6.1, §6.3). It is no
//! parser: what it does not care about it does not check.
//!
//! It runs on every request: one search per line, and a look at its first bytes.

use super::list::{is_ows, trim};
use super::refusal::Refusal;

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

/// Why a head can be read in two ways. The worst is reported: the order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// Transfer-Encoding beside Content-Length (RFC 9112 §6.1).
    LengthAndCoding,
    /// More than one Transfer-Encoding line.
    RepeatedCoding,
    /// A Transfer-Encoding other than `chunked`.
    OtherCoding,
    /// Transfer-Encoding in a request before HTTP/1.1 (RFC 9112 §6.1).
    CodingInOldVersion,
    /// More than one Content-Length line, alike or not (RFC 9112 §6.3 allows to refuse both).
    RepeatedLength,
    /// A Content-Length that is no number, or a list, or too large for 64 bits.
    BadLength,
    /// More than one Host line (RFC 9112 §3.2).
    RepeatedHost,
    /// White space between a field's name and its colon (RFC 9112 §5.1).
    SpaceBeforeColon,
    /// A line that continues the one before (RFC 9112 §5.2).
    FoldedLine,
    /// A CR without LF (RFC 9112 §2.2).
    BareCr,
    /// A LF without CR. RFC 9112 §2.2 lets a recipient take it for a line end, so others may not.
    BareLf,
}

impl Defect {
    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LengthAndCoding => "length_and_coding",
            Self::RepeatedCoding => "repeated_coding",
            Self::OtherCoding => "other_coding",
            Self::CodingInOldVersion => "coding_in_old_version",
            Self::RepeatedLength => "repeated_length",
            Self::BadLength => "bad_length",
            Self::RepeatedHost => "repeated_host",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::FoldedLine => "folded_line",
            Self::BareCr => "bare_cr",
            Self::BareLf => "bare_lf",
        }
    }

    /// How the request is refused.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::RepeatedHost => Refusal::BadHost,
            Self::SpaceBeforeColon | Self::FoldedLine | Self::BareCr | Self::BareLf => Refusal::MalformedHead,
            _ => Refusal::AmbiguousFraming,
        }
    }
}

/// Where in a head the scanner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before or in the request line; empty lines before it are skipped (RFC 9112 §2.2).
    RequestLine,
    Fields,
    Complete,
}

/// Bytes of a line that came in pieces which are kept: enough for every name and value that is looked at.
const CARRY: usize = 64;

/// The scanner. Bytes may be split anywhere; memory is constant.
#[derive(Debug, Clone)]
pub struct HeadScan {
    place: Place,
    lengths: u8,
    codings: u8,
    hosts: u8,
    old_version: bool,
    /// Of the first Content-Length.
    length: Option<u64>,
    /// Of the first Transfer-Encoding: whether it is `chunked`.
    chunked: bool,
    /// The worst defect of a line's form.
    form: Option<Defect>,
    line: Carried,
}

/// A line that came in pieces, so far.
#[derive(Debug, Clone)]
struct Carried {
    /// Its first bytes.
    start: [u8; CARRY],
    /// How many bytes there were, in `start` or beyond it.
    len: usize,
    /// The last one, which may be a CR.
    last: u8,
    /// The colon stood beyond `start`, after white space.
    far_space: bool,
    /// A colon was seen.
    named: bool,
}

impl Carried {
    const EMPTY: Self = Self { start: [0; CARRY], len: 0, last: 0, far_space: false, named: false };

    fn push(&mut self, piece: &[u8]) {
        if let Some(colon) = memchr::memchr(b':', piece).filter(|_| !self.named) {
            let before = colon.checked_sub(1).and_then(|at| piece.get(at)).copied().unwrap_or(self.last);
            self.named = true;
            self.far_space = self.len + colon >= CARRY && is_ows(before);
        }
        if let Some(room) = self.start.get_mut(self.len..) {
            room.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        }
        self.len = self.len.saturating_add(piece.len());
        self.last = piece.last().copied().unwrap_or(self.last);
    }
}

impl Default for HeadScan {
    fn default() -> Self {
        Self::new()
    }
}

impl HeadScan {
    /// Before a head.
    pub const fn new() -> Self {
        Self {
            place: Place::RequestLine,
            lengths: 0,
            codings: 0,
            hosts: 0,
            old_version: false,
            length: None,
            chunked: false,
            form: None,
            line: Carried::EMPTY,
        }
    }

    /// Back to before a head.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Looks at the next bytes of the connection. Gives back how many of them belong to this head: all, unless it
    /// ends inside them; 0 when it had ended before.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while self.place != Place::Complete {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\r', b'\n', rest) else {
                self.line.push(rest);
                return bytes.len();
            };
            at += match rest.get(found..) {
                Some([b'\r', b'\n', ..]) if self.line.len == 0 => {
                    self.end_line(rest.get(..found).unwrap_or_default());
                    found + 2
                }
                _ => self.uncommon(rest, found),
            };
        }
        at
    }

    /// A line end that is not CRLF in one piece after a line in one piece. Gives back how much of `rest` was used.
    #[cold]
    fn uncommon(&mut self, rest: &[u8], found: usize) -> usize {
        // The CR is carried too: whether it ends the line is known with the byte after it.
        self.line.push(rest.get(..found).unwrap_or_default());
        if rest.get(found) == Some(&b'\r') {
            self.line_cr();
            return found + 1;
        }
        let mut line = std::mem::replace(&mut self.line, Carried::EMPTY);
        if line.last == b'\r' && line.len > 0 {
            line.len -= 1;
        } else {
            self.note(Defect::BareLf);
        }
        self.end_carried(&line);
        found + 1
    }

    fn line_cr(&mut self) {
        self.check_inner_cr();
        self.line.push(b"\r");
    }

    /// Called before each byte that follows a carried CR and is no LF.
    fn check_inner_cr(&mut self) {
        if self.line.len > 0 && self.line.last == b'\r' {
            self.note(Defect::BareCr);
        }
    }

    fn end_carried(&mut self, line: &Carried) {
        if line.far_space {
            self.note(Defect::SpaceBeforeColon);
        }
        let start = line.start.get(..line.len.min(CARRY)).unwrap_or_default();
        self.end_line(start);
    }

    /// A line without its end; of a long one in pieces only the start.
    fn end_line(&mut self, line: &[u8]) {
        match (self.place, line) {
            (Place::RequestLine, []) => {}
            (Place::RequestLine, _) => {
                self.old_version = line.ends_with(b"HTTP/1.0");
                self.place = Place::Fields;
            }
            (_, []) => self.place = Place::Complete,
            _ => self.field(line),
        }
    }

    fn field(&mut self, _line: &[u8]) {}

    fn note(&mut self, defect: Defect) {
        self.form = Some(self.form.map_or(defect, |worst| worst.min(defect)));
    }
}
