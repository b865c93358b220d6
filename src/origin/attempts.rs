//! One request's attempts, one after another, until an answer is good enough to be handed on.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header;
use smallvec::SmallVec;

use super::body::{Hold, OriginBody, describe};
use super::breaker::Verdict;
use super::connection::Connections;
use super::error::{Blame, BodyError, Failed, FetchError};
use super::exchange::{Answer, Unsent, exchange};
use super::member::{Attempt, Member};
use super::pool::Pool;
use super::request::OriginResponse;
use super::retry::{RetryAfter, backoff, is_replayable, is_retryable_status, retry_after};
use super::s3::{Elsewhere, Object, S3};
use super::template::Template;
use super::trip::Trip;
use super::tunnel::OriginTunnel;

/// Other endpoints or regions that S3 sends one request to.
const MAX_HOPS: u32 = 2;

/// The members asked so far, one per attempt.
#[derive(Debug, Default)]
pub(super) struct Tried {
    members: SmallVec<[u64; 4]>,
    last: Option<Arc<str>>,
}

impl Tried {
    fn push(&mut self, member: &Member) {
        self.members.push(member.place.identity);
        self.last = Some(member.label.clone());
    }

    /// Attempts made.
    fn count(&self) -> u32 {
        self.members.len() as u32
    }

    /// The end of it, without a response.
    pub(super) fn failed(&self, pool: Arc<str>, error: FetchError) -> Failed {
        let member = self.last.clone().unwrap_or_else(|| "none".into());
        let trip = Trip {
            pool,
            member,
            attempts: self.count(),
            first_byte: None,
            error: Some(error.as_str()),
            request_id: None,
        };
        Failed { error, trip }
    }
}

/// One call of [`Client::fetch`](super::Client::fetch).
pub(super) struct Fetch<'a> {
    pub connections: &'a Arc<Connections>,
    pub pool: &'a Arc<Pool>,
    pub template: &'a Template,
    pub key: u64,
    /// How much of a body is read before its head is handed on, and for how long.
    pub ahead: (u64, Duration),
}

impl Fetch<'_> {
    /// For all attempts together: as long as two that each take all the time they may, however many are allowed.
    /// None while a body is sent, which takes as long as the client does.
    pub(super) fn deadline(&self, body: &Unsent) -> Option<Duration> {
        let timeouts = &self.pool.config.timeouts;
        body.is_none().then_some((timeouts.connect + timeouts.first_byte) * 2)
    }

    pub(super) async fn run(
        &self,
        body: &mut Unsent,
        tried: &mut Tried,
    ) -> Result<OriginResponse, FetchError> {
        let response = self.answer(body, tried).await?;
        let Some(s3) = &self.pool.s3 else { return Ok(response) };
        let Some(template) = self.template.asking_why(response.status) else {
            return s3.tidy(response).await;
        };
        let why = Fetch { template: &template, ..*self };
        let told = s3.tidy(why.answer(&mut None, tried).await?).await?;
        let is_there = told.status.is_success() || told.status == http::StatusCode::RANGE_NOT_SATISFIABLE;
        if is_there { s3.tidy(response).await } else { Ok(told) }
    }

    /// What the last attempt brought.
    async fn answer(&self, body: &mut Unsent, tried: &mut Tried) -> Result<OriginResponse, FetchError> {
        let retry = &self.pool.config.retry;
        let replayable = is_replayable(self.template.method(), body.is_none());
        let streams = body.is_some();
        let mut last: Option<Result<OriginResponse, FetchError>> = None;
        let mut hops = 0;
        while let Some((leave, elsewhere)) = self.next(tried) {
            let member = leave.member().clone();
            tried.push(&member);
            drop(last.take());
            let mut outcome = match retry.hedge_after {
                Some(after)
                    if replayable
                        && tried.count() == 1
                        && retry.attempts > 1
                        && elsewhere.is_none()
                        && !self.template.upgrades() =>
                {
                    self.hedged(leave, after, tried).await
                }
                _ => self.attempt(leave, elsewhere.as_deref(), tried.count(), body, replayable).await,
            };
            if self.is_sent_on(&mut outcome, &member, elsewhere.as_deref(), hops < MAX_HOPS).await {
                hops += 1;
                tried.members.pop();
                continue;
            }
            let (again, wait) = self.again(&outcome, tried, replayable, streams == body.is_some());
            last = Some(outcome);
            let made = tried.count();
            if !again || made >= retry.attempts || !self.pool.spend() {
                break;
            }
            tokio::time::sleep(wait.unwrap_or_else(|| backoff(retry.backoff, made))).await;
        }
        last.unwrap_or_else(|| Err(FetchError::Unavailable(self.pool.name.clone())))
    }

    /// Whether another attempt is worth making, and when, if the origin said so. What is still `unsent`, body
    /// and all, can go elsewhere whatever the method.
    fn again(
        &self,
        outcome: &Result<OriginResponse, FetchError>,
        tried: &Tried,
        replayable: bool,
        unsent: bool,
    ) -> (bool, Option<Duration>) {
        match outcome {
            Ok(response) => {
                let asked = retry_after(&response.headers, SystemTime::now());
                let (somebody, wait) = match asked {
                    Some(RetryAfter::In(wait)) => (self.may_do_better(tried), Some(wait)),
                    // It said when, and that is too late for this client. It said nothing of the others.
                    Some(RetryAfter::TooLate) => (self.pool.has_another(&tried.members), None),
                    None => (self.may_do_better(tried), None),
                };
                (replayable && is_retryable_status(response.status) && somebody, wait)
            }
            Err(error) => {
                let unsent = !error.may_have_reached_origin() && unsent;
                let worthwhile = error.may_pass() || self.may_do_better(tried);
                (error.is_retryable() && worthwhile && (replayable || unsent), None)
            }
        }
    }

    /// Whom to ask next: where S3 has sent us for this bucket, or a member.
    fn next(&self, tried: &Tried) -> Option<(Attempt, Option<Arc<Elsewhere>>)> {
        if let Some((s3, object)) = self.bucket()
            && let Some(elsewhere) = s3.elsewhere(object)
        {
            let leave = match &elsewhere.member {
                Some(member) => self.pool.begin(member),
                None => self.pool.choose(self.key, &tried.members),
            };
            match leave {
                Some(leave) => return Some((leave, Some(elsewhere))),
                None => s3.forget(object),
            }
        }
        self.pool.choose(self.key, &tried.members).map(|leave| (leave, None))
    }

    /// The object asked for, where it is one of S3's.
    fn bucket(&self) -> Option<(&S3, &Object)> {
        self.pool.s3.as_ref().zip(self.template.object())
    }

    /// Whether S3 has named another place or region to ask, which is remembered; and with `more`, whether it may be
    /// asked there. A place that fails, or knows another one still when there have been enough, is forgotten.
    async fn is_sent_on(
        &self,
        outcome: &mut Result<OriginResponse, FetchError>,
        from: &Member,
        elsewhere: Option<&Elsewhere>,
        more: bool,
    ) -> bool {
        let Some((s3, object)) = self.bucket() else { return false };
        let (maker, limit) = (&self.pool.maker, self.pool.config.timeouts.connect);
        let sent_on = match outcome {
            Ok(response) if more => s3.sent_on(object, from, elsewhere, response, maker, limit).await,
            Ok(_) | Err(_) => false,
        };
        let lost = match outcome {
            Ok(response) => super::s3::says_where(response.status),
            Err(_) => elsewhere.is_some_and(|elsewhere| elsewhere.member.is_some()),
        };
        if lost && !sent_on && elsewhere.is_some() {
            s3.forget(object);
        }
        sent_on
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
        let another = self.pool.choose(self.key, &tried.members);
        let another = another.filter(|leave| !tried.members.contains(&leave.member().place.identity));
        let Some(leave) = another.filter(|_| self.pool.spend()) else { return first.await };
        tried.push(leave.member());
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
        self.pool.s3.is_some() || self.pool.has_another(&tried.members)
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
                if error.blame() != Blame::Nobody {
                    member.tell(&error);
                }
                match error.blame() {
                    Blame::Absent => leave.settle(Verdict::Failure),
                    Blame::KeptWaiting => leave.kept_waiting(self.pool.can_spare(&member)),
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
        leave.member().answered();
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
            None => (OriginBody::new(incoming, self.longest_pause(&head.headers), hold), None),
        };
        let (pool, first_byte) = (self.pool.name.clone(), Some(answer.first_byte));
        let trip = Trip { pool, member, attempts, first_byte, error: None, request_id: None };
        let (status, version, mut headers) = (head.status, head.version, head.headers);
        // It advertises the origin's own endpoint, as if that were the client's (RFC 7838 §2).
        headers.remove(header::ALT_SVC);
        Ok(OriginResponse { status, version, headers, body, tunnel, trip })
    }

    /// In a body with this head. An event stream says nothing while nothing happens.
    fn longest_pause(&self, head: &http::HeaderMap) -> Duration {
        let timeouts = &self.pool.config.timeouts;
        let media =
            head.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().split(|b| *b == b';').next());
        match media.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")) {
            true => timeouts.idle.max(timeouts.event_stream),
            false => timeouts.idle,
        }
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
