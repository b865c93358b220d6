//! Stage 7 for what may be shared: who asks the origin, who follows, and what each is told.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::RANGE;
use http::{Method, StatusCode};
use tokio::sync::oneshot;

use crate::cache::fill::{Arriving, Fill, Leading, Progress, Settled, Side};
use crate::cache::key::KeyHash;
use crate::cache::object::{Content, Object};
use crate::http::cache_status::Fwd;
use crate::http::range;
use crate::http::refusal::Refusal;
use crate::policy::decide::{self, Decision};
use crate::policy::outcome::Outcome;
use crate::telemetry::Pending;

use super::filling::{self, Plan};
use super::keyed::Keyed;
use super::lookup::{Found, Lookup, lookup};
use super::outgoing::Outgoing;
use super::passing;
use super::purged;
use super::recording;
use super::refuse::Refused;
use super::respond::{Answer, Served, from_arriving};
use super::selecting::{place_of_site, selecting, suits};
use super::slicing::asked::Asked;
use super::slicing::{own, part};
use super::worker::Worker;

/// How long a range that needs all of a body waits for it. Then the whole is answered, which is right too (RFC 9110 §14.2).
const WHOLE_WITHIN: Duration = Duration::from_secs(1);

impl Worker {
    /// Brings a stale object up to date behind the request's back, unless somebody does already.
    pub(in crate::edge) fn refresh(&self, keyed: &Keyed, looked: &Lookup) {
        let Side::Lead(leading) = self.shared.fills.join(looked.place) else { return };
        let (again, decision) = self.look_again(keyed);
        if decision == Decision::Serve {
            return;
        }
        // Memory need not have taken what came from disk.
        let stale = again.found.object().or(looked.found.object()).cloned();
        if let Ok(plan) = self.plan(keyed, stale, None) {
            let (private, _) = oneshot::channel();
            tokio::spawn(filling::run(self.clone(), plan, leading, private));
        }
    }

    /// What there is once this request leads a fill: between its look-up and now another one may have ended.
    fn look_again(&self, keyed: &Keyed) -> (Lookup, Decision) {
        let now = self.shared.clock.now();
        let settings = &keyed.request.route().settings.cache;
        let again = lookup(keyed, &self.shared, now);
        let stored = again.found.object().map(|object| object.meta.stored());
        let decision = decide::decide(stored, &keyed.directives, settings, now);
        (again, decision)
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
        if matches!(looked.found, Found::Uncacheable) {
            return self.uncacheable(keyed, reason, pending).await;
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
                    let (again, decision) = self.look_again(keyed);
                    if decision == Decision::Serve {
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
        if matches!(lookup(keyed, &self.shared, self.shared.clock.now()).found, Found::Uncacheable) {
            return self.uncacheable(keyed, reason, pending).await;
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
    /// stored if it can be after all. A range of it is the client's own.
    async fn uncacheable(
        &self,
        keyed: &Keyed,
        reason: Fwd,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        if own::wants_range(keyed) {
            return own::pass(self, keyed, reason, "uncacheable", pending).await;
        }
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

    /// What has arrived and is stored, if that does not take long.
    async fn once_whole(&self, arriving: &Arriving, keyed: &Keyed) -> Option<Arc<Object>> {
        // Nobody who reads it is nobody who wants it.
        let reader = arriving.body.reader(0, u64::MAX);
        let settled = tokio::time::timeout(WHOLE_WITHIN, poll_fn(|cx| arriving.body.poll_settled(cx))).await;
        drop(reader);
        settled.ok()?;
        let looked = lookup(keyed, &self.shared, self.shared.clock.now());
        let object = looked.found.object()?;
        let same = object.meta.etag() == arriving.meta.etag() && object.meta.dated == arriving.meta.dated;
        same.then(|| Arc::clone(object))
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
                if needs_the_end(&arriving, keyed)
                    && let Some(object) = self.once_whole(&arriving, keyed).await
                {
                    return self.answer_from(&object, keyed, served, pending).await;
                }
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

/// Whether a range can be answered only when all is here: several ones, or some of a length that nobody knows yet. Later
/// requests for it are answered with the part, and so is this one.
fn needs_the_end(arriving: &Arriving, keyed: &Keyed) -> bool {
    let incoming = keyed.request.incoming();
    own::wants_range(keyed)
        && arriving.meta.status == StatusCode::OK
        && incoming
            .headers
            .get(RANGE)
            .and_then(range::parse_unresolved)
            .is_some_and(|ranges| arriving.length.is_none() || ranges.len() > 1)
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
