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

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use crate::cache::budget::Reserved;
use crate::cache::fill::{Arriving, Leading, Progress, Settled};
use crate::cache::growing::{Broken, Growing};
use crate::cache::invalidation::Seen;
use crate::cache::key::Key;
use crate::cache::object::{Content, Meta, Object, Touched, WholeBuilder};
use crate::cache::slice::Manifest;
use crate::config::CacheRules;
use crate::http::cache_control::{RequestDirectives, ResponseDirectives};
use crate::http::range::ByteRange;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::origin::{FetchError, OriginBody, OriginResponse, Trip};
use crate::policy::decide::{may_serve_disconnected, may_serve_on_error};
use crate::policy::freshness::Freshness;
use crate::policy::outcome::Outcome;
use crate::policy::storable::{Exchange, NoStore, storable};
use crate::policy::stored_head::withheld;
use crate::policy::update;

use super::keeping::{Kept, keep};
use super::outgoing::Outgoing;
use super::purged;
use super::slicing::asked::Asked;
use super::slicing::begin::{self, Begun, Brings};
use super::slicing::part;
use super::slicing::producer::Producer;
use super::storing::{Stored, as_received, meta, siblings};
use super::worker::{Shared, Worker};

/// How long a key whose response could not be stored is remembered as such.
const REMEMBER_UNCACHEABLE: Duration = Duration::from_secs(60);

/// A body on its way is in memory twice: as it came, for those who read it, and as it will be kept.
const COPIES: u64 = 2;
/// What is set aside at once for a body of unknown length.
const STEP: u64 = 256 * 1024;
/// What is held of a body for which there was no memory any more while it came.
const NARROW: u64 = 1 << 20;
/// Whoever has been told of a body that can't be kept begins to read it within this, or is gone.
const BEGIN_WITHIN: Duration = Duration::from_millis(250);
/// Why a response is not stored while others take all memory that is for responses on their way.
const NO_ROOM: &str = "no_room";

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

/// What is to be fetched, and what stands in for it.
pub struct Plan {
    /// What it is for.
    pub key: Key,
    /// What the origin is asked, without conditions.
    pub outgoing: Outgoing,
    /// A stored response to confirm, or to serve when the origin fails.
    pub stale: Option<Arc<Object>>,
    /// The part of it that is to be asked for, if not the whole.
    pub range: Option<Asked>,
    /// What the client that began it wants of a cache.
    pub directives: RequestDirectives,
    /// Filled in when the origin has answered or failed, for the log of who began the fill.
    pub trip: Arc<OnceLock<Trip>>,
    /// Filled in with fields that are not stored, and that who began the fill gets all the same.
    pub withheld: Arc<OnceLock<HeaderMap>>,
}

impl Plan {
    /// What the head of a response to it is made from.
    pub fn stored<'e>(
        &'e self,
        shared: &'e Shared,
        exchange: &'e Exchange<'e>,
        freshness: Freshness,
    ) -> Stored<'e> {
        Stored {
            key: &self.key,
            exchange,
            server_name: &shared.server_name,
            freshness,
            seen: self.outgoing.seen.clone(),
            confirmed: None,
            route: &self.outgoing.route,
            siblings: siblings(shared, &self.key, exchange),
        }
    }
}

/// A response that is not shared, for the request that began the fill.
pub struct Private {
    /// The response; none if it was read in vain, so that the origin has to be asked again.
    pub response: Option<OriginResponse>,
    /// Why it was not stored.
    pub reason: &'static str,
}

/// Runs a fill to its end. `private` receives a response that is not stored.
pub async fn run(worker: Worker, plan: Plan, leading: Leading, private: oneshot::Sender<Private>) {
    let active = worker.shared.cache_metrics.begin_fill();
    leading.fill().begin(plan.outgoing.seen.get());
    let filling = Filling { worker: &worker, plan: &plan, leading: &leading };
    let bringing = filling.run(private).await;
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
}

impl Filling<'_> {
    async fn run(&self, private: oneshot::Sender<Private>) -> Option<Bringing> {
        let mut confirming = self.plan.stale.as_ref().filter(|object| object.meta.has_validator());
        let mut range = self.plan.range.as_ref();
        loop {
            let mut request = self.plan.outgoing.request(confirming.map(|object| &object.meta.head), range);
            request.stand_in = self.plan.stale.is_some();
            let asked = self.now();
            let response = match self.worker.client.fetch(self.plan.outgoing.pool, request).await {
                Ok(response) => response,
                Err(failed) => {
                    tracing::debug!(target: "seawall::origin", error = %failed, "fill failed");
                    let _ = self.plan.trip.set(failed.trip);
                    self.failed(&failed.error);
                    return None;
                }
            };
            let _ = self.plan.trip.set(response.trip.clone());
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
                _ => return self.answered(response, range, asked, private).await,
            }
        }
    }

    fn now(&self) -> Time {
        self.worker.shared.clock.now()
    }

    /// There is no answer: what is stored stands in, if it may.
    fn failed(&self, error: &FetchError) {
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
    fn confirmed(&self, object: &Arc<Object>, response: &OriginResponse, asked: Time) {
        self.withhold(&response.headers);
        let head = update::merge_304(&as_received(&object.meta), &response.headers);
        let exchange = Exchange {
            method: &Method::GET,
            request: &self.plan.outgoing.headers,
            status: object.meta.status,
            response: &head,
            request_time: asked,
            response_time: self.now(),
        };
        let updated = storable(&exchange, &self.plan.outgoing.route.settings.cache).map(|freshness| {
            // A purge between the look-up and the question to the origin has dropped this object: a confirmation
            // must not bring it back.
            let seen = object.meta.seen.get().min(self.plan.outgoing.seen.get());
            let confirmed = Some(&object.meta.tags);
            let stored = Stored { seen: Seen::new(seen), confirmed, ..self.stored(&exchange, freshness) };
            let mut meta = meta(stored, Some(object.body.len()));
            meta.touched = Touched::following(&object.meta.touched);
            // The slices stay what they are: their manifest has the tag they were fetched by.
            Arc::new(Object { meta, body: object.body.clone() })
        });
        let shared = &self.worker.shared;
        let object = match updated {
            Ok(updated) => {
                let kept = shared.unless_changed(&self.plan.key, self.plan.outgoing.since, || {
                    shared.keep_updated(&self.plan.key, object, Arc::clone(&updated));
                    true
                });
                if let Err(by) = kept {
                    self.not_stored(by.as_str());
                }
                updated
            }
            Err(reason) => {
                self.not_stored(reason.as_str());
                if !reason.is_of_request() {
                    shared.forget(&self.plan.key);
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
        &self,
        response: OriginResponse,
        range: Option<&Asked>,
        asked: Time,
        private: oneshot::Sender<Private>,
    ) -> Option<Bringing> {
        if let Some(failure) = Failure::of_status(response.status)
            && let Some(settled) = self.stand_in(failure)
        {
            self.tell(settled);
            return None;
        }
        self.withhold(&response.headers);
        let times = (asked, self.now());
        let ((refused, status), response) =
            match keep(&self.worker.shared, self.plan, &response, range, times) {
                Ok(Kept::Whole(meta, length)) => {
                    match self.worker.shared.filling.reserve(COPIES * length.unwrap_or(STEP)) {
                        Some(reserved) => {
                            self.store(*meta, length, reserved, response).await;
                            return None;
                        }
                        None => ((NO_ROOM, response.status), Some(response)),
                    }
                }
                Ok(Kept::Sliced(meta, manifest, brings)) => {
                    return self.slice(*meta, manifest, brings, response.body);
                }
                Ok(Kept::Part(meta, says, complete)) => {
                    let status = response.status;
                    if self.part(*meta, says, complete, response.body).await {
                        return None;
                    }
                    (("odd_range", status), None)
                }
                Err(refused) => ((refused, response.status), Some(response)),
            };
        self.not_stored(refused);
        let shared = &self.worker.shared;
        let of_request = NoStore::of_word(refused).is_some_and(NoStore::is_of_request);
        // An answer to the client's own conditions or range does not say that the whole could not be kept, nor does
        // no-store.
        let of_part = matches!(status.as_u16(), 304 | 412 | 416);
        if self.plan.stale.is_some() && !status.is_server_error() && !of_part && !of_request {
            // What is stored is no longer what the origin says, and what it says now can't be kept.
            shared.forget(&self.plan.key);
        }
        if !of_part && refused != NoStore::RequestNoStore.as_str() && refused != NO_ROOM {
            shared.memory.remember_uncacheable(&self.plan.key, self.now().plus(REMEMBER_UNCACHEABLE));
        }
        self.tell(Progress::Released(refused));
        // Nobody takes it if the client left.
        let _ = private.send(Private { response, reason: refused });
        None
    }

    fn withhold(&self, head: &HeaderMap) {
        let fields = withheld(head, &ResponseDirectives::parse(head));
        if !fields.is_empty() {
            let _ = self.plan.withheld.set(fields);
        }
    }

    /// Reads a part that can be kept as it is and no other way.
    async fn part(&self, meta: Meta, says: ByteRange, complete: u64, body: OriginBody) -> bool {
        let most = self.plan.outgoing.route.settings.cache.slice;
        let length = http_body::Body::size_hint(&body).exact();
        let Ok(Some(whole)) = part::read(body, length, most).await else { return false };
        let Some(extent) = part::extent(says, complete, length, whole) else { return false };
        let object = Arc::new(Object { meta, body: Content::Part(extent) });
        if self.keep(Arc::clone(&object)) {
            self.worker.shared.cache_metrics.stores.inc();
        }
        let origin_status = Some(StatusCode::PARTIAL_CONTENT.as_u16());
        self.tell(Progress::Settled(Settled { object, outcome: Outcome::Miss, origin_status }));
        true
    }

    fn slice(&self, meta: Meta, manifest: Manifest, brings: Brings, body: OriginBody) -> Option<Bringing> {
        let Begun { sliced, producer } = begin::begin(&self.worker.shared, self.plan, meta, manifest, brings);
        self.tell(Progress::Sliced(sliced));
        producer.map(|(producer, at)| Bringing { producer, body, at })
    }

    fn stored<'e>(&'e self, exchange: &'e Exchange<'e>, freshness: Freshness) -> Stored<'e> {
        self.plan.stored(&self.worker.shared, exchange, freshness)
    }

    /// Stores an object, unless it was purged or changed while it came.
    fn keep(&self, object: Arc<Object>) -> bool {
        let (key, route) = (&self.plan.key, &self.plan.outgoing.route);
        let shared = &self.worker.shared;
        let store = || purged::store(shared, key, route, object);
        let kept = shared.unless_changed(key, self.plan.outgoing.since, store);
        if let Err(by) = kept {
            self.not_stored(by.as_str());
        }
        kept.is_ok()
    }

    /// Reads the body into an object; those who wait follow it meanwhile.
    async fn store(&self, meta: Meta, length: Option<u64>, reserved: Reserved, response: OriginResponse) {
        let growing = Arc::new(Growing::default());
        growing.hold(reserved);
        let arriving = Arc::new(Arriving { meta, length, body: Arc::clone(&growing) });
        self.tell(Progress::Storing(Arc::clone(&arriving)));
        match self.read(&growing, length, response).await {
            Ok(Some(body)) => {
                let mut meta = arriving.meta.clone();
                meta.head.insert(http::header::CONTENT_LENGTH, body.len().into());
                if self.keep(Arc::new(Object { meta, body: Content::Whole(body.finish()) })) {
                    self.worker.shared.cache_metrics.stores.inc();
                }
                growing.finish(Ok(()));
            }
            Ok(None) => growing.finish(Ok(())),
            Err(broken) => {
                self.worker.shared.cache_metrics.broken.inc();
                growing.finish(Err(broken));
            }
        }
    }

    /// Everything that arrives, or `None` when it was too much to keep.
    async fn read(
        &self,
        growing: &Growing,
        length: Option<u64>,
        mut response: OriginResponse,
    ) -> Result<Option<WholeBuilder>, Broken> {
        let most = self.worker.shared.max_object;
        let mut whole = Some(WholeBuilder::new(length));
        while let Some(frame) = response.body.frame().await {
            let frame = frame.map_err(|error| {
                tracing::debug!(target: "seawall::origin", %error, "body broke off");
                Broken::Origin
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if let Some(builder) = &mut whole {
                builder.push(&data);
                let room = COPIES * builder.len().next_multiple_of(STEP);
                if length.is_none() && builder.len() <= most && !growing.may_hold(room) {
                    whole = None;
                    growing.set_window(NARROW);
                    self.not_stored(NO_ROOM);
                } else if builder.len() > most {
                    whole = None;
                    growing.set_window(most);
                    self.not_stored("too_large");
                    let until = self.now().plus(REMEMBER_UNCACHEABLE);
                    self.worker.shared.memory.remember_uncacheable(&self.plan.key, until);
                }
            }
            self.push(growing, data).await?;
        }
        match (&whole, length) {
            (Some(builder), Some(length)) if builder.len() != length => Err(Broken::Origin),
            _ => Ok(whole),
        }
    }

    async fn push(&self, growing: &Growing, data: Bytes) -> Result<(), Broken> {
        growing.push(data);
        // Who is told of it may have left before it could begin.
        let _ = tokio::time::timeout(BEGIN_WITHIN, poll_fn(|cx| growing.poll_begun(cx))).await;
        // Only a body too large to keep has a window, and then nobody's reading means nobody's loss.
        poll_fn(|cx| growing.poll_room(cx)).await.map_err(|()| Broken::Behind)
    }

    fn tell(&self, progress: Progress) {
        self.leading.fill().tell(progress);
    }

    fn not_stored(&self, reason: &str) {
        self.worker.shared.cache_metrics.not_stored.with_label_values(&[reason]).inc();
    }
}
