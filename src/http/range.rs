//! Byte ranges: what Range asks for and Content-Range says.
//!
//! Against requests that make the edge work for nothing (RFC 9110 §17.15): a field with more than [`MAX_SPECS`]
//! ranges is ignored, ranges that overlap, touch or nearly touch become one, and if more than [`MAX_RANGES`] are
//! left the field is ignored. To ignore it is always allowed (RFC 9110 §14.2); the client gets the whole.

use std::fmt;

use http::HeaderValue;
use smallvec::SmallVec;

use super::decimal;
use super::list::{split, trim};

/// A field with more ranges than this, as written, is ignored.
pub const MAX_SPECS: usize = 64;
/// A field that still has more ranges than this when coalesced is ignored.
pub const MAX_RANGES: usize = 16;
/// A gap of fewer bytes than this costs less to send than the head of another part (RFC 9110 §15.3.7.2).
pub const SMALL_GAP: u64 = 80;

/// Bytes `first` to `last`, both included; `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// One range as written (RFC 9110 §14.1.2), before the length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RangeSpec {
    /// `first-last`, `first <= last`
    FromTo {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte, perhaps beyond the end.
        last: u64,
    },
    /// `first-`
    From {
        /// Offset of the first byte.
        first: u64,
    },
    /// `-len`
    Suffix {
        /// How many bytes from the end, perhaps more than there are, perhaps 0.
        len: u64,
    },
}

impl RangeSpec {
    /// The bytes it means in a representation of `len` bytes; `None` if there are none (RFC 9110 §14.1.2).
    pub const fn resolve(self, len: u64) -> Option<ByteRange> {
        let Some(end) = len.checked_sub(1) else { return None };
        match self {
            Self::FromTo { first, .. } | Self::From { first } if first > end => None,
            Self::FromTo { first, last } => {
                Some(ByteRange { first, last: if last < end { last } else { end } })
            }
            Self::From { first } => Some(ByteRange { first, last: end }),
            Self::Suffix { len: 0 } => None,
            Self::Suffix { len: suffix } => Some(ByteRange { first: len.saturating_sub(suffix), last: end }),
        }
    }
}

/// Ranges as written.
pub type RangeSpecs = SmallVec<[RangeSpec; 1]>;
/// Ranges of bytes, disjoint, in the order in which they were asked for.
pub type ByteRanges = SmallVec<[ByteRange; 1]>;

/// What to do about a Range field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeResult {
    /// Answer as if the field were not there: another unit, malformed, or too many ranges.
    Ignore,
    /// 416: no byte of the representation is asked for.
    Unsatisfiable,
    /// 206 with these, at least one and at most [`MAX_RANGES`].
    Satisfiable(ByteRanges),
}

/// What a Range field means for a representation of `len` bytes.
pub fn parse(value: &HeaderValue, len: u64) -> RangeResult {
    match parse_unresolved(value) {
        Some(specs) => resolve(&specs, len),
        None => RangeResult::Ignore,
    }
}

/// The ranges as written, at least one; `None` if the field is to be ignored.
pub fn parse_unresolved(value: &HeaderValue) -> Option<RangeSpecs> {
    let text = trim(value.as_bytes());
    let equals = memchr::memchr(b'=', text)?;
    let (unit, set) = text.split_at_checked(equals)?;
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = RangeSpecs::new();
    for text in split(set.get(1..)?, b',') {
        if specs.len() == MAX_SPECS {
            return None;
        }
        specs.push(parse_spec(text)?);
    }
    (!specs.is_empty()).then_some(specs)
}

/// A number too large for us is larger than any body, so it saturates.
fn parse_spec(text: &[u8]) -> Option<RangeSpec> {
    let dash = memchr::memchr(b'-', text)?;
    let (before, after) = (text.get(..dash)?, text.get(dash + 1..)?);
    match (before, after) {
        ([], len) => Some(RangeSpec::Suffix { len: decimal::parse_saturating(len)? }),
        (first, []) => Some(RangeSpec::From { first: decimal::parse_saturating(first)? }),
        (first, last) => {
            let (first, last) = (decimal::parse_saturating(first)?, decimal::parse_saturating(last)?);
            (first <= last).then_some(RangeSpec::FromTo { first, last })
        }
    }
}

/// What ranges as written mean for a representation of `len` bytes.
pub fn resolve(specs: &[RangeSpec], len: u64) -> RangeResult {
    // An empty representation satisfies a suffix (RFC 9110 §14.1.2), but Content-Range cannot say so: send the whole.
    if len == 0 && specs.iter().any(|spec| matches!(spec, RangeSpec::Suffix { len: 1.. })) {
        return RangeResult::Ignore;
    }
    let ranges: ByteRanges = specs.iter().filter_map(|spec| spec.resolve(len)).collect();
    let ranges = coalesce(ranges);
    match ranges.len() {
        0 => RangeResult::Unsatisfiable,
        1..=MAX_RANGES => RangeResult::Satisfiable(ranges),
        _ => RangeResult::Ignore,
    }
}

/// Joins what overlaps, touches or nearly touches. The order stays, as RFC 9110 §15.3.7.2 asks: a joined range
/// stands where the first of its members stood.
fn coalesce(ranges: ByteRanges) -> ByteRanges {
    if ranges.len() < 2 {
        return ranges;
    }
    let mut placed: SmallVec<[(usize, ByteRange); MAX_RANGES]> = ranges.into_iter().enumerate().collect();
    placed.sort_unstable_by_key(|(_, range)| range.first);
    placed.dedup_by(|(next_place, next), (place, range)| {
        let near = next.first <= range.last.saturating_add(SMALL_GAP);
        if near {
            range.last = range.last.max(next.last);
            *place = (*place).min(*next_place);
        }
        near
    });
    placed.sort_unstable_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, range)| range).collect()
}

/// What a Content-Range field says (RFC 9110 §14.4), in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentRange {
    /// In a 206: which bytes these are.
    Satisfied {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte, at least `first`.
        last: u64,
        /// Length of the whole, more than `last`; `None` is `*`.
        complete: Option<u64>,
    },
    /// In a 416: how long the whole is.
    Unsatisfied {
        /// Length of the whole.
        complete: u64,
    },
}

impl ContentRange {
    /// Of one range in a whole of known length.
    pub const fn of(range: ByteRange, complete: u64) -> Self {
        Self::Satisfied { first: range.first, last: range.last, complete: Some(complete) }
    }

    /// `None` if the unit is not `bytes`, the value is malformed, or its numbers contradict each other; RFC 9110
    /// §14.4 forbids to make anything of such a response.
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let text = trim(value.as_bytes());
        let space = memchr::memchr(b' ', text)?;
        let (unit, rest) = (text.get(..space)?, text.get(space + 1..)?);
        let slash = memchr::memchr(b'/', rest)?;
        let (range, complete) = (rest.get(..slash)?, rest.get(slash + 1..)?);
        let complete = if complete == b"*" { None } else { Some(decimal::parse(complete)?) };
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        if range == b"*" {
            return Some(Self::Unsatisfied { complete: complete? });
        }
        let dash = memchr::memchr(b'-', range)?;
        let (first, last) = (decimal::parse(range.get(..dash)?)?, decimal::parse(range.get(dash + 1..)?)?);
        (first <= last && complete.is_none_or(|complete| last < complete)).then_some(Self::Satisfied {
            first,
            last,
            complete,
        })
    }

    /// As a field value.
    pub fn to_value(self) -> HeaderValue {
        // The text has digits, `bytes` and `*-/ ` only, so the second arm is never taken.
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static("bytes */0"))
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Satisfied { first, last, complete: Some(complete) } => {
                write!(f, "bytes {first}-{last}/{complete}")
            }
            Self::Satisfied { first, last, complete: None } => write!(f, "bytes {first}-{last}/*"),
            Self::Unsatisfied { complete } => write!(f, "bytes */{complete}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    fn ranges(text: &str, len: u64) -> Option<Vec<(u64, u64)>> {
        match parse(&value(text), len) {
            RangeResult::Satisfiable(ranges) => {
                Some(ranges.iter().map(|range| (range.first, range.last)).collect())
            }
            RangeResult::Unsatisfiable => Some(vec![]),
            RangeResult::Ignore => None,
        }
    }

    #[test]
    fn ranges_of_ten_thousand_bytes() {
        let whole = Some(vec![(0, 9_999)]);
        for (text, expected) in [
            // RFC 9110 §14.1.2
            ("bytes=0-499", Some(vec![(0, 499)])),
            ("bytes=500-999", Some(vec![(500, 999)])),
            ("bytes=-500", Some(vec![(9_500, 9_999)])),
            ("bytes=9500-", Some(vec![(9_500, 9_999)])),
            ("bytes=0-0,-1", Some(vec![(0, 0), (9_999, 9_999)])),
            ("bytes= 0-999, 4500-5499, -1000", Some(vec![(0, 999), (4_500, 5_499), (9_000, 9_999)])),
            ("bytes=500-600,601-999", Some(vec![(500, 999)])),
            ("bytes=500-700,601-999", Some(vec![(500, 999)])),
            // the edges
            ("bytes=0-", whole.clone()),
            ("bytes=0-99999999999999999999999", whole.clone()),
            ("bytes=-20000", whole.clone()),
            ("BYTES=0-0", Some(vec![(0, 0)])),
            (" bytes=,, 1-2 ,", Some(vec![(1, 2)])),
            ("bytes=9999-10000", Some(vec![(9_999, 9_999)])),
            ("bytes=10000-", Some(vec![])),
            ("bytes=99999999999999999999999-", Some(vec![])),
            ("bytes=-0", Some(vec![])),
            ("bytes=20000-30000,5-5", Some(vec![(5, 5)])),
            // order kept; coalesced where the first member stood
            ("bytes=5000-5001,0-1", Some(vec![(5_000, 5_001), (0, 1)])),
            ("bytes=5000-5001,900-901,4000-4999", Some(vec![(4_000, 5_001), (900, 901)])),
            ("bytes=0-9,89-99", Some(vec![(0, 99)])),
            ("bytes=0-9,90-99", Some(vec![(0, 9), (90, 99)])),
            ("bytes=0-500,10-20,400-600", Some(vec![(0, 600)])),
            // ignored
            ("bytes=5-4", None),
            ("bytes=0-0,5-4", None),
            ("bytes=", None),
            ("bytes=,", None),
            ("bytes", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=1", None),
            ("bytes=1-2-3", None),
            ("bytes=+1-2", None),
            ("bytes=1 -2", None),
            ("bytes = 1-2", None),
            ("items=0-1", None),
            ("", None),
        ] {
            assert_eq!(ranges(text, 10_000), expected, "{text}");
        }
    }

    #[test]
    fn nothing_of_nothing() {
        assert_eq!(ranges("bytes=0-", 0), Some(vec![]));
        assert_eq!(ranges("bytes=-0", 0), Some(vec![]));
        assert_eq!(ranges("bytes=-5", 0), None);
    }

    #[test]
    fn many_ranges_are_ignored_unless_they_coalesce() {
        let list = |count: u64, step: u64| {
            let specs: Vec<String> = (0..count).map(|at| format!("{}-{}", at * step, at * step)).collect();
            format!("bytes={}", specs.join(","))
        };
        assert_eq!(ranges(&list(16, 100), 10_000).map(|ranges| ranges.len()), Some(16));
        assert_eq!(ranges(&list(17, 100), 10_000), None);
        assert_eq!(ranges(&list(64, 2), 10_000), Some(vec![(0, 126)]));
        assert_eq!(ranges(&list(65, 2), 10_000), None);
    }

    #[test]
    fn specs_wait_for_the_length() {
        let specs = parse_unresolved(&value("bytes=1-2,3-,-4")).unwrap();
        let expected = [
            RangeSpec::FromTo { first: 1, last: 2 },
            RangeSpec::From { first: 3 },
            RangeSpec::Suffix { len: 4 },
        ];
        assert_eq!(specs.as_slice(), expected);
        assert_eq!(RangeSpec::Suffix { len: 4 }.resolve(3), Some(ByteRange { first: 0, last: 2 }));
        assert_eq!(ByteRange { first: 0, last: 2 }.len(), 3);
        assert_eq!(ByteRange { first: 0, last: u64::MAX }.len(), u64::MAX);
    }

    #[test]
    fn content_range_reads_what_it_writes() {
        for (text, expected) in [
            ("bytes 0-499/1234", ContentRange::Satisfied { first: 0, last: 499, complete: Some(1234) }),
            ("bytes 42-1233/*", ContentRange::Satisfied { first: 42, last: 1233, complete: None }),
            ("bytes */1234", ContentRange::Unsatisfied { complete: 1234 }),
        ] {
            assert_eq!(ContentRange::parse(&value(text)), Some(expected));
            assert_eq!(expected.to_value(), text);
        }
        let range = ContentRange::of(ByteRange { first: 1, last: 2 }, 3);
        assert_eq!(range.to_string(), "bytes 1-2/3");
    }

    #[test]
    fn a_content_range_that_contradicts_itself_is_none() {
        for text in [
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes */*",
            "bytes 0-1",
            "bytes=0-1/2",
            "items 0-1/2",
            "bytes 0-1/99999999999999999999999",
            "bytes 0/2",
            "bytes +0-1/2",
            "bytes -1/2",
            "bytes 0-1/",
            "bytes  0-1/2",
            "",
        ] {
            assert_eq!(ContentRange::parse(&value(text)), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_satisfiable_is_disjoint_and_inside(text in "bytes=([0-9]{0,4}-[0-9]{0,4},?){0,20}", len in 0u64..5_000) {
            if let RangeResult::Satisfiable(mut ranges) = parse(&value(&text), len) {
                prop_assert!((1..=MAX_RANGES).contains(&ranges.len()));
                ranges.sort_by_key(|range| range.first);
                for range in &ranges {
                    prop_assert!(range.first <= range.last && range.last < len);
                }
                for pair in ranges.windows(2) {
                    prop_assert!(pair[0].last + SMALL_GAP < pair[1].first);
                }
            }
        }

        #[test]
        fn every_byte_asked_for_is_sent(asked in proptest::collection::vec((0u64..999, 0u64..50), 1..20)) {
            let specs: Vec<_> =
                asked.iter().map(|(first, more)| RangeSpec::FromTo { first: *first, last: first + more }).collect();
            if let RangeResult::Satisfiable(ranges) = resolve(&specs, 1_000) {
                for range in specs.iter().filter_map(|spec| spec.resolve(1_000)) {
                    prop_assert!(ranges.iter().any(|sent| sent.first <= range.first && range.last <= sent.last));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..60), len: u64) {
            if let Ok(value) = HeaderValue::from_bytes(&text) {
                parse(&value, len);
                if let Some(range) = ContentRange::parse(&value) {
                    prop_assert_eq!(ContentRange::parse(&range.to_value()), Some(range));
                }
            }
        }

        #[test]
        fn content_range_round_trips(first: u32, more: u32, rest in 1u64.., known: bool) {
            let last = u64::from(first) + u64::from(more);
            let complete = known.then(|| last.saturating_add(rest));
            let range = ContentRange::Satisfied { first: u64::from(first), last, complete };
            prop_assert_eq!(ContentRange::parse(&range.to_value()), Some(range));
        }
    }
}
