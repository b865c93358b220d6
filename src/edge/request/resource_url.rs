//! A URL that an operator writes, read as a request for it would be.

use std::sync::Arc;

use http::{HeaderMap, Uri};

use crate::cache::key::{Key, KeyText};
use crate::http::host::{Host, Scheme};
use crate::policy::key::key_text;

use crate::edge::request::route::{Route, Sites};
use crate::edge::request::sanitize::Target;

/// A resource by its name.
#[derive(Debug)]
pub struct ResourceUrl {
    /// Without its port, as in keys.
    pub host: Host,
    /// Normalised.
    pub target: Target,
    /// What it is handled by.
    pub route: Arc<Route>,
}

/// Why a text names nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Relative, another scheme, not a URL at all.
    #[error("must be a URL that begins with http:// or https://")]
    NotAUrl,
    /// Part of a page, which no cache knows.
    #[error("must not have a fragment (#)")]
    Fragment,
    /// Name and password.
    #[error("must not have a user name or a password (@)")]
    UserInfo,
    /// The host has no one meaning.
    #[error("has an invalid host")]
    Host,
    /// Path or query have no one meaning.
    #[error("has a path or query that the edge would refuse")]
    Target,
    /// Nobody serves it.
    #[error("has a host that no site serves")]
    Unknown,
}

impl ResourceUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is none, or no site has its host.
    pub fn parse(url: &str, sites: &Sites) -> Result<Self, UrlError> {
        let (host, target) = Self::read(url)?;
        Self::of(host, target, sites)
    }

    /// The host, and the target before it is known who serves it.
    ///
    /// # Errors
    /// It is no URL.
    pub fn read(url: &str) -> Result<(Host, Target), UrlError> {
        if url.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| UrlError::NotAUrl)?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(UrlError::NotAUrl),
        };
        let authority = uri.authority().ok_or(UrlError::NotAUrl)?.as_str();
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let host = Host::parse(authority.as_bytes(), scheme).map_err(|_| UrlError::Host)?.without_port();
        let given = uri.path_and_query().cloned().unwrap_or(http::uri::PathAndQuery::from_static("/"));
        let target = Target::new(given).map_err(|_| UrlError::Target)?;
        Ok((host, target))
    }

    /// From what a request named.
    ///
    /// # Errors
    /// No site has its host.
    pub fn of(host: Host, mut target: Target, sites: &Sites) -> Result<Self, UrlError> {
        let route = sites.route_of(host.name(), target.routed_path()).ok_or(UrlError::Unknown)?;
        target.identify(route.settings.origin);
        Ok(Self { route: Arc::clone(route), host, target })
    }

    /// The key of a request for it that has none of the headers and cookies that the site may count in.
    pub fn key(&self) -> Key {
        self.key_with(&HeaderMap::new())
    }

    /// The key of a request for it with these fields.
    pub fn key_with(&self, request: &HeaderMap) -> Key {
        let mut text = KeyText::new();
        let (path, query) = (self.target.path(), self.target.query());
        let rules = &self.route.settings.cache;
        key_text(&mut text, self.host.as_str(), path, query, request, rules);
        Key::new(text)
    }

    /// Host, path and the query that counts: the first line of all its keys.
    pub fn line(&self) -> Vec<u8> {
        let key = self.key();
        key.text().split(|&byte| byte == b'\n').next().unwrap_or_default().to_vec()
    }
}
