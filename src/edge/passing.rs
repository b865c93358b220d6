//! Stage 7 for what is not fetched for all: straight to the origin and straight back.

use std::sync::{Arc, OnceLock};

use http::header::{CONTENT_LENGTH, TRAILER};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;

use crate::cache::invalidation::strip_tags;
use crate::cache::object::{Meta, Object};
use crate::http::cache_status::{CacheStatus, Fwd};
use crate::http::hop_by_hop;
use crate::http::refusal::Refusal;
use crate::origin::{BoxError, Failed, OriginResponse, RequestBody};
use crate::policy::conditional::{self, Precondition};
use crate::policy::key::CacheUse;
use crate::policy::outcome::Outcome;
use crate::policy::storable::{Exchange, storable};
use crate::policy::stored_head::hold_back;
use crate::policy::{invalidate, preflight, update};
use crate::server::body::{BodyError, LimitedBody};
use crate::telemetry::Pending;

use super::body::Source;
use super::fields::Fields;
use super::filling::Failure;
use super::keyed::Keyed;
use super::named::Named;
use super::outgoing::Outgoing;
use super::posted::{Copied, Copy};
use super::purged;
use super::recording;
use super::refuse::Refused;
use super::respond::{Answer, Served};
use super::sanitize::Target;
use super::storing::{Stored, as_received, meta, siblings};
use super::worker::Worker;

/// Hands a request on with its body, and the response back.
pub async fn pass(worker: &Worker, keyed: &mut Keyed, pending: &mut Pending) -> Result<Answer, Refused> {
    let (reason, why) = match keyed.cache {
        CacheUse::PassMethod => (Fwd::Method, "method"),
        CacheUse::PassRequest(why) => (Fwd::Request, why),
        CacheUse::Yes | CacheUse::PassDisabled => (Fwd::Bypass, "cache_disabled"),
    };
    let outgoing = Outgoing::for_pass(keyed, &worker.shared)?;
    let broken = Arc::new(OnceLock::new());
    let body = request_body(worker, keyed, &broken);
    let asked = worker.shared.clock.now();
    let response = worker.client.fetch(outgoing.pool, outgoing.with_body(body)).await.map_err(|failed| {
        tracing::debug!(target: "seawall::origin", error = %failed, "pass failed");
        recording::trip(pending, &failed.trip);
        // What the client did to its body is the reason, whatever that did to the exchange.
        Refused::from(broken.get().copied().unwrap_or(failed.refusal()))
    })?;
    recording::trip(pending, &response.trip);
    invalidate_after(worker, keyed, &response);
    let Some(copy) = Copy::of(worker, keyed, &outgoing, &response, asked) else {
        return Ok(respond(worker, keyed, response, reason, why));
    };
    let status = CacheStatus::forwarded(&worker.shared.server_name, reason).stored();
    let mut answer = respond_saying(worker, keyed, response, status);
    answer.response = answer.response.map(|source| match source {
        Source::Origin(body) => Source::Copied(Box::new(Copied::new(*body, copy))),
        other => other,
    });
    Ok(answer)
}

/// The client's body within the limits; `broken` is told how it ended early.
fn request_body(worker: &Worker, keyed: &mut Keyed, broken: &Arc<OnceLock<Refusal>>) -> RequestBody {
    let incoming = keyed.request.incoming_mut();
    if !incoming.has_body() {
        return RequestBody::Empty;
    }
    match incoming.body.take() {
        Some(body) => {
            let broken = Arc::clone(broken);
            let told = move |error: BodyError| {
                let _ = broken.set(error.refusal());
                BoxError::from(error)
            };
            RequestBody::Stream(LimitedBody::new(body, &worker.shared.limits).map_err(told).boxed())
        }
        None => RequestBody::Empty,
    }
}

/// A response that is this client's alone.
pub fn respond(
    worker: &Worker,
    keyed: &Keyed,
    origin: OriginResponse,
    reason: Fwd,
    why: &'static str,
) -> Answer {
    let status = CacheStatus::forwarded(&worker.shared.server_name, reason).detail(why);
    respond_saying(worker, keyed, origin, status)
}

fn respond_saying(worker: &Worker, keyed: &Keyed, origin: OriginResponse, status: CacheStatus<'_>) -> Answer {
    let incoming = keyed.request.incoming();
    let mut head = origin.headers;
    // HTTP/1.1 sends the trailers that are announced, and only to who takes them.
    let trailer = head.remove(TRAILER).filter(|_| incoming.takes_trailers && incoming.method != Method::HEAD);
    hop_by_hop::strip_response(&mut head);
    head.extend(trailer.map(|names| (TRAILER, names)));
    hold_back(&mut head);
    if !keyed.request.route().settings.headers.debug {
        strip_tags(&mut head);
    }
    let preflight = keyed.request.is_unproven_preflight();
    if preflight {
        preflight::reduce_response(&mut head);
        // RFC 9110 §8.6: a 204 has no length.
        if origin.status != StatusCode::NO_CONTENT {
            head.insert(CONTENT_LENGTH, HeaderValue::from(0));
        }
    }
    worker.shared.via.append_to(&mut head, origin.version);
    status.append_to(&mut head);
    let mut status = origin.status;
    let mut source = match incoming.method {
        _ if preflight => Source::Empty,
        Method::HEAD => Source::Empty,
        _ => Source::Origin(Box::new(origin.body)),
    };
    // The origin was asked without the client's conditions when the response might have been stored.
    if keyed.cache == CacheUse::Yes
        && incoming.fields.has(Fields::CONDITIONAL)
        && conditional::apply_to(status)
    {
        let (modified, date) = conditional::dates(&head);
        let etag = head.get(http::header::ETAG);
        match conditional::evaluate(&incoming.method, &incoming.headers, etag, modified, date) {
            Precondition::Proceed => {}
            Precondition::NotModified => {
                (status, head, source) =
                    (StatusCode::NOT_MODIFIED, conditional::not_modified_head(&head), Source::Empty);
            }
            Precondition::Failed => {
                status = StatusCode::PRECONDITION_FAILED;
                conditional::refused_head(&mut head);
                source = Source::Empty;
            }
        }
    }
    let mut response = Response::new(source);
    *response.status_mut() = status;
    *response.headers_mut() = head;
    Answer { response, outcome: Outcome::Pass }
}

/// A HEAD that the cache can't answer: asked as a HEAD, since its response says nothing of the body but may
/// bring a stored head up to date (RFC 9111 §4.3.5).
pub async fn head(
    worker: &Worker,
    keyed: &Keyed,
    stored: Option<&Arc<Object>>,
    pending: &mut Pending,
) -> Result<Answer, Refused> {
    let outgoing = Outgoing::for_head(keyed, &worker.shared)?;
    let asked = worker.shared.clock.now();
    let request = outgoing.with_body(RequestBody::Empty);
    let fetched = worker.client.fetch(outgoing.pool, request).await;
    let failure = match &fetched {
        Ok(response) => Failure::of_status(response.status),
        Err(failed) => Some(Failure::of(&failed.error)),
    };
    recording::trip(pending, fetched.as_ref().map_or_else(|failed| &failed.trip, |response| &response.trip));
    if let (Some(failure), Some(object)) = (failure, stored) {
        let (rules, now) = (&keyed.request.route().settings.cache, worker.shared.clock.now());
        if failure.excuses(object, &keyed.directives, rules, now) {
            let served = Served::StaleIfError(failure.status());
            return Box::pin(worker.answer_from(object, keyed, served, pending)).await;
        }
    }
    let told =
        |failed: Failed| Refused::from(Failure::refusal(&failed.error, stored.map(|object| &**object)));
    let response = fetched.map_err(told)?;
    if let Some(object) = stored {
        let exchange = Exchange {
            method: &Method::GET,
            request: &outgoing.headers,
            status: object.meta.status,
            response: &response.headers,
            request_time: asked,
            response_time: worker.shared.clock.now(),
        };
        // Overtaken, there is nothing to update.
        let _ = worker.shared.unless_changed(&keyed.key, outgoing.since, || {
            update_stored(worker, keyed, object, &exchange, response.status);
            true
        });
    }
    Ok(respond(worker, keyed, response, if stored.is_some() { Fwd::Stale } else { Fwd::UriMiss }, "head"))
}

fn update_stored(
    worker: &Worker,
    keyed: &Keyed,
    object: &Arc<Object>,
    exchange: &Exchange<'_>,
    status: StatusCode,
) {
    if status != object.meta.status {
        return;
    }
    match update::head_response(&object.meta.head, exchange.response) {
        update::HeadUpdate::Ignore => {}
        update::HeadUpdate::Invalidate => worker.shared.forget(&keyed.key),
        update::HeadUpdate::Update => {
            let head: HeaderMap = update::merge_304(&as_received(&object.meta), exchange.response);
            let exchange = Exchange { response: &head, ..*exchange };
            let rules = &keyed.request.route().settings.cache;
            let Ok(freshness) = storable(&exchange, rules) else { return };
            let server_name = &worker.shared.server_name;
            let stored = Stored {
                key: &keyed.key,
                exchange: &exchange,
                server_name,
                freshness,
                // The body is as old as it was.
                seen: object.meta.seen.clone(),
                confirmed: Some(&object.meta.tags),
                route: keyed.request.route(),
                siblings: siblings(&worker.shared, &keyed.key, &exchange),
            };
            let meta: Meta = meta(stored, Some(object.body.len()));
            let updated = Arc::new(Object { meta, body: object.body.clone() });
            purged::store_updated(&worker.shared, &keyed.key, keyed.request.route(), object, updated);
        }
    }
}

/// RFC 9111 §4.4: what an unsafe request changed is no longer what is stored.
fn invalidate_after(worker: &Worker, keyed: &Keyed, response: &OriginResponse) {
    let incoming = keyed.request.incoming();
    if incoming.method.is_safe() {
        return;
    }
    let target = incoming.target.to_string();
    let authority = incoming.authority();
    let target = (incoming.scheme.as_str(), authority.as_str(), target.as_str());
    for stale in invalidate::invalidated(&incoming.method, response.status, target, &response.headers) {
        // As a request for it would be read: in the one spelling, and by the rule for its path. A name that would be
        // refused has nothing stored.
        let Ok(target) =
            PathAndQuery::try_from(stale).map_err(drop).and_then(|t| Target::new(t).map_err(drop))
        else {
            continue;
        };
        if let Ok(named) = Named::of(incoming.host.clone(), target, &worker.shared.sites) {
            worker.shared.changed(&named.key_with(&incoming.headers));
        }
    }
}
