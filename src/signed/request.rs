//! What a scheme judges, and what a grant changes about the request.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method};

use crate::config::OriginKind;
use crate::http::time::Time;

/// The parts of a request that a credential may be bound to, after normalisation and routing.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The client's method.
    pub method: &'a Method,
    /// The request's host, lower case; a port is ignored.
    pub host: &'a str,
    /// The normalised, percent-encoded path by which the request was routed: without the path token.
    pub path: &'a str,
    /// What answers, which decides when that is the path that was signed.
    pub origin: OriginKind,
    /// What [`super::split_path_token`] took from the path, if anything.
    pub path_token: Option<&'a str>,
    /// The query as received, without `?`.
    pub query: Option<&'a str>,
    /// The request's fields.
    pub headers: &'a HeaderMap,
    /// The client's address, after trusted proxies were believed.
    pub client: IpAddr,
}

/// The request may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key that signed it; `None` where the path is not guarded.
    pub key_id: Option<Arc<str>>,
    /// When the credential stops being valid; `None` where the path is not guarded.
    pub expires: Option<Time>,
    /// What leaves the request, so that neither cache key nor origin sees a credential.
    pub changes: Changes,
}

/// What a grant changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The query without the credential's parameters; the rest is byte for byte what it was.
    pub query: Change<Option<String>>,
    /// What takes the place of all Cookie fields; `Replaced(None)` removes them.
    pub cookie: Change<Option<HeaderValue>>,
}

/// Whether a part of the request stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// As it was.
    #[default]
    Unchanged,
    /// This instead.
    Replaced(T),
}

impl Changes {
    /// The query to go on with.
    pub fn query<'a>(&'a self, original: Option<&'a str>) -> Option<&'a str> {
        match &self.query {
            Change::Unchanged => original,
            Change::Replaced(query) => query.as_deref(),
        }
    }

    /// Puts the new Cookie field in place of the old ones.
    pub fn apply_cookie(&self, headers: &mut HeaderMap) {
        match &self.cookie {
            Change::Unchanged => {}
            Change::Replaced(None) => drop(headers.remove(COOKIE)),
            Change::Replaced(Some(value)) => drop(headers.insert(COOKIE, value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_apply() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_static("token=x"));
        let mut changes = Changes::default();
        changes.apply_cookie(&mut headers);
        assert_eq!((headers.get_all(COOKIE).iter().count(), changes.query(Some("q"))), (2, Some("q")));

        changes.query = Change::Replaced(None);
        changes.cookie = Change::Replaced(Some(HeaderValue::from_static("a=1")));
        changes.apply_cookie(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1"]);
        assert_eq!(changes.query(Some("q")), None);

        changes.cookie = Change::Replaced(None);
        changes.apply_cookie(&mut headers);
        assert!(headers.is_empty());
    }
}
