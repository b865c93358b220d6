//! Answers of the edge's own: a status, a reason code and nothing else.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::http::cache_status::CACHE_STATUS;
use crate::http::refusal::Refusal;

use crate::edge::respond::body::Source;

/// A refusal and what its response says beside it.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// For 405 (RFC 9110 §15.5.6).
    pub allow: Option<String>,
    /// How the refusal came about, where a word helps an operator: a `DenyReason`, say.
    pub detail: Option<&'static str>,
    /// The origin's own status, in place of the refusal's.
    pub status: Option<StatusCode>,
    /// Seconds, as the origin said (RFC 9110 §10.2.3).
    pub retry_after: Option<u32>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, allow: None, detail: None, status: None, retry_after: None }
    }
}

impl Refused {
    /// The origin failed with this status before anything was sent of what is cached in part.
    pub fn as_origin(status: StatusCode, retry_after: Option<u32>) -> Self {
        Self { status: Some(status), retry_after, ..Refusal::OriginFailed.into() }
    }

    /// What the client sees.
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or(self.refusal.status())
    }

    /// The response. No shared cache between here and the client may keep it.
    pub fn response(&self, method: &Method, cache: &str) -> Response<Source> {
        let mut response = self.refusal.response(self.status(), self.detail);
        let length = response.body().len() as u64;
        let head = response.headers_mut();
        head.insert(CONTENT_LENGTH, length.into());
        head.insert(CACHE_STATUS, self.refusal.cache_status(cache));
        if let Some(seconds) = self.retry_after {
            head.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(allow) = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            head.insert(ALLOW, allow);
        }
        match *method {
            Method::HEAD => response.map(|_| Source::Empty),
            _ => response.map(|text| Source::Once(Bytes::from(text))),
        }
    }
}
