//! What a 304 or a HEAD response changes in a stored response (RFC 9111 §3.2, §4.3.4, §4.3.5).

use http::header::{AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName};

use crate::http::cache_control::{FieldScope, ResponseDirectives};
use crate::http::hop_by_hop::strip_response;

/// The stored head with the fields of a 304 (or a matching HEAD response) in place of its own (§3.2).
///
/// Judge the result with [`storable`] as if it had just arrived, then store [`stored_head`] of it. Age and Date
/// are the new message's or nobody's: the old ones tell of the old message.
///
/// [`storable`]: crate::policy::storable::storable
/// [`stored_head`]: crate::policy::stored_head::stored_head
pub fn merge_304(stored: &HeaderMap, fresh: &HeaderMap) -> HeaderMap {
    // §3.2 excludes Content-Length, and lets go of fields that the stored bytes depend on or that were consumed
    // with them: another coding or range would make the body we hold a lie.
    const OF_THE_BODY: [HeaderName; 3] = [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE];

    let mut fresh = fresh.clone();
    strip_response(&mut fresh);
    let mut merged = stored.clone();
    merged.remove(AGE);
    merged.remove(DATE);
    for name in fresh.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        merged.remove(name);
        for value in fresh.get_all(name) {
            merged.append(name.clone(), value.clone());
        }
    }
    merged
}

/// Whether a 304 speaks of this stored response (§4.3.4). If of none, none may be updated or served on its
/// strength: ask again without conditions.
///
/// A 304 without any validator is taken for the one response whose validators were sent: that is what it
/// confirms (§4.3.3), and origins that leave them out are common. Do not ask with more than one's.
pub fn selects(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    if let Some(new) = not_modified.get(ETAG) {
        let Some(old) = stored.get(ETAG) else { return false };
        return match new.as_bytes().strip_prefix(b"W/") {
            None => old == new,
            Some(opaque) => old.as_bytes().strip_prefix(b"W/").unwrap_or(old.as_bytes()) == opaque,
        };
    }
    match (not_modified.get(LAST_MODIFIED), stored.get(LAST_MODIFIED)) {
        (Some(new), old) => old == Some(new),
        (None, _) => true,
    }
}

/// What the 200 to a HEAD says about a stored response to GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadUpdate {
    /// It is the same: [`merge_304`] it.
    Update,
    /// It has changed: stale from now on.
    Invalidate,
    /// Nothing that may be kept.
    Ignore,
}

/// Compares the head of a 200 to HEAD with a stored 200 it could have selected (§4.3.5). The stored head must
/// have a Content-Length; responses of other status codes update nothing.
pub fn head_response(stored: &HeaderMap, head: &HeaderMap) -> HeadUpdate {
    let directives = ResponseDirectives::parse(head);
    if directives.no_store || directives.private == FieldScope::All {
        return HeadUpdate::Ignore;
    }
    let same = |name: HeaderName| match head.get(&name) {
        Some(value) => stored.get(&name) == Some(value),
        None => true,
    };
    if same(ETAG) && same(LAST_MODIFIED) && same(CONTENT_LENGTH) {
        HeadUpdate::Update
    } else {
        HeadUpdate::Invalidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    type Lines = &'static [(&'static str, &'static str)];

    fn headers(lines: Lines) -> HeaderMap {
        lines.iter().fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(*name, HeaderValue::from_static(value));
            map
        })
    }

    #[test]
    fn a_304_replaces_fields_and_leaves_the_rest() {
        let stored = headers(&[
            ("etag", "\"a\""),
            ("date", "old"),
            ("age", "30"),
            ("cache-control", "max-age=1"),
            ("cache-control", "public"),
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("content-type", "text/plain"),
            ("set-cookie", "a=b"),
            ("kept", "1"),
        ]);
        let fresh = headers(&[
            ("etag", "\"a\""),
            ("date", "new"),
            ("cache-control", "max-age=3600"),
            ("content-length", "10"),
            ("content-encoding", "br"),
            ("content-range", "bytes 0-1/2"),
            ("content-type", "text/html"),
            ("set-cookie", "c=d"),
            ("set-cookie", "e=f"),
            ("added", "2"),
            ("connection", "hop"),
            ("hop", "1"),
            ("transfer-encoding", "chunked"),
        ]);
        let expected = headers(&[
            ("etag", "\"a\""),
            ("date", "new"),
            ("cache-control", "max-age=3600"),
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("content-type", "text/html"),
            ("set-cookie", "c=d"),
            ("set-cookie", "e=f"),
            ("kept", "1"),
            ("added", "2"),
        ]);
        assert_eq!(merge_304(&stored, &fresh), expected);
    }

    #[test]
    fn times_are_the_new_messages() {
        let stored = headers(&[("date", "old"), ("age", "30")]);
        assert!(merge_304(&stored, &HeaderMap::new()).is_empty());
        let fresh = headers(&[("age", "5")]);
        assert_eq!(merge_304(&stored, &fresh), fresh);
    }

    #[test]
    fn which_response_a_304_speaks_of() {
        let cases: [(Lines, Lines, bool); 13] = [
            (&[("etag", "\"a\"")], &[("etag", "\"a\"")], true),
            (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
            (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], false),
            (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], true),
            (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], true),
            (&[("etag", "W/\"a\"")], &[("etag", "W/\"b\"")], false),
            (&[("last-modified", "x")], &[("etag", "\"a\"")], false),
            (&[("last-modified", "x")], &[("last-modified", "x")], true),
            (&[("last-modified", "x")], &[("last-modified", "y")], false),
            (&[("etag", "\"a\""), ("last-modified", "x")], &[("last-modified", "x")], true),
            (&[("etag", "\"a\"")], &[("last-modified", "x")], false),
            (&[("etag", "\"a\"")], &[], true),
            (&[], &[], true),
        ];
        for (stored, not_modified, expected) in cases {
            assert_eq!(
                selects(&headers(stored), &headers(not_modified)),
                expected,
                "{stored:?} {not_modified:?}"
            );
        }
    }

    #[test]
    fn head_responses() {
        let stored = &[("etag", "\"a\""), ("last-modified", "x"), ("content-length", "5")];
        let cases: [(Lines, HeadUpdate); 9] = [
            (&[], HeadUpdate::Update),
            (&[("etag", "\"a\""), ("last-modified", "x"), ("content-length", "5")], HeadUpdate::Update),
            (&[("cache-control", "max-age=5"), ("etag", "\"a\"")], HeadUpdate::Update),
            (&[("etag", "\"b\"")], HeadUpdate::Invalidate),
            (&[("etag", "\"a\""), ("last-modified", "y")], HeadUpdate::Invalidate),
            (&[("etag", "\"a\""), ("content-length", "6")], HeadUpdate::Invalidate),
            (&[("cache-control", "no-store"), ("etag", "\"b\"")], HeadUpdate::Ignore),
            (&[("cache-control", "private")], HeadUpdate::Ignore),
            (&[("cache-control", "private=\"a\"")], HeadUpdate::Update),
        ];
        for (head, expected) in cases {
            assert_eq!(head_response(&headers(stored), &headers(head)), expected, "{head:?}");
        }
        assert_eq!(head_response(&HeaderMap::new(), &headers(&[("etag", "\"a\"")])), HeadUpdate::Invalidate);
    }
}
