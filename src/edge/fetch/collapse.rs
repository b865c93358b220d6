//! Who asks the origin, who follows, and what each is told.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::header::RANGE;
use http::{Method, StatusCode};
use tokio::sync::oneshot;

use super::client_range;
use super::fill;
use super::head::{self, Answered};
use super::pass;
use super::plan::{Brought, Led, Plan};
use crate::cache::fill::{Arriving, Fill, Leading, Progress, Settled, Side};
use crate::cache::key::KeyHash;
use crate::cache::object::{Content, Object};
use crate::cache::reason::StoppedWaiting;
use crate::cache::store::{Found, Lookup, Selection};
use crate::edge::request::key::Keyed;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::request::requested_range::RequestedRange;
use crate::edge::respond::record;
use crate::edge::respond::refusal::Refused;
use crate::edge::respond::response::{Answer, as_it_came, from_arriving, from_part, from_whole};
use crate::edge::respond::served::Served;
use crate::edge::respond::sliced::{self, Unanswered};
use crate::edge::slices::partial;
use crate::edge::worker::Worker;
use crate::http::cache_status::Fwd;
use crate::http::range;
use crate::http::refusal::Refusal;
use crate::policy::decide::{self, Decision};
use crate::policy::outcome::Outcome;
use crate::telemetry::Pending;

/// How long a range that needs all of a body waits for it. Then the whole is answered, which is right too (RFC 9110 §14.2).
const WHOLE_WITHIN: Duration = Duration::from_secs(1);

impl Worker {
    /// Brings a stale object up to date behind the request's back, unless somebody does already.
    pub(in crate::edge) fn refresh(&self, keyed: &Keyed, looked: &Lookup) {
        let Side::Lead(leading) = self.store().fills().join(looked.place) else { return };
        let (again, decision) = self.look_again(keyed);
        if decision == Decision::Serve {
            return;
        }
        // Memory need not have taken what came from disk.
        let stale = again.found.object().or(looked.found.object()).cloned();
        if let Ok(plan) = self.plan(keyed, stale, None) {
            let (nobody, _) = oneshot::channel();
            tokio::spawn(fill::run(self.clone(), plan, leading, nobody));
        }
    }

    /// What there is once this request leads a fill: between its look-up and now another one may have ended.
    fn look_again(&self, keyed: &Keyed) -> (Lookup, Decision) {
        let now = self.now();
        let settings = &keyed.request.route().settings.cache;
        let again = self.store().find(keyed, now);
        let stored = again.found.object().map(|object| object.meta.stored());
        let decision = decide::decide(stored, &keyed.directives, settings, now);
        (again, decision)
    }

    /// From what is stored.
    ///
    /// # Errors
    /// Some of it had to be fetched, and that failed.
    pub(in crate::edge) async fn answer_from(
        &self,
        object: &Arc<Object>,
        keyed: &Keyed,
        served: Served,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        let now = self.now();
        match &object.body {
            Content::Whole(whole) => Ok(from_whole(object, whole, keyed, served, now)),
            Content::Sliced(manifest) => {
                match Box::pin(sliced::from_slices(self, object, manifest, keyed, served)).await {
                    Ok(answer) => Ok(answer),
                    Err(Unanswered::Refused(refused)) => Err(refused),
                    Err(Unanswered::Changed) => {
                        let looked = self.store().find(keyed, self.now());
                        Box::pin(self.fetch(keyed, looked, pending)).await
                    }
                }
            }
            Content::Part(extent)
                if matches!(served, Served::Filled { collapsed: false, .. })
                    && partial::contradicts_itself(&object.meta, extent) =>
            {
                Ok(as_it_came(object, extent, keyed, served, now))
            }
            Content::Part(extent) if keyed.is_answered_by(object) => {
                Ok(from_part(object, extent, keyed, served, now))
            }
            // A 304 may have changed what If-Range is compared with.
            Content::Part(_) => {
                Box::pin(client_range::ask(self, keyed, Fwd::Partial, "partial", pending)).await
            }
        }
    }

    async fn head(
        &self,
        keyed: &Keyed,
        stored: Option<&Arc<Object>>,
        pending: &mut Pending,
    ) -> Result<Answer, Refused> {
        match (head::head(self, keyed, stored, pending).await?, stored) {
            (Answered::Passed(answer), _) => Ok(answer),
            (Answered::StandIn(failure), Some(object)) => {
                let served = Served::StaleIfError(failure.status());
                Box::pin(self.answer_from(object, keyed, served, pending)).await
            }
            (Answered::StandIn(_), None) => Err(Refusal::Internal.into()),
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
            return self.head(keyed, looked.found.object(), pending).await;
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
            match self.store().fills().join(place) {
                Side::Lead(leading) => {
                    let (again, decision) = self.look_again(keyed);
                    if decision == Decision::Serve {
                        drop(leading);
                        let object = again.found.object().ok_or(Refusal::Internal)?;
                        return self.answer_from(object, keyed, Served::Hit, pending).await;
                    }
                    return self.lead(keyed, again.found.object().cloned(), leading, reason, pending).await;
                }
                Side::Follow(fill)
                    if self.store().is_overtaken(&fill, &keyed.key, keyed.request.route().site_id) =>
                {
                    self.store().fills().unlist(place, &fill);
                }
                Side::Follow(fill) => match self.follow(keyed, &fill).await {
                    Followed::Told(progress) => {
                        return self.told(progress, keyed, reason, true, pending).await;
                    }
                    Followed::OtherVariant(other) => place = other,
                    Followed::Purged => self.store().fills().unlist(place, &fill),
                    Followed::Alone => break,
                },
            }
        }
        if matches!(self.store().find(keyed, self.now()).found, Found::Uncacheable) {
            return self.uncacheable(keyed, reason, pending).await;
        }
        self.lead(keyed, looked.found.object().cloned(), Leading::alone(), reason, pending).await
    }

    fn plan(
        &self,
        keyed: &Keyed,
        stale: Option<Arc<Object>>,
        range: Option<RequestedRange>,
    ) -> Result<Plan, Refusal> {
        Ok(Plan {
            key: keyed.key.clone(),
            outgoing: Outgoing::for_fill(keyed, self.store())?,
            stale,
            range,
            directives: keyed.directives.clone(),
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
        if client_range::wants_range(keyed) {
            return client_range::ask(self, keyed, reason, "uncacheable", pending).await;
        }
        let outgoing = Outgoing::for_own(keyed, self.store())?;
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
        let is_part = plan.range.is_some();
        let (leader, led) = oneshot::channel();
        tokio::spawn(fill::run(self.clone(), plan, leading, leader));
        // A fill that ends without a word has panicked.
        let Led { brought, trip, withheld } = led.await.map_err(|_| Refusal::Internal)?;
        if let Some(trip) = trip {
            record::trip(pending, &trip);
        }
        match brought {
            Brought::Shared(progress) => {
                let mut answer = self.told(progress, keyed, reason, false, pending).await?;
                answer.add(&withheld);
                Ok(answer)
            }
            Brought::Private(private) if is_part => {
                client_range::respond(self, keyed, *private, reason, pending).await
            }
            Brought::Private(private) => {
                let response = private.response.ok_or(Refusal::Internal)?;
                Ok(pass::respond(keyed, response, reason, private.reason.as_str()))
            }
        }
    }

    /// Waits for somebody else's fill.
    async fn follow(&self, keyed: &Keyed, fill: &Fill) -> Followed {
        let wait = keyed.request.route().settings.cache.collapse_timeout;
        let Ok(progress) = tokio::time::timeout(wait, fill.told()).await else {
            return self.stop_waiting(StoppedWaiting::Timeout, Followed::Alone);
        };
        let meta = match &progress {
            Progress::Storing(arriving) => &arriving.meta,
            Progress::Sliced(sliced) => &sliced.object.meta,
            Progress::Settled(settled) => &settled.object.meta,
            Progress::Released(why) => {
                return self.stop_waiting(StoppedWaiting::Released(*why), Followed::Alone);
            }
            Progress::Failed(_) => return self.followed(progress),
        };
        if !meta.is_for(&keyed.key) {
            return Followed::Alone;
        }
        if self.store().is_outdated(meta, &keyed.key, keyed.request.route().site_id) {
            return self.stop_waiting(StoppedWaiting::Purged, Followed::Purged);
        }
        if let Some(variant) = &meta.variant {
            let wanted = keyed.selecting(&variant.names);
            if wanted[..] != variant.selecting[..] {
                let other = Followed::OtherVariant(keyed.key.variant(&wanted));
                return self.stop_waiting(StoppedWaiting::OtherVariant, other);
            }
        }
        if !keyed.suits(meta) {
            let other = Followed::OtherVariant(keyed.place_by_origin());
            return self.stop_waiting(StoppedWaiting::OtherVariant, other);
        }
        if let Progress::Settled(settled) = &progress
            && !keyed.is_answered_by(&settled.object)
        {
            return self.stop_waiting(StoppedWaiting::OtherPart, Followed::Alone);
        }
        self.followed(progress)
    }

    fn followed(&self, progress: Progress) -> Followed {
        self.store().metrics().followers.inc();
        Followed::Told(progress)
    }

    fn stop_waiting(&self, why: StoppedWaiting, how: Followed) -> Followed {
        self.store().metrics().stopped_waiting(why);
        how
    }

    /// What has arrived and is stored, if that does not take long.
    async fn once_whole(&self, arriving: &Arriving, keyed: &Keyed) -> Option<Arc<Object>> {
        // Nobody who reads it is nobody who wants it.
        let reader = arriving.body.reader(0, u64::MAX);
        let settled = tokio::time::timeout(WHOLE_WITHIN, poll_fn(|cx| arriving.body.poll_settled(cx))).await;
        drop(reader);
        settled.ok()?;
        let looked = self.store().find(keyed, self.now());
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
        match progress {
            Progress::Storing(arriving) => {
                let served = Served::Filled { reason, collapsed };
                if needs_the_end(&arriving, keyed)
                    && let Some(object) = self.once_whole(&arriving, keyed).await
                {
                    return self.answer_from(&object, keyed, served, pending).await;
                }
                Ok(from_arriving(&arriving, keyed, served, self.now()))
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
    client_range::wants_range(keyed)
        && arriving.meta.status == StatusCode::OK
        && incoming
            .headers
            .get(RANGE)
            .and_then(range::parse_unresolved)
            .is_some_and(|ranges| arriving.length.is_none() || ranges.len() > 1)
}

/// The range that a fill for this request is to ask for. What was small enough to be kept whole is asked for as a
/// whole again.
fn part_to_ask_for(keyed: &Keyed, stale: Option<&Object>) -> Option<RequestedRange> {
    let whole = stale.is_some_and(|object| matches!(object.body, Content::Whole(_)));
    if whole || !client_range::wants_range(keyed) {
        return None;
    }
    RequestedRange::of(&keyed.request.incoming().headers, keyed.request.route().settings.cache.slice)
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
