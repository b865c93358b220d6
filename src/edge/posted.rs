//! A response to POST that answers later GETs as well (RFC 9110 §9.3.3): copied on its way to the client.
//!
//! It is one if the origin says so twice: it names how long the response is fresh, and gives it the request's own URL as
//! Content-Location. The client is served as without a copy, at its own pace; a client that leaves takes the copy along.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::changes::Moment;
use super::keyed::Keyed;
use super::outgoing::Outgoing;
use super::purged;
use super::route::Route;
use super::storing::{Stored, meta, siblings};
use super::worker::{Shared, Worker};
use crate::cache::key::Key;
use crate::cache::object::{Content, Meta, Object, WholeBuilder};
use crate::config::CacheRules;
use crate::http::time::Time;
use crate::origin::{BodyError, OriginBody, OriginResponse};
use crate::policy::invalidate::names_target;
use crate::policy::key::keyed_query;
use crate::policy::storable::{Exchange, storable};

/// A body on its way to the client, and what has come of it.
pub struct Copied {
    body: OriginBody,
    copy: Option<Copy>,
}

/// The response as a GET will find it.
pub struct Copy {
    shared: Arc<Shared>,
    route: Arc<Route>,
    key: Key,
    /// Just after what the POST itself has changed.
    since: Moment,
    meta: Meta,
    length: Option<u64>,
    whole: WholeBuilder,
}

impl Copy {
    /// Of the response to a request that was sent at `asked`, if it may answer GETs.
    pub fn of(
        worker: &Worker,
        keyed: &Keyed,
        outgoing: &Outgoing,
        response: &OriginResponse,
        asked: Time,
    ) -> Option<Self> {
        let (shared, incoming) = (&worker.shared, keyed.request.incoming());
        let is_posted = incoming.method == Method::POST && response.status == StatusCode::OK;
        let target = incoming.target.to_string();
        let authority = incoming.authority();
        let target = (incoming.scheme.as_str(), authority.as_str(), target.as_str());
        if !is_posted || !names_target(target, &response.headers) {
            return None;
        }
        let route = keyed.request.route();
        let rules = &route.settings.cache;
        // The origin saw all of the query. What the key leaves out of it must not choose what others get.
        let query = incoming.target.query();
        if query.is_some_and(|query| keyed_query(query, rules).as_deref() != Some(query)) {
            return None;
        }
        let answered = shared.clock.now();
        let exchange = Exchange {
            method: &incoming.method,
            request: &outgoing.headers,
            status: response.status,
            response: &response.headers,
            request_time: asked,
            response_time: answered,
        };
        let freshness = storable(&exchange, &only_the_origins(rules)).ok()?;
        let length = response.body.size_hint().exact();
        if !freshness.is_fresh(answered) || length.is_some_and(|length| length > shared.max_object) {
            return None;
        }
        let stored = Stored {
            key: &keyed.key,
            exchange: &exchange,
            server_name: &shared.server_name,
            freshness,
            seen: outgoing.seen.clone(),
            confirmed: None,
            route,
            siblings: siblings(shared, &keyed.key, &exchange),
        };
        Some(Self {
            meta: meta(stored, length),
            shared: Arc::clone(shared),
            route: Arc::clone(route),
            key: keyed.key.clone(),
            since: outgoing.since.next(),
            length,
            whole: WholeBuilder::new(length),
        })
    }

    /// Whether there is room for what came.
    fn push(&mut self, data: &Bytes) -> bool {
        self.whole.push(data);
        self.whole.len() <= self.shared.max_object
    }

    /// Stores what came, unless a GET has fetched something newer.
    fn store(self) {
        let Self { shared, route, key, since, mut meta, length, whole } = self;
        if length.is_some_and(|length| length != whole.len()) {
            return;
        }
        meta.head.insert(http::header::CONTENT_LENGTH, whole.len().into());
        let object = Arc::new(Object { meta, body: Content::Whole(whole.finish()) });
        if shared.has(&key, object.place(&key)) {
            return;
        }
        match shared.unless_changed(&key, since, || purged::store(&shared, &key, &route, object)) {
            Ok(()) => shared.cache_metrics.stores.inc(),
            Err(by) => shared.cache_metrics.not_stored.with_label_values(&[by.as_str()]).inc(),
        }
    }
}

/// The rules without those that would give a response another lifetime than the origin does.
fn only_the_origins(rules: &CacheRules) -> CacheRules {
    CacheRules {
        default_ttl: None,
        min_ttl: None,
        override_ttl: None,
        status_ttl: Vec::new(),
        ..rules.clone()
    }
}

impl Copied {
    /// All of `body`.
    pub fn new(body: OriginBody, copy: Copy) -> Self {
        let mut copied = Self { body, copy: Some(copy) };
        // Nobody asks an empty body for its end.
        copied.store_at_end();
        copied
    }

    /// The next frame.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let copy = self.copy.take();
                self.copy = copy
                    .and_then(|mut copy| frame.data_ref().is_none_or(|data| copy.push(data)).then_some(copy));
                self.store_at_end();
            }
            Poll::Ready(Some(Err(_))) => drop(self.copy.take()),
            Poll::Ready(None) => self.store(),
            Poll::Pending => {}
        }
        polled
    }

    /// Whether all has come.
    pub fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }

    /// What is left of it.
    pub fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn store_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.store();
        }
    }

    fn store(&mut self) {
        if let Some(copy) = self.copy.take() {
            copy.store();
        }
    }
}
