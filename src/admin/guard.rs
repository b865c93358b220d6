//! Who may see and do what: the bearers of `admin.token` and `admin.read_token`, or, where there is no token, who is on
//! this machine.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::ORIGIN;

use crate::config::{Admin, Secret};
use crate::http::bearer;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Health, and what is in the documents.
    Nothing,
    /// The metrics, which show no key.
    Metrics,
    /// What shows keys and URLs.
    Reading,
    /// What changes state.
    Changing,
}

/// The request needs a token that it does not carry; it is answered with 401 and a challenge (RFC 6750 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unauthorized: send \"Authorization: Bearer <token>\" with {}", self.token())]
pub struct Unauthorized(Needs);

impl Unauthorized {
    /// The keys that name the tokens which would do.
    pub fn token(self) -> &'static str {
        match self.0 {
            Needs::Changing => "admin.token",
            Needs::Nothing | Needs::Metrics | Needs::Reading => "admin.read_token or admin.token",
        }
    }
}

/// The tokens of `[admin]`.
#[derive(Debug, Default)]
pub struct Access {
    token: Option<Secret>,
    read_token: Option<Secret>,
    guarded_metrics: bool,
}

impl Access {
    /// As configured.
    pub fn new(admin: &Admin) -> Self {
        Self {
            token: admin.token.clone(),
            read_token: admin.read_token.clone(),
            guarded_metrics: admin.guarded_metrics,
        }
    }

    /// Checks a request.
    ///
    /// With a token, `Authorization: Bearer <token>` must stand exactly once and hold it; the comparison takes the same
    /// time whatever is wrong, and tells nothing of the token's length. Without one, what changes state is for loopback
    /// addresses (configuration asks for a token on any other listener), and no browser may send it on behalf of a
    /// web page: browsers name the page in Origin.
    ///
    /// # Errors
    /// [`Unauthorized`]; whether a token was missing or wrong is not said.
    pub fn check(&self, needs: Needs, headers: &HeaderMap, peer: IpAddr) -> Result<(), Unauthorized> {
        let carries = |token: &Option<Secret>| {
            token.as_ref().is_some_and(|token| bearer::carries(headers, token.expose()))
        };
        let allowed = match (needs, &self.token) {
            (Needs::Nothing, _) => true,
            (Needs::Metrics, _) if !self.guarded_metrics => true,
            (Needs::Metrics | Needs::Reading, Some(_)) => carries(&self.token) || carries(&self.read_token),
            (Needs::Metrics | Needs::Reading, None) => true,
            (Needs::Changing, Some(_)) => carries(&self.token),
            (Needs::Changing, None) => peer.to_canonical().is_loopback() && !headers.contains_key(ORIGIN),
        };
        if allowed { Ok(()) } else { Err(Unauthorized(needs)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(headers: &HeaderMap, token: Option<&Secret>, peer: IpAddr) -> Result<(), Unauthorized> {
        let access = Access { token: token.cloned(), ..Access::default() };
        access.check(Needs::Changing, headers, peer)
    }

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

    #[test]
    fn each_need_has_its_tokens() {
        let peer: IpAddr = "203.0.113.1".parse().unwrap();
        let (admin, reader, none) = (
            headers(&[("authorization", "Bearer admin")]),
            headers(&[("authorization", "Bearer reader")]),
            headers(&[]),
        );
        let access = |read_token: Option<&str>, guarded_metrics| Access {
            token: Some(Secret::new("admin")),
            read_token: read_token.map(Secret::new),
            guarded_metrics,
        };
        for (access, needs, allowed) in [
            // by the admin token, by the read token, by nothing
            (access(Some("reader"), false), Needs::Nothing, [true, true, true]),
            (access(Some("reader"), false), Needs::Metrics, [true, true, true]),
            (access(Some("reader"), true), Needs::Metrics, [true, true, false]),
            (access(Some("reader"), false), Needs::Reading, [true, true, false]),
            (access(Some("reader"), false), Needs::Changing, [true, false, false]),
            (access(None, false), Needs::Reading, [true, false, false]),
            (access(None, true), Needs::Metrics, [true, false, false]),
            (Access::default(), Needs::Reading, [true, true, true]),
        ] {
            let found = [&admin, &reader, &none].map(|headers| access.check(needs, headers, peer).is_ok());
            assert_eq!(found, allowed, "{access:?} {needs:?}");
        }
    }
}
