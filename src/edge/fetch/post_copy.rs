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

use super::stored_head::{Ingredients, meta};
use crate::cache::key::Key;
use crate::cache::object::{Content, Meta, Object, WholeBuilder};
use crate::cache::store::{Moment, Store};
use crate::config::CacheRules;
use crate::edge::request::key::Keyed;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::request::route::Route;
use crate::edge::worker::Worker;
use crate::http::time::Time;
use crate::origin::{BoxError, OriginBody, OriginResponse};
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
    store: Arc<Store>,
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
        let (store, incoming) = (worker.store(), keyed.request.incoming());
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
        let answered = worker.now();
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
        if !freshness.is_fresh(answered) || length.is_some_and(|length| length > route.node.max_object) {
            return None;
        }
        let seen = outgoing.asked.seen();
        let made_from = Ingredients::of(store, &keyed.key, route, &exchange, freshness, seen);
        Some(Self {
            meta: meta(made_from, length),
            store: Arc::clone(store),
            route: Arc::clone(route),
            key: keyed.key.clone(),
            since: outgoing.asked.after_change(),
            length,
            whole: WholeBuilder::new(length),
        })
    }

    /// Whether there is room for what came.
    fn push(&mut self, data: &Bytes) -> bool {
        self.whole.push(data);
        self.whole.len() <= self.route.node.max_object
    }

    /// Stores what came, unless a GET has fetched something newer.
    fn store(self) {
        let Self { store, route, key, since, mut meta, length, whole } = self;
        if length.is_some_and(|length| length != whole.len()) {
            return;
        }
        meta.head.insert(http::header::CONTENT_LENGTH, whole.len().into());
        let object = Arc::new(Object { meta, body: Content::Whole(whole.finish()) });
        if !store.has(&key, object.place(&key)) {
            // Overtaken, it is for the client alone.
            let _ = store.keep(&key, route.site_id, since, object);
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

impl Body for Copied {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
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
        polled.map_err(BoxError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
