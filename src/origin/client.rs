//! A thread's way to the origins: attempts, retries, and the answer that is handed on.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, header};
use smallvec::SmallVec;

use super::body::{Hold, OriginBody, describe};
use super::breaker::Verdict;
use super::connection::Connections;
use super::error::{Blame, BodyError, FetchError};
use super::exchange::{Answer, Unsent, exchange};
use super::member::{Attempt, Member};
use super::origins::Origins;
use super::pool::Pool;
use super::request::{OriginRequest, OriginResponse, Trip};
use super::retry::{backoff, is_replayable, is_retryable_status, retry_after};
use super::s3::Elsewhere;
use super::template::Template;
use super::tunnel::OriginTunnel;
use crate::config::PoolId;

/// Asks origins; owns one thread's connections to them. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    origins: Arc<Origins>,
    connections: Arc<Connections>,
}

/// Redirects of S3 that one request follows.
const MAX_HOPS: u32 = 2;
/// A small body that comes along with its head is whole before the client hears of it.
const AHEAD: (u64, Duration) = (64 * 1024, Duration::from_millis(10));
/// Where something stored can be served instead, waiting is the better risk.
const AHEAD_OF_STAND_IN: (u64, Duration) = (1024 * 1024, Duration::from_secs(1));

impl Client {
    pub(super) fn new(origins: Arc<Origins>) -> Self {
        Self { origins, connections: Connections::start() }
    }

    /// Gets a response head for `request` from a member of `pool`, trying others where that is safe and the
    /// pool's retry settings allow. A status is an answer, not an error: when all attempts end in one that asks
    /// for a retry, the last is handed on.
    ///
    /// Dropping the future gives the request up and closes its connection.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, pool: PoolId, request: OriginRequest) -> Result<OriginResponse, FetchError> {
        let pool = self.origins.pool(pool).ok_or(FetchError::BadRequest("no such pool"))?;
        let key = request.key;
        let ahead = if request.stand_in { AHEAD_OF_STAND_IN } else { AHEAD };
        let (template, mut body) = Template::new(pool, request)?;
        if let Some(status) = template.local() {
            return Ok(super::s3::local_answer(&pool.name, status));
        }
        pool.ready().await?;
        if let Some(s3) = &pool.s3 {
            s3.ready(pool.config.timeouts.connect).await;
        }
        let place = pool.gate.enter(&pool.name, &pool.metrics).await?;
        pool.deposit();
        let fetch = Fetch { connections: &self.connections, pool, template: &template, key, ahead };
        let mut response = match fetch.deadline(&body) {
            None => fetch.run(&mut body).await?,
            Some(deadline) => tokio::time::timeout(deadline, fetch.run(&mut body))
                .await
                .unwrap_or_else(|_| Err(FetchError::FirstByteTimeout(pool.name.clone())))?,
        };
        match &mut response.tunnel {
            Some(tunnel) => tunnel.keep(place),
            None => response.body.keep(place),
        }
        Ok(response)
    }

    #[cfg(test)]
    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }
}

/// The members asked so far, one per attempt.
type Tried = SmallVec<[u64; 4]>;

/// One call of [`Client::fetch`].
struct Fetch<'a> {
    connections: &'a Arc<Connections>,
    pool: &'a Arc<Pool>,
    template: &'a Template,
    key: u64,
    /// How much of a body is read before its head is handed on, and for how long.
    ahead: (u64, Duration),
}

impl Fetch<'_> {
    /// For all attempts together: as long as two that each take all the time they may, however many are allowed.
    /// None while a body is sent, which takes as long as the client does.
    fn deadline(&self, body: &Unsent) -> Option<Duration> {
        let timeouts = &self.pool.config.timeouts;
        body.is_none().then_some((timeouts.connect + timeouts.first_byte) * 2)
    }

    async fn run(&self, body: &mut Unsent) -> Result<OriginResponse, FetchError> {
        let retry = &self.pool.config.retry;
        let replayable = is_replayable(self.template.method(), body.is_none());
        let streams = body.is_some();
        let mut tried = Tried::new();
        let mut last: Option<Result<OriginResponse, FetchError>> = None;
        let mut hops = 0;
        while let Some((leave, elsewhere)) = self.next(&tried) {
            let member = leave.member().clone();
            tried.push(member.place.identity);
            drop(last.take());
            let outcome = match retry.hedge_after {
                Some(after)
                    if replayable
                        && tried.len() == 1
                        && retry.attempts > 1
                        && elsewhere.is_none()
                        && !self.template.upgrades() =>
                {
                    self.hedged(leave, after, &mut tried).await
                }
                _ => self.attempt(leave, elsewhere.as_deref(), tried.len() as u32, body, replayable).await,
            };
            if hops < MAX_HOPS
                && let Some(location) = self.location(&outcome, elsewhere.is_some())
                && self.redirected(&location, &member).await
            {
                hops += 1;
                tried.pop();
                continue;
            }
            let (again, asked) = match &outcome {
                Ok(response) => (
                    replayable && is_retryable_status(response.status) && self.may_do_better(&tried),
                    retry_after(&response.headers, SystemTime::now()),
                ),
                // A body that was not begun can still go elsewhere, whatever the method.
                Err(error) => {
                    let unsent = !error.may_have_reached_origin() && streams == body.is_some();
                    let worthwhile = error.may_pass() || self.may_do_better(&tried);
                    (error.is_retryable() && worthwhile && (replayable || unsent), None)
                }
            };
            last = Some(outcome);
            let made = tried.len() as u32;
            if !again || made >= retry.attempts || !self.pool.spend() {
                break;
            }
            tokio::time::sleep(asked.unwrap_or_else(|| backoff(retry.backoff, made))).await;
        }
        let response = last.unwrap_or_else(|| Err(FetchError::Unavailable(self.pool.name.clone())))?;
        match &self.pool.s3 {
            Some(s3) => s3.tidy(response).await,
            None => Ok(response),
        }
    }

    /// Whom to ask next: where S3 has sent us for this bucket, or a member.
    fn next(&self, tried: &[u64]) -> Option<(Attempt, Option<Arc<Elsewhere>>)> {
        if let (Some(s3), Some(object)) = (&self.pool.s3, self.template.object())
            && let Some(elsewhere) = s3.elsewhere(object)
        {
            match self.pool.begin(&elsewhere.member) {
                Some(leave) => return Some((leave, Some(elsewhere))),
                None => s3.forget(object),
            }
        }
        self.pool.choose(self.key, tried).map(|leave| (leave, None))
    }

    /// Where S3 sends the request. A place that it was sent to and that fails is forgotten.
    fn location(
        &self,
        outcome: &Result<OriginResponse, FetchError>,
        was_elsewhere: bool,
    ) -> Option<HeaderValue> {
        let (s3, object) = (self.pool.s3.as_ref()?, self.template.object()?);
        match outcome {
            Ok(response) if response.status == http::StatusCode::TEMPORARY_REDIRECT => {
                response.headers.get(header::LOCATION).cloned()
            }
            Ok(_) => None,
            Err(_) => {
                if was_elsewhere {
                    s3.forget(object);
                }
                None
            }
        }
    }

    /// Whether the object is to be asked for there; that is then remembered.
    async fn redirected(&self, location: &HeaderValue, from: &Member) -> bool {
        let (Some(s3), Some(object)) = (&self.pool.s3, self.template.object()) else { return false };
        let limit = self.pool.config.timeouts.connect;
        s3.redirected(object, from, location, &self.pool.maker, limit).await
    }

    /// The first attempt, and a second one at another member when it takes longer than `after`. The first good
    /// answer wins; the other attempt is given up, and its connection closed. A hedge is paid for like a retry.
    async fn hedged(
        &self,
        mut leave: Attempt,
        after: Duration,
        tried: &mut Tried,
    ) -> Result<OriginResponse, FetchError> {
        let (mut no_body, mut nor_here) = (None, None);
        let (slow, outrun) = (leave.member().clone(), leave.race());
        let mut first = pin!(self.attempt(leave, None, 1, &mut no_body, true));
        if let Ok(outcome) = tokio::time::timeout(after, &mut first).await {
            return outcome;
        }
        let another = self.pool.choose(self.key, tried);
        let another = another.filter(|leave| !tried.contains(&leave.member().place.identity));
        let Some(leave) = another.filter(|_| self.pool.spend()) else { return first.await };
        tried.push(leave.member().place.identity);
        let mut second = pin!(self.attempt(leave, None, 2, &mut nor_here, true));
        let good = |outcome: &Result<OriginResponse, _>| {
            outcome.as_ref().is_ok_and(|r| !is_retryable_status(r.status))
        };
        let won = |winner| self.pool.metrics.hedges.with_label_values(&[&*self.pool.name, winner]).inc();
        tokio::select! {
            outcome = &mut first => {
                if !good(&outcome) {
                    won("second");
                    return second.await;
                }
                won("first");
                outcome
            }
            outcome = &mut second => {
                if !good(&outcome) {
                    won("first");
                    return first.await;
                }
                won("second");
                // It had a head start and lost. A member that does so every time is out of order, if slowly.
                if self.pool.can_spare(&slow) {
                    outrun.declare();
                }
                outcome
            }
        }
    }

    /// Whether there is somebody to ask again after an answer that was of no use. A server that has heard the
    /// request has said what it has to say: asking it twice is only more of what it suffers from. S3 is many
    /// servers behind one address, and asks to be asked again.
    fn may_do_better(&self, tried: &Tried) -> bool {
        self.pool.s3.is_some() || self.pool.has_another(tried)
    }

    async fn attempt(
        &self,
        mut leave: Attempt,
        elsewhere: Option<&Elsewhere>,
        number: u32,
        body: &mut Unsent,
        replayable: bool,
    ) -> Result<OriginResponse, FetchError> {
        let config = &self.pool.config;
        let member = leave.member().clone();
        let outcome = match self.template.head(self.pool, &member, elsewhere) {
            Ok(head) => {
                let connections = self.connections;
                exchange(connections, &member, config.protocol, &config.timeouts, &head, body, replayable)
                    .await
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(answer) => {
                let mut response = self.deliver(answer, leave, number).await?;
                if replayable && response.status.is_success() {
                    let (most, patience) = self.ahead;
                    let read = response.body.read_ahead(most, patience).await;
                    read.map_err(|error| self.broke_off(&response, &error))?;
                }
                Ok(response)
            }
            Err(error) => {
                member.origin.metrics.failed(error.as_str());
                tracing::debug!(pool = %self.pool.name, attempt = number, %error, "attempt failed");
                match error.blame() {
                    Blame::Absent => leave.settle(Verdict::Failure),
                    Blame::HungUp => leave.hung_up(),
                    Blame::BadAnswer => leave.answered_badly(),
                    Blame::Nobody => leave.settle(Verdict::Unknown),
                }
                Err(error)
            }
        }
    }

    fn broke_off(&self, response: &OriginResponse, error: &BodyError) -> FetchError {
        let Trip { member, attempts, .. } = &response.trip;
        tracing::debug!(pool = %self.pool.name, attempt = attempts, %member, %error, "body broke off early");
        FetchError::BrokenBody { member: member.clone(), reason: error.to_string() }
    }

    async fn deliver(
        &self,
        mut answer: Answer,
        mut leave: Attempt,
        attempts: u32,
    ) -> Result<OriginResponse, FetchError> {
        let member = leave.member().label.clone();
        if self.fails(answer.response.status(), leave.member()) {
            leave.answered_badly();
        }
        let upgraded = match answer.response.status() {
            http::StatusCode::SWITCHING_PROTOCOLS => {
                leave.settle(Verdict::Success);
                let upgraded = hyper::upgrade::on(&mut answer.response).await;
                let broken = |e| FetchError::Broken { member: member.clone(), reason: describe(&e) };
                Some(upgraded.map_err(broken)?)
            }
            _ => None,
        };
        let (head, incoming) = answer.response.into_parts();
        let home = self.connections.clone();
        let hold =
            Hold { leave, connection: answer.connection, reusable: answer.reusable, home, place: None };
        let (body, tunnel) = match upgraded {
            Some(upgraded) => (OriginBody::empty(), Some(OriginTunnel::new(upgraded, hold))),
            None => (OriginBody::new(incoming, self.pool.config.timeouts.idle, hold), None),
        };
        let trip = Trip { pool: self.pool.name.clone(), member, attempts, first_byte: answer.first_byte };
        let (status, version, headers) = (head.status, head.version, head.headers);
        Ok(OriginResponse { status, version, headers, body, tunnel, trip })
    }

    /// Whether a status speaks against its member. S3 throttles by prefix and fails by object: its statuses say
    /// little about the address. A 500 may be what anybody would answer to this request.
    fn fails(&self, status: http::StatusCode, member: &Member) -> bool {
        match status.as_u16() {
            _ if self.pool.s3.is_some() => false,
            500 => self.pool.can_spare(member),
            502..=504 => true,
            _ => false,
        }
    }
}
