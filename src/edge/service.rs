//! The stages, one after the other: read it from top to bottom to know what becomes of a request.

use std::sync::{Arc, OnceLock};

use http::{Method, Request, Response};
use hyper::body::Incoming as HyperBody;
use tokio::sync::oneshot;

use crate::cache::fill::{Fill, Leading, Progress, Settled, Side};
use crate::cache::key::KeyHash;
use crate::cache::object::Object;
use crate::http::cache_status::Fwd;
use crate::http::refusal::Refusal;
use crate::http::vary;
use crate::policy::decide::{self, Decision};
use crate::policy::key::CacheUse;
use crate::policy::outcome::Outcome;
use crate::server::{Handler, Peer};
use crate::telemetry::Pending;

use super::authorize::authorize;
use super::body::Body;
use super::filling::{self, Plan, Private};
use super::keyed::{Keyed, keyed};
use super::lookup::{Found, Lookup, lookup};
use super::outgoing::Outgoing;
use super::passing;
use super::recording;
use super::refuse::Refused;
use super::respond::{Answer, Served, from_arriving, from_object};
use super::route::route;
use super::sanitize::sanitize;
use super::worker::Worker;

impl Handler for Worker {
    type Body = Body;

    async fn handle(&self, request: Request<HyperBody>, peer: &Arc<Peer>) -> Response<Body> {
        let mut pending = self.recorder.begin(self.shared.clock.now(), quanta::Instant::now());
        recording::begun(&mut pending, &request, peer);
        let method = request.method().clone();
        let response = match self.answer(request, peer, &mut pending).await {
            Ok(Answer { response, outcome }) => {
                pending.record.outcome = outcome;
                pending.record.status = response.status().as_u16();
                response
            }
            Err(refused) => {
                pending.record.refuse(refused.refusal);
                refused.response(&method, &self.shared.server_name)
            }
        };
        pending.first_byte(quanta::Instant::now());
        let (parts, source) = response.into_parts();
        Response::from_parts(parts, Body::new(source, pending))
    }

    fn refuse(&self, refusal: Refusal, _: &Arc<Peer>) {
        self.recorder.shard().refuse(None, refusal);
    }
}

impl Worker {
    async fn answer(
        &self,
        request: Request<HyperBody>,
        peer: &Arc<Peer>,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let incoming = sanitize(request, peer, shared)?;
        let routed = route(incoming, &shared.sites)
            .map_err(|unrouted| recording::unrouted(&unrouted, &shared.sites, pending))?;
        pending.record.site = Some(routed.route.site);
        let authorized = authorize(routed, now).map_err(|denied| recording::denied(*denied, pending))?;
        let keyed = keyed(authorized);
        recording::keyed(pending, &keyed, &self.hot);

        let mut answer = match keyed.cache {
            CacheUse::Yes => {
                let mut looked = lookup(&keyed, &shared.memory, now);
                if shared.may_be_on_disk(&keyed, &looked) {
                    looked = Box::pin(shared.look_on_disk(&keyed, looked, now)).await;
                }
                let settings = &keyed.request.route().settings.cache;
                let stored = looked.found.object().map(|object| object.meta.stored());
                match decide::decide(stored, &keyed.directives, settings, now) {
                    Decision::Serve => self.serve(&looked, &keyed, Served::Hit)?,
                    Decision::ServeStale { refresh } => {
                        if refresh {
                            self.refresh(&keyed, &looked);
                        }
                        self.serve(&looked, &keyed, Served::Stale)?
                    }
                    Decision::GatewayTimeout => return Err(Refusal::OnlyIfCached.into()),
                    Decision::Revalidate | Decision::Fetch => {
                        Box::pin(self.fetch(&keyed, looked, pending)).await?
                    }
                }
            }
            CacheUse::PassMethod | CacheUse::PassDisabled | CacheUse::PassRequest(_) => {
                return Box::pin(passing::pass(self, keyed, pending)).await;
            }
        };
        recording::dress(&mut answer, &keyed, pending);
        Ok(answer)
    }

    fn serve(&self, looked: &Lookup, keyed: &Keyed, served: Served) -> Result<Answer, Refused> {
        // Decided from an object, so there is one.
        let object = looked.found.object().ok_or(Refusal::Internal)?;
        if served == Served::Hit {
            self.shared.hit(&keyed.key, object);
        }
        Ok(from_object(object, keyed, served, &self.shared.server_name, self.shared.clock.now()))
    }

    /// Brings a stale object up to date behind the request's back, unless somebody does already.
    fn refresh(&self, keyed: &Keyed, looked: &Lookup) {
        let Side::Lead(leading) = self.shared.fills.join(looked.place) else { return };
        if let Ok(plan) = self.plan(keyed, looked.found.object().cloned()) {
            let (private, _) = oneshot::channel();
            tokio::spawn(filling::run(self.clone(), plan, leading, private));
        }
    }

    /// From the origin: as the one who asks it, or behind somebody who does.
    async fn fetch(&self, keyed: &Keyed, looked: Lookup, pending: &mut Pending) -> Result<Answer, Refused> {
        if keyed.request.incoming().method == Method::HEAD {
            return passing::head(self, keyed, looked.found.object(), pending).await;
        }
        let settings = &keyed.request.route().settings.cache;
        let reason = match &looked.found {
            Found::Object(_) => Fwd::Stale,
            Found::OtherVariants => Fwd::VaryMiss,
            Found::Uncacheable | Found::Nothing => Fwd::UriMiss,
        };
        if !settings.collapse || matches!(looked.found, Found::Uncacheable) {
            return self.lead(keyed, looked.found.object().cloned(), Leading::alone(), reason, pending).await;
        }
        let mut place = looked.place;
        // A place is changed at most once: from the key's to the variant's that the response turned out to have.
        for _ in 0..2 {
            match self.shared.fills.join(place) {
                Side::Lead(leading) => {
                    // Between the look-up and now a fill may have ended.
                    let again = lookup(keyed, &self.shared.memory, self.shared.clock.now());
                    let stored = again.found.object().map(|object| object.meta.stored());
                    let now = self.shared.clock.now();
                    if let Decision::Serve = decide::decide(stored, &keyed.directives, settings, now) {
                        drop(leading);
                        return self.serve(&again, keyed, Served::Hit);
                    }
                    return self.lead(keyed, again.found.object().cloned(), leading, reason, pending).await;
                }
                Side::Follow(fill) => match self.follow(keyed, &fill, reason).await {
                    Followed::Answer(answer) => return answer,
                    Followed::OtherVariant(other) => place = other,
                    Followed::Alone => break,
                },
            }
        }
        self.lead(keyed, looked.found.object().cloned(), Leading::alone(), reason, pending).await
    }

    fn plan(&self, keyed: &Keyed, stale: Option<Arc<Object>>) -> Result<Plan, Refusal> {
        Ok(Plan {
            key: keyed.key.clone(),
            outgoing: Outgoing::for_fill(keyed, &self.shared)?,
            stale,
            directives: keyed.directives.clone(),
            trip: Arc::new(OnceLock::new()),
        })
    }

    /// Starts a fill and waits for what it turns out to be.
    async fn lead(
        &self,
        keyed: &Keyed,
        stale: Option<Arc<Object>>,
        leading: Leading,
        reason: Fwd,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        let plan = self.plan(keyed, stale)?;
        let fill = Arc::clone(leading.fill());
        let trip = Arc::clone(&plan.trip);
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(filling::run(self.clone(), plan, leading, sender));
        let told = fill.told().await;
        recording::trip(pending, trip.get());
        match told {
            Progress::Released(_) => {
                // A fill that is abandoned without a response has panicked.
                let Private { response, reason: why } = receiver.await.map_err(|_| Refusal::Internal)?;
                Ok(passing::respond(self, keyed, response, reason, why))
            }
            progress => self.told(progress, keyed, reason, false),
        }
    }

    /// Waits for somebody else's fill.
    async fn follow(&self, keyed: &Keyed, fill: &Fill, reason: Fwd) -> Followed {
        let metrics = &self.shared.cache_metrics;
        let wait = keyed.request.route().settings.cache.collapse_timeout;
        let Ok(progress) = tokio::time::timeout(wait, fill.told()).await else {
            metrics.released.with_label_values(&["timeout"]).inc();
            return Followed::Alone;
        };
        let meta = match &progress {
            Progress::Storing(arriving) => Some(&arriving.meta),
            Progress::Settled(settled) => Some(&settled.object.meta),
            Progress::Released(why) => {
                metrics.released.with_label_values(&[why]).inc();
                return Followed::Alone;
            }
            Progress::Failed(_) => None,
        };
        if let Some(meta) = meta {
            if !meta.is_for(&keyed.key) {
                return Followed::Alone;
            }
            if let Some(variant) = &meta.variant {
                let wanted = vary::selecting_key(&variant.names, &keyed.request.incoming().headers);
                if wanted[..] != variant.selecting[..] {
                    metrics.released.with_label_values(&["other_variant"]).inc();
                    return Followed::OtherVariant(keyed.key.variant(&wanted));
                }
            }
        }
        metrics.followers.inc();
        Followed::Answer(self.told(progress, keyed, reason, true))
    }

    fn told(
        &self,
        progress: Progress,
        keyed: &Keyed,
        reason: Fwd,
        collapsed: bool,
    ) -> Result<Answer, Refused> {
        let (name, now) = (&self.shared.server_name, self.shared.clock.now());
        match progress {
            Progress::Storing(arriving) => {
                let served = Served::Filled { reason, collapsed };
                Ok(from_arriving(&arriving, keyed, served, name, now))
            }
            Progress::Settled(Settled { object, outcome, origin_status }) => {
                let served = match outcome {
                    Outcome::Stale => Served::StaleIfError(origin_status),
                    _ => Served::Revalidated { collapsed },
                };
                Ok(from_object(&object, keyed, served, name, now))
            }
            Progress::Failed(refusal) => Err(refusal.into()),
            Progress::Released(_) => Err(Refusal::Internal.into()),
        }
    }
}

enum Followed {
    Answer(Result<Answer, Refused>),
    /// The response varies, and is not for this request.
    OtherVariant(KeyHash),
    /// Waiting is over: this request goes to the origin by itself.
    Alone,
}
