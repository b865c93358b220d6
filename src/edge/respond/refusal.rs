//! Answers of the edge's own: a status, a reason code and nothing else.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};

use crate::http::cache_status::{CACHE_STATUS, CacheStatus};
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
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, allow: None, detail: None }
    }
}

impl Refused {
    /// The response. No shared cache between here and the client may keep it.
    pub fn response(&self, method: &Method, cache: &str) -> Response<Source> {
        let text = match self.detail {
            Some(detail) => format!("{} ({detail})\n", self.refusal.body().trim_end()),
            None => self.refusal.body(),
        };
        let length = text.len() as u64;
        let source = if method == Method::HEAD { Source::Empty } else { Source::Once(Bytes::from(text)) };
        let mut response = Response::new(source);
        *response.status_mut() = self.refusal.status();
        let head = response.headers_mut();
        head.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        head.insert(CONTENT_LENGTH, length.into());
        head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let status = CacheStatus::own(cache).detail(self.refusal.as_str());
        head.insert(CACHE_STATUS, status.to_value());
        if let Some(allow) = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            head.insert(ALLOW, allow);
        }
        response
    }
}
