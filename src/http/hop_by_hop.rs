//! Fields that concern one connection and are never forwarded (RFC 9110 §7.6.1).
//!
//! Connection may name further ones, but not any: a client that sends `Connection: Authorization` would otherwise
//! make the edge take away what the origin, the key or a signature depends on. Options that name a field in
//! [`is_protected`] are ignored, as RFC 9110 §7.6.1 says that no sender may name an end-to-end field.

use http::header::{self, HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::list::elements;

/// A field of a request breaks its grammar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field {name} is malformed")]
pub struct BadField {
    /// Which.
    pub name: HeaderName,
}

type Names = SmallVec<[HeaderName; 4]>;

/// Takes the hop-by-hop fields off a request.
///
/// One pass over the names; without such a field nothing else happens. Fails if Connection has something that is no
/// token: what it wanted to remove is not known. The request is then unchanged.
pub fn strip_request(headers: &mut HeaderMap) -> Result<(), BadField> {
    let mut found = hop_by_hop_names(headers);
    if found.contains(&header::CONNECTION) {
        add_named(headers, &mut found).map_err(|()| BadField { name: header::CONNECTION })?;
    }
    remove(headers, &found);
    Ok(())
}

/// Takes the hop-by-hop fields off a response. Malformed options of Connection are skipped.
pub fn strip_response(headers: &mut HeaderMap) {
    let mut found = hop_by_hop_names(headers);
    if found.contains(&header::CONNECTION) {
        let _ = add_named(headers, &mut found);
    }
    remove(headers, &found);
}

/// Whether the client takes trailers (`TE: trailers`, RFC 9110 §10.1.4). Ask before [`strip_request`].
pub fn accepts_trailers(headers: &HeaderMap) -> bool {
    elements(headers, &header::TE).any(|member| member.eq_ignore_ascii_case(b"trailers"))
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

fn hop_by_hop_names(headers: &HeaderMap) -> Names {
    headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect()
}

/// Adds what Connection names. Goes on after a malformed option, and reports it at the end.
fn add_named(headers: &HeaderMap, found: &mut Names) -> Result<(), ()> {
    let mut result = Ok(());
    for option in elements(headers, &header::CONNECTION) {
        match HeaderName::from_bytes(option) {
            Err(_) => result = Err(()),
            Ok(name) if headers.contains_key(&name) && !is_protected(&name) && !found.contains(&name) => {
                found.push(name);
            }
            Ok(_) => {}
        }
    }
    result
}

/// Whether a field is hop-by-hop without being named (RFC 9110 §7.6.1, RFC 9113 §8.2.2, RFC 7540 §3.2.1).
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    match *name {
        header::CONNECTION
        | header::TE
        | header::TRAILER
        | header::TRANSFER_ENCODING
        | header::UPGRADE
        | header::PROXY_AUTHENTICATE
        | header::PROXY_AUTHORIZATION => true,
        _ => matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "proxy-authentication-info" | "http2-settings"
        ),
    }
}

/// Whether a field stays although Connection names it: routing, framing, caching, preconditions, ranges, content,
/// credentials, and the forwarding fields that say who the client is.
pub fn is_protected(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.starts_with("x-forwarded-")
        || text.starts_with("content-")
        || text.starts_with("if-")
        || text.starts_with("accept")
        || text.starts_with("access-control-")
        || text.starts_with("x-amz-")
        || matches!(
            text,
            "age"
                | "authorization"
                | "cache-control"
                | "cache-status"
                | "cdn-cache-control"
                | "cookie"
                | "date"
                | "etag"
                | "expect"
                | "expires"
                | "forwarded"
                | "host"
                | "last-modified"
                | "location"
                | "origin"
                | "pragma"
                | "range"
                | "referer"
                | "retry-after"
                | "set-cookie"
                | "strict-transport-security"
                | "surrogate-control"
                | "user-agent"
                | "vary"
                | "via"
                | "warning"
                | "www-authenticate"
                | "x-real-ip"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn left(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn all_hop_by_hop_fields_go() {
        for name in [
            "Connection",
            "Keep-Alive",
            "Proxy-Connection",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "Proxy-Authentication-Info",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "Upgrade",
            "HTTP2-Settings",
        ] {
            let original = headers(&[(name, "x"), (name, "y"), ("X-Kept", "z")]);
            let mut request = original.clone();
            strip_request(&mut request).unwrap();
            assert_eq!(left(&request), ["x-kept"], "{name}");
            let mut response = original;
            strip_response(&mut response);
            assert_eq!(left(&response), ["x-kept"], "{name}");
        }
    }

    #[test]
    fn what_connection_names_goes() {
        let mut request = headers(&[
            ("Connection", "close, X-One"),
            ("Connection", "x-two,,X-Absent, x-one"),
            ("X-One", "1"),
            ("X-Two", "2"),
            ("X-Three", "3"),
        ]);
        strip_request(&mut request).unwrap();
        assert_eq!(left(&request), ["x-three"]);
    }

    #[test]
    fn end_to_end_fields_stay_whatever_connection_says() {
        for name in [
            "Host",
            "Content-Length",
            "Content-Type",
            "Cache-Control",
            "Authorization",
            "Range",
            "If-None-Match",
            "Cookie",
            "ETag",
            "Set-Cookie",
            "Date",
            "Age",
            "Vary",
            "Accept-Encoding",
            "X-Forwarded-For",
            "X-Amz-Date",
            "Access-Control-Allow-Origin",
        ] {
            let mut request = headers(&[("Connection", name), (name, "1")]);
            strip_request(&mut request).unwrap();
            assert_eq!(request.len(), 1, "{name}");
            let mut response = headers(&[("Connection", name), (name, "1")]);
            strip_response(&mut response);
            assert_eq!(response.len(), 1, "{name}");
        }
    }

    #[test]
    fn a_malformed_connection_is_the_clients_fault_and_the_origins_noise() {
        let original = headers(&[("Connection", "a b, X-One"), ("X-One", "1"), ("TE", "trailers")]);
        let mut request = original.clone();
        let error = strip_request(&mut request).unwrap_err();
        assert_eq!(error.to_string(), "the field connection is malformed");
        assert_eq!(request, original);
        let mut response = original;
        strip_response(&mut response);
        assert!(response.is_empty());
    }

    #[test]
    fn trailers_are_noted() {
        assert!(accepts_trailers(&headers(&[("TE", "gzip;q=0.5, Trailers")])));
        assert!(!accepts_trailers(&headers(&[("TE", "gzip")])));
        assert!(!accepts_trailers(&HeaderMap::new()));
    }

    #[test]
    fn a_plain_request_is_untouched() {
        let original = headers(&[("Host", "a"), ("Accept", "*/*"), ("X-Te", "1")]);
        let mut request = original.clone();
        strip_request(&mut request).unwrap();
        assert_eq!(request, original);
    }

    proptest! {
        #[test]
        fn stripping_is_idempotent(lines in proptest::collection::vec(("(connection|te|x-[ab]|host|keep-alive)", "[a-bx,-]{0,12}"), 0..8)) {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut once = headers(&lines);
            strip_response(&mut once);
            prop_assert!(!once.keys().any(is_hop_by_hop));
            let mut twice = once.clone();
            strip_request(&mut twice).unwrap();
            prop_assert_eq!(once, twice);
        }
    }
}
