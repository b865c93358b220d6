//! The text that identifies a cached resource, and which requests may look for one.

use std::borrow::Cow;

use http::header::{CONTENT_LENGTH, COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use crate::config::{CacheRules, QueryKey};

/// Room for most keys without an allocation.
pub type KeyText = SmallVec<[u8; 192]>;

/// Between the parts of a key. No part can have it inside: the path and the query are sanitised, and a field
/// value with a line break is no field value.
const BREAK: u8 = b'\n';

/// Writes the key: `host/path?query`, then a line for each of the rules' headers and cookies.
///
/// `host` is normalised and has no `/`, `path` is normalised and begins with one, so the two need nothing
/// between them. A parameter counts by its percent-decoded name and is written as it was sent; parameters of
/// one name keep their order. An absent header differs from an empty one.
pub fn key_text(
    out: &mut KeyText,
    host: &str,
    path: &str,
    query: Option<&str>,
    request: &HeaderMap,
    rules: &CacheRules,
) {
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(path.as_bytes());
    if let Some(query) = query {
        write_query(out, query, rules);
    }
    for name in &rules.headers {
        write_header(out, name, request);
    }
    for name in &rules.cookies {
        write_cookie(out, name, request);
    }
}

/// Its decoded name, and all of it as sent.
type Parameter<'a> = (Cow<'a, [u8]>, &'a str);

fn write_query(out: &mut KeyText, query: &str, rules: &CacheRules) {
    match &rules.query {
        QueryKey::None => return,
        QueryKey::All if !rules.sort_query || !query.contains('&') => {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
            return;
        }
        _ => {}
    }
    let mut chosen: SmallVec<[Parameter<'_>; 16]> = query
        .split('&')
        .map(|parameter| (decoded_name(parameter), parameter))
        .filter(|(name, _)| rules.query.counts(name))
        .collect();
    if rules.sort_query {
        chosen.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    for (i, (_, parameter)) in chosen.iter().enumerate() {
        out.push(if i == 0 { b'?' } else { b'&' });
        out.extend_from_slice(parameter.as_bytes());
    }
}

/// What of the query an origin may see when the response is stored for everybody: what the key tells apart, in
/// the client's order. A parameter outside the key would let one client choose what all others get.
pub fn keyed_query<'q>(query: &'q str, rules: &CacheRules) -> Option<Cow<'q, str>> {
    match &rules.query {
        QueryKey::All => return Some(query.into()),
        QueryKey::None => return None,
        _ => {}
    }
    let kept: Vec<&str> = query.split('&').filter(|p| rules.query.counts(&decoded_name(p))).collect();
    if kept.is_empty() { None } else { Some(kept.join("&").into()) }
}

fn decoded_name(parameter: &str) -> Cow<'_, [u8]> {
    let name = parameter.split('=').next().unwrap_or_default();
    percent_decode_str(name).into()
}

/// Several lines are one value (RFC 9110 §5.3).
fn write_header(out: &mut KeyText, name: &HeaderName, request: &HeaderMap) {
    out.push(BREAK);
    out.extend_from_slice(name.as_str().as_bytes());
    for (i, line) in request.get_all(name).iter().enumerate() {
        out.extend_from_slice(if i == 0 { b":" } else { b", " });
        out.extend_from_slice(line.as_bytes().trim_ascii());
    }
}

/// Every cookie of that name: of several, which one an origin believes is its own affair, and to key the first would
/// let a client that sends two fill the place of the one with what the other gets. `;` cannot begin a header's line, nor
/// stand in a value.
fn write_cookie(out: &mut KeyText, name: &str, request: &HeaderMap) {
    out.push(BREAK);
    out.push(b';');
    out.extend_from_slice(name.as_bytes());
    let pairs = request.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|&b| b == b';'));
    let values = pairs.filter_map(|pair| {
        let (own, value) = match memchr::memchr(b'=', pair) {
            Some(equals) => (pair.get(..equals)?, pair.get(equals + 1..)),
            None => (pair, None),
        };
        (own.trim_ascii() == name.as_bytes()).then_some(value)
    });
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(b';');
        }
        // A name alone is neither absent nor an empty value.
        out.push(if value.is_some() { b'=' } else { b'-' });
        out.extend_from_slice(value.unwrap_or_default().trim_ascii());
    }
}

/// Whether a request may use the cache at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// It may be answered from the cache, and its response may be stored.
    Yes,
    /// Only GET and HEAD are looked up. (What others do to the cache: `invalidate`.)
    PassMethod,
    /// The rules switch the cache off.
    PassDisabled,
    /// Something in the request: `body`.
    PassRequest(&'static str),
}

impl CacheUse {
    /// The word used in metrics, logs and Cache-Status.
    pub const fn as_str(self) -> &'static str {
        match self {
            CacheUse::Yes => "yes",
            CacheUse::PassMethod => "method",
            CacheUse::PassDisabled => "disabled",
            CacheUse::PassRequest(reason) => reason,
        }
    }
}

/// Decides from the request's head. An HTTP/2 body may come without Content-Length: its caller knows.
pub fn cache_use(method: &Method, request: &HeaderMap, rules: &CacheRules) -> CacheUse {
    if !rules.enabled {
        return CacheUse::PassDisabled;
    }
    if method != Method::GET && method != Method::HEAD {
        return CacheUse::PassMethod;
    }
    // A body is no part of the key, and may change the answer (RFC 9110 §9.3.1).
    let length = request.get(CONTENT_LENGTH);
    if length.is_some_and(|length| length != "0") || request.contains_key(TRANSFER_ENCODING) {
        return CacheUse::PassRequest("body");
    }
    CacheUse::Yes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::rules;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn key(
        query: Option<&str>,
        request: &[(&'static str, &str)],
        change: impl FnOnce(&mut CacheRules),
    ) -> String {
        let mut rules = rules();
        change(&mut rules);
        let mut out = KeyText::new();
        key_text(&mut out, "h", "/p", query, &headers(request), &rules);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn an_origin_sees_of_the_query_what_the_key_tells_apart() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (query, sent) in [
            (QueryKey::All, Some("b=2&a=1&utm_x=3")),
            (QueryKey::None, None),
            (QueryKey::Include(list(&["a"])), Some("a=1")),
            (QueryKey::Exclude(list(&["utm_*"])), Some("b=2&a=1")),
            (QueryKey::Include(list(&["c"])), None),
        ] {
            let rules = CacheRules { query, ..rules() };
            assert_eq!(keyed_query("b=2&a=1&utm_x=3", &rules).as_deref(), sent);
        }
    }

    #[test]
    fn queries() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let cases = [
            (QueryKey::All, true, None, "h/p"),
            (QueryKey::All, true, Some(""), "h/p?"),
            (QueryKey::All, true, Some("b=1"), "h/p?b=1"),
            (QueryKey::All, true, Some("b=1&a=2"), "h/p?a=2&b=1"),
            (QueryKey::All, false, Some("b=1&a=2"), "h/p?b=1&a=2"),
            (QueryKey::All, true, Some("b=2&a=1&b=1&%61=0"), "h/p?a=1&%61=0&b=2&b=1"),
            (QueryKey::None, true, Some("a=1"), "h/p"),
            (QueryKey::Include(list(&["w", "x*"])), true, Some("xy=1&v=2&w=3&W=4"), "h/p?w=3&xy=1"),
            (QueryKey::Include(list(&["w"])), false, Some("%77=1&x=2&w"), "h/p?%77=1&w"),
            (QueryKey::Include(list(&["w"])), true, Some("x=1"), "h/p"),
            (QueryKey::Exclude(list(&["utm_*"])), true, Some("utm_a=1&b=2&utm%5Fc=3"), "h/p?b=2"),
            (QueryKey::Exclude(list(&["*"])), true, Some("a=1"), "h/p"),
        ];
        for (chosen, sort, query, expected) in cases {
            let got = key(query, &[], |rules| (rules.query, rules.sort_query) = (chosen, sort));
            assert_eq!(got, expected, "{query:?}");
        }
    }

    #[test]
    fn headers_and_cookies() {
        let named = |rules: &mut CacheRules| {
            rules.headers = vec![HeaderName::from_static("x-a"), HeaderName::from_static("x-b")];
            rules.cookies = vec!["c".to_owned()];
        };
        let cases: [(&[(&'static str, &str)], &str); 10] = [
            (&[], "h/p\nx-a\nx-b\n;c"),
            (&[("x-a", "")], "h/p\nx-a:\nx-b\n;c"),
            (&[("x-a", "1"), ("x-a", "2"), ("x-c", "3")], "h/p\nx-a:1, 2\nx-b\n;c"),
            (&[("cookie", "cc=0; c=1; c=2")], "h/p\nx-a\nx-b\n;c=1;=2"),
            (&[("cookie", "c = 1"), ("cookie", "c=2=3")], "h/p\nx-a\nx-b\n;c=1;=2=3"),
            (&[("cookie", "c; c=")], "h/p\nx-a\nx-b\n;c-;="),
            (&[("cookie", " c\t= 1=2 ; c")], "h/p\nx-a\nx-b\n;c=1=2;-"),
            (&[("cookie", "d=c=1; xc=1; =1")], "h/p\nx-a\nx-b\n;c"),
            (&[("cookie", "d=0"), ("cookie", "c=")], "h/p\nx-a\nx-b\n;c="),
            (&[("x-b", "1"), ("cookie", "C=1")], "h/p\nx-a\nx-b:1\n;c"),
        ];
        for (request, expected) in cases {
            assert_eq!(key(None, request, named), expected, "{request:?}");
        }
        assert_eq!(key(None, &[("x-a", "1"), ("cookie", "c=1")], |_| {}), "h/p");
    }

    #[test]
    fn who_may_use_the_cache() {
        let of = |method: Method, request: &[(&'static str, &str)]| {
            cache_use(&method, &headers(request), &rules())
        };
        assert_eq!(of(Method::GET, &[]), CacheUse::Yes);
        assert_eq!(of(Method::HEAD, &[("authorization", "x")]), CacheUse::Yes);
        assert_eq!(of(Method::GET, &[("content-length", "0")]), CacheUse::Yes);
        assert_eq!(of(Method::POST, &[]), CacheUse::PassMethod);
        assert_eq!(of(Method::GET, &[("content-length", "5")]), CacheUse::PassRequest("body"));
        assert_eq!(of(Method::GET, &[("transfer-encoding", "chunked")]), CacheUse::PassRequest("body"));
        assert_eq!(
            of(Method::GET, &[("upgrade", "h2c")]),
            CacheUse::Yes,
            "a hop's offer, not a reason to bypass"
        );
        let mut off = rules();
        off.enabled = false;
        assert_eq!(cache_use(&Method::GET, &HeaderMap::new(), &off), CacheUse::PassDisabled);
    }

    #[test]
    fn words() {
        let all =
            [CacheUse::Yes, CacheUse::PassMethod, CacheUse::PassDisabled, CacheUse::PassRequest("body")];
        assert_eq!(all.map(CacheUse::as_str), ["yes", "method", "disabled", "body"]);
    }

    proptest! {
        #[test]
        fn order_between_names_does_not_matter(mut names in proptest::collection::hash_set("[a-z]{1,4}", 1..6)) {
            let forward: Vec<String> = names.drain().map(|name| format!("{name}=1")).collect();
            let backward: Vec<String> = forward.iter().rev().cloned().collect();
            let (forward, backward) = (forward.join("&"), backward.join("&"));
            prop_assert_eq!(key(Some(&forward), &[], |_| {}), key(Some(&backward), &[], |_| {}));
        }

        #[test]
        fn unsorted_keys_are_equal_only_for_equal_requests(a in "[a-c=&]{0,6}", b in "[a-c=&]{0,6}") {
            let unsorted = |rules: &mut CacheRules| rules.sort_query = false;
            prop_assert_eq!(key(Some(&a), &[], unsorted) == key(Some(&b), &[], unsorted), a == b);
        }

        #[test]
        fn a_header_cannot_pass_for_another_part(a in "[ -~]{0,8}", b in "[ -~]{0,8}", c in "[!-~]{0,8}", d in "[!-~]{0,8}") {
            let named = |rules: &mut CacheRules| {
                rules.headers = vec![HeaderName::from_static("x-a"), HeaderName::from_static("x-b")];
            };
            let one = key(None, &[("x-a", a.trim()), ("x-b", &c)], named);
            let two = key(None, &[("x-a", b.trim()), ("x-b", &d)], named);
            prop_assert_eq!(one == two, a.trim() == b.trim() && c == d);
        }
    }
}
