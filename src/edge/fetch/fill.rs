//! Stage 7 for what may be stored: an origin fetch that runs on its own, for all who wait for it.
//!
//! ```text
//! origin says               those who wait are told
//! ------------------------  ------------------------------------------------------------
//! 304 to our validators     Settled: the stored object, its head brought up to date
//! 5xx                       Settled: the stored object, if stale-if-error allows; else the 5xx
//! nothing at all            Settled: the stored object, unless its windows or must-revalidate forbid it; else Failed
//! a response to store       Storing: its head; the body is followed while it arrives
//! one too large, or a part   Sliced: its head and manifest; slices are read as they are brought
//! a response not to store   Released; who started the fill takes the response itself
//! ```

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tokio::sync::oneshot;

use super::failure::Failure;
use super::plan::{Brought, Led, Plan, Private};
use super::receive::{COPIES, Receiver, STEP};
use super::storage_plan::{self, StoragePlan};
use super::stored_head::{as_received, meta};
use crate::cache::budget::Reserved;
use crate::cache::fill::{Arriving, Leading, Progress, Settled};
use crate::cache::growing::Growing;
use crate::cache::object::{Content, Meta, Object, Touched};
use crate::cache::reason::{NotStored, Released};
use crate::cache::slice::Manifest;
use crate::cache::store::Store;
use crate::edge::request::requested_range::RequestedRange;
use crate::edge::slices::begin::{self, Begun, Brings};
use crate::edge::slices::partial;
use crate::edge::slices::producer::Producer;
use crate::edge::worker::Worker;
use crate::http::cache_control::ResponseDirectives;
use crate::http::range::ByteRange;
use crate::http::time::Time;
use crate::origin::{FetchError, OriginBody, OriginResponse, Trip};
use crate::policy::outcome::Outcome;
use crate::policy::storable::{Exchange, NoStore, storable};
use crate::policy::stored_head::withheld;
use crate::policy::update;

/// How long a key whose response could not be stored is remembered as such.
const REMEMBER_UNCACHEABLE: Duration = Duration::from_secs(60);

/// Runs a fill to its end. `leader` is told once, with all that is for the request that began it.
pub async fn run(worker: Worker, plan: Plan, leading: Leading, leader: oneshot::Sender<Led>) {
    let active = worker.store().metrics().begin_fill();
    leading.fill().begin(plan.outgoing.asked.purge());
    let mut filling = Filling {
        worker: &worker,
        plan: &plan,
        leading: &leading,
        leader: Some(leader),
        trip: None,
        withheld: HeaderMap::new(),
    };
    let bringing = filling.run().await;
    // The manifest is stored: whoever comes now finds it, and what is on its way, without this fill.
    drop(leading);
    if let Some(Bringing { producer, body, at }) = bringing {
        drop(plan);
        producer.bring(body, at).await;
    }
    drop(active);
}

/// Slices to be brought once those who waited have been told.
struct Bringing {
    producer: Producer,
    body: OriginBody,
    at: u64,
}

struct Filling<'a> {
    worker: &'a Worker,
    plan: &'a Plan,
    leading: &'a Leading,
    /// Whoever began it, until that is told.
    leader: Option<oneshot::Sender<Led>>,
    trip: Option<Trip>,
    withheld: HeaderMap,
}

impl Filling<'_> {
    async fn run(&mut self) -> Option<Bringing> {
        let plan = self.plan;
        let mut confirming = plan.stale.as_ref().filter(|object| object.meta.has_validator());
        let mut range = plan.range.as_ref();
        loop {
            let mut request = plan.outgoing.request(confirming.map(|object| &object.meta.head), range);
            request.stand_in = plan.stale.is_some();
            let asked = self.now();
            let response = match self.worker.client.fetch(&plan.outgoing.pool, request).await {
                Ok(response) => response,
                Err(failed) => {
                    tracing::debug!(target: "seawall::origin", error = %failed, "fill failed");
                    self.trip = Some(failed.trip);
                    self.failed(&failed.error);
                    return None;
                }
            };
            self.trip = Some(response.trip.clone());
            match (confirming, range) {
                (Some(object), _) if response.status == StatusCode::NOT_MODIFIED => {
                    if update::selects(&object.meta.head, &response.headers) {
                        self.confirmed(object, &response, asked);
                        return None;
                    }
                    // It speaks of another response than the one we hold: ask again, without conditions.
                    confirming = None;
                }
                // It speaks of the first range only, and the client may want the whole.
                (_, Some(wanted)) if response.status == StatusCode::RANGE_NOT_SATISFIABLE && !wanted.sole => {
                    range = None;
                }
                _ => return self.answered(response, range, asked).await,
            }
        }
    }

    fn now(&self) -> Time {
        self.worker.now()
    }

    fn store(&self) -> &Arc<Store> {
        self.worker.store()
    }

    /// There is no answer: what is stored stands in, if it may.
    fn failed(&mut self, error: &FetchError) {
        let refusal = Failure::refusal(error, self.plan.stale.as_deref());
        self.tell(self.stand_in(Failure::of(error)).unwrap_or(Progress::Failed(refusal)));
    }

    fn stand_in(&self, failure: Failure) -> Option<Progress> {
        let object = self.plan.stale.as_ref()?;
        let rules = &self.plan.outgoing.route.settings.cache;
        failure.excuses(object, &self.plan.directives, rules, self.now()).then(|| {
            Progress::Settled(Settled {
                object: Arc::clone(object),
                outcome: Outcome::Stale,
                origin_status: failure.status(),
            })
        })
    }

    /// 304: the stored head is brought up to date (RFC 9111 §4.3.4), the body stays.
    fn confirmed(&mut self, object: &Arc<Object>, response: &OriginResponse, asked: Time) {
        self.withhold(&response.headers);
        let (plan, store) = (self.plan, self.store());
        let head = update::merge_304(&as_received(&object.meta), &response.headers);
        let exchange = Exchange {
            method: &Method::GET,
            request: &plan.outgoing.headers,
            status: object.meta.status,
            response: &head,
            request_time: asked,
            response_time: self.now(),
        };
        let object = match storable(&exchange, &plan.outgoing.route.settings.cache) {
            Ok(freshness) => {
                let made_from = plan.ingredients(store, &exchange, freshness).confirming(&object.meta);
                let mut meta = meta(made_from, Some(object.body.len()));
                meta.touched = Touched::following(&object.meta.touched);
                // The slices stay what they are: their manifest has the tag they were fetched by.
                let updated = Arc::new(Object { meta, body: object.body.clone() });
                let (site, asked) = (plan.outgoing.route.site_id, plan.outgoing.asked);
                // Overtaken, it answers those who wait all the same.
                let _ = store.update(&plan.key, site, asked, object, Arc::clone(&updated));
                updated
            }
            Err(reason) => {
                store.metrics().not_stored(reason.into());
                if !reason.is_of_request() {
                    store.forget(&plan.key);
                }
                Arc::clone(object)
            }
        };
        self.tell(Progress::Settled(Settled {
            object,
            outcome: Outcome::Revalidated,
            origin_status: Some(StatusCode::NOT_MODIFIED.as_u16()),
        }));
    }

    /// A response of its own: stored if it may be, else for the one who asked.
    async fn answered(
        &mut self,
        response: OriginResponse,
        range: Option<&RequestedRange>,
        asked: Time,
    ) -> Option<Bringing> {
        if let Some(failure) = Failure::of_status(response.status)
            && let Some(settled) = self.stand_in(failure)
        {
            self.tell(settled);
            return None;
        }
        self.withhold(&response.headers);
        let times = (asked, self.now());
        let status = response.status;
        match storage_plan::decide(self.store(), self.plan, &response, range, times) {
            Ok(StoragePlan::Whole(meta, length)) => {
                match self.store().budget().reserve(COPIES * length.unwrap_or(STEP)) {
                    Some(reserved) => self.whole(*meta, length, reserved, response).await,
                    None => self.release(NotStored::NoRoom, status, Some(response)),
                }
                None
            }
            Ok(StoragePlan::Sliced(meta, manifest, brings)) => {
                self.slice(*meta, manifest, brings, response.body)
            }
            Ok(StoragePlan::Part(meta, says, complete)) => {
                if !self.part(*meta, says, complete, response.body).await {
                    self.release(NotStored::OddRange, status, None);
                }
                None
            }
            Err(reason) => {
                self.release(reason, status, Some(response));
                None
            }
        }
    }

    fn withhold(&mut self, head: &HeaderMap) {
        self.withheld = withheld(head, &ResponseDirectives::parse(head));
    }

    /// A response that is not stored goes to the one who asked; the others ask for themselves.
    fn release(&mut self, reason: NotStored, status: StatusCode, response: Option<OriginResponse>) {
        let store = self.store();
        store.metrics().not_stored(reason);
        // An answer to the client's own conditions or range does not say that the whole could not be kept, nor does
        // no-store.
        let of_part = matches!(status.as_u16(), 304 | 412 | 416);
        if self.plan.stale.is_some() && !status.is_server_error() && !of_part && !reason.is_of_request() {
            // What is stored is no longer what the origin says, and what it says now can't be kept.
            store.forget(&self.plan.key);
        }
        let passing = matches!(reason, NotStored::Policy(NoStore::RequestNoStore) | NotStored::NoRoom);
        if !of_part && !passing {
            store.remember_uncacheable(&self.plan.key, self.now().plus(REMEMBER_UNCACHEABLE));
        }
        self.leading.fill().tell(Progress::Released(Released::NotStored(reason)));
        self.give(Brought::Private(Box::new(Private { response, reason })));
    }

    /// Reads a part that can be kept as it is and no other way.
    async fn part(&mut self, meta: Meta, says: ByteRange, complete: u64, body: OriginBody) -> bool {
        let most = self.plan.outgoing.route.settings.cache.slice;
        let length = http_body::Body::size_hint(&body).exact();
        let Ok(Some(whole)) = partial::read(body, length, most).await else { return false };
        let Some(extent) = partial::extent(says, complete, length, whole) else { return false };
        let object = Arc::new(Object { meta, body: Content::Part(extent) });
        self.keep(Arc::clone(&object));
        let origin_status = Some(StatusCode::PARTIAL_CONTENT.as_u16());
        self.tell(Progress::Settled(Settled { object, outcome: Outcome::Miss, origin_status }));
        true
    }

    fn slice(
        &mut self,
        meta: Meta,
        manifest: Manifest,
        brings: Brings,
        body: OriginBody,
    ) -> Option<Bringing> {
        let Plan { key, outgoing, .. } = self.plan;
        let Begun { sliced, producer } = begin::begin(self.store(), key, outgoing, meta, manifest, brings);
        self.tell(Progress::Sliced(sliced));
        producer.map(|(producer, at)| Bringing { producer, body, at })
    }

    /// Stores an object, unless it was purged or changed while it came: then only those who wait have it.
    fn keep(&self, object: Arc<Object>) {
        let Plan { key, outgoing, .. } = self.plan;
        let _ = self.store().keep(key, outgoing.route.site_id, outgoing.asked, object);
    }

    /// Reads the body into an object; those who wait follow it meanwhile.
    async fn whole(&mut self, meta: Meta, length: Option<u64>, reserved: Reserved, response: OriginResponse) {
        let growing = Arc::new(Growing::default());
        growing.hold(reserved);
        let arriving = Arc::new(Arriving { meta, length, body: Arc::clone(&growing) });
        self.tell(Progress::Storing(Arc::clone(&arriving)));
        let received = {
            let gave_up = |reason| self.gave_up(reason);
            let most = self.plan.outgoing.route.node.max_object;
            Receiver { growing: &growing, length, most, gave_up: &gave_up }.receive(response.body).await
        };
        growing.finish(match received {
            Ok(Some(body)) => {
                let mut meta = arriving.meta.clone();
                meta.head.insert(http::header::CONTENT_LENGTH, body.len().into());
                self.keep(Arc::new(Object { meta, body: Content::Whole(body) }));
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(broken) => {
                self.store().metrics().broken.inc();
                Err(broken)
            }
        });
    }

    /// A body turned out not to be kept while it came.
    fn gave_up(&self, reason: NotStored) {
        self.store().metrics().not_stored(reason);
        if reason == NotStored::TooLarge {
            self.store().remember_uncacheable(&self.plan.key, self.now().plus(REMEMBER_UNCACHEABLE));
        }
    }

    /// Tells all who wait, whoever began it among them.
    fn tell(&mut self, progress: Progress) {
        self.leading.fill().tell(progress.clone());
        self.give(Brought::Shared(progress));
    }

    fn give(&mut self, brought: Brought) {
        let Some(leader) = self.leader.take() else { return };
        let led = Led { brought, trip: self.trip.take(), withheld: std::mem::take(&mut self.withheld) };
        // Nobody takes it if the client left.
        let _ = leader.send(led);
    }
}
