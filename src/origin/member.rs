//! One server of a pool, at one address: what it carries now and whether it is in.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::breaker::{Admission, Breaker, Change, Phase, Verdict, Why};
use super::error::FetchError;
use super::metrics::MemberMetrics;
use super::ring::Place;
use crate::config;

/// Where a member listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    /// Tells this member from the others of its name.
    pub primary: SocketAddr,
    /// The same server over IPv6, when its name gave both families; the two are raced.
    pub alternate: Option<SocketAddr>,
}

impl Address {
    /// Of a member behind a socket: it has none.
    pub(super) const NONE: Self =
        Self { primary: SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), alternate: None };
}

/// The part of a member that its configuration decides: shared by all addresses of a name.
pub(super) struct Origin {
    pub pool: Arc<str>,
    /// `host:port`; the metrics label, and without a default port the authority.
    pub name: Arc<str>,
    pub authority: Arc<str>,
    pub zone: String,
    /// Where it listens, if that is no address.
    pub socket: Option<PathBuf>,
    /// An SRV record of a lower priority: asked when those of the first are down.
    pub spare: bool,
    pub weight: u32,
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
    pub breaker: config::Breaker,
    pub metrics: MemberMetrics,
}

pub(super) struct Member {
    pub origin: Arc<Origin>,
    pub address: Address,
    /// For people: the name, and the address if that is not the name.
    pub label: Arc<str>,
    pub place: Place,
    in_flight: AtomicU64,
    up: AtomicBool,
    /// The last attempt did not get as far as a connection.
    unreachable: AtomicBool,
    made: Instant,
    /// When the last response head came, in microseconds from `made`.
    answered: AtomicU64,
    standing: Mutex<Standing>,
}

struct Standing {
    breaker: Breaker,
    healthy: bool,
    /// As it was counted last.
    counted: Phase,
    last_error: String,
}

impl Member {
    pub(super) fn new(origin: Arc<Origin>, address: Address) -> Self {
        let literal = origin.socket.is_some() || origin.name.as_ref() == address.primary.to_string();
        let label = if literal {
            origin.name.clone()
        } else {
            format!("{}/{}", origin.name, address.primary.ip()).into()
        };
        let identity = xxhash_rust::xxh3::xxh3_64(label.as_bytes());
        let made = Instant::now();
        let standing = Standing {
            breaker: Breaker::new(origin.breaker.clone(), made),
            healthy: true,
            counted: Phase::Closed,
            last_error: String::new(),
        };
        origin.metrics.up.inc();
        origin.metrics.phase(Phase::Closed).inc();
        Self {
            place: Place { identity, weight: origin.weight },
            origin,
            address,
            label,
            in_flight: AtomicU64::new(0),
            up: AtomicBool::new(true),
            unreachable: AtomicBool::new(false),
            made,
            answered: AtomicU64::new(0),
            standing: Mutex::new(standing),
        }
    }

    /// Requests it is answering now, over all threads.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Neither ejected nor unhealthy.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Whether the last attempt did not get as far as a connection.
    pub(super) fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Relaxed)
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.standing.lock().healthy
    }

    /// What the last health checks say.
    pub(super) fn set_healthy(&self, healthy: bool) {
        let mut standing = self.standing.lock();
        if healthy {
            self.unreachable.store(false, Ordering::Relaxed);
        }
        if standing.healthy != healthy {
            standing.healthy = healthy;
            tracing::warn!(pool = %self.origin.pool, member = %self.label, healthy, "health checks changed a member");
            if !healthy {
                self.origin.metrics.ejected(Why::Health);
            }
        }
        self.note(&mut standing);
    }

    /// A health check went well: the next trial need not wait for longer than the first had to.
    pub(super) fn encourage(&self) {
        self.standing.lock().breaker.encourage(Instant::now());
    }

    /// It has answered a client's request, however.
    pub(super) fn answered(&self) {
        let at = u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.answered.store(at, Ordering::Relaxed);
        self.unreachable.store(false, Ordering::Relaxed);
    }

    fn has_answered_since(&self, then: Instant) -> bool {
        let then = then.saturating_duration_since(self.made).as_micros();
        u128::from(self.answered.load(Ordering::Relaxed)) > then
    }

    /// Says in the log how an attempt failed: a metric counts, but only words say whose certificate has expired.
    pub(super) fn tell(&self, error: &FetchError) {
        if error.is_unreachable() {
            self.unreachable.store(true, Ordering::Relaxed);
        }
        self.standing.lock().last_error = error.to_string();
        tracing::warn!(pool = %self.origin.pool, member = %self.label, reason = error.as_str(), %error, "attempt failed");
    }

    fn admit(&self, now: Instant, needed: bool) -> Admission {
        let mut standing = self.standing.lock();
        let admission = standing.breaker.admit(now, needed);
        self.note(&mut standing);
        admission
    }

    fn record(&self, admission: Admission, verdict: Verdict) {
        let mut standing = self.standing.lock();
        match standing.breaker.record(admission, verdict, Instant::now()) {
            Some(Change::Ejected(out_for, why)) => {
                let (reason, last_error) = (why.as_str(), standing.last_error.as_str());
                tracing::warn!(pool = %self.origin.pool, member = %self.label, ?out_for, reason, last_error, "member ejected");
                self.origin.metrics.ejected(why);
            }
            Some(Change::Readmitted) => {
                tracing::info!(pool = %self.origin.pool, member = %self.label, "member back in");
            }
            None => {}
        }
        self.note(&mut standing);
    }

    /// Keeps `up` and the gauges in step; the caller holds the lock, so they can not part.
    fn note(&self, standing: &mut Standing) {
        let phase = standing.breaker.phase();
        let before = std::mem::replace(&mut standing.counted, phase);
        if before != phase {
            self.origin.metrics.phase(before).dec();
            self.origin.metrics.phase(phase).inc();
        }
        let up = standing.healthy && phase == Phase::Closed;
        if self.up.swap(up, Ordering::Relaxed) != up {
            if up { self.origin.metrics.up.inc() } else { self.origin.metrics.up.dec() }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if *self.up.get_mut() {
            self.origin.metrics.up.dec();
        }
        self.origin.metrics.phase(self.standing.get_mut().counted).dec();
    }
}

/// Counts one request on a member for as long as it lives: until the last byte of the response.
struct InFlight {
    member: Arc<Member>,
    total: Arc<AtomicU64>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.member.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.total.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Leave to send one request to a member, and the duty to say how that went. Dropped without a verdict, it tells
/// the breaker nothing.
pub(super) struct Attempt {
    in_flight: InFlight,
    admission: Admission,
    begun: Instant,
    settled: bool,
    outrun: Option<Outrun>,
    company: Company,
}

/// Who else could have been asked when an attempt began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// The pool has no other member.
    None,
    /// All others are down.
    Down,
    /// Somebody else is up.
    Up,
}

/// Whether somebody else answered what a member was asked first.
#[derive(Debug, Clone, Default)]
pub(super) struct Outrun(Arc<AtomicBool>);

impl Outrun {
    /// The attempt that is dropped next lost the race.
    pub(super) fn declare(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Attempt {
    /// Asks the member's breaker; `total` is the pool's count of requests in flight.
    pub(super) fn begin(
        member: &Arc<Member>,
        total: &Arc<AtomicU64>,
        company: Company,
        now: Instant,
    ) -> Option<Self> {
        let admission = member.admit(now, company != Company::Up);
        if admission == Admission::Refused {
            return None;
        }
        member.in_flight.fetch_add(1, Ordering::Relaxed);
        total.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight { member: member.clone(), total: total.clone() };
        Some(Self { in_flight, admission, begun: now, settled: false, outrun: None, company })
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.in_flight.member
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// If a second member is asked as well, who was asked first can lose against it, and that counts.
    pub(super) fn race(&mut self) -> Outrun {
        self.outrun.get_or_insert_default().clone()
    }

    /// Reports an answer that is of no use: a status, a doubtful head, one that broke off. It speaks against the
    /// member only while another could do better. Without it nobody would get an answer at all, and one that
    /// answers, however badly, keeps nobody waiting.
    pub(super) fn answered_badly(&mut self) {
        self.settle(if self.company == Company::Up { Verdict::Failure } else { Verdict::Success });
    }

    /// Reports a connection that was taken and broken without an answer: what a failing host does, or an
    /// application that fails by the request. The only member gets the benefit of the doubt.
    pub(super) fn hung_up(&mut self) {
        self.settle(if self.company == Company::None { Verdict::Success } else { Verdict::Failure });
    }

    /// Reports that no response head came in time: what a dead host does, or a request that takes that long
    /// anywhere. Of a member that answered others meanwhile it is the latter, as far as the pool can't do without
    /// it (`spare`): nobody is to empty a pool, least of all of its only member, by asking for what is slow.
    pub(super) fn kept_waiting(&mut self, spare: bool) {
        let alive = self.member().has_answered_since(self.begun);
        self.settle(if alive && !spare { Verdict::Unknown } else { Verdict::Failure });
    }

    /// Reports. A later failure of what seemed a success is one more report.
    pub(super) fn settle(&mut self, verdict: Verdict) {
        let admission = if self.settled { Admission::Free } else { self.admission };
        if !self.settled || verdict == Verdict::Failure {
            self.settled = true;
            self.member().record(admission, verdict);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let lost = self.outrun.as_ref().is_some_and(|outrun| outrun.0.load(Ordering::Relaxed));
        if lost {
            self.member().origin.metrics.failed("outrun");
        }
        self.settle(if lost { Verdict::Failure } else { Verdict::Unknown });
    }
}
