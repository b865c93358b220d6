//! CORS preflights (Fetch §3.3.2): what a browser asks before it sends a request that pages of other sites may not send
//! without leave. Fetch sends them without credentials, so a guard that asked for some would close its paths to every
//! such page. What is let past a guard for that reason is cut down, both ways, to what a preflight is.

use http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, AUTHORIZATION, CACHE_CONTROL,
    COOKIE, DATE, HeaderName, ORIGIN, RETRY_AFTER, SERVER, USER_AGENT, VARY,
};
use http::{HeaderMap, Method};

/// Bytes of a field that a preflight is known by. No scheme and host is longer, and no method near it.
const MOST: usize = 512;

/// Whether a request is a preflight and nothing else: OPTIONS with one Origin and one method to be asked for, without
/// credentials. That it has no body, its caller knows.
pub fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && only(request, &ORIGIN).is_some_and(|origin| !origin.is_empty())
        && only(request, &ACCESS_CONTROL_REQUEST_METHOD)
            .is_some_and(|asked| Method::from_bytes(asked).is_ok())
        && !request.contains_key(COOKIE)
        && !request.contains_key(AUTHORIZATION)
}

fn only<'a>(request: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = request.get_all(name).iter();
    let line = lines.next()?.as_bytes();
    (lines.next().is_none() && line.len() <= MOST).then_some(line)
}

/// Takes out of a preflight's request all that an origin does not need to answer it: no field is left that could make
/// it do something else.
pub fn reduce_request(request: &mut HeaderMap) {
    retain(request, |name| {
        [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS, USER_AGENT].contains(name)
            || matches!(name.as_str(), "access-control-request-private-network" | "forwarded" | "via")
            || name.as_str().starts_with("x-forwarded-")
    });
}

/// Takes out of the response to one all that a browser does not read of it. What is guarded might answer OPTIONS as it
/// does GET.
pub fn reduce_response(response: &mut HeaderMap) {
    retain(response, |name| {
        [VARY, ALLOW, CACHE_CONTROL, DATE, RETRY_AFTER, SERVER].contains(name)
            || name.as_str().starts_with("access-control-")
            || matches!(name.as_str(), "cache-status" | "via" | "timing-allow-origin")
    });
}

fn retain(head: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    let others: Vec<HeaderName> = head.keys().filter(|name| !keep(name)).cloned().collect();
    for name in others {
        head.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    type Lines = &'static [(&'static str, &'static str)];

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut head = HeaderMap::new();
        for (name, value) in lines {
            head.append(*name, HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn a_preflight_is_known_by_all_its_marks() {
        const ASKS: (&str, &str) = ("access-control-request-method", "GET");
        const FROM: (&str, &str) = ("origin", "https://a.example");
        let rows: [(Method, Lines, bool); 13] = [
            (Method::OPTIONS, &[FROM, ASKS], true),
            (Method::OPTIONS, &[("origin", "null"), ASKS], true),
            (Method::OPTIONS, &[FROM, ASKS, ("access-control-request-headers", "range")], true),
            (Method::GET, &[FROM, ASKS], false),
            (Method::HEAD, &[FROM, ASKS], false),
            (Method::POST, &[FROM, ASKS], false),
            (Method::OPTIONS, &[FROM], false),
            (Method::OPTIONS, &[ASKS], false),
            (Method::OPTIONS, &[FROM, ("access-control-request-method", "")], false),
            (Method::OPTIONS, &[FROM, ("access-control-request-method", "GET, PUT")], false),
            (Method::OPTIONS, &[FROM, FROM, ASKS], false),
            (Method::OPTIONS, &[FROM, ASKS, ("cookie", "a=1")], false),
            (Method::OPTIONS, &[FROM, ASKS, ("authorization", "Bearer x")], false),
        ];
        for (method, lines, expected) in rows {
            assert_eq!(is_preflight(&method, &headers(lines)), expected, "{method} {lines:?}");
        }
    }

    #[test]
    fn nothing_but_a_preflight_is_left() {
        let mut request = headers(&[
            ("origin", "https://a.example"),
            ("access-control-request-method", "PUT"),
            ("x-http-method", "GET"),
            ("x-custom", "1"),
            ("range", "bytes=0-1"),
            ("x-forwarded-for", "192.0.2.1"),
        ]);
        reduce_request(&mut request);
        let mut left: Vec<&str> = request.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["access-control-request-method", "origin", "x-forwarded-for"]);
        let mut response = headers(&[
            ("access-control-allow-origin", "*"),
            ("vary", "Origin"),
            ("content-type", "text/html"),
            ("set-cookie", "a=1"),
            ("etag", "\"guarded\""),
            ("content-length", "7"),
        ]);
        reduce_response(&mut response);
        let mut left: Vec<&str> = response.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["access-control-allow-origin", "vary"]);
    }
}
