//! The fields of a response that are stored (RFC 9111 §3.1).

use http::HeaderMap;
use http::header::{
    AGE, CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

use crate::http::cache_control::{ResponseDirectives, SURROGATE_CONTROL};

/// Fields that are stored, since a later 304 may leave them out and they still count, but are meant for this
/// cache alone: remove them from what goes to clients, fresh from the origin or from the cache.
pub const NOT_FOR_CLIENTS: [HeaderName; 1] = [SURROGATE_CONTROL];

/// Fields about a connection or a hop.
const OF_THE_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The head to store: without connection fields and those Connection names, without the fields that
/// `private="…"` and `no-cache="…"` name, and without Age, which is made anew for every use.
pub fn stored_head(response: &HeaderMap, directives: &ResponseDirectives) -> HeaderMap {
    let mut head = response.clone();
    remove_hop_fields(&mut head);
    for name in directives.private.fields().iter().chain(directives.no_cache.fields()) {
        head.remove(name);
    }
    head.remove(AGE);
    head
}

/// The fields that `private="…"` and `no-cache="…"` keep out of [`stored_head`]: for the client that the response
/// was made for, and nobody else.
pub fn withheld(response: &HeaderMap, directives: &ResponseDirectives) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for name in directives.private.fields().iter().chain(directives.no_cache.fields()) {
        if !fields.contains_key(name) {
            fields.extend(response.get_all(name).iter().map(|value| (name.clone(), value.clone())));
        }
    }
    remove_hop_fields(&mut fields);
    fields
}

/// Connection fields and those that Connection names (RFC 9110 §7.6.1).
pub(super) fn remove_hop_fields(head: &mut HeaderMap) {
    let lines = head.get_all(CONNECTION).iter().flat_map(|line| line.as_bytes().split(|&b| b == b','));
    let named: Vec<_> = lines.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect();
    for name in named.into_iter().chain(OF_THE_HOP) {
        head.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn stored(lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let head = stored_head(&headers, &ResponseDirectives::parse(&headers));
        head.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn fields_of_the_hop_stay_behind() {
        for name in OF_THE_HOP {
            let mut headers = HeaderMap::new();
            headers.insert(name.clone(), HeaderValue::from_static("x"));
            assert!(stored_head(&headers, &ResponseDirectives::default()).is_empty(), "{name}");
        }
        let lines = [("connection", "a, B"), ("connection", "close, @"), ("a", "1"), ("b", "2"), ("c", "3")];
        assert_eq!(stored(&lines), ["c: 3"]);
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
