//! What goes to an origin and what comes back.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use http_body_util::combinators::BoxBody;

use super::body::OriginBody;
use super::error::BoxError;
use super::trip::Trip;
use super::tunnel::OriginTunnel;

/// Called with each 1xx head (103 Early Hints) an origin sends before its response; 100 is not passed on.
pub type OnInformational = Arc<dyn Fn(StatusCode, &HeaderMap) + Send + Sync>;

/// One request for a pool.
pub struct OriginRequest {
    /// As the client sent it, or GET for a fill.
    pub method: Method,
    /// Normalised and percent-encoded; begins with `/`.
    pub path: Bytes,
    /// Without the `?`; percent-encoded.
    pub query: Option<Bytes>,
    /// The client's Host, sent on unless the pool sets its own.
    pub host: HeaderValue,
    /// Whether the client came by https.
    pub scheme_https: bool,
    /// End-to-end fields, forwarding fields already set. `Host` and framing are written here, whatever it says.
    pub headers: HeaderMap,
    /// What is sent after the head.
    pub body: RequestBody,
    /// Position on the ring: a hash of the cache key.
    pub key: u64,
    /// Whether trailers are taken (`TE: trailers`), without which gRPC servers refuse to talk.
    pub trailers: bool,
    /// The protocol to change to (`Upgrade`, RFC 9110 §7.8); HTTP/1.1 only, ignored on HTTP/2.
    pub upgrade: Option<HeaderValue>,
    /// Something stored can be served if this fails: the body is waited for longer before the head is handed on.
    pub stand_in: bool,
    /// For 1xx responses.
    pub on_informational: Option<OnInformational>,
}

/// The body of a request.
pub enum RequestBody {
    /// None; the request may be repeated if its method allows.
    Empty,
    /// None, and the origin is told so: by `Content-Length: 0`, without which some answer a POST with 411.
    Zero,
    /// Sent once: the request is never repeated once this has been polled.
    Stream(BoxBody<Bytes, BoxError>),
}

/// The head of a response, and its body to be read.
#[derive(Debug)]
pub struct OriginResponse {
    /// As received; an S3 pool may have changed it.
    pub status: StatusCode,
    /// The origin's, for Via.
    pub version: Version,
    /// As received, hop-by-hop fields included; an S3 pool removes `x-amz-*` but for metadata.
    pub headers: HeaderMap,
    /// Frames as they come.
    pub body: OriginBody,
    /// The connection itself, if this is the 101 that was asked for.
    pub tunnel: Option<OriginTunnel>,
    /// How it was got.
    pub trip: Trip,
}
