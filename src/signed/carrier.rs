//! Where a credential stands in a request: a query parameter, a path segment or a cookie.

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;

use super::{Change, DenyReason, SignedRequest};

/// What begins a path that carries a token: `/_t/<token>/the/real/path`.
pub const PATH_MARKER: &str = "/_t/";

/// A path with its token taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathToken<'a> {
    /// The token, not verified.
    pub token: &'a str,
    /// The rest, from the slash after the token: what the request is routed, keyed and fetched by.
    pub path: &'a str,
}

/// Takes the token out of a normalised path that carries one.
///
/// This must happen before routing: the rule that guards a path must be found by the path that is
/// served, or a token segment in front of it would route around the guard. `None` when the path
/// does not begin with [`PATH_MARKER`] and a segment that looks like a token.
pub fn split_path_token(path: &str) -> Option<PathToken<'_>> {
    let after = path.strip_prefix(PATH_MARKER)?;
    let end = after.find('/')?;
    let (token, path) = after.split_at(end);
    super::token::looks_like_one(token).then_some(PathToken { token, path })
}

/// The one token of the request: the URL's, or else the cookie's.
///
/// A cookie is sent without the visitor's doing, so a link that was followed on purpose goes before it.
pub(super) fn find<'a>(request: &SignedRequest<'a>, name: &str) -> Result<&'a [u8], DenyReason> {
    let in_query = parameters(request.query)
        .filter(|parameter| parameter.is_named(|n| n == name.as_bytes()))
        .map(|parameter| parameter.value.as_bytes());
    let in_url = in_query.chain(request.path_token.map(str::as_bytes));
    let in_cookies = cookies(request.headers)
        .filter(|cookie| cookie_name(cookie) == name.as_bytes())
        .map(|cookie| cookie.get(name.len() + 1..).unwrap_or_default());
    match only(in_url)? {
        Some(token) => Ok(token),
        None => only(in_cookies)?.ok_or(DenyReason::Missing),
    }
}

fn only<'a>(mut tokens: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, DenyReason> {
    let first = tokens.next();
    if tokens.next().is_some() { Err(DenyReason::Duplicate) } else { Ok(first) }
}

/// The query without the parameters whose decoded names are `owned`, all else byte for byte.
/// An empty rest is no query at all.
pub(super) fn query_without(query: Option<&str>, owned: impl Fn(&[u8]) -> bool) -> Change<Option<String>> {
    if !parameters(query).any(|parameter| parameter.is_named(&owned)) {
        return Change::Unchanged;
    }
    let mut rest = String::with_capacity(query.map_or(0, str::len));
    for (index, parameter) in parameters(query).filter(|parameter| !parameter.is_named(&owned)).enumerate() {
        if index > 0 {
            rest.push('&');
        }
        rest.push_str(parameter.text);
    }
    Change::Replaced((!rest.is_empty()).then_some(rest))
}

/// One Cookie field in place of all, without the cookies whose names are `owned` (RFC 6265 §4.2.1 syntax).
pub(super) fn cookies_without(
    headers: &HeaderMap,
    owned: impl Fn(&[u8]) -> bool,
) -> Change<Option<HeaderValue>> {
    if !cookies(headers).any(|cookie| owned(cookie_name(cookie))) {
        return Change::Unchanged;
    }
    let rest: Vec<&[u8]> = cookies(headers).filter(|cookie| !owned(cookie_name(cookie))).collect();
    let rest = rest.join(&b"; "[..]);
    if rest.is_empty() {
        return Change::Replaced(None);
    }
    // Bytes of a valid field value stay valid when joined; the error branch drops them all, the safe side.
    Change::Replaced(HeaderValue::from_bytes(&rest).ok())
}

struct Parameter<'a> {
    text: &'a str,
    name: Cow<'a, [u8]>,
    value: &'a str,
}

impl Parameter<'_> {
    fn is_named(&self, owned: impl Fn(&[u8]) -> bool) -> bool {
        owned(&self.name)
    }
}

/// Names are decoded so that `%74oken` does not slip a second token past the check for duplicates.
fn parameters(query: Option<&str>) -> impl Iterator<Item = Parameter<'_>> {
    query.into_iter().flat_map(|query| query.split('&')).map(|text| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Parameter { text, name: percent_decode_str(name).into(), value }
    })
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|cookie| !cookie.is_empty())
}

fn cookie_name(cookie: &[u8]) -> &[u8] {
    cookie.split(|&b| b == b'=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::Method;

    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        headers
    }

    #[test]
    fn finds_the_one_token() {
        use DenyReason::{Duplicate, Missing};
        type Row = (
            Option<&'static str>,
            Option<&'static str>,
            &'static [&'static str],
            Result<&'static str, DenyReason>,
        );
        let rows: &[Row] = &[
            (None, None, &[], Err(Missing)),
            (Some("a=1"), None, &["a=1"], Err(Missing)),
            (Some("token=x"), None, &[], Ok("x")),
            (Some("a=1&%74oken=x&b"), None, &[], Ok("x")),
            (Some("Token=x"), None, &[], Err(Missing)),
            (Some("token"), None, &[], Ok("")),
            (Some("token=x&token=x"), None, &[], Err(Duplicate)),
            (Some("token=x&%74oken=y"), None, &[], Err(Duplicate)),
            (Some("token=x"), Some("y"), &[], Err(Duplicate)),
            (None, Some("y"), &[], Ok("y")),
            (None, None, &["a=1; token=z; b=2"], Ok("z")),
            (None, None, &["token"], Ok("")),
            (None, None, &["a=1", "token=z"], Ok("z")),
            (None, None, &["token=y", "token=z"], Err(Duplicate)),
            (Some("token=x"), None, &["token=y; token=z"], Ok("x")),
        ];
        for (query, path_token, cookies, expected) in rows {
            let headers = headers(cookies);
            let request = SignedRequest {
                method: &Method::GET,
                host: "h",
                path: "/",
                origin: crate::config::OriginKind::Http,
                path_token: *path_token,
                query: *query,
                headers: &headers,
                client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            };
            let found = find(&request, "token");
            assert_eq!(found, expected.map(str::as_bytes), "{query:?} {path_token:?} {cookies:?}");
        }
    }

    #[test]
    fn the_rest_of_the_query_is_exact() {
        for (query, rest) in [
            ("token=x", None),
            ("token=x&a=%2f&b", Some("a=%2f&b")),
            ("a=1&token=x&b=2", Some("a=1&b=2")),
            ("a=1&&token=x", Some("a=1&")),
            ("a=1&%74oken=x", Some("a=1")),
            ("a=token&token", Some("a=token")),
        ] {
            let change = query_without(Some(query), |name| name == b"token");
            assert_eq!(change, Change::Replaced(rest.map(str::to_owned)), "{query}");
        }
        for query in [None, Some("a=1&&b"), Some("tokens=1"), Some("")] {
            assert_eq!(query_without(query, |name| name == b"token"), Change::Unchanged);
        }
    }

    #[test]
    fn the_cookie_leaves() {
        for (before, rest) in [
            (&["token=x"][..], None),
            (&["a=1; token=x; b=\"2;"][..], Some("a=1; b=\"2")),
            (&["token=x", "a=1", "b=2"][..], Some("a=1; b=2")),
        ] {
            let expected = Change::Replaced(rest.map(HeaderValue::from_static));
            assert_eq!(cookies_without(&headers(before), |name| name == b"token"), expected, "{before:?}");
        }
        assert_eq!(cookies_without(&headers(&["a=token"]), |name| name == b"token"), Change::Unchanged);
    }

    #[test]
    fn the_path_token_leaves() {
        for (path, expected) in [
            ("/_t/v1.a.b/hls/1.ts", Some(("v1.a.b", "/hls/1.ts"))),
            ("/_t/v1.a.b/", Some(("v1.a.b", "/"))),
            ("/_t/v1.a.b//x", Some(("v1.a.b", "//x"))),
            ("/_t/v1.a.b", None),
            ("/_t/picture/1.ts", None),
            ("/x/_t/v1.a.b/1.ts", None),
            ("/_t//x", None),
        ] {
            let expected = expected.map(|(token, path)| PathToken { token, path });
            assert_eq!(split_path_token(path), expected, "{path}");
        }
    }
}
