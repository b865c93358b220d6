//! The stages, one after the other: read it from top to bottom to know what becomes of a request.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};

use crate::cache::object::{Content, Object};
use crate::http::cache_status::Fwd;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::policy::decide::{self, Decision};
use crate::policy::key::CacheUse;
use crate::server::body::ClientBody;
use crate::server::{Glimpse, Handled, Handler, Peer};
use crate::telemetry::Pending;

use super::authorize::authorize;
use super::body::Body;
use super::keyed::{Keyed, keyed};
use super::lookup::{Lookup, lookup};
use super::passing;
use super::purging;
use super::recording;
use super::refuse::Refused;
use super::respond::{Answer, Served, as_it_came, bare, from_part, from_whole};
use super::route::route;
use super::sanitize::{Incoming, sanitize};
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

    fn refuse(&self, refusal: Refusal, seen: &Glimpse, peer: &Arc<Peer>) {
        let mut pending = self.recorder.begin(self.shared.clock.now(), quanta::Instant::now());
        pending.record.refuse(refusal);
        recording::glimpsed(&mut pending, seen, peer);
        pending.first_byte(quanta::Instant::now());
        pending.finish();
    }

    fn cut_off(&self, seen: &Glimpse, peer: &Arc<Peer>) {
        let mut pending = self.recorder.begin(self.shared.clock.now(), quanta::Instant::now());
        recording::glimpsed(&mut pending, seen, peer);
    }

    fn replaced(&self, refusal: Refusal, _: &Arc<Peer>) {
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
            Ok(Answer { mut response, outcome }) => {
                bare(&mut response);
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

    pub(in crate::edge) async fn serve(
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
}
