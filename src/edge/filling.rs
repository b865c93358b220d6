//! Stage 7 for what may be stored: an origin fetch that runs on its own, for all who wait for it.
//!
//! ```text
//! origin says               those who wait are told
//! ------------------------  ------------------------------------------------------------
//! 304 to our validators     Settled: the stored object, its head brought up to date
//! 5xx, or nothing at all    Settled: the stored object, if stale-if-error allows; else Failed
//! a response to store       Storing: its head; the body is followed while it arrives
//! a response not to store   Released; who started the fill takes the response itself
//! ```

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use crate::cache::fill::{Arriving, Leading, Progress, Settled};
use crate::cache::growing::{Broken, Growing};
use crate::cache::key::Key;
use crate::cache::object::{Meta, Object, WholeBuilder};
use crate::http::cache_control::RequestDirectives;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::origin::{OriginResponse, Trip};
use crate::policy::decide::may_serve_on_error;
use crate::policy::freshness::Freshness;
use crate::policy::outcome::Outcome;
use crate::policy::storable::{Exchange, storable};
use crate::policy::update;

use super::outgoing::Outgoing;
use super::storing::{Stored, meta};
use super::worker::Worker;

/// How long a key whose response could not be stored is remembered as such.
const REMEMBER_UNCACHEABLE: Duration = Duration::from_secs(60);

/// What is to be fetched, and what stands in for it.
pub struct Plan {
    /// What it is for.
    pub key: Key,
    /// What the origin is asked, without conditions.
    pub outgoing: Outgoing,
    /// A stored response to confirm, or to serve when the origin fails.
    pub stale: Option<Arc<Object>>,
    /// What the client that began it wants of a cache.
    pub directives: RequestDirectives,
    /// Filled in when the origin answers, for the log of who began the fill.
    pub trip: Arc<OnceLock<Trip>>,
}

/// A response that is not shared, for the request that began the fill.
pub struct Private {
    /// The response.
    pub response: OriginResponse,
    /// Why it was not stored.
    pub reason: &'static str,
}

/// Runs a fill to its end. `private` receives a response that is not stored.
pub async fn run(worker: Worker, plan: Plan, leading: Leading, private: oneshot::Sender<Private>) {
    let metrics = &worker.shared.cache_metrics;
    metrics.fills.inc();
    metrics.fills_active.inc();
    let active = scopeguard(metrics.fills_active.clone());
    let filling = Filling { worker: &worker, plan: &plan, leading: &leading };
    filling.run(private).await;
    drop(active);
}

/// Counts a fill down however it ends.
fn scopeguard(gauge: prometheus::IntGauge) -> impl Drop {
    struct Guard(prometheus::IntGauge);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.dec();
        }
    }
    Guard(gauge)
}

struct Filling<'a> {
    worker: &'a Worker,
    plan: &'a Plan,
    leading: &'a Leading,
}

impl Filling<'_> {
    async fn run(&self, private: oneshot::Sender<Private>) {
        let mut confirming = self.plan.stale.as_ref().filter(|object| object.meta.has_validator());
        loop {
            let request = self.plan.outgoing.request(confirming.map(|object| &object.meta.head));
            let asked = self.now();
            let response = match self.worker.client.fetch(self.plan.outgoing.pool, request).await {
                Ok(response) => response,
                Err(error) => {
                    tracing::debug!(target: "seawall::origin", %error, "fill failed");
                    return self.failed(error.refusal());
                }
            };
            let _ = self.plan.trip.set(response.trip.clone());
            match confirming {
                Some(object) if response.status == StatusCode::NOT_MODIFIED => {
                    if update::selects(&object.meta.head, &response.headers) {
                        return self.confirmed(object, &response, asked);
                    }
                    // It speaks of another response than the one we hold: ask again, without conditions.
                    confirming = None;
                }
                _ => return self.answered(response, asked, private).await,
            }
        }
    }

    fn now(&self) -> Time {
        self.worker.shared.clock.now()
    }

    /// The origin failed: what is stored stands in, if it may (RFC 5861 §4).
    fn failed(&self, refusal: Refusal) {
        self.tell(self.stand_in(None).unwrap_or(Progress::Failed(refusal)));
    }

    fn stand_in(&self, status: Option<StatusCode>) -> Option<Progress> {
        let object = self.plan.stale.as_ref()?;
        may_serve_on_error(&object.meta.freshness, &self.plan.directives, self.now()).then(|| {
            Progress::Settled(Settled {
                object: Arc::clone(object),
                outcome: Outcome::Stale,
                origin_status: status.map(|status| status.as_u16()),
            })
        })
    }

    /// 304: the stored head is brought up to date (RFC 9111 §4.3.4), the body stays.
    fn confirmed(&self, object: &Arc<Object>, response: &OriginResponse, asked: Time) {
        let head = update::merge_304(&object.meta.head, &response.headers);
        let exchange = Exchange {
            method: &Method::GET,
            request: &self.plan.outgoing.headers,
            status: object.meta.status,
            response: &head,
            request_time: asked,
            response_time: self.now(),
        };
        let updated = storable(&exchange, &self.plan.outgoing.route.settings.cache).map(|freshness| {
            let meta = meta(self.stored(&exchange, freshness), Some(object.body.len()));
            Arc::new(Object { meta, body: object.body.clone() })
        });
        let shared = &self.worker.shared;
        let object = match updated {
            Ok(updated) => {
                shared.keep_updated(&self.plan.key, object, Arc::clone(&updated));
                updated
            }
            Err(reason) => {
                self.not_stored(reason.as_str());
                shared.forget(&self.plan.key);
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
    async fn answered(&self, response: OriginResponse, asked: Time, private: oneshot::Sender<Private>) {
        if matches!(response.status.as_u16(), 500 | 502 | 503 | 504)
            && let Some(settled) = self.stand_in(Some(response.status))
        {
            return self.tell(settled);
        }
        let exchange = Exchange {
            method: &Method::GET,
            request: &self.plan.outgoing.headers,
            status: response.status,
            response: &response.headers,
            request_time: asked,
            response_time: self.now(),
        };
        let length = http_body::Body::size_hint(&response.body).exact();
        let most = self.worker.shared.max_object;
        let refused = match storable(&exchange, &self.plan.outgoing.route.settings.cache) {
            Err(reason) => reason.as_str(),
            Ok(_) if length.is_some_and(|length| length > most) => "too_large",
            Ok(freshness) => {
                let meta = meta(self.stored(&exchange, freshness), length);
                return self.store(meta, length, response).await;
            }
        };
        self.not_stored(refused);
        let shared = &self.worker.shared;
        if self.plan.stale.is_some() && !response.status.is_server_error() {
            // What is stored is no longer what the origin says, and what it says now can't be kept.
            shared.forget(&self.plan.key);
        }
        shared.memory.remember_uncacheable(&self.plan.key, self.now().plus(REMEMBER_UNCACHEABLE));
        self.tell(Progress::Released(refused));
        // Nobody takes it if the client left.
        let _ = private.send(Private { response, reason: refused });
    }

    fn stored<'e>(&'e self, exchange: &'e Exchange<'e>, freshness: Freshness) -> Stored<'e> {
        Stored { key: &self.plan.key, exchange, server_name: &self.worker.shared.server_name, freshness }
    }

    /// Reads the body into an object; those who wait follow it meanwhile.
    async fn store(&self, meta: Meta, length: Option<u64>, response: OriginResponse) {
        let growing = Arc::new(Growing::default());
        let arriving = Arc::new(Arriving { meta, length, body: Arc::clone(&growing) });
        self.tell(Progress::Storing(Arc::clone(&arriving)));
        match self.read(&growing, length, response).await {
            Ok(Some(body)) => {
                let mut meta = arriving.meta.clone();
                meta.head.insert(http::header::CONTENT_LENGTH, body.len().into());
                self.worker.shared.keep(&self.plan.key, Arc::new(Object { meta, body: body.finish() }));
                self.worker.shared.cache_metrics.stores.inc();
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
                if builder.len() > most {
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
