//! Stage 7 for what is not fetched for all: straight to the origin and straight back.

use std::sync::{Arc, OnceLock};

use http::header::{CONTENT_LENGTH, TRAILER};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;

use super::post_copy::{Copied, Copy};
use crate::cache::invalidation::strip_tags;
use crate::edge::request::fields::Fields;
use crate::edge::request::key::Keyed;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::request::resource_url::ResourceUrl;
use crate::edge::request::sanitize::Target;
use crate::edge::respond::body::Source;
use crate::edge::respond::record;
use crate::edge::respond::refusal::Refused;
use crate::edge::respond::response::Answer;
use crate::edge::settings::Settings;
use crate::edge::worker::Worker;
use crate::http::cache_status::{CacheStatus, Fwd};
use crate::http::hop_by_hop;
use crate::http::refusal::Refusal;
use crate::origin::{BoxError, OriginResponse, RequestBody};
use crate::policy::conditional::{self, Precondition};
use crate::policy::key::CacheUse;
use crate::policy::outcome::Outcome;
use crate::policy::stored_head::hold_back;
use crate::policy::{invalidate, preflight};
use crate::server::body::{BodyError, LimitedBody};
use crate::telemetry::Pending;

/// Hands a request on with its body, and the response back.
pub async fn pass(worker: &Worker, keyed: &mut Keyed, pending: &mut Pending) -> Result<Answer, Refused> {
    let (reason, why) = match keyed.cache {
        CacheUse::PassMethod => (Fwd::Method, "method"),
        CacheUse::PassRequest(why) => (Fwd::Request, why),
        CacheUse::Yes | CacheUse::PassDisabled => (Fwd::Bypass, "cache_disabled"),
    };
    let outgoing = Outgoing::for_pass(keyed, worker.store())?;
    let broken = Arc::new(OnceLock::new());
    let body = request_body(keyed, &broken);
    let asked = worker.now();
    let response = worker.client.fetch(&outgoing.pool, outgoing.with_body(body)).await.map_err(|failed| {
        tracing::debug!(target: "seawall::origin", error = %failed, "pass failed");
        record::trip(pending, &failed.trip);
        // What the client did to its body is the reason, whatever that did to the exchange.
        Refused::from(broken.get().copied().unwrap_or(failed.refusal()))
    })?;
    record::trip(pending, &response.trip);
    invalidate_after(worker, keyed, &response);
    let Some(copy) = Copy::of(worker, keyed, &outgoing, &response, asked) else {
        return Ok(respond(keyed, response, reason, why));
    };
    let status = CacheStatus::forwarded(&keyed.request.route().node.name, reason).stored();
    let mut answer = respond_saying(keyed, response, status);
    answer.response = answer.response.map(|source| match source {
        Source::Origin(body) => Source::Watched(Box::pin(Copied::new(*body, copy))),
        other => other,
    });
    Ok(answer)
}

/// The client's body within the limits; `broken` is told how it ended early.
fn request_body(keyed: &mut Keyed, broken: &Arc<OnceLock<Refusal>>) -> RequestBody {
    let node = Arc::clone(&keyed.request.route().node);
    let limits = &node.limits;
    let incoming = keyed.request.incoming_mut();
    if !incoming.has_body() {
        let said = incoming.headers.contains_key(CONTENT_LENGTH);
        // RFC 9110 §8.6 has a length sent with methods that give content a meaning, whatever the client's protocol.
        let is_usual = matches!(incoming.method, Method::POST | Method::PUT | Method::PATCH);
        return if said || is_usual { RequestBody::Zero } else { RequestBody::Empty };
    }
    match incoming.body.take() {
        Some(body) => {
            let broken = Arc::clone(broken);
            let told = move |error: BodyError| {
                let _ = broken.set(error.refusal());
                BoxError::from(error)
            };
            RequestBody::Stream(LimitedBody::new(body, limits).map_err(told).boxed())
        }
        None => RequestBody::Empty,
    }
}

/// A response that is this client's alone.
pub fn respond(keyed: &Keyed, origin: OriginResponse, reason: Fwd, why: &'static str) -> Answer {
    let status = CacheStatus::forwarded(&keyed.request.route().node.name, reason).detail(why);
    respond_saying(keyed, origin, status)
}

fn respond_saying(keyed: &Keyed, origin: OriginResponse, status: CacheStatus<'_>) -> Answer {
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
    keyed.request.route().node.via.append_to(&mut head, origin.version);
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

/// RFC 9111 §4.4: what an unsafe request changed is no longer what is stored.
fn invalidate_after(worker: &Worker, keyed: &Keyed, response: &OriginResponse) {
    let incoming = keyed.request.incoming();
    if incoming.method.is_safe() {
        return;
    }
    let settings: &Settings = &worker.edge.settings();
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
        if let Ok(resource) = ResourceUrl::of(incoming.host.clone(), target, &settings.sites) {
            worker.store().change(&resource.key_with(&incoming.headers));
        }
    }
}
