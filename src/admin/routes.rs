//! What each path of the admin listener answers: a function of a request and the state.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode, request};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use serde::Serialize;
use serde_json::json;

use super::{AdminState, Needs, index, json};
use crate::edge::operate::purge::BadPurge;
use crate::edge::operate::{inspect, purge};
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::telemetry;

/// `/hot` without `n`.
const HOT_KEYS: usize = 20;
/// The most that `/hot` lists.
const MOST_HOT_KEYS: usize = 1000;
/// Bytes of a request body: ten thousand URLs of a hundred bytes.
const BODY: usize = 1024 * 1024;
/// A body must be there by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const YAML: &str = "application/yaml";

/// What the API takes and gives, for machines.
const OPENAPI: &str = include_str!("../../docs/admin-api.yaml");

/// The paths there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Index,
    Metrics,
    Health,
    Ready,
    Hot,
    OpenApi,
    Objects,
    Purge,
    Prefetch,
    Prefetched(u64),
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Route::Index),
            "/metrics" => Some(Route::Metrics),
            "/healthz" => Some(Route::Health),
            "/readyz" => Some(Route::Ready),
            "/hot" => Some(Route::Hot),
            "/openapi.yaml" => Some(Route::OpenApi),
            "/objects" => Some(Route::Objects),
            "/purge" => Some(Route::Purge),
            "/prefetch" => Some(Route::Prefetch),
            _ => path.strip_prefix("/prefetch/")?.parse().ok().map(Route::Prefetched),
        }
    }

    /// Who may ask for it.
    fn needs(self) -> Needs {
        match self {
            Route::Index | Route::Health | Route::Ready | Route::OpenApi => Needs::Nothing,
            Route::Metrics => Needs::Metrics,
            Route::Hot | Route::Objects | Route::Prefetched(_) => Needs::Reading,
            Route::Purge | Route::Prefetch => Needs::Changing,
        }
    }

    /// Whether it changes state: then it takes POST.
    fn changes(self) -> bool {
        self.needs() == Needs::Changing
    }

    /// The methods it takes: the value of Allow.
    fn allow(self) -> &'static str {
        if self.changes() { "POST" } else { "GET, HEAD" }
    }
}

type Answer = Response<Full<Bytes>>;

/// The whole answer. The body of a HEAD is there too; the connection leaves it away and keeps its length.
pub(super) async fn answer<B>(
    head: &request::Parts,
    body: B,
    peer: IpAddr,
    state: &AdminState,
    now: Time,
) -> Answer
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(route) = Route::of(head.uri.path()) else {
        return refusal(Refusal::NoSuchPath);
    };
    let allowed = match route.changes() {
        true => head.method == Method::POST,
        false => matches!(head.method, Method::GET | Method::HEAD),
    };
    if !allowed {
        let mut response = refusal(Refusal::MethodNotAllowed);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
        return response;
    }
    if let Err(error) = state.access.check(route.needs(), &head.headers, peer) {
        tracing::info!(%peer, path = head.uri.path(), needs = error.token(), "admin request refused: unauthorized");
        let mut response = json_reply(StatusCode::UNAUTHORIZED, &json!({ "error": error.to_string() }));
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    }
    if !route.changes() {
        return look(route, head.uri.query().unwrap_or(""), state, now).await;
    }
    let body = match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return refusal(Refusal::BodyTooLarge),
        Ok(Err(_)) => return refusal(Refusal::BadBody),
        Err(_) => return refusal(Refusal::RequestTimeout),
    };
    let changed = match route {
        Route::Purge => purge(&body, state, now).await,
        _ => prefetch(&body, state),
    };
    changed.unwrap_or_else(|error| bad(&error))
}

/// What changes nothing.
async fn look(route: Route, query: &str, state: &AdminState, now: Time) -> Answer {
    match route {
        Route::Metrics => reply(StatusCode::OK, telemetry::CONTENT_TYPE, state.metrics.render()),
        Route::Health => reply(StatusCode::OK, TEXT, "ok\n"),
        Route::Ready => ready(state),
        Route::Hot => hot(query, state, now),
        Route::OpenApi => reply(StatusCode::OK, YAML, OPENAPI),
        Route::Objects => objects(query, state).await,
        Route::Prefetched(id) => match state.prefetcher.progress(id) {
            Some(progress) => json_reply(StatusCode::OK, &progress),
            None => json_reply(
                StatusCode::NOT_FOUND,
                &json!({ "error": "no job has this number, or it was too long ago" }),
            ),
        },
        Route::Index | Route::Purge | Route::Prefetch => {
            reply(StatusCode::OK, HTML, index::page(&state.server_name))
        }
    }
}

fn ready(state: &AdminState) -> Answer {
    let reasons = state.readiness.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "impaired": state.readiness.impaired(),
    });
    reply(status, JSON, format!("{body}\n"))
}

fn hot(query: &str, state: &AdminState, now: Time) -> Answer {
    let Ok(n) = count(query) else {
        return refusal(Refusal::BadQuery);
    };
    json_reply(StatusCode::OK, &json!({ "keys": state.hot.busiest(now, n) }))
}

/// `n` of a query; one that is too large is as large as it may be.
fn count(query: &str) -> Result<usize, std::num::ParseIntError> {
    let n = parameter(query, "n");
    n.map_or(Ok(HOT_KEYS), |n| n.parse::<u32>().map(|n| (n as usize).min(MOST_HOT_KEYS)))
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

async fn objects(query: &str, state: &AdminState) -> Answer {
    let bad = |why: &str| bad(&BadPurge { field: "url".into(), why: why.to_owned() });
    let Some(url) = parameter(query, "url") else {
        return bad("is missing: /objects?url=https%3A%2F%2Fhost%2Fpath");
    };
    let Ok(url) = percent_encoding::percent_decode_str(url).decode_utf8() else {
        return bad("is not UTF-8");
    };
    match inspect::cached(&url, &state.edge).await {
        Ok(cached) => json_reply(StatusCode::OK, &cached),
        Err(error) => bad(&error.to_string()),
    }
}

async fn purge(body: &[u8], state: &AdminState, now: Time) -> Result<Answer, BadPurge> {
    let purge = json::purge(body)?;
    let selectors = purge.selectors(&state.edge.settings().sites)?;
    let result = state.edge.store.purge(selectors, purge.mode(), now).await;
    let (status, body) = purge::report(result, purge.count());
    Ok(json_reply(status, &body))
}

fn prefetch(body: &[u8], state: &AdminState) -> Result<Answer, BadPurge> {
    let wanted = json::prefetch(body, &state.edge.settings().sites)?;
    Ok(match state.prefetcher.post(wanted) {
        Ok(progress) => {
            let mut response = json_reply(StatusCode::ACCEPTED, &progress);
            if let Ok(location) = HeaderValue::from_str(&format!("/prefetch/{}", progress.id)) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Err(busy) => json_reply(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": busy.to_string() })),
    })
}

fn bad(error: &BadPurge) -> Answer {
    json_reply(StatusCode::BAD_REQUEST, &json!({ "error": error.to_string(), "field": error.field }))
}

fn refusal(refusal: Refusal) -> Answer {
    let mut response = refusal.response(refusal.status(), None);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    response.map(|text| Full::new(text.into()))
}

fn json_reply(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(text) => reply(status, JSON, format!("{text}\n")),
        Err(_) => refusal(Refusal::Internal),
    }
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
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

    /// The page for machines names the paths and methods that there are, and no others.
    #[test]
    fn each_documented_path_is_there_and_each_path_is_documented() {
        let mut documented = Vec::new();
        let mut path = None;
        for line in OPENAPI.lines() {
            if let Some(found) = line.strip_prefix("  /").and_then(|rest| rest.strip_suffix(':')) {
                path = Some(format!("/{}", found.replace("{id}", "7")));
            } else if let Some(method) = line.strip_prefix("    ").and_then(|rest| rest.strip_suffix(':'))
                && matches!(method, "get" | "post")
            {
                documented.push((path.clone().unwrap(), method));
            }
        }
        for (path, method) in &documented {
            let route = Route::of(path).unwrap_or_else(|| panic!("{path} is documented and not there"));
            assert_eq!(route.changes(), *method == "post", "{path}");
        }
        let expected = [
            "/",
            "/metrics",
            "/healthz",
            "/readyz",
            "/hot",
            "/openapi.yaml",
            "/objects",
            "/purge",
            "/prefetch",
            "/prefetch/7",
        ];
        let mut paths: Vec<_> = documented.iter().map(|(path, _)| path.as_str()).collect();
        paths.sort_unstable();
        let mut all = expected.to_vec();
        all.sort_unstable();
        assert_eq!(paths, all);
    }
}
