//! Preconditions (RFC 9110 §13): those of clients, answered from what is stored, and our own to the origin.

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE,
    ETAG, EXPIRES, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    SET_COOKIE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use smallvec::SmallVec;

use crate::http::cache_control::CDN_CACHE_CONTROL;
use crate::http::date;
use crate::http::etag::{self, EntityTag};
use crate::http::time::Time;

/// What the preconditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// 304
    NotModified,
    /// 412
    Failed,
}

/// Evaluates a request's preconditions in the order of §13.2.2, against what would be served.
///
/// Only to be asked when that is a 2xx (§13.2.1). `date` is the stored Date, or when the response arrived: it
/// stands in for a missing Last-Modified in If-Modified-Since (RFC 9111 §4.3.2).
pub fn evaluate(
    method: &Method,
    request: &HeaderMap,
    etag: Option<&HeaderValue>,
    last_modified: Option<Time>,
    date: Option<Time>,
) -> Precondition {
    let etag = etag.and_then(EntityTag::parse_lenient);
    match etag::if_match(request, etag.as_ref()) {
        Some(true) => {}
        Some(false) => return Precondition::Failed,
        None => {
            if let Some(unmodified_since) = date::field(request, &IF_UNMODIFIED_SINCE)
                && last_modified.is_some_and(|modified| modified > unmodified_since)
            {
                return Precondition::Failed;
            }
        }
    }
    let reading = method == Method::GET || method == Method::HEAD;
    if let Some(named) = etag::if_none_match(request, etag.as_ref()) {
        return match (named, reading) {
            (false, _) => Precondition::Proceed,
            (true, true) => Precondition::NotModified,
            (true, false) => Precondition::Failed,
        };
    }
    if reading
        && let Some(modified_since) = date::field(request, &IF_MODIFIED_SINCE)
        && last_modified.or(date).is_some_and(|modified| modified <= modified_since)
    {
        return Precondition::NotModified;
    }
    Precondition::Proceed
}

/// Whether a request's Range counts: without If-Range always, with it only if it names exactly what is stored
/// (§13.1.5). A date is strong enough only if Date is at least a second later (§8.8.2.2).
pub fn range_applies(
    request: &HeaderMap,
    etag: Option<&HeaderValue>,
    last_modified: Option<Time>,
    date: Option<Time>,
) -> bool {
    let mut lines = request.get_all(IF_RANGE).iter();
    let Some(line) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    let validator = line.as_bytes().trim_ascii();
    if validator.starts_with(b"\"") || validator.starts_with(b"W/") {
        let (stored, named) = (etag.and_then(EntityTag::parse_lenient), EntityTag::parse_lenient(line));
        return stored.zip(named).is_some_and(|(stored, named)| stored.strong_eq(&named));
    }
    let strong = last_modified.filter(|modified| date.is_some_and(|date| date.secs() > modified.secs()));
    strong.is_some() && date::parse(validator) == strong
}

/// The conditions that ask the origin whether `stored` is still good (RFC 9111 §4.3.1): both validators if it
/// has both. Empty: it cannot be asked about. They take the place of the client's own.
pub fn conditions(stored: &HeaderMap) -> SmallVec<[(HeaderName, HeaderValue); 2]> {
    let mut conditions = SmallVec::new();
    if let Some(etag) = stored.get(ETAG) {
        conditions.push((IF_NONE_MATCH, etag.clone()));
    }
    if let Some(modified) = stored.get(LAST_MODIFIED)
        && date::parse(modified.as_bytes()).is_some()
    {
        conditions.push((IF_MODIFIED_SINCE, modified.clone()));
    }
    conditions
}

/// The conditional fields of a request: what is evaluated here does not go to the origin with a fill.
pub const CONDITIONS: [HeaderName; 5] =
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE];

/// Whether preconditions count for a response: the origin would have said 2xx without them (§13.2.1). A 206 has been
/// through this.
pub fn apply_to(status: StatusCode) -> bool {
    status.is_success() && status != StatusCode::PARTIAL_CONTENT
}

/// What a head says of the representation in its body.
const REPRESENTATION: [HeaderName; 9] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_RANGE,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// The head of a 304 for a stored one (§15.4.5): it says nothing about the representation but what helps to
/// keep a cache current, and Last-Modified only where there is no ETag. The stored Set-Cookie is not repeated.
pub fn not_modified_head(head: &HeaderMap) -> HeaderMap {
    let mut head = head.clone();
    for name in REPRESENTATION {
        head.remove(name);
    }
    head.remove(SET_COOKIE);
    if head.contains_key(ETAG) {
        head.remove(LAST_MODIFIED);
    }
    head
}

/// Makes the head of a 412 or 416 of that of a representation: it has none, and what is said of how long the
/// representation is fresh must not have the refusal kept in its place by a cache nearer to the client.
pub fn refused_head(head: &mut HeaderMap) {
    const FRESHNESS: [HeaderName; 2] = [EXPIRES, CDN_CACHE_CONTROL];
    for name in REPRESENTATION.into_iter().chain(FRESHNESS) {
        head.remove(name);
    }
    head.remove(SET_COOKIE);
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.insert(CONTENT_LENGTH, HeaderValue::from(0));
}

/// When the stored head says it was last modified, and its Date: what [`evaluate`] and [`range_applies`] take.
pub fn dates(head: &HeaderMap) -> (Option<Time>, Option<Time>) {
    (date::field(head, &LAST_MODIFIED), date::field(head, &DATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Precondition::*;
    use proptest::prelude::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn at(text: &str) -> Option<Time> {
        date::parse(text.as_bytes())
    }

    /// Against a strong ETag "a" and a Last-Modified.
    fn asked(request: &[(&'static str, &str)]) -> Precondition {
        let etag = HeaderValue::from_static("\"a\"");
        evaluate(&Method::GET, &headers(request), Some(&etag), at(MODIFIED), at(AFTER))
    }

    #[test]
    fn a_refusal_says_nothing_of_the_body_it_has_not() {
        let mut head = headers(&[
            ("content-length", "5"),
            ("content-encoding", "br"),
            ("cache-control", "max-age=60"),
            ("expires", AFTER),
            ("cdn-cache-control", "max-age=60"),
            ("set-cookie", "a=1"),
            ("etag", "\"a\""),
        ]);
        refused_head(&mut head);
        let expected = [("content-length", "0"), ("cache-control", "no-store"), ("etag", "\"a\"")];
        assert_eq!(head, headers(&expected));
    }

    #[test]
    fn conditions_count_for_success() {
        for (status, expected) in
            [(200, true), (203, true), (204, true), (206, false), (304, false), (404, false)]
        {
            assert_eq!(apply_to(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn the_order_of_13_2_2() {
        let cases: [(&[(&'static str, &str)], Precondition); 27] = [
            (&[], Proceed),
            (&[("if-match", "\"a\"")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "\"x\", \"a\"")], Proceed),
            (&[("if-match", "\"x\"")], Failed),
            (&[("if-match", "W/\"a\"")], Failed),
            (&[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], Proceed),
            (&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], NotModified),
            (&[("if-match", "\"x\""), ("if-none-match", "\"a\"")], Failed),
            (&[("if-unmodified-since", MODIFIED)], Proceed),
            (&[("if-unmodified-since", BEFORE)], Failed),
            (&[("if-unmodified-since", "nonsense")], Proceed),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "W/\"a\"")], NotModified),
            (&[("if-none-match", "\"a\", \"1\", \"2\"")], NotModified),
            (&[("if-none-match", "\"1\",\"a\" , \"2\"")], NotModified),
            (&[("if-none-match", "\"1\", \"2\", \"a\"")], NotModified),
            (&[("if-none-match", "\"1\""), ("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", " * ")], NotModified),
            (&[("if-none-match", "a")], Proceed),
            (&[("if-none-match", "\"x,\"a\"")], Proceed),
            (&[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)], NotModified),
            (&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], Proceed),
            (&[("if-modified-since", MODIFIED)], NotModified),
            (&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
            (&[("if-modified-since", BEFORE)], Proceed),
            (&[("if-modified-since", MODIFIED), ("if-modified-since", AFTER)], Proceed),
        ];
        for (request, expected) in cases {
            assert_eq!(asked(request), expected, "{request:?}");
        }
    }

    #[test]
    fn other_methods_fail_where_reading_would_be_304() {
        let etag = HeaderValue::from_static("\"a\"");
        let of = |method: Method, line| evaluate(&method, &headers(&[line]), Some(&etag), at(MODIFIED), None);
        assert_eq!(of(Method::HEAD, ("if-none-match", "\"a\"")), NotModified);
        assert_eq!(of(Method::PUT, ("if-none-match", "\"a\"")), Failed);
        assert_eq!(of(Method::PUT, ("if-modified-since", AFTER)), Proceed);
    }

    #[test]
    fn without_validators() {
        let of = |line, date| evaluate(&Method::GET, &headers(&[line]), None, None, date);
        assert_eq!(of(("if-none-match", "\"a\""), None), Proceed);
        assert_eq!(of(("if-none-match", "*"), None), NotModified);
        assert_eq!(of(("if-match", "\"a\""), None), Failed);
        assert_eq!(of(("if-unmodified-since", BEFORE), at(MODIFIED)), Proceed);
        assert_eq!(of(("if-modified-since", AFTER), at(MODIFIED)), NotModified);
        assert_eq!(of(("if-modified-since", BEFORE), at(MODIFIED)), Proceed);
        assert_eq!(of(("if-modified-since", AFTER), None), Proceed);
    }

    #[test]
    fn odd_tags_match_themselves() {
        for tag in ["abc", "w/\"abc\"", "W\\\"abc\"", "W\"abc\"", "\"a,b\"", "W/\"a, b\"", "\"\u{fc}\""] {
            let value = HeaderValue::from_bytes(tag.as_bytes()).unwrap();
            let mut request = HeaderMap::new();
            request.insert(IF_NONE_MATCH, value.clone());
            assert_eq!(evaluate(&Method::GET, &request, Some(&value), None, None), NotModified, "{tag}");
        }
    }

    #[test]
    fn if_range() {
        let cases: [(&[&str], &str, &str, bool); 11] = [
            // If-Range, stored ETag, stored Date, applies
            (&[], "\"a\"", AFTER, true),
            (&["\"a\""], "\"a\"", AFTER, true),
            (&["\"b\""], "\"a\"", AFTER, false),
            (&["W/\"a\""], "\"a\"", AFTER, false),
            (&["W/\"a\""], "W/\"a\"", AFTER, false),
            (&["\"a\""], "W/\"a\"", AFTER, false),
            (&[MODIFIED], "\"a\"", AFTER, true),
            (&[MODIFIED], "\"a\"", MODIFIED, false),
            (&[AFTER], "\"a\"", AFTER, false),
            (&["nonsense"], "\"a\"", AFTER, false),
            (&["\"a\"", "\"a\""], "\"a\"", AFTER, false),
        ];
        for (lines, etag, stored_date, expected) in cases {
            let request = headers(&lines.iter().map(|line| ("if-range", *line)).collect::<Vec<_>>());
            let etag = HeaderValue::from_str(etag).unwrap();
            assert_eq!(
                range_applies(&request, Some(&etag), at(MODIFIED), at(stored_date)),
                expected,
                "{lines:?}"
            );
        }
        assert!(!range_applies(&headers(&[("if-range", "\"a\"")]), None, None, None));
        assert!(!range_applies(&headers(&[("if-range", MODIFIED)]), None, None, at(AFTER)));
        assert!(!range_applies(&headers(&[("if-range", MODIFIED)]), None, at(MODIFIED), None));
    }

    #[test]
    fn our_conditions() {
        let of = |lines: &[(&'static str, &str)]| {
            let conditions = conditions(&headers(lines));
            conditions
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        };
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[("etag", "W/\"a\"")]), ["if-none-match: W/\"a\""]);
        let both = of(&[("etag", "\"a\""), ("last-modified", MODIFIED)]);
        assert_eq!(both, ["if-none-match: \"a\"".to_owned(), format!("if-modified-since: {MODIFIED}")]);
        assert!(of(&[("last-modified", "yesterday")]).is_empty());
    }

    #[test]
    fn a_304_has_a_short_head() {
        let kept = [
            ("cache-control", "max-age=5"),
            ("content-location", "/x"),
            ("content-security-policy", "default-src"),
            ("date", AFTER),
            ("etag", "\"a\""),
            ("expires", AFTER),
            ("vary", "accept"),
        ];
        let mut lines = kept.to_vec();
        lines.extend([("content-type", "text/plain"), ("content-length", "5"), ("set-cookie", "a=b")]);
        lines.push(("last-modified", MODIFIED));
        assert_eq!(not_modified_head(&headers(&lines)), headers(&kept));
        let without_etag = [("last-modified", MODIFIED)];
        assert_eq!(not_modified_head(&headers(&without_etag)), headers(&without_etag));
    }

    #[test]
    fn stored_dates() {
        assert_eq!(
            dates(&headers(&[("last-modified", MODIFIED), ("date", AFTER)])),
            (at(MODIFIED), at(AFTER))
        );
        assert_eq!(dates(&headers(&[])), (None, None));
    }

    proptest! {
        #[test]
        fn nothing_panics(line in proptest::collection::vec(prop_oneof![32u8..127, 128u8..=255], 0..40)) {
            let value = HeaderValue::from_bytes(&line).unwrap();
            for name in CONDITIONS {
                let mut request = HeaderMap::new();
                request.insert(name, value.clone());
                let _ = evaluate(&Method::GET, &request, Some(&value), at(MODIFIED), None);
                let _ = range_applies(&request, Some(&value), at(MODIFIED), at(AFTER));
            }
        }

        #[test]
        fn a_tag_is_found_in_any_list(before in "(\"[a-z,]{0,4}\", ?){0,3}", tag in "(W/)?\"[!#-~]{0,6}\"") {
            let mut request = HeaderMap::new();
            request.insert(IF_NONE_MATCH, HeaderValue::from_str(&format!("{before}{tag}")).unwrap());
            let etag = HeaderValue::from_str(&tag).unwrap();
            prop_assert_eq!(evaluate(&Method::GET, &request, Some(&etag), None, None), NotModified);
        }
    }
}
