//! The stages, one after the other: read it from top to bottom to know what becomes of a request.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};

use super::fetch::{pass, tunnel};
use super::node::Node;
use super::operate::purge;
use super::request::authorize::authorize;
use super::request::key::{Keyed, key};
use super::request::route::route;
use super::request::sanitize::{Incoming, sanitize};
use super::respond::body::Body;
use super::respond::record;
use super::respond::refusal::Refused;
use super::respond::response::{Answer, bare, from_whole};
use super::respond::served::Served;
use super::settings::Settings;
use crate::cache::object::Content;
use crate::cache::store::Lookup;
use crate::edge::worker::Worker;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::policy::decide::{self, Decision};
use crate::policy::key::CacheUse;
use crate::server::body::ClientBody;
use crate::server::{Glimpse, Handled, Handler, Peer};
use crate::telemetry::Pending;

/// What is left to do for a request.
enum Next {
    /// Nothing.
    Answered(Answer),
    /// Look behind memory for what it does not have.
    Behind(Box<Keyed>, Lookup),
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
        let mut pending = self.recorder.begin(self.now(), quanta::Instant::now());
        record::begun(&mut pending, &request, peer);
        let method = request.method().clone();
        let settings = self.edge.settings();
        let next = match self.begin(request, peer, &settings, &mut pending) {
            Ok(Next::Answered(answer)) => {
                return Handled::Now(self.finish(Ok(answer), pending, &method, &settings.node));
            }
            Err(refused) => return Handled::Now(self.finish(Err(refused), pending, &method, &settings.node)),
            Ok(next) => next,
        };
        let (worker, settings) = (self.clone(), arc_swap::Guard::into_inner(settings));
        Handled::Later(Box::pin(async move {
            let answer = worker.go_on(next, &settings, &mut pending).await;
            worker.finish(answer, pending, &method, &settings.node)
        }))
    }

    fn answered(&self, request: &Request<ClientBody>, status: StatusCode, peer: &Arc<Peer>) {
        let mut pending = self.recorder.begin(self.now(), quanta::Instant::now());
        record::begun(&mut pending, request, peer);
        pending.record.status = status.as_u16();
        pending.first_byte(quanta::Instant::now());
        pending.finish();
    }

    fn refuse(&self, refusal: Refusal, seen: &Glimpse, peer: &Arc<Peer>) {
        let mut pending = self.recorder.begin(self.now(), quanta::Instant::now());
        pending.record.refuse(refusal);
        record::glimpsed(&mut pending, seen, peer);
        pending.first_byte(quanta::Instant::now());
        pending.finish();
    }

    fn cut_off(&self, seen: &Glimpse, peer: &Arc<Peer>) {
        let mut pending = self.recorder.begin(self.now(), quanta::Instant::now());
        record::glimpsed(&mut pending, seen, peer);
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
        settings: &Settings,
        pending: &mut Pending,
    ) -> Result<Next, Refused> {
        let now = self.now();
        let incoming = sanitize(request, peer, &settings.node.trusted_proxies)?;
        if incoming.method != Method::GET && settings.purgers.let_purge(&incoming) {
            return Ok(Next::Purge(Box::new(incoming)));
        }
        let routed =
            route(incoming, &settings.sites).map_err(|unrouted| record::unrouted(unrouted, pending))?;
        pending.record.site = Some(routed.route.site);
        let authorized = authorize(routed, now).map_err(|denied| record::denied(*denied, pending))?;
        let keyed = key(authorized);
        record::keyed(pending, &keyed);
        if tunnel::applies(&keyed) {
            return Ok(Next::Tunnel(Box::new(keyed)));
        }
        if keyed.cache != CacheUse::Yes {
            return Ok(Next::Pass(Box::new(keyed)));
        }
        let looked = self.store().find(&keyed, now);
        if self.store().may_be_behind(&keyed.key, &looked) {
            return Ok(Next::Behind(Box::new(keyed), looked));
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
            self.store().hit(&keyed.key, object);
        }
        match self.at_once(&looked, &keyed, served, now) {
            Some(mut answer) => {
                record::dress(&mut answer, &keyed, pending, &self.hot);
                Ok(Next::Answered(answer))
            }
            None => Ok(Next::Serve(Box::new(keyed), looked, served)),
        }
    }

    /// Stages 7 and 8 for what the cache could not answer.
    async fn go_on(&self, next: Next, settings: &Settings, pending: &mut Pending) -> Result<Answer, Refused> {
        let next = match next {
            Next::Behind(keyed, looked) => {
                let looked = self.store().find_behind(&*keyed, looked).await;
                if looked.found.object().is_some() {
                    record::from_behind(pending);
                }
                self.decide(*keyed, looked, self.now(), pending)?
            }
            next => next,
        };
        let (mut answer, keyed) = match next {
            Next::Answered(answer) => return Ok(answer),
            Next::Purge(incoming) => return purge::by_method(&self.edge, settings, &incoming, pending).await,
            Next::Serve(keyed, looked, served) => {
                // Decided from an object, so there is one.
                let object = looked.found.object().ok_or(Refusal::Internal)?;
                (self.answer_from(object, &keyed, served, pending).await?, keyed)
            }
            // What is behind memory was looked for by now.
            Next::Behind(keyed, looked) | Next::Fetch(keyed, looked) => {
                (self.fetch(&keyed, looked, pending).await?, keyed)
            }
            Next::Tunnel(keyed) => (tunnel::pass(self, &keyed, pending).await?, keyed),
            Next::Pass(mut keyed) => (pass::pass(self, &mut keyed, pending).await?, keyed),
        };
        record::dress(&mut answer, &keyed, pending, &self.hot);
        Ok(answer)
    }

    fn finish(
        &self,
        answer: Result<Answer, Refused>,
        mut pending: Pending,
        method: &Method,
        node: &Node,
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
                pending.record.status = refused.status().as_u16();
                refused.response(method, &node.name)
            }
        };
        pending.first_byte(quanta::Instant::now());
        let (parts, source) = response.into_parts();
        Response::from_parts(parts, Body::new(source, pending))
    }

    /// What is stored whole needs nothing to wait for, nor the memory to do so.
    fn at_once(&self, looked: &Lookup, keyed: &Keyed, served: Served, now: Time) -> Option<Answer> {
        let object = looked.found.object()?;
        let Content::Whole(whole) = &object.body else { return None };
        Some(from_whole(object, whole, keyed, served, now))
    }
}
