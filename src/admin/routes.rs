//! What each path of the admin listener answers: a function of a request's head and the state.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode, request};
use http_body_util::Full;
use serde_json::json;

use super::{AdminState, index};
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::telemetry;

/// `/hot` without `n`.
const HOT_KEYS: usize = 20;
/// The most that `/hot` lists.
const MOST_HOT_KEYS: usize = 1000;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// The paths there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Index,
    Metrics,
    Health,
    Ready,
    Hot,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Route::Index),
            "/metrics" => Some(Route::Metrics),
            "/healthz" => Some(Route::Health),
            "/readyz" => Some(Route::Ready),
            "/hot" => Some(Route::Hot),
            _ => None,
        }
    }

    /// The methods it takes: the value of Allow. One that changes state passes [`guard`](super::guard()) first.
    fn allow(self) -> &'static str {
        match self {
            Route::Index | Route::Metrics | Route::Health | Route::Ready | Route::Hot => "GET, HEAD",
        }
    }
}

/// The whole answer. The body of a HEAD is there too; the connection leaves it away and keeps its length.
pub(super) fn answer(head: &request::Parts, state: &AdminState, now: Time) -> Response<Full<Bytes>> {
    let Some(route) = Route::of(head.uri.path()) else {
        return refusal(Refusal::NoSuchPath);
    };
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let mut response = refusal(Refusal::MethodNotAllowed);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
        return response;
    }
    match route {
        Route::Index => reply(StatusCode::OK, HTML, index::page(&state.server_name)),
        Route::Metrics => reply(StatusCode::OK, telemetry::CONTENT_TYPE, state.metrics.render()),
        Route::Health => reply(StatusCode::OK, TEXT, "ok\n"),
        Route::Ready => ready(state),
        Route::Hot => hot(head.uri.query().unwrap_or(""), state, now),
    }
}

fn ready(state: &AdminState) -> Response<Full<Bytes>> {
    let reasons = state.readiness.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "impaired": state.readiness.impaired(),
    });
    reply(status, JSON, format!("{body}\n"))
}

fn hot(query: &str, state: &AdminState, now: Time) -> Response<Full<Bytes>> {
    let Ok(n) = count(query) else {
        return refusal(Refusal::BadQuery);
    };
    let body = json!({ "keys": state.hot.busiest(now, n) });
    reply(StatusCode::OK, JSON, format!("{body}\n"))
}

/// `n` of a query; one that is too large is as large as it may be.
fn count(query: &str) -> Result<usize, std::num::ParseIntError> {
    let n = query.split('&').find_map(|pair| pair.strip_prefix("n="));
    n.map_or(Ok(HOT_KEYS), |n| n.parse::<u32>().map(|n| (n as usize).min(MOST_HOT_KEYS)))
}

fn refusal(refusal: Refusal) -> Response<Full<Bytes>> {
    reply(refusal.status(), TEXT, refusal.body())
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if kind == HTML {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_is_a_number_within_bounds() {
        for (query, n) in [
            ("", Some(20)),
            ("n=5", Some(5)),
            ("x=1&n=7", Some(7)),
            ("n=0", Some(0)),
            ("n=4000000000", Some(1000)),
            ("n=", None),
            ("n=-1", None),
            ("n=99999999999999999999", None),
        ] {
            assert_eq!(count(query).ok(), n, "{query}");
        }
    }
}
