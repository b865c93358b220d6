//! The fields of a response that are stored (RFC 9111 §3.1).

use http::HeaderMap;
use http::header::{AGE, HeaderName};

use crate::http::cache_control::{ResponseDirectives, SURROGATE_CONTROL};
use crate::http::hop_by_hop::strip_response;

/// Fields that are meant for this cache alone. They count beyond the response they came with, since a later 304
/// may leave them out, but no client gets them.
pub const NOT_FOR_CLIENTS: [HeaderName; 1] = [SURROGATE_CONTROL];

/// The head to store: without connection fields and those Connection names, without the fields that
/// `private="…"` and `no-cache="…"` name, and without Age, which is made anew for every use.
pub fn stored_head(response: &HeaderMap, directives: &ResponseDirectives) -> HeaderMap {
    let mut head = response.clone();
    strip_response(&mut head);
    for name in named(directives) {
        head.remove(name);
    }
    head.remove(AGE);
    head
}

/// Takes [`NOT_FOR_CLIENTS`] off a head, and gives what it took.
pub fn hold_back(head: &mut HeaderMap) -> HeaderMap {
    let mut held = HeaderMap::new();
    for name in NOT_FOR_CLIENTS {
        if let http::header::Entry::Occupied(lines) = head.entry(&name) {
            let (_, lines) = lines.remove_entry_mult();
            held.extend(lines.map(|line| (name.clone(), line)));
        }
    }
    held
}

/// The fields that `private="…"` and `no-cache="…"` keep out of [`stored_head`]: for the client that the response
/// was made for, and nobody else.
pub fn withheld(response: &HeaderMap, directives: &ResponseDirectives) -> HeaderMap {
    let mut fields = HeaderMap::new();
    if named(directives).next().is_none() {
        return fields;
    }
    let mut response = response.clone();
    strip_response(&mut response);
    hold_back(&mut response);
    for name in named(directives) {
        if !fields.contains_key(name) {
            fields.extend(response.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        }
    }
    fields
}

fn named(directives: &ResponseDirectives) -> impl Iterator<Item = &HeaderName> {
    directives.private.fields().iter().chain(directives.no_cache.fields())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn printed(head: &HeaderMap) -> Vec<String> {
        head.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    fn stored(lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let headers = headers(lines);
        printed(&stored_head(&headers, &ResponseDirectives::parse(&headers)))
    }

    #[test]
    fn fields_of_the_hop_stay_behind() {
        let lines = [("connection", "a, B"), ("connection", "close, @"), ("a", "1"), ("b", "2"), ("c", "3")];
        assert_eq!(stored(&lines), ["c: 3"]);
        assert!(stored(&[("transfer-encoding", "x"), ("keep-alive", "x"), ("te", "x")]).is_empty());
    }

    #[test]
    fn a_hostile_connection_takes_nothing_that_is_for_everybody() {
        let lines = [
            ("connection", "etag, cache-control, set-cookie, x-hop"),
            ("etag", "\"a\""),
            ("cache-control", "no-store"),
            ("set-cookie", "a=b"),
            ("x-hop", "1"),
        ];
        let mut stored = stored(&lines);
        stored.sort();
        assert_eq!(stored, ["cache-control: no-store", "etag: \"a\"", "set-cookie: a=b"]);
    }

    #[test]
    fn who_asked_gets_what_is_not_stored() {
        let lines = [
            (
                "cache-control",
                "private=\"set-cookie, x-hop\", no-cache=\"set-cookie, x-a, surrogate-control\"",
            ),
            ("connection", "x-hop"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("x-hop", "1"),
            ("x-a", "1"),
            ("x-b", "1"),
            ("surrogate-control", "max-age=5"),
        ];
        let headers = headers(&lines);
        let fields = withheld(&headers, &ResponseDirectives::parse(&headers));
        let mut plain = headers.clone();
        plain.remove("surrogate-control");
        assert!(fields.is_empty(), "Cache-Control does not count beside Surrogate-Control");
        let mut fields: Vec<_> = printed(&withheld(&plain, &ResponseDirectives::parse(&plain)));
        fields.sort();
        assert_eq!(fields, ["set-cookie: a=b", "set-cookie: c=d", "x-a: 1"]);
    }

    #[test]
    fn what_is_for_caches_is_held_back() {
        let lines = [("surrogate-control", "max-age=5"), ("a", "1"), ("surrogate-control", "no-store")];
        let mut head = headers(&lines);
        let held = hold_back(&mut head);
        assert_eq!(printed(&held), ["surrogate-control: max-age=5", "surrogate-control: no-store"]);
        assert_eq!(printed(&head), ["a: 1"]);
        assert!(hold_back(&mut head).is_empty());
        let mut cdn = headers(&[("cdn-cache-control", "max-age=5")]);
        assert!(hold_back(&mut cdn).is_empty() && cdn.len() == 1, "RFC 9213 §3.1: another CDN may read it");
    }

    #[test]
    fn named_fields_are_not_stored() {
        let lines = [
            ("cache-control", "private=\"set-cookie\", no-cache=\"a, b\""),
            ("set-cookie", "x=y"),
            ("set-cookie", "z=y"),
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
        ];
        assert_eq!(stored(&lines), ["cache-control: private=\"set-cookie\", no-cache=\"a, b\"", "c: 3"]);
    }

    #[test]
    fn all_else_is_stored() {
        let lines = [
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("content-range", "nonsense"),
            ("surrogate-control", "max-age=5"),
            ("cdn-cache-control", "max-age=5"),
        ];
        assert_eq!(stored(&lines).len(), lines.len());
        assert!(stored(&[("age", "5")]).is_empty());
    }
}
