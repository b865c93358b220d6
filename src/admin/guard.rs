//! Who may change state: the bearer of `admin.token`, or, where there is none, who is on this machine.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::ORIGIN;

use crate::config::Secret;
use crate::http::bearer;

/// The request may not change state; it is answered with 401 and a challenge (RFC 6750 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unauthorized")]
pub struct Unauthorized;

/// Checks a request that would change state.
///
/// With a token, `Authorization: Bearer <token>` must stand exactly once and hold it; the comparison takes the same
/// time whatever is wrong, and tells nothing of the token's length. Without one, `peer` must be a loopback address
/// (configuration asks for a token on any other listener), and no browser may send the request on behalf of a web
/// page: browsers name the page in Origin.
///
/// # Errors
/// [`Unauthorized`], and no hint as to why.
pub fn guard(headers: &HeaderMap, token: Option<&Secret>, peer: IpAddr) -> Result<(), Unauthorized> {
    let allowed = match token {
        Some(token) => bearer::carries(headers, token.expose()),
        None => peer.to_canonical().is_loopback() && !headers.contains_key(ORIGIN),
    };
    if allowed { Ok(()) } else { Err(Unauthorized) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn with_a_token() {
        let token = Secret::new("s3cret");
        let peer = "203.0.113.1".parse().unwrap();
        for (fields, allowed) in [
            (&[("authorization", "Bearer s3cret")][..], true),
            (&[("authorization", "bEARER  s3cret ")], true),
            (&[("authorization", "Bearer s3cre")], false),
            (&[("authorization", "Bearer s3cret1")], false),
            (&[("authorization", "Bearer S3CRET")], false),
            (&[("authorization", "Bearer ")], false),
            (&[("authorization", "Bearer")], false),
            (&[("authorization", "Basic s3cret")], false),
            (&[("authorization", "s3cret")], false),
            (&[("authorization", "Bearer x"), ("authorization", "Bearer s3cret")], false),
            (&[("x-authorization", "Bearer s3cret")], false),
            (&[], false),
        ] {
            assert_eq!(guard(&headers(fields), Some(&token), peer).is_ok(), allowed, "{fields:?}");
        }
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(guard(&headers(&[]), Some(&token), loopback).is_err(), "a token is asked of everybody");
        assert!(guard(&headers(&[("authorization", "Bearer ")]), Some(&Secret::new("")), loopback).is_err());
    }

    #[test]
    fn without_a_token() {
        for (peer, allowed) in [
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(guard(&headers(&[]), None, peer.parse().unwrap()).is_ok(), allowed, "{peer}");
        }
        let page = headers(&[("origin", "https://evil.example")]);
        assert!(guard(&page, None, "127.0.0.1".parse().unwrap()).is_err(), "a web page is not an operator");
    }
}
