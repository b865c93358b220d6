//! How an origin failed, and whether what is stored may stand in for its answer.

use http::StatusCode;

use crate::cache::object::Object;
use crate::config::CacheRules;
use crate::http::cache_control::RequestDirectives;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::origin::FetchError;
use crate::policy::decide::{may_serve_disconnected, may_serve_on_error};

/// How an origin failed, as far as what is stored may stand in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody answered (RFC 9111 §4.2.4, "disconnected").
    Disconnected,
    /// The answer was of no use.
    Unusable,
    /// 500, 502, 503 or 504 (RFC 5861 §4).
    Status(StatusCode),
}

impl Failure {
    /// Of a fetch without a response.
    pub fn of(error: &FetchError) -> Self {
        if error.is_disconnected() { Failure::Disconnected } else { Failure::Unusable }
    }

    /// `None` if the status is no failure.
    pub fn of_status(status: StatusCode) -> Option<Self> {
        matches!(status.as_u16(), 500 | 502 | 503 | 504).then_some(Failure::Status(status))
    }

    /// Whether `object` may be served for it.
    pub fn excuses(
        self,
        object: &Object,
        directives: &RequestDirectives,
        rules: &CacheRules,
        now: Time,
    ) -> bool {
        let freshness = &object.meta.freshness;
        match self {
            Failure::Disconnected => may_serve_disconnected(freshness, directives, rules, now),
            Failure::Unusable | Failure::Status(_) => may_serve_on_error(freshness, directives, now),
        }
    }

    /// What a client is told of an error when `stored` may not be served for it.
    pub fn refusal(error: &FetchError, stored: Option<&Object>) -> Refusal {
        let strict = stored.is_some_and(|object| object.meta.freshness.revalidate);
        if strict && error.is_disconnected() { Refusal::MustRevalidate } else { error.refusal() }
    }

    /// The origin's status, if it had one.
    pub fn status(self) -> Option<u16> {
        match self {
            Failure::Status(status) => Some(status.as_u16()),
            Failure::Disconnected | Failure::Unusable => None,
        }
    }
}
