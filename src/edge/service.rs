//! The stages, one after the other: read it from top to bottom to know what becomes of a request.

use std::sync::{Arc, OnceLock};

use http::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;

use crate::cache::fill::{Fill, Leading, Progress, Settled, Side};
use crate::cache::key::KeyHash;
use crate::cache::object::{Content, Object};
use crate::http::cache_status::Fwd;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::policy::decide::{self, Decision};
use crate::policy::key::CacheUse;
use crate::policy::outcome::Outcome;
use crate::server::body::ClientBody;
use crate::server::{Handled, Handler, Peer};
use crate::telemetry::Pending;

use super::authorize::authorize;
use super::body::Body;
use super::filling::{self, Plan};
use super::keyed::{Keyed, keyed};
use super::lookup::{Found, Lookup, lookup};
use super::outgoing::Outgoing;
use super::passing;
use super::purged;
use super::purging;
use super::recording;
use super::refuse::Refused;
use super::respond::{Answer, Served, as_it_came, from_arriving, from_part, from_whole};
use super::route::route;
use super::sanitize::{Incoming, sanitize};
use super::selecting::{place_of_site, selecting, suits};
use super::slicing::asked::Asked;
use super::slicing::{own, part};
use super::tunnel;
use super::worker::Worker;

/// What is left to do for a request.
enum Next {
    /// Nothing.
    Answered(Answer),
    /// Look on disk for what memory does not have.
    Disk(Box<Keyed>, Lookup),
    /// Serve what was found, some of whose slices may have to be waited for.
    Serve(Box<Keyed>, Lookup, Served),
    /// Ask the origin, for all who want the same.
    Fetch(Box<Keyed>, Lookup),
    /// Purge what it names: whoever asks may.
    Purge(Box<Incoming>),
    /// Ask the origin, for this client alone.
    Pass(Box<Keyed>),
    /// Ask the origin to change protocols.
    Tunnel(Box<Keyed>),
}

impl Handler for Worker {
    type Body = Body;

    fn handle(&self, request: Request<ClientBody>, peer: &Arc<Peer>) -> Handled<Body> {
        let mut pending = self.recorder.begin(self.shared.clock.now(), quanta::Instant::now());
        recording::begun(&mut pending, &request, peer);
        let method = request.method().clone();
        let next = match self.begin(request, peer, &mut pending) {
            Ok(Next::Answered(answer)) => return Handled::Now(self.finish(Ok(answer), pending, &method)),
            Err(refused) => return Handled::Now(self.finish(Err(refused), pending, &method)),
            Ok(next) => next,
        };
        let worker = self.clone();
        Handled::Later(Box::pin(async move {
            let answer = worker.go_on(next, &mut pending).await;
            worker.finish(answer, pending, &method)
        }))
    }

    fn answered(&self, request: &Request<ClientBody>, status: StatusCode, peer: &Arc<Peer>) {
        let mut pending = self.recorder.begin(self.shared.clock.now(), quanta::Instant::now());
        recording::begun(&mut pending, request, peer);
        pending.record.status = status.as_u16();
        pending.first_byte(quanta::Instant::now());
        pending.finish();
    }

    fn refuse(&self, refusal: Refusal, _: &Arc<Peer>) {
        self.recorder.shard().refuse(None, refusal);
    }
}

impl Worker {
    /// Stages 1 to 6, and 8 for a hit: nothing here waits.
    fn begin(
        &self,
        request: Request<ClientBody>,
        peer: &Arc<Peer>,
        pending: &mut Pending,
    ) -> Result<Next, Refused> {
        let shared = &*self.shared;
        let now = shared.clock.now();
        let incoming = sanitize(request, peer, shared)?;
        if incoming.method != Method::GET && purging::is_purge(&incoming, shared) {
            return Ok(Next::Purge(Box::new(incoming)));
        }
        let routed = route(incoming, &shared.sites)
            .map_err(|not| recording::unrouted(&not, &shared.sites, pending))?;
        pending.record.site = Some(routed.route.site);
        let authorized = authorize(routed, now).map_err(|denied| recording::denied(*denied, pending))?;
        let keyed = keyed(authorized);
        recording::keyed(pending, &keyed);
        if tunnel::applies(&keyed) {
            return Ok(Next::Tunnel(Box::new(keyed)));
        }
        if keyed.cache != CacheUse::Yes {
            return Ok(Next::Pass(Box::new(keyed)));
        }
        let looked = lookup(&keyed, shared, now);
        if shared.may_be_on_disk(&keyed, &looked) {
            return Ok(Next::Disk(Box::new(keyed), looked));
        }
        self.decide(keyed, looked, now, pending)
    }

    /// Stage 6, and 8 for a hit that has all it needs.
    fn decide(
        &self,
        keyed: Keyed,
        looked: Lookup,
        now: Time,
        pending: &mut Pending,
    ) -> Result<Next, Refused> {
        let settings = &keyed.request.route().settings.cache;
        let stored = looked.found.object().map(|object| object.meta.stored());
        let served = match decide::decide(stored, &keyed.directives, settings, now) {
            Decision::Serve => Served::Hit,
            Decision::ServeStale { refresh } => {
                if refresh {
                    self.refresh(&keyed, &looked);
                }
                Served::Stale
            }
            Decision::GatewayTimeout => return Err(Refusal::OnlyIfCached.into()),
            Decision::Revalidate | Decision::Fetch => return Ok(Next::Fetch(Box::new(keyed), looked)),
        };
        if let (Served::Hit | Served::Stale, Some(object)) = (served, looked.found.object()) {
            self.shared.hit(&keyed.key, object);
        }
        match self.at_once(&looked, &keyed, served) {
            Some(mut answer) => {
                recording::dress(&mut answer, &keyed, pending, &self.hot);
                Ok(Next::Answered(answer))
            }
            None => Ok(Next::Serve(Box::new(keyed), looked, served)),
        }
    }

    /// Stages 7 and 8 for what the cache could not answer.
    async fn go_on(&self, next: Next, pending: &mut Pending) -> Result<Answer, Refused> {
        let next = match next {
            Next::Disk(keyed, looked) => {
                let looked = self.shared.look_on_disk(&keyed, looked).await;
                self.decide(*keyed, looked, self.shared.clock.now(), pending)?
            }
            next => next,
        };
        let (mut answer, keyed) = match next {
            Next::Answered(answer) => return Ok(answer),
            Next::Purge(incoming) => return purging::method(&self.shared, &incoming, pending).await,
            Next::Serve(keyed, looked, served) => {
                (self.serve(&looked, &keyed, served, pending).await?, keyed)
            }
            // What is on disk was looked for by now.
            Next::Disk(keyed, looked) | Next::Fetch(keyed, looked) => {
                (self.fetch(&keyed, looked, pending).await?, keyed)
            }
            Next::Tunnel(keyed) => (tunnel::pass(self, &keyed, pending).await?, keyed),
            Next::Pass(mut keyed) => (passing::pass(self, &mut keyed, pending).await?, keyed),
        };
        recording::dress(&mut answer, &keyed, pending, &self.hot);
        Ok(answer)
    }

    fn finish(
        &self,
        answer: Result<Answer, Refused>,
        mut pending: Pending,
        method: &Method,
    ) -> Response<Body> {
        let response = match answer {
            Ok(Answer { response, outcome }) => {
                pending.record.outcome = outcome;
                pending.record.status = response.status().as_u16();
                response
            }
            Err(refused) => {
                pending.record.refuse(refused.refusal);
                refused.response(method, &self.shared.server_name)
            }
        };
        pending.first_byte(quanta::Instant::now());
        let (parts, source) = response.into_parts();
        Response::from_parts(parts, Body::new(source, pending))
    }

    /// What is stored whole needs nothing to wait for, nor the memory to do so.
    fn at_once(&self, looked: &Lookup, keyed: &Keyed, served: Served) -> Option<Answer> {
        let object = looked.found.object()?;
        let Content::Whole(whole) = &object.body else { return None };
        let (name, now) = (&self.shared.server_name, self.shared.clock.now());
        Some(from_whole(object, whole, keyed, served, name, now))
    }

    async fn serve(
        &self,
        looked: &Lookup,
        keyed: &Keyed,
        served: Served,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        // Decided from an object, so there is one.
        let object = looked.found.object().ok_or(Refusal::Internal)?;
        self.answer_from(object, keyed, served, pending).await
    }

    pub(in crate::edge) async fn answer_from(
        &self,
        object: &Arc<Object>,
        keyed: &Keyed,
        served: Served,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        let (name, now) = (&self.shared.server_name, self.shared.clock.now());
        match &object.body {
            Content::Whole(whole) => Ok(from_whole(object, whole, keyed, served, name, now)),
            Content::Sliced(manifest) => {
                self.sliced(Arc::clone(object), Arc::clone(manifest), keyed, served, pending).await
            }
            Content::Part(extent)
                if matches!(served, Served::Filled { collapsed: false, .. })
                    && part::contradicts_itself(&object.meta, extent) =>
            {
                Ok(as_it_came(object, extent, served, name, now))
            }
            Content::Part(extent) if part::answers(object, keyed) => {
                Ok(from_part(object, extent, keyed, served, name, now))
            }
            // A 304 may have changed what If-Range is compared with.
            Content::Part(_) => Box::pin(own::pass(self, keyed, Fwd::Partial, "partial", pending)).await,
        }
    }

    /// Brings a stale object up to date behind the request's back, unless somebody does already.
    fn refresh(&self, keyed: &Keyed, looked: &Lookup) {
        let Side::Lead(leading) = self.shared.fills.join(looked.place) else { return };
        if let Ok(plan) = self.plan(keyed, looked.found.object().cloned(), None) {
            let (private, _) = oneshot::channel();
            tokio::spawn(filling::run(self.clone(), plan, leading, private));
        }
    }

    /// From the origin: as the one who asks it, or behind somebody who does.
    pub(in crate::edge) async fn fetch(
        &self,
        keyed: &Keyed,
        looked: Lookup,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        if keyed.request.incoming().method == Method::HEAD {
            return passing::head(self, keyed, looked.found.object(), pending).await;
        }
        let settings = &keyed.request.route().settings.cache;
        let reason = match &looked.found {
            Found::Object(_) => Fwd::Stale,
            Found::OtherVariants => Fwd::VaryMiss,
            Found::Uncacheable | Found::Nothing => Fwd::UriMiss,
        };
        if matches!(looked.found, Found::Uncacheable) && own::wants_range(keyed) {
            return own::pass(self, keyed, reason, "uncacheable", pending).await;
        }
        if matches!(looked.found, Found::Uncacheable) {
            return self.own(keyed, reason, pending).await;
        }
        // What a no-store request brings is nobody else's, so nobody is to wait for it.
        if !settings.collapse || keyed.directives.no_store {
            return self.lead(keyed, looked.found.object().cloned(), Leading::alone(), reason, pending).await;
        }
        let mut place = looked.place;
        // A place is changed at most once: from the key's to the variant's that the response turned out to have. A fill
        // that a purge has overtaken is passed over, which nobody can make happen without end.
        for _ in 0..4 {
            match self.shared.fills.join(place) {
                Side::Lead(leading) => {
                    // Between the look-up and now a fill may have ended.
                    let again = lookup(keyed, &self.shared, self.shared.clock.now());
                    let stored = again.found.object().map(|object| object.meta.stored());
                    let now = self.shared.clock.now();
                    if let Decision::Serve = decide::decide(stored, &keyed.directives, settings, now) {
                        drop(leading);
                        return self.serve(&again, keyed, Served::Hit, pending).await;
                    }
                    return self.lead(keyed, again.found.object().cloned(), leading, reason, pending).await;
                }
                Side::Follow(fill)
                    if fill.began().is_some_and(|b| purged::overtaken(&self.shared, keyed, b)) =>
                {
                    self.shared.fills.unlist(place, &fill);
                }
                Side::Follow(fill) => match self.follow(keyed, &fill).await {
                    Followed::Told(progress) => {
                        return self.told(progress, keyed, reason, true, pending).await;
                    }
                    Followed::OtherVariant(other) => place = other,
                    Followed::Purged => self.shared.fills.unlist(place, &fill),
                    Followed::Alone => break,
                },
            }
        }
        let uncacheable =
            matches!(lookup(keyed, &self.shared, self.shared.clock.now()).found, Found::Uncacheable);
        if uncacheable && own::wants_range(keyed) {
            return own::pass(self, keyed, reason, "uncacheable", pending).await;
        }
        if uncacheable {
            return self.own(keyed, reason, pending).await;
        }
        self.lead(keyed, looked.found.object().cloned(), Leading::alone(), reason, pending).await
    }

    fn plan(&self, keyed: &Keyed, stale: Option<Arc<Object>>, range: Option<Asked>) -> Result<Plan, Refusal> {
        Ok(Plan {
            key: keyed.key.clone(),
            outgoing: Outgoing::for_fill(keyed, &self.shared)?,
            stale,
            range,
            directives: keyed.directives.clone(),
            trip: Arc::new(OnceLock::new()),
            withheld: Arc::new(OnceLock::new()),
        })
    }

    /// What could not be stored the last time: asked for with the client's conditions, so that it can be 304, and
    /// stored if it can be after all.
    async fn own(&self, keyed: &Keyed, reason: Fwd, pending: &mut Pending) -> Result<Answer, Refused> {
        let outgoing = Outgoing::for_own(keyed, &self.shared)?;
        let plan = Plan { outgoing, ..self.plan(keyed, None, None)? };
        self.begun(keyed, plan, Leading::alone(), reason, pending).await
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
        let range = part_to_ask_for(keyed, stale.as_deref());
        let plan = self.plan(keyed, stale, range)?;
        self.begun(keyed, plan, leading, reason, pending).await
    }

    async fn begun(
        &self,
        keyed: &Keyed,
        plan: Plan,
        leading: Leading,
        reason: Fwd,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        let range = plan.range;
        let fill = Arc::clone(leading.fill());
        let (trip, withheld) = (Arc::clone(&plan.trip), Arc::clone(&plan.withheld));
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(filling::run(self.clone(), plan, leading, sender));
        let told = fill.told().await;
        if let Some(trip) = trip.get() {
            recording::trip(pending, trip);
        }
        match told {
            Progress::Released(_) => {
                // A fill that is abandoned without a response has panicked.
                let private = receiver.await.map_err(|_| Refusal::Internal)?;
                if range.is_some() {
                    return own::respond(self, keyed, private, reason, pending).await;
                }
                let response = private.response.ok_or(Refusal::Internal)?;
                Ok(passing::respond(self, keyed, response, reason, private.reason))
            }
            progress => {
                let mut answer = self.told(progress, keyed, reason, false, pending).await?;
                if let Some(fields) = withheld.get() {
                    answer.add(fields);
                }
                Ok(answer)
            }
        }
    }

    /// Waits for somebody else's fill.
    async fn follow(&self, keyed: &Keyed, fill: &Fill) -> Followed {
        let metrics = &self.shared.cache_metrics;
        let wait = keyed.request.route().settings.cache.collapse_timeout;
        let Ok(progress) = tokio::time::timeout(wait, fill.told()).await else {
            metrics.released.with_label_values(&["timeout"]).inc();
            return Followed::Alone;
        };
        let meta = match &progress {
            Progress::Storing(arriving) => Some(&arriving.meta),
            Progress::Sliced(sliced) => Some(&sliced.object.meta),
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
            if purged::outdated(&self.shared, keyed, meta) {
                metrics.released.with_label_values(&["purged"]).inc();
                return Followed::Purged;
            }
            if let Some(variant) = &meta.variant {
                let wanted = selecting(keyed, &self.shared, &variant.names);
                if wanted[..] != variant.selecting[..] {
                    metrics.released.with_label_values(&["other_variant"]).inc();
                    return Followed::OtherVariant(keyed.key.variant(&wanted));
                }
            }
            if !suits(meta, keyed) {
                metrics.released.with_label_values(&["other_variant"]).inc();
                return Followed::OtherVariant(place_of_site(keyed, &self.shared));
            }
        }
        if let Progress::Settled(settled) = &progress
            && !part::answers(&settled.object, keyed)
        {
            metrics.released.with_label_values(&["other_part"]).inc();
            return Followed::Alone;
        }
        metrics.followers.inc();
        Followed::Told(progress)
    }

    async fn told(
        &self,
        progress: Progress,
        keyed: &Keyed,
        reason: Fwd,
        collapsed: bool,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        let (name, now) = (&self.shared.server_name, self.shared.clock.now());
        match progress {
            Progress::Storing(arriving) => {
                let served = Served::Filled { reason, collapsed };
                Ok(from_arriving(&arriving, keyed, served, name, now))
            }
            Progress::Sliced(sliced) => {
                let served = Served::Filled { reason, collapsed };
                self.answer_from(&sliced.object, keyed, served, pending).await
            }
            Progress::Settled(Settled { object, outcome, origin_status }) => {
                let served = match outcome {
                    Outcome::Stale => Served::StaleIfError(origin_status),
                    Outcome::Miss => Served::Filled { reason, collapsed },
                    _ => Served::Revalidated { collapsed },
                };
                self.answer_from(&object, keyed, served, pending).await
            }
            Progress::Failed(refusal) => Err(refusal.into()),
            Progress::Released(_) => Err(Refusal::Internal.into()),
        }
    }
}

/// The range that a fill for this request is to ask for. What was small enough to be kept whole is asked for as a
/// whole again.
fn part_to_ask_for(keyed: &Keyed, stale: Option<&Object>) -> Option<Asked> {
    let whole = stale.is_some_and(|object| matches!(object.body, Content::Whole(_)));
    if whole || !own::wants_range(keyed) {
        return None;
    }
    Asked::of(&keyed.request.incoming().headers, keyed.request.route().settings.cache.slice)
}

enum Followed {
    /// It is for this request as well.
    Told(Progress),
    /// The response varies, and is not for this request.
    OtherVariant(KeyHash),
    /// A purge means what comes.
    Purged,
    /// Waiting is over: this request goes to the origin by itself.
    Alone,
}
