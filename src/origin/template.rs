//! A request before it is known which member gets it, and how often.

use std::time::SystemTime;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Body;

use super::error::FetchError;
use super::exchange::{Head, Unsent};
use super::member::Member;
use super::pool::Pool;
use super::request::{OriginRequest, RequestBody};
use super::s3::{Elsewhere, Object, Plan};

/// Fields that are written here or mean one connection only (RFC 9110 §7.6.1).
const OURS: [HeaderName; 10] = [
    header::HOST,
    // The body follows at once, whoever waits for a 100.
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
];

/// See the module.
pub(super) enum Template {
    Plain(Head),
    S3 { plan: Plan, head: Head },
}

impl Template {
    pub(super) fn new(pool: &Pool, request: OriginRequest) -> Result<(Self, Unsent), FetchError> {
        let mut headers = request.headers;
        for name in &OURS {
            headers.remove(name);
        }
        if let Some(s3) = &pool.s3 {
            let plan = s3.plan(&request.method, &request.path, request.query.as_deref(), &request.host)?;
            super::s3::strip_request(&mut headers);
            let head = Head {
                method: request.method,
                target: PathAndQuery::from_static("/"),
                host: request.host,
                headers,
                trailers: false,
                upgrade: None,
                // S3 has nothing to hint at, and who is behind is not shown.
                on_informational: None,
            };
            return Ok((Template::S3 { plan, head }, None));
        }
        let body = frame(request.body, &mut headers);
        let target = target(&request.path, request.query.as_deref())?;
        let host = pool.config.host.clone().unwrap_or(request.host);
        let head = Head {
            method: request.method,
            target,
            host,
            headers,
            trailers: request.trailers,
            upgrade: request.upgrade,
            on_informational: request.on_informational,
        };
        Ok((Template::Plain(head), body))
    }

    /// A status that is answered without asking anybody.
    pub(super) fn local(&self) -> Option<http::StatusCode> {
        match self {
            Template::S3 { plan: Plan::Answer(status), .. } => Some(*status),
            _ => None,
        }
    }

    pub(super) fn method(&self) -> &http::Method {
        match self {
            Template::Plain(head) | Template::S3 { head, .. } => &head.method,
        }
    }

    /// Whether it may end in a tunnel, of which one is enough.
    pub(super) fn upgrades(&self) -> bool {
        matches!(self, Template::Plain(Head { upgrade: Some(_), .. }))
    }

    /// The object asked for, where it is one of S3's.
    pub(super) fn object(&self) -> Option<&Object> {
        match self {
            Template::S3 { plan: Plan::Send(object), .. } => Some(object),
            _ => None,
        }
    }

    /// What to ask when S3's answer to a HEAD may mean a missing object as well as wrong credentials or a missing
    /// bucket: only the answer to a GET has a page that says which. None where there is nothing to find out, and
    /// for a URL that the client has signed, which is good for HEAD alone.
    pub(super) fn asking_why(&self, status: http::StatusCode) -> Option<Self> {
        let Template::S3 { plan: Plan::Send(object), head } = self else { return None };
        let unclear = head.method == http::Method::HEAD && matches!(status.as_u16(), 400 | 403 | 404);
        if !unclear || object.is_presigned() {
            return None;
        }
        let mut headers = head.headers.clone();
        for name in [
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_UNMODIFIED_SINCE,
            header::IF_RANGE,
        ] {
            headers.remove(name);
        }
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        let head = Head {
            method: http::Method::GET,
            target: head.target.clone(),
            host: head.host.clone(),
            headers,
            trailers: false,
            upgrade: None,
            on_informational: None,
        };
        Some(Template::S3 { plan: Plan::Send(object.clone()), head })
    }

    /// The head for this member; for S3 signed now, since a signature has a time.
    pub(super) fn head(
        &self,
        pool: &Pool,
        member: &Member,
        elsewhere: Option<&Elsewhere>,
    ) -> Result<Head, FetchError> {
        let copy = |head: &Head, target: PathAndQuery, host: HeaderValue, headers: HeaderMap| Head {
            method: head.method.clone(),
            target,
            host,
            headers,
            trailers: head.trailers,
            upgrade: head.upgrade.clone(),
            on_informational: head.on_informational.clone(),
        };
        match (self, &pool.s3) {
            (Template::S3 { plan: Plan::Send(object), head }, Some(s3)) => {
                let endpoint = match elsewhere {
                    Some(elsewhere) => elsewhere.endpoint(member),
                    None => s3.endpoint(&member.origin.authority),
                };
                let signed = s3.sign(&head.method, object, endpoint, &head.headers, SystemTime::now())?;
                Ok(copy(head, signed.target, signed.host, signed.headers))
            }
            (Template::Plain(head) | Template::S3 { head, .. }, _) => {
                Ok(copy(head, head.target.clone(), head.host.clone(), head.headers.clone()))
            }
        }
    }
}

/// Says of a body how long it is, whatever the method: hyper leaves out a length of zero, and drops the body of a GET
/// whose length is unknown (RFC 9110 §8.6).
fn frame(body: RequestBody, headers: &mut HeaderMap) -> Unsent {
    let stream = match body {
        RequestBody::Empty => return None,
        RequestBody::Zero => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            return None;
        }
        RequestBody::Stream(stream) => stream,
    };
    match stream.size_hint().exact() {
        Some(length) => headers.insert(header::CONTENT_LENGTH, length.into()),
        None => headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
    };
    Some(stream)
}

fn target(path: &[u8], query: Option<&[u8]>) -> Result<PathAndQuery, FetchError> {
    if path.first() != Some(&b'/') {
        return Err(FetchError::BadRequest("the path has no leading slash"));
    }
    let mut text = path.to_vec();
    if let Some(query) = query {
        text.push(b'?');
        text.extend_from_slice(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text))
        .map_err(|_| FetchError::BadRequest("path or query"))
}
