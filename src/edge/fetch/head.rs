//! A HEAD that the cache can't answer.

use std::sync::Arc;

use http::{HeaderMap, Method};

use super::failure::Failure;
use super::pass;
use super::stored_head::{Ingredients, as_received, meta};
use crate::cache::object::{Meta, Object};
use crate::edge::request::key::Keyed;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::respond::record;
use crate::edge::respond::refusal::Refused;
use crate::edge::respond::response::Answer;
use crate::edge::worker::Worker;
use crate::http::cache_status::Fwd;
use crate::origin::{Failed, RequestBody};
use crate::policy::storable::{Exchange, storable};
use crate::policy::update;
use crate::telemetry::Pending;

/// How a HEAD was answered.
pub enum Answered {
    /// By the origin.
    Passed(Answer),
    /// Not at all: what is stored stands in.
    StandIn(Failure),
}

/// Asks the origin, as a HEAD, since its response says nothing of the body but may bring a stored head up to date
/// (RFC 9111 §4.3.5).
///
/// # Errors
/// The origin failed, and nothing stored may stand in.
pub async fn head(
    worker: &Worker,
    keyed: &Keyed,
    stored: Option<&Arc<Object>>,
    pending: &mut Pending,
) -> Result<Answered, Refused> {
    let outgoing = Outgoing::for_head(keyed, worker.store())?;
    let asked = worker.now();
    let request = outgoing.with_body(RequestBody::Empty);
    let fetched = worker.client.fetch(&outgoing.pool, request).await;
    let failure = match &fetched {
        Ok(response) => Failure::of_status(response.status),
        Err(failed) => Some(Failure::of(&failed.error)),
    };
    record::trip(pending, fetched.as_ref().map_or_else(|failed| &failed.trip, |response| &response.trip));
    if let (Some(failure), Some(object)) = (failure, stored) {
        let rules = &keyed.request.route().settings.cache;
        if failure.excuses(object, &keyed.directives, rules, worker.now()) {
            return Ok(Answered::StandIn(failure));
        }
    }
    let told =
        |failed: Failed| Refused::from(Failure::refusal(&failed.error, stored.map(|object| &**object)));
    let response = fetched.map_err(told)?;
    if let Some(object) = stored.filter(|object| object.meta.status == response.status) {
        let exchange = Exchange {
            method: &Method::GET,
            request: &outgoing.headers,
            status: object.meta.status,
            response: &response.headers,
            request_time: asked,
            response_time: worker.now(),
        };
        update_stored(worker, keyed, &outgoing, object, &exchange);
    }
    let reason = if stored.is_some() { Fwd::Stale } else { Fwd::UriMiss };
    Ok(Answered::Passed(pass::respond(keyed, response, reason, "head")))
}

fn update_stored(
    worker: &Worker,
    keyed: &Keyed,
    outgoing: &Outgoing,
    object: &Arc<Object>,
    exchange: &Exchange<'_>,
) {
    let (store, route) = (worker.store(), keyed.request.route());
    match update::head_response(&object.meta.head, exchange.response) {
        update::HeadUpdate::Ignore => {}
        update::HeadUpdate::Invalidate => store.forget(&keyed.key),
        update::HeadUpdate::Update => {
            let head: HeaderMap = update::merge_304(&as_received(&object.meta), exchange.response);
            let exchange = Exchange { response: &head, ..*exchange };
            let Ok(freshness) = storable(&exchange, &route.settings.cache) else { return };
            let seen = outgoing.asked.seen();
            let made_from = Ingredients::of(store, &keyed.key, route, &exchange, freshness, seen);
            let meta: Meta = meta(made_from.confirming(&object.meta), Some(object.body.len()));
            let updated = Arc::new(Object { meta, body: object.body.clone() });
            // Overtaken, there is nothing to update.
            let _ = store.update(&keyed.key, route.site_id, outgoing.asked, object, updated);
        }
    }
}
