//! Which range an origin is asked for in place of a client's, and whether what it says is that range.
//!
//! The client's range is widened to the borders of slices, so that what comes can be kept and the next range
//! costs nothing. With several ranges the first one counts: once the resource is known, each is read by itself.

use http::header::{CONTENT_RANGE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};

use crate::http::range::{self, ByteRange, ContentRange, RangeSpec};

/// A range to ask an origin for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestedRange {
    client: RangeSpec,
    widened: RangeSpec,
    /// The client wants this range, whatever the origin may find out.
    pub sole: bool,
}

impl RequestedRange {
    /// For a client's request and a slice size, a power of two. `None`: the whole is to be asked for.
    pub fn of(request: &HeaderMap, slice: u64) -> Option<Self> {
        let specs = range::parse_unresolved(request.get(RANGE)?)?;
        let client = *specs.first()?;
        let mask = slice.checked_sub(1)?;
        let widened = match client {
            RangeSpec::FromTo { first, last } => {
                RangeSpec::FromTo { first: first & !mask, last: last | mask }
            }
            RangeSpec::From { first } => RangeSpec::From { first: first & !mask },
            RangeSpec::Suffix { len: 0 } => return None,
            RangeSpec::Suffix { len } => RangeSpec::Suffix { len: len.checked_next_multiple_of(slice)? },
        };
        Some(Self { client, widened, sole: specs.len() == 1 && !request.contains_key(IF_RANGE) })
    }

    /// What Range says.
    pub fn value(&self) -> HeaderValue {
        let text = match self.widened {
            RangeSpec::FromTo { first, last } => format!("bytes={first}-{last}"),
            RangeSpec::From { first } => format!("bytes={first}-"),
            RangeSpec::Suffix { len } => format!("bytes=-{len}"),
        };
        // Digits and punctuation are a field value.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes=0-"))
    }

    /// The bytes that a 206 brings and the length of the whole, if it is exactly what was asked for.
    pub fn brought(&self, head: &HeaderMap, body: Option<u64>) -> Option<(ByteRange, u64)> {
        let (range, complete) = content_range(head)?;
        let right =
            self.widened.resolve(complete) == Some(range) && body.is_none_or(|len| len == range.len());
        right.then_some((range, complete))
    }

    /// Whether all the client wants is inside of `came`, in a whole of `complete` bytes.
    pub fn is_inside(&self, came: ByteRange, complete: u64) -> bool {
        let client = self.client.resolve(complete).filter(|_| self.sole);
        client.is_some_and(|client| came.first <= client.first && client.last <= came.last)
    }

    /// The offset in a whole of `complete` bytes that the client begins to read at; `None` if there is none.
    pub fn start(&self, complete: u64) -> Option<u64> {
        self.client.resolve(complete).map(|range| range.first)
    }
}

/// What a 206 says it brings, if it says so once and knows the length of the whole.
pub fn content_range(head: &HeaderMap) -> Option<(ByteRange, u64)> {
    let mut lines = head.get_all(CONTENT_RANGE).iter();
    let value = lines.next().filter(|_| lines.next().is_none())?;
    match ContentRange::parse(value)? {
        ContentRange::Satisfied { first, last, complete: Some(complete) } => {
            Some((ByteRange { first, last }, complete))
        }
        ContentRange::Satisfied { complete: None, .. } | ContentRange::Unsatisfied { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        pairs.fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
    }

    fn requested(range: &str) -> Option<RequestedRange> {
        RequestedRange::of(&headers(&[(RANGE, range)]), 16)
    }

    #[test]
    fn a_range_is_widened_to_borders() {
        for (client, origin) in [
            ("bytes=0-0", Some("bytes=0-15")),
            ("bytes=15-16", Some("bytes=0-31")),
            ("bytes=16-31", Some("bytes=16-31")),
            ("bytes=17-", Some("bytes=16-")),
            ("bytes=-1", Some("bytes=-16")),
            ("bytes=-17", Some("bytes=-32")),
            ("bytes=20-21, 0-1", Some("bytes=16-31")),
            ("bytes=0-18446744073709551615", Some("bytes=0-18446744073709551615")),
            ("bytes=-18446744073709551615", None),
            ("bytes=-0", None),
            ("bytes=3-2", None),
            ("lines=0-1", None),
        ] {
            let value = requested(client).map(|requested| requested.value());
            assert_eq!(value.as_ref().map(|value| value.to_str().unwrap()), origin, "{client}");
        }
    }

    #[test]
    fn only_one_range_without_condition_is_sole() {
        assert!(requested("bytes=0-1").unwrap().sole);
        assert!(!requested("bytes=0-1, 5-6").unwrap().sole);
        let conditional = headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"a\"")]);
        assert!(!RequestedRange::of(&conditional, 16).unwrap().sole);
    }

    #[test]
    fn a_206_must_be_what_was_asked_for() {
        let range = |first, last| Some((ByteRange { first, last }, 40));
        for (client, says, body, expected) in [
            ("bytes=3-4", "bytes 0-15/40", Some(16), range(0, 15)),
            ("bytes=3-4", "bytes 0-15/40", None, range(0, 15)),
            ("bytes=3-4", "bytes 0-15/40", Some(15), None),
            ("bytes=3-4", "bytes 0-14/40", Some(15), None),
            ("bytes=3-4", "bytes 3-4/40", Some(2), None),
            ("bytes=3-4", "bytes 0-15/*", Some(16), None),
            ("bytes=3-4", "bytes */40", Some(16), None),
            ("bytes=33-99", "bytes 32-39/40", Some(8), range(32, 39)),
            ("bytes=17-", "bytes 16-39/40", None, range(16, 39)),
            ("bytes=-3", "bytes 24-39/40", None, range(24, 39)),
            ("bytes=-99", "bytes 0-39/40", None, range(0, 39)),
            ("bytes=-3", "bytes 37-39/40", None, None),
        ] {
            let head = headers(&[(CONTENT_RANGE, says)]);
            assert_eq!(requested(client).unwrap().brought(&head, body), expected, "{client}: {says}");
        }
        let twice = headers(&[(CONTENT_RANGE, "bytes 0-15/40"), (CONTENT_RANGE, "bytes 0-15/40")]);
        assert_eq!(content_range(&twice), None);
    }

    #[test]
    fn what_the_client_wants_may_be_inside_of_what_came() {
        let inside =
            |client, first, last| requested(client).unwrap().is_inside(ByteRange { first, last }, 40);
        assert!(inside("bytes=17-18", 17, 18) && inside("bytes=-5", 30, 39) && inside("bytes=39-99", 39, 39));
        assert!(
            !inside("bytes=17-18", 18, 39) && !inside("bytes=17-", 17, 38) && !inside("bytes=40-", 0, 39)
        );
        assert!(!inside("bytes=1-2, 5-6", 0, 39), "it wants more than that");
    }

    #[test]
    fn where_the_client_begins() {
        assert_eq!(requested("bytes=17-18").unwrap().start(40), Some(17));
        assert_eq!(requested("bytes=-3").unwrap().start(40), Some(37));
        assert_eq!(requested("bytes=40-").unwrap().start(40), None);
    }
}
