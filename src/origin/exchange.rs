//! One attempt: a request goes to one member, a response head comes back.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use parking_lot::Mutex;

use super::body::describe;
use super::connect::connect;
use super::connection::{Connection, Connections};
use super::error::BoxError;
use super::error::FetchError;
use super::framing::{End, end_of};
use super::member::Member;
use super::pace::{Clock, Outgoing};
use super::request::OnInformational;
use super::skew;
use crate::config::{OriginProtocol, Timeouts};
use crate::http::protocol::Protocol;

/// A request head as one member is to get it.
pub(super) struct Head {
    pub method: Method,
    pub target: PathAndQuery,
    pub host: HeaderValue,
    pub headers: HeaderMap,
    pub trailers: bool,
    pub upgrade: Option<HeaderValue>,
    pub on_informational: Option<OnInformational>,
}

/// A body that was not begun yet; `None` inside once it was.
pub(super) type Unsent = Option<BoxBody<Bytes, BoxError>>;

/// A response head, and the connection its body comes on.
pub(super) struct Answer {
    pub response: Response<Incoming>,
    pub connection: Connection,
    /// Whether the connection can carry another response after this one.
    pub reusable: bool,
    pub first_byte: Duration,
}

/// Sends `head` and `body` to `member`. A pooled connection that turns out to be dead costs nothing but a new
/// one, when the request was not begun or can be repeated (`replayable`).
///
/// # Errors
/// See [`FetchError`]; `body` is still there if the request can go to another member.
pub(super) async fn exchange(
    connections: &Arc<Connections>,
    member: &Arc<Member>,
    protocol: OriginProtocol,
    timeouts: &Timeouts,
    head: &Head,
    body: &mut Unsent,
    replayable: bool,
) -> Result<Answer, FetchError> {
    let start = Instant::now();
    if let Some(pooled) = connections.take(member) {
        let received = pooled.received();
        let mut pooled = pooled;
        match send(&mut pooled, member, timeouts.first_byte, head, body).await {
            Ok(response) => return answer(response, pooled, member, head, start),
            Err(Sent { error, untouched }) => {
                let silent = pooled.received() == received && matches!(error, FetchError::Broken { .. });
                let repeatable = untouched || (silent && replayable);
                if !repeatable {
                    return Err(error);
                }
                tracing::debug!(member = %member.label, %error, "pooled connection was dead");
            }
        }
    }
    let mut fresh = connect(member, protocol, timeouts.connect).await?;
    connections.publish(&fresh);
    match send(&mut fresh, member, timeouts.first_byte, head, body).await {
        Ok(response) => answer(response, fresh, member, head, start),
        Err(Sent { error, .. }) => Err(error),
    }
}

/// A failure to get a response, and whether the request was handed back whole.
struct Sent {
    error: FetchError,
    untouched: bool,
}

async fn send(
    connection: &mut Connection,
    member: &Arc<Member>,
    first_byte: Duration,
    head: &Head,
    body: &mut Unsent,
) -> Result<Response<Incoming>, Sent> {
    let clock = Clock::start();
    let broke = Arc::new(Mutex::new(None));
    let outgoing = match body.take() {
        None => Outgoing::Empty,
        Some(stream) => Outgoing::stream(stream, clock.clone(), broke.clone()),
    };
    let request = head
        .request(connection.protocol(), member, outgoing)
        .map_err(|error| Sent { error, untouched: false })?;
    let sent = tokio::select! {
        sent = connection.send(request) => sent,
        () = clock.expired(first_byte) => {
            return Err(Sent { error: FetchError::FirstByteTimeout(member.label.clone()), untouched: false });
        }
    };
    sent.map_err(|mut failed| {
        if let Some(reason) = broke.lock().take() {
            return Sent { error: FetchError::RequestBody(reason), untouched: false };
        }
        let message = failed.take_message();
        let untouched = message.is_some();
        *body = message.and_then(|request| request.into_body().into_stream());
        let reason = describe(failed.error());
        Sent { error: FetchError::Broken { member: member.label.clone(), reason }, untouched }
    })
}

impl Head {
    /// HTTP/1.1 wants the path alone and a Host field, HTTP/2 wants both in the target.
    fn request(
        &self,
        protocol: Protocol,
        member: &Member,
        body: Outgoing,
    ) -> Result<Request<Outgoing>, FetchError> {
        let mut headers = self.headers.clone();
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(self.target.clone());
        if self.trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        let version = match protocol {
            Protocol::Http2 => {
                // Its frames say where a body ends (RFC 9113 §8.1).
                headers.remove(header::TRANSFER_ENCODING);
                uri.scheme = Some(if member.origin.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
                let host =
                    Authority::try_from(self.host.as_bytes()).map_err(|_| FetchError::BadRequest("host"))?;
                uri.authority = Some(host);
                Version::HTTP_2
            }
            Protocol::Http1 => {
                headers.insert(header::HOST, self.host.clone());
                if self.trailers {
                    headers.append(header::CONNECTION, HeaderValue::from_static("te"));
                }
                if let Some(upgrade) = &self.upgrade {
                    headers.append(header::CONNECTION, HeaderValue::from_static("upgrade"));
                    headers.insert(header::UPGRADE, upgrade.clone());
                }
                Version::HTTP_11
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.version_mut() = version;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| FetchError::BadRequest("target"))?;
        *request.headers_mut() = headers;
        if let Some(callback) = self.on_informational.clone() {
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() != StatusCode::CONTINUE {
                    let mut headers = response.headers().clone();
                    headers.remove(header::ALT_SVC);
                    callback(response.status(), &headers);
                }
            });
        }
        Ok(request)
    }
}

fn answer(
    response: Response<Incoming>,
    connection: Connection,
    member: &Arc<Member>,
    head: &Head,
    start: Instant,
) -> Result<Answer, FetchError> {
    let first_byte = start.elapsed();
    let upgrade = head.upgrade.is_some() && connection.protocol() == Protocol::Http1;
    let end = end_of(response.status(), response.version(), response.headers(), &head.method, upgrade)
        .map_err(|reason| FetchError::Ambiguous { member: member.label.clone(), reason })?;
    member.origin.metrics.first_byte.observe(first_byte.as_secs_f64());
    member.origin.metrics.answered(response.status());
    skew::note(member, response.headers(), SystemTime::now().into());
    let reusable = connection.protocol() == Protocol::Http2 || end == End::Marked;
    Ok(Answer { response, connection, reusable, first_byte })
}
