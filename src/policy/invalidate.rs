//! What the success of an unsafe method invalidates (RFC 9111 §4.4).

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use smallvec::SmallVec;

use crate::http::host::{Host, Scheme};

/// Where a request went: scheme, host with any port, path with any query.
///
/// An origin does not see the port by which a client came. So a reference to the host without one is to the target's
/// own origin, as one with the client's port is.
pub type Target<'a> = (&'a str, &'a str, &'a str);

/// Paths and queries on the target's own host that must not be served unvalidated any more: the target, and what
/// Location and Content-Location name there. Empty for safe methods and for errors.
///
/// They are resolved (RFC 3986 §5.2) but not otherwise normalised: make keys of them as of a request's target.
pub fn invalidated(
    method: &Method,
    status: StatusCode,
    target: Target<'_>,
    response: &HeaderMap,
) -> SmallVec<[String; 3]> {
    let mut stale = SmallVec::new();
    if is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return stale;
    }
    stale.push(target.2.to_owned());
    for named in [LOCATION, CONTENT_LOCATION].iter().filter_map(|name| resolved(target, response, name)) {
        if !stale.contains(&named) {
            stale.push(named);
        }
    }
    stale
}

/// Whether Content-Location names the target itself, so that the response to a POST may answer later GETs
/// (RFC 9110 §9.3.3).
pub fn names_target(target: Target<'_>, response: &HeaderMap) -> bool {
    resolved(target, response, &CONTENT_LOCATION).is_some_and(|named| named == target.2)
}

/// Methods registered as safe; all others count as unsafe, the unknown ones too.
fn is_safe(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH" | "QUERY" | "PRI"
    )
}

/// The path and query a field names, if it stands once and stays on the target's origin.
fn resolved(target: Target<'_>, response: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = response.get_all(name).iter();
    let line = lines.next().filter(|line| lines.all(|other| other == *line))?;
    let reference = std::str::from_utf8(line.as_bytes()).ok()?.trim();
    resolve(target, reference)
}

/// RFC 3986 §5.2.2, within one origin.
fn resolve((scheme, host, path_and_query): Target<'_>, reference: &str) -> Option<String> {
    if !reference.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let reference = reference.split('#').next().unwrap_or_default();
    let (base_path, _) = split_query(path_and_query);
    let hierarchy = match split_scheme(reference) {
        Some((other, rest)) if other.eq_ignore_ascii_case(scheme) && rest.starts_with("//") => rest,
        Some(_) => return None,
        None => reference,
    };
    if let Some(rest) = hierarchy.strip_prefix("//") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        return is_origin(scheme, host, authority).then(|| without_dots(rest));
    }
    if hierarchy.is_empty() {
        return Some(path_and_query.to_owned());
    }
    if hierarchy.starts_with('/') {
        return Some(without_dots(hierarchy));
    }
    if hierarchy.starts_with('?') {
        return Some(format!("{base_path}{hierarchy}"));
    }
    let folder = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
    Some(without_dots(&format!("{folder}{hierarchy}")))
}

fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let (first, others) = scheme.as_bytes().split_first()?;
    let valid = first.is_ascii_alphabetic()
        && others.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    valid.then_some((scheme, rest))
}

fn split_query(path_and_query: &str) -> (&str, Option<&str>) {
    match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    }
}

/// Whether an authority is that of `host`, or of it without its port.
fn is_origin(scheme: &str, host: &str, authority: &str) -> bool {
    let scheme = if scheme.eq_ignore_ascii_case("https") { Scheme::Https } else { Scheme::Http };
    let parse = |text: &str| Host::parse(text.as_bytes(), scheme).ok();
    let (Some(host), Some(named)) = (parse(host), parse(authority)) else { return false };
    host.name() == named.name() && (named.port() == host.port() || named.port().is_none())
}

/// RFC 3986 §5.2.4, on the path only; an empty path is `/`.
fn without_dots(path_and_query: &str) -> String {
    let (path, query) = split_query(path_and_query);
    let mut segments: Vec<&str> = Vec::new();
    let mut rest = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = rest.next() {
        let last = rest.peek().is_none();
        match segment {
            ".." | "." => {
                if segment == ".." {
                    segments.pop();
                }
                if last {
                    segments.push("");
                }
            }
            _ => segments.push(segment),
        }
    }
    let mut out = format!("/{}", segments.join("/"));
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const TARGET: Target<'_> = ("https", "Example.com", "/a/b/c?q=1");

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn methods_and_status_codes() {
        let of = |method: &str, status: u16| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            invalidated(&method, StatusCode::from_u16(status).unwrap(), TARGET, &HeaderMap::new()).into_vec()
        };
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "WHATEVER"] {
            assert_eq!(of(method, 200), [TARGET.2], "{method}");
            assert_eq!(of(method, 303), [TARGET.2], "{method}");
            for status in [400, 404, 500, 503] {
                assert!(of(method, status).is_empty(), "{method} {status}");
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"] {
            assert!(of(method, 200).is_empty(), "{method}");
        }
    }

    #[test]
    fn named_resources() {
        let of = |lines: &[(HeaderName, &str)]| {
            invalidated(&Method::POST, StatusCode::CREATED, TARGET, &headers(lines)).into_vec()
        };
        assert_eq!(of(&[(LOCATION, "/x"), (CONTENT_LOCATION, "y")]), [TARGET.2, "/x", "/a/b/y"]);
        assert_eq!(of(&[(LOCATION, "/x"), (CONTENT_LOCATION, "/x")]), [TARGET.2, "/x"]);
        assert_eq!(of(&[(LOCATION, "https://elsewhere/x")]), [TARGET.2]);
        assert_eq!(of(&[(LOCATION, "/x"), (LOCATION, "/y")]), [TARGET.2]);
        assert_eq!(of(&[(LOCATION, "/\u{e4}")]), [TARGET.2]);
    }

    #[test]
    fn references() {
        let cases = [
            ("https://example.com/x", Some("/x")),
            ("HTTPS://EXAMPLE.com:443/x?y", Some("/x?y")),
            ("https://example.com", Some("/")),
            ("https://example.com?x", Some("/?x")),
            ("https://example.com:8443/x", None),
            ("http://example.com/x", None),
            ("https://user@example.com/x", None),
            ("https:x", None),
            ("https:///x", None),
            ("mailto:a@b", None),
            ("//example.com/x", Some("/x")),
            ("//other/x", None),
            ("/x/./y/../z", Some("/x/z")),
            ("/x/..", Some("/")),
            ("/x/y/.", Some("/x/y/")),
            ("/../../x", Some("/x")),
            ("/x?a=/../b", Some("/x?a=/../b")),
            ("x", Some("/a/b/x")),
            ("../x", Some("/a/x")),
            ("./x:y", Some("/a/b/x:y")),
            ("?x", Some("/a/b/c?x")),
            ("#x", Some("/a/b/c?q=1")),
            ("", Some("/a/b/c?q=1")),
            ("/x#y", Some("/x")),
            ("/x y", None),
            ("/x//y", Some("/x//y")),
        ];
        for (reference, expected) in cases {
            assert_eq!(resolve(TARGET, reference).as_deref(), expected, "{reference}");
        }
        assert_eq!(resolve(("http", "[::1]", "/"), "http://[::1]:80/x").as_deref(), Some("/x"));
    }

    #[test]
    fn ports() {
        let cases = [
            // scheme, the client's authority, what is named, whether that is its origin
            ("http", "h:8080", "http://h:8080/x", true),
            ("http", "h:8080", "http://h/x", true),
            ("http", "h:8080", "http://h:/x", true),
            ("http", "h:8080", "//h:8080/x", true),
            ("http", "h:8080", "http://h:8081/x", false),
            ("http", "h:8080", "https://h:8080/x", false),
            ("http", "h", "http://h:80/x", true),
            ("http", "h", "http://h:8080/x", false),
            ("https", "h", "https://h:443/x", true),
            ("https", "h", "https://h:80/x", false),
            ("https", "h.", "https://H/x", true),
            ("http", "h", "http://h:99999/x", false),
            ("http", "h", "http://h@h/x", false),
            ("http", "h", "http://hh/x", false),
        ];
        for (scheme, host, reference, expected) in cases {
            assert_eq!(resolve((scheme, host, "/"), reference).is_some(), expected, "{host} {reference}");
        }
    }

    #[test]
    fn a_post_that_names_its_target() {
        for (location, expected) in
            [("/a/b/c?q=1", true), ("https://example.com/a/b/c?q=1", true), ("", true), ("/a/b/c", false)]
        {
            assert_eq!(
                names_target(TARGET, &headers(&[(CONTENT_LOCATION, location)])),
                expected,
                "{location}"
            );
        }
        assert!(!names_target(TARGET, &HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn a_result_is_a_path(reference in "[a-z/.?#:@%]{0,24}") {
            if let Some(path) = resolve(TARGET, &reference) {
                prop_assert!(path.starts_with('/'));
                let (path, _) = split_query(&path);
                prop_assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));
            }
        }
    }
}
