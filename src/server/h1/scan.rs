//! Follows the bytes of an HTTP/1 connection from head to head and says which must not reach the parser.
//!
//! hyper reads a head that carries both Transfer-Encoding and Content-Length, or the same length twice, as
//! if nothing were wrong and leaves no trace of it (RFC 9112 §6.1 and §6.3 let it; a cache in front of other
//! servers must not). So the connection's bytes pass by here first. Heads are measured and their framing
//! fields read; bodies are only counted, to know where the next head begins.

mod body;
mod head;

use body::Body;
pub use head::HeadLimits;
use head::Progress;

use super::super::glimpse::Glimpse;
use crate::http::framing::HeadScan;
use crate::http::refusal::Refusal;

/// Empty bytes before a request line that are not yet a request (RFC 9112 §2.2 asks for one CRLF at least).
const GAP: u8 = 4;

/// The scanner of one connection.
#[derive(Debug)]
pub struct Scan {
    limits: HeadLimits,
    part: Part,
    /// The head's bytes so far, when it came in more than one read; otherwise empty.
    carry: Vec<u8>,
    /// Heads that passed, wrapping.
    heads: u32,
    /// What was seen of the one that was refused.
    seen: Option<Box<Glimpse>>,
}

#[derive(Debug)]
enum Part {
    /// Between requests, after so many newline bytes.
    Gap(u8),
    /// Inside a head.
    Head(HeadScan),
    /// Inside a body.
    Body(Body),
    /// The body's framing is broken: nothing that follows can be told from a request, so none of it passes.
    Lost,
    /// Nothing more may pass.
    Refused(Refusal),
}

impl Scan {
    /// A scanner before the first byte of a connection.
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, part: Part::Gap(0), carry: Vec::new(), heads: 0, seen: None }
    }

    /// Takes what was read and says how much of it may pass on: all of it, or what stands before a refusal.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.part {
                Part::Gap(seen) => match bytes[at] {
                    b'\r' | b'\n' if *seen < GAP => {
                        *seen += 1;
                        at += 1;
                    }
                    _ => self.part = Part::Head(HeadScan::default()),
                },
                Part::Head(scan) => {
                    let mut scan = *scan;
                    match self.head(&mut scan, &bytes[at..]) {
                        Progress::Partial => {
                            self.part = Part::Head(scan);
                            return bytes.len();
                        }
                        Progress::Complete(taken, framing) => {
                            at += taken;
                            self.heads = self.heads.wrapping_add(1);
                            self.part = Body::new(framing).map_or(Part::Gap(0), Part::Body);
                        }
                        Progress::Refused(refusal) => {
                            self.refuse(refusal);
                            return at;
                        }
                    }
                }
                Part::Body(body) => {
                    let (taken, more) = body.skip(&bytes[at..]);
                    at += taken;
                    match more {
                        body::Left::More => {}
                        body::Left::Ended => self.part = Part::Gap(0),
                        body::Left::Broken => self.part = Part::Lost,
                    }
                }
                Part::Lost | Part::Refused(_) => return at,
            }
        }
        at
    }

    /// Reads on in a head; `Complete` counts bytes of `bytes`, not of the carry.
    fn head(&mut self, scan: &mut HeadScan, bytes: &[u8]) -> Progress {
        if self.carry.is_empty() {
            let progress = self.limits.read(scan, bytes);
            match progress {
                Progress::Partial => self.carry.extend_from_slice(bytes),
                Progress::Refused(_) => self.seen = Some(Box::new(Glimpse::of_head(bytes))),
                Progress::Complete(..) => {}
            }
            return progress;
        }
        let before = self.carry.len();
        self.carry.extend_from_slice(bytes);
        let progress = match self.limits.read(scan, &self.carry) {
            Progress::Complete(end, framing) => Progress::Complete(end.saturating_sub(before), framing),
            other => other,
        };
        if let Progress::Refused(_) = progress {
            self.seen = Some(Box::new(Glimpse::of_head(&self.carry)));
        }
        if progress != Progress::Partial {
            self.carry = Vec::new();
        }
        progress
    }

    /// From now on nothing passes.
    pub fn refuse(&mut self, refusal: Refusal) {
        if !self.carry.is_empty() {
            self.seen = Some(Box::new(Glimpse::of_head(&self.carry)));
        }
        self.part = Part::Refused(refusal);
        self.carry = Vec::new();
    }

    /// Why nothing passes any more.
    pub fn refused(&self) -> Option<Refusal> {
        match self.part {
            Part::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// What was seen of the head that was refused; none where that is not known here.
    pub fn seen(&self) -> Option<&Glimpse> {
        self.seen.as_deref()
    }

    /// How many heads have passed, wrapping.
    pub fn heads(&self) -> u32 {
        self.heads
    }

    /// Whether a head has begun and not ended.
    pub fn in_head(&self) -> bool {
        matches!(self.part, Part::Head(_))
    }

    /// Whether bytes of a body are still due, or of something that was never understood: closing at once
    /// would reset the connection under the answer.
    pub fn owes(&self) -> bool {
        !matches!(self.part, Part::Gap(_))
    }

    /// Whether the request body broke its framing.
    pub fn lost(&self) -> bool {
        matches!(self.part, Part::Lost)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan() -> Scan {
        Scan::new(HeadLimits { head: 512, fields: 5, target: 64 })
    }

    fn whole(text: &[u8]) -> (usize, Option<Refusal>) {
        let mut scan = scan();
        (scan.feed(text), scan.refused())
    }

    #[test]
    fn what_is_refused() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(64));
        let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(600));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(6));
        let five = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5));
        let post = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let table = [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n".into(), None),
            ("GET / HTTP/1.1\nhost: a\n\n".into(), None),
            (five, None),
            (long, Some(Refusal::UriTooLong)),
            (format!("GET /{}", "a".repeat(64)), Some(Refusal::UriTooLong)),
            (large, Some(Refusal::HeadTooLarge)),
            ("GET / HTTP/1.1\r\nx: ".to_string() + &"a".repeat(600), Some(Refusal::HeadTooLarge)),
            (many, Some(Refusal::HeadTooLarge)),
            (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), Some(Refusal::AmbiguousFraming)),
            (post("transfer-encoding: chunked\r\ncontent-length: 5\r\n"), Some(Refusal::AmbiguousFraming)),
            (post("content-length: 5\r\ncontent-length: 5\r\n"), Some(Refusal::AmbiguousFraming)),
            (post("content-length: 5, 5\r\n"), Some(Refusal::AmbiguousFraming)),
            (post("content-length: +5\r\n"), Some(Refusal::AmbiguousFraming)),
            (post("content-length: \r\n"), Some(Refusal::AmbiguousFraming)),
            (post("content-length: 99999999999999999999\r\n"), Some(Refusal::AmbiguousFraming)),
            (post("transfer-encoding: gzip, chunked\r\n"), Some(Refusal::AmbiguousFraming)),
            ("POST / HTTP/1.1\ncontent-length: 5\n\n".into(), Some(Refusal::MalformedHead)),
            (post("transfer-encoding: xchunked\r\n"), Some(Refusal::AmbiguousFraming)),
            (
                post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
                Some(Refusal::AmbiguousFraming),
            ),
            ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".into(), Some(Refusal::AmbiguousFraming)),
            (post("content-lengths: x\r\ntransfer-encodings: y\r\n"), None),
            (post("Transfer-Encoding:  Chunked \r\n"), None),
        ];
        for (text, expected) in table {
            assert_eq!(whole(text.as_bytes()).1, expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_end_that_is_cut_in_two_makes_no_target_longer() {
        let text = format!("GET {}\r\n\r\n", "a".repeat(64));
        let mut cut = scan();
        text.as_bytes().chunks(1).for_each(|byte| assert_eq!(cut.feed(byte), 1));
        assert_eq!((cut.refused(), cut.heads()), (None, 1));
        assert_eq!(whole(text.as_bytes()), (text.len(), None));
    }

    #[test]
    fn what_stands_before_a_refusal_passes() {
        let good = b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
        let chunked =
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n";
        let bad = b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n";
        let text = [&good[..], chunked, bad].concat();
        assert_eq!(whole(&text), (good.len() + chunked.len(), Some(Refusal::AmbiguousFraming)));
    }

    #[test]
    fn a_broken_chunk_ends_it_and_nothing_after_it_is_a_request() {
        let mut scan = scan();
        let text = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nGET / HTTP/1.1\r\n\r\n";
        let broken = text.windows(3).position(|at| at == b"\nzz").unwrap() + 2;
        assert_eq!(scan.feed(text), broken);
        assert!(scan.lost() && scan.owes());
    }

    #[test]
    fn newlines_before_a_request_line_are_no_request_until_they_are_many() {
        let mut scan = scan();
        assert_eq!(scan.feed(b"\r\n\r\n"), 4);
        assert!(!scan.in_head());
        scan.feed(b"\n");
        assert!(scan.in_head());
    }

    proptest! {
        /// However a stream is cut, the verdict and the place of it are the same.
        #[test]
        fn cuts_do_not_matter(cuts in prop::collection::vec(1usize..40, 1..60), bad: bool, lf: bool) {
            let mut text = b"\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n\
                POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc\
                POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".to_vec();
            let good = text.len();
            if bad {
                text.extend_from_slice(b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n");
            }
            if lf && !bad {
                text.extend_from_slice(b"GET / HTTP/1.1\n\n");
            }
            let mut scan = scan();
            let (mut at, mut passed) = (0, 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(text.len());
                let taken = scan.feed(&text[at..end]);
                passed += taken;
                if taken < end - at || end == text.len() {
                    break;
                }
                at = end;
            }
            prop_assert_eq!(scan.refused(), bad.then_some(Refusal::AmbiguousFraming));
            prop_assert!(!scan.in_head());
            if bad { prop_assert!(passed >= good) } else { prop_assert_eq!(passed, text.len()) }
        }

        /// Foreign bytes never make it panic, and it never passes more than it got.
        #[test]
        fn any_bytes(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20)) {
            let mut scan = scan();
            for chunk in chunks {
                prop_assert!(scan.feed(&chunk) <= chunk.len());
            }
        }
    }
}
