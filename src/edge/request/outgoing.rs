//! What an origin is asked, made from an authorised request.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::{HeaderMap, HeaderValue, Method};

use crate::cache::store::{Moment, Store};
use crate::config::OriginKind;
use crate::http::forwarded::{self, Received};
use crate::http::host::Scheme;
use crate::http::range::ByteRange;
use crate::http::refusal::Refusal;
use crate::origin::{OnInformational, OriginRequest, PoolHandle, RequestBody, s3};
use crate::policy::conditional;
use crate::policy::key::{CacheUse, keyed_query};
use crate::server::Hints;

use super::key::Keyed;
use super::requested_range::RequestedRange;
use crate::edge::request::route::Route;

/// A request to an origin, which can be made more than once.
pub struct Outgoing {
    /// Whom to ask.
    pub pool: PoolHandle,
    /// What it is handled by.
    pub route: Arc<Route>,
    /// End-to-end fields, ours included.
    pub headers: HeaderMap,
    /// When it was made, which is before any origin is asked.
    pub asked: Moment,
    method: Method,
    path: Bytes,
    query: Option<Bytes>,
    host: HeaderValue,
    scheme: Scheme,
    ring: u64,
    trailers: bool,
    /// Whoever asked may get interim responses.
    hints: Option<Hints>,
}

impl Outgoing {
    /// For a response that everybody may share: a GET of the whole, without the client's conditions.
    ///
    /// # Errors
    /// The request came through this node before.
    pub fn for_fill(keyed: &Keyed, store: &Store) -> Result<Self, Refusal> {
        // Trailers are not stored.
        Ok(Self { method: Method::GET, trailers: false, ..Self::for_head(keyed, store)? })
    }

    /// For the head of what everybody shares, by the client's own method: without its conditions, which are judged here
    /// as for a hit, and without its Range, which is for GET (RFC 9110 §14.2).
    ///
    /// # Errors
    /// The request came through this node before.
    pub fn for_head(keyed: &Keyed, store: &Store) -> Result<Self, Refusal> {
        Self::with_fields(keyed, store, fields_for_fill(keyed)?)
    }

    /// As for a fill, but with the client's conditions: for a response that is not likely to be shared.
    ///
    /// # Errors
    /// The request came through this node before.
    pub fn for_own(keyed: &Keyed, store: &Store) -> Result<Self, Refusal> {
        let mut outgoing = Self::for_fill(keyed, store)?;
        for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            for value in keyed.request.incoming().headers.get_all(&name) {
                outgoing.headers.append(name.clone(), value.clone());
            }
        }
        Ok(outgoing)
    }

    /// For a response that is this client's own.
    ///
    /// # Errors
    /// The request came through this node before.
    pub fn for_pass(keyed: &Keyed, store: &Store) -> Result<Self, Refusal> {
        Self::with_fields(keyed, store, fields(keyed)?)
    }

    fn with_fields(keyed: &Keyed, store: &Store, headers: HeaderMap) -> Result<Self, Refusal> {
        let incoming = keyed.request.incoming();
        let route = keyed.request.route();
        let query = match (incoming.target.query(), keyed.cache) {
            (Some(query), CacheUse::Yes) => keyed_query(query, &route.settings.cache),
            (query, _) => query.map(Into::into),
        };
        Ok(Self {
            pool: route.pool.clone(),
            asked: store.moment(&keyed.key),
            route: Arc::clone(route),
            method: incoming.method.clone(),
            path: Bytes::copy_from_slice(incoming.target.path().as_bytes()),
            query: query.map(|query| Bytes::copy_from_slice(query.as_bytes())),
            host: HeaderValue::from_str(incoming.host.as_str()).map_err(|_| Refusal::BadHost)?,
            scheme: incoming.scheme,
            ring: keyed.key.ring(),
            trailers: incoming.takes_trailers,
            // Early hints speak of the resource, which a preflight has not proven that it may see.
            hints: incoming.peer.interim.hints().filter(|_| !keyed.request.is_unproven_preflight()),
            headers,
        })
    }

    /// The request, with the conditions of a stored response to confirm, and for a part of it only. An origin
    /// judges the conditions first (RFC 9110 §13.2.2).
    pub fn request(&self, confirming: Option<&HeaderMap>, range: Option<&RequestedRange>) -> OriginRequest {
        let mut headers = self.headers.clone();
        if let Some(range) = range {
            headers.insert(RANGE, range.value());
        }
        if let Some(stored) = confirming {
            for (name, value) in conditional::conditions(stored) {
                headers.insert(name, value);
            }
        }
        self.with(headers, RequestBody::Empty)
    }

    /// The request for more of a version that is known. An origin that has another now should answer with all of
    /// it, and one that does not know If-Range gives itself away by its tag.
    pub fn more(&self, range: ByteRange, etag: &HeaderValue) -> OriginRequest {
        let mut headers = self.headers.clone();
        let range = format!("bytes={}-{}", range.first, range.last);
        // Digits and punctuation are a field value.
        headers.insert(RANGE, range.try_into().unwrap_or_else(|_| HeaderValue::from_static("bytes=0-")));
        headers.insert(IF_RANGE, etag.clone());
        self.with(headers, RequestBody::Empty)
    }

    /// The request, with the client's body.
    pub fn with_body(&self, body: RequestBody) -> OriginRequest {
        self.with(self.headers.clone(), body)
    }

    fn with(&self, headers: HeaderMap, body: RequestBody) -> OriginRequest {
        OriginRequest {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            host: self.host.clone(),
            scheme_https: self.scheme == Scheme::Https,
            headers,
            body,
            key: self.ring,
            trailers: self.trailers,
            upgrade: None,
            stand_in: false,
            on_informational: self.hints.clone().map(|hints| -> OnInformational {
                Arc::new(move |status, headers| hints.send(status, headers))
            }),
        }
    }
}

/// The fields that a fill for a request has: the same for all who may share what it brings.
///
/// # Errors
/// The request came through this node before.
pub fn fields_for_fill(keyed: &Keyed) -> Result<HeaderMap, Refusal> {
    let mut headers = fields(keyed)?;
    for name in [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        headers.remove(name);
    }
    Ok(headers)
}

/// The client's end-to-end fields, ours, and the site's.
fn fields(keyed: &Keyed) -> Result<HeaderMap, Refusal> {
    let (incoming, route) = (keyed.request.incoming(), keyed.request.route());
    let mut headers = incoming.headers.clone();
    if forwarded::via_contains(&headers, &route.node.name) {
        return Err(Refusal::Loop);
    }
    headers.remove(HOST);
    let peer = incoming.peer.addr.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let host = &incoming.host;
    let trusted = forwarded::is_trusted(peer, &route.node.trusted_proxies);
    forwarded::set_forwarded(&mut headers, Received { peer, trusted, scheme: incoming.scheme, host });
    route.node.via.append_to(&mut headers, incoming.version);
    for (name, value) in &route.settings.headers.request {
        match value {
            Some(value) => drop(headers.insert(name, value.clone())),
            None => drop(headers.remove(name)),
        }
    }
    // What is not sent has no say in what is stored (RFC 9111 §3.5), nor in how it varies.
    if route.settings.origin == OriginKind::S3 {
        s3::strip_request(&mut headers);
    }
    Ok(headers)
}
