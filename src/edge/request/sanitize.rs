//! Stage 1: a request that can be read in one way only, in one spelling.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use ipnet::IpNet;

use crate::config::OriginKind;
use crate::http::forwarded;
use crate::http::hop_by_hop;
use crate::http::host::{Host, Scheme};
use crate::http::refusal::Refusal;
use crate::http::{uniform, uri};
use crate::server::Peer;
use crate::server::body::ClientBody;
use crate::signed::{Change, Changes};

use crate::edge::request::fields::{self, Fields};
use crate::http::upgrade;

/// A request after sanitising.
pub struct Incoming {
    /// Any but CONNECT.
    pub method: Method,
    /// Lower case, without a port.
    pub host: Host,
    /// Whether the client named it. If not, it is the address that the request came in by, and only the site `*` takes it.
    pub is_named: bool,
    /// The port by which the client came, if not the scheme's own: part of its origin (RFC 6454), and of nothing else.
    pub port: Option<u16>,
    /// Normalised path and query.
    pub target: Target,
    /// End-to-end fields; those that steer origins are gone.
    pub headers: HeaderMap,
    /// Which kinds of fields there are.
    pub fields: Fields,
    /// As the client sent it.
    pub version: Version,
    /// http or https, as the client used it.
    pub scheme: Scheme,
    /// Whether our own connection is TLS.
    pub on_tls: bool,
    /// The client's address, trusted proxies passed over.
    pub client: IpAddr,
    /// Its body, not yet read.
    pub body: Option<ClientBody>,
    /// The connection it came by.
    pub peer: Arc<Peer>,
    /// A signature that stood in the path, and left it when the request was routed.
    pub path_token: Option<String>,
    /// Whether the client takes trailers (`TE: trailers`).
    pub takes_trailers: bool,
    /// The protocol it asks to change to, if it may.
    pub upgrade: Option<HeaderValue>,
}

/// A path and a query. What normalising left as it was is not copied.
#[derive(Debug, Clone)]
pub struct Target {
    given: PathAndQuery,
    path: Option<String>,
    query: Change<Option<String>>,
    /// The path as rules read it, where that differs: S3 and many origins take `%2F` for a slash, `%24` for a `$`.
    decoded: Option<String>,
}

impl Target {
    /// Normalises (RFC 3986 §6.2.2).
    ///
    /// # Errors
    /// A path or query that has no one meaning.
    pub fn new(given: PathAndQuery) -> Result<Self, Refusal> {
        let path = match uri::normalise_path(given.path()).map_err(|_| Refusal::BadPath)? {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(path) => Some(path),
        };
        let query =
            match given.query().map(uri::normalise_query).transpose().map_err(|_| Refusal::BadQuery)? {
                None | Some(Some(std::borrow::Cow::Borrowed(_))) => Change::Unchanged,
                Some(None) => Change::Replaced(None),
                Some(Some(std::borrow::Cow::Owned(query))) => Change::Replaced(Some(query)),
            };
        let decoded = decoded(path.as_deref().unwrap_or(given.path()))?;
        Ok(Self { given, path, query, decoded })
    }

    /// The path as rules and guards read it: `/private%2Fa` is under `/private/` for them, as it is for S3. See
    /// [`uniform`].
    pub fn routed_path(&self) -> &str {
        self.decoded.as_deref().unwrap_or(self.path())
    }

    /// The path by which the resource is keyed, purged, signed and asked for, once it is known who serves it. Rules
    /// and guards have read the decoded path, so none of them is passed by another spelling.
    pub fn identify(&mut self, origin: OriginKind) {
        if origin == OriginKind::S3
            && let Some(decoded) = self.decoded.take()
        {
            self.path = Some(decoded);
        }
    }

    /// Begins with `/`; percent-encoded.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or(self.given.path())
    }

    /// Without the `?`; `None` also for an empty one.
    pub fn query(&self) -> Option<&str> {
        match &self.query {
            Change::Unchanged => self.given.query(),
            Change::Replaced(query) => query.as_deref(),
        }
    }

    /// Another path in place of what was given: a path token has left it.
    ///
    /// # Errors
    /// As [`Target::new`].
    pub fn set_path(&mut self, path: String) -> Result<(), Refusal> {
        self.decoded = decoded(&path)?;
        self.path = Some(path);
        Ok(())
    }
}

/// A path as rules read it; `None` if it is that already. Where an escaped slash makes dot segments appear, readers
/// differ on what the path is, and it is refused.
fn decoded(path: &str) -> Result<Option<String>, Refusal> {
    match uniform::path(path) {
        std::borrow::Cow::Borrowed(_) => Ok(None),
        std::borrow::Cow::Owned(decoded)
            if decoded.split('/').any(|segment| matches!(segment, "." | "..")) =>
        {
            Err(Refusal::BadPath)
        }
        std::borrow::Cow::Owned(decoded) => Ok(Some(decoded)),
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.query() {
            Some(query) => write!(f, "{}?{query}", self.path()),
            None => f.write_str(self.path()),
        }
    }
}

impl Incoming {
    /// Takes out of the request what proved it.
    pub fn apply(&mut self, changes: Changes) {
        changes.apply_cookie(&mut self.headers);
        if let Change::Replaced(_) = changes.query {
            self.target.query = changes.query;
        }
    }

    /// The host, with the port by which the client came.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// Whether a body was announced.
    pub fn has_body(&self) -> bool {
        self.body.as_ref().is_some_and(|body| !http_body::Body::is_end_stream(body))
    }
}

/// Turns what the server parsed into what the stages work with.
///
/// # Errors
/// Everything that an origin, or a cache in front of us, could read in another way than we do.
pub fn sanitize(
    request: Request<ClientBody>,
    peer: &Arc<Peer>,
    trusted: &[IpNet],
) -> Result<Incoming, Refusal> {
    let (parts, body) = request.into_parts();
    let Parts { method, uri, mut headers, version, .. } = parts;
    if method == Method::CONNECT {
        return Err(Refusal::BadTarget);
    }
    let mut fields = Fields::scan(&headers)?;
    if fields.has(Fields::FRAMING) {
        check_framing(&headers)?;
    }
    if fields.has(Fields::EXPECT) {
        check_expect(&mut headers)?;
    }
    let on_tls = peer.tls.is_some();
    let own = if on_tls { Scheme::Https } else { Scheme::Http };
    let peer_ip = peer.addr.ip().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let (client, scheme) = if fields.has(Fields::FORWARDED) {
        let client = forwarded::client_ip(&headers, peer_ip, trusted);
        (client, forwarded::client_proto(&headers, peer_ip, trusted, own))
    } else {
        (peer_ip.to_canonical(), own)
    };
    let (host, is_named) = match host(&uri, &headers, version, own)? {
        Some(host) => (host, true),
        None => (unnamed(peer)?, false),
    };
    // The port is how the client reached us. Sites do not tell it apart, so the key and the origin never see it: an
    // origin that writes it into a page would write it into everybody's.
    let port = host.port();
    let takes_trailers = fields.has(Fields::HOP_BY_HOP) && hop_by_hop::accepts_trailers(&headers);
    let upgrade =
        if fields.has(Fields::UPGRADE) { upgrade::wanted(&method, version, &headers) } else { None };
    if fields.has(Fields::HOP_BY_HOP) {
        hop_by_hop::strip_request(&mut headers).map_err(|_| Refusal::BadField)?;
        // What Connection named is gone, so that what was seen may be too.
        let upgrade = fields.has(Fields::UPGRADE);
        let framing = fields.has(Fields::FRAMING);
        fields = Fields::scan(&headers)?.with(Fields::UPGRADE, upgrade).with(Fields::FRAMING, framing);
    }
    if fields.has(Fields::STEERING) {
        fields::strip_steering(&mut headers);
    }
    if fields.has(Fields::COOKIE) {
        join_cookies(&mut headers);
    }
    let target = Target::new(path_and_query(&method, &uri)?)?;
    let body = Some(body);
    let peer = Arc::clone(peer);
    Ok(Incoming {
        method,
        host: host.without_port(),
        is_named,
        port,
        target,
        headers,
        fields,
        version,
        scheme,
        on_tls,
        client,
        body,
        peer,
        path_token: None,
        takes_trailers,
        upgrade,
    })
}

/// RFC 9112 §6.1: a request with both has been smuggled or is about to be. hyper refuses other codings.
fn check_framing(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        return Err(Refusal::AmbiguousFraming);
    }
    match headers.get(CONTENT_LENGTH) {
        Some(length) if !length.as_bytes().iter().all(u8::is_ascii_digit) => Err(Refusal::AmbiguousFraming),
        _ => Ok(()),
    }
}

/// The server answers 100-continue when the body is first read; nothing else is understood (RFC 9110 §10.1.1).
fn check_expect(headers: &mut HeaderMap) -> Result<(), Refusal> {
    match headers.remove(EXPECT) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Refusal::ExpectationFailed)
        }
        _ => Ok(()),
    }
}

/// One Cookie line for several: HTTP/2 clients split it, HTTP/1 origins must not see that (RFC 9113 §8.2.3), and one that
/// reads only the first line would see another request than the key does.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Bytes of field values stay valid when joined by ASCII.
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// What an HTTP/1.0 request without a Host is for: the address that it came in by (RFC 9112 §3.3).
fn unnamed(peer: &Peer) -> Result<Host, Refusal> {
    let address = peer.local.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |local| local.ip().to_canonical());
    let text = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    Host::parse(text.as_bytes(), Scheme::Http).map_err(|_| Refusal::BadHost)
}

/// The host from the target and the Host field, which must agree (RFC 9112 §3.2, RFC 9113 §8.3.1). Only HTTP/1.0 may
/// name none.
pub(crate) fn host(
    uri: &http::Uri,
    headers: &HeaderMap,
    version: Version,
    scheme: Scheme,
) -> Result<Option<Host>, Refusal> {
    let one = matches!(version, Version::HTTP_10 | Version::HTTP_11);
    if one && uri.authority().is_some() && uri.scheme().is_none() {
        // Authority form is for CONNECT (RFC 9112 §3.2.3).
        return Err(Refusal::BadTarget);
    }
    if uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(Refusal::BadTarget);
    }
    if version == Version::HTTP_11 && !headers.contains_key(HOST) {
        return Err(Refusal::BadHost);
    }
    let parse = |value: &[u8]| Host::parse(value, scheme).map_err(|_| Refusal::BadHost);
    let field = headers.get(HOST).map(|value| parse(value.as_bytes())).transpose()?;
    let target = uri.authority().map(|authority| parse(authority.as_str().as_bytes())).transpose()?;
    match (field, target) {
        (Some(field), Some(target)) if field != target => Err(Refusal::BadHost),
        (Some(host), _) | (None, Some(host)) => Ok(Some(host)),
        (None, None) if version == Version::HTTP_10 => Ok(None),
        (None, None) => Err(Refusal::BadHost),
    }
}

pub(crate) fn path_and_query(method: &Method, uri: &http::Uri) -> Result<PathAndQuery, Refusal> {
    match uri.path_and_query() {
        // `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7).
        Some(target) if target.as_str() == "*" => {
            if *method == Method::OPTIONS {
                Ok(PathAndQuery::from_static("/*"))
            } else {
                Err(Refusal::BadTarget)
            }
        }
        Some(target) => Ok(target.clone()),
        None => Ok(PathAndQuery::from_static("/")),
    }
}
