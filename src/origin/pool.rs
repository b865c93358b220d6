//! A pool: which members it has now, and who gets the next request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::error::FetchError;
use super::gate::Gate;
use super::maker::Maker;
use super::member::{Address, Attempt, Company, Member, Origin};
use super::metrics::OriginMetrics;
use super::retry::{Budget, random};
use super::ring::{Ring, capacity};
use super::s3::S3;
use crate::config::{self, Balance};

pub(super) struct Pool {
    pub name: Arc<str>,
    pub config: config::Pool,
    budget: Budget,
    pub gate: Gate,
    budget_left: prometheus::Gauge,
    pub metrics: OriginMetrics,
    pub s3: Option<S3>,
    pub maker: Maker,
    set: ArcSwap<MemberSet>,
    slots: Mutex<Vec<Slot>>,
    /// Configured members whose first resolution is not over.
    unresolved: watch::Sender<usize>,
    in_flight: Arc<AtomicU64>,
    turn: AtomicU64,
}

/// One configured member and what it stands for now.
#[derive(Default)]
struct Slot {
    found: Vec<Found>,
    asked: bool,
}

/// A server's name and the addresses it has now.
#[derive(Clone)]
pub(super) struct Found {
    pub origin: Arc<Origin>,
    /// Sorted, each once.
    pub addresses: Vec<Address>,
}

impl Found {
    pub(super) fn new(origin: Arc<Origin>, mut addresses: Vec<Address>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        Self { origin, addresses }
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.origin, &other.origin) && self.addresses == other.addresses
    }
}

#[derive(Default)]
struct MemberSet {
    members: Vec<Arc<Member>>,
    ring: Ring,
}

impl MemberSet {
    /// Who else than `member` there is.
    fn company(&self, member: &Member) -> Company {
        let mut others = self.members.iter().filter(|other| other.place.identity != member.place.identity);
        match (self.members.len(), others.any(|other| other.is_up())) {
            (..=1, _) => Company::None,
            (_, false) => Company::Down,
            (_, true) => Company::Up,
        }
    }
}

/// A pool to ask. The default is none: every request to it fails.
#[derive(Clone, Default)]
pub struct PoolHandle(pub(super) Option<Arc<Pool>>);

impl std::fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PoolHandle").field(&self.0.as_ref().map(|pool| &pool.name)).finish()
    }
}

impl Pool {
    /// A pool whose members have no address yet; see [`Pool::set`].
    pub(super) fn new(config: config::Pool, s3: Option<S3>, maker: Maker, metrics: OriginMetrics) -> Self {
        let slots: Vec<_> = config.members.iter().map(|_| Slot::default()).collect();
        Self {
            name: config.name.as_str().into(),
            gate: Gate::new(&config),
            budget_left: metrics.budget.with_label_values(&[config.name.as_str()]),
            budget: Budget::new(config.retry.budget, Instant::now()),
            s3,
            maker,
            metrics,
            set: ArcSwap::from_pointee(MemberSet::default()),
            unresolved: watch::Sender::new(slots.len()),
            slots: Mutex::new(slots),
            in_flight: Arc::default(),
            turn: AtomicU64::new(random()),
            config,
        }
    }

    /// What a configured member stands for now; `None` when the resolution failed, which keeps what it had.
    pub(super) fn set(&self, slot: usize, found: Option<Vec<Found>>) {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get_mut(slot) {
            let first = !std::mem::replace(&mut slot.asked, true);
            if let Some(found) = found {
                let same = found.len() == slot.found.len()
                    && found.iter().zip(&slot.found).all(|(new, old)| new.is_same(old));
                if !same {
                    slot.found = found;
                    self.rebuild(&slots);
                }
            }
            if first {
                self.unresolved.send_modify(|left| *left = left.saturating_sub(1));
            }
        }
    }

    /// What a configured member stood for when it was last resolved.
    pub(super) fn found(&self, slot: usize) -> Vec<Found> {
        self.slots.lock().get(slot).map(|slot| slot.found.clone()).unwrap_or_default()
    }

    /// Members that stay keep their state: breaker, load, connections.
    fn rebuild(&self, slots: &[Slot]) {
        let old = self.set.load();
        let known: HashMap<(usize, Address), &Arc<Member>> =
            old.members.iter().map(|m| ((Arc::as_ptr(&m.origin) as usize, m.address), m)).collect();
        let mut members: Vec<Arc<Member>> = Vec::new();
        for found in slots.iter().flat_map(|slot| &slot.found) {
            for &address in &found.addresses {
                let kept = known.get(&(Arc::as_ptr(&found.origin) as usize, address)).map(|m| Arc::clone(m));
                members.push(kept.unwrap_or_else(|| Arc::new(Member::new(found.origin.clone(), address))));
            }
        }
        let places: Vec<_> = members.iter().map(|m| m.place).collect();
        tracing::info!(pool = %self.name, members = members.len(), "pool has new members");
        self.set.store(Arc::new(MemberSet { ring: Ring::new(&places), members }));
    }

    /// Whether all members are down, or there is none although all names were asked for. A member is down when it is
    /// out, and when nobody could connect to it the last time that somebody tried.
    pub(super) fn is_down(&self) -> bool {
        let set = self.set.load();
        match set.members.is_empty() {
            true => *self.unresolved.borrow() == 0,
            false => set.members.iter().all(|member| !member.is_up() || member.is_unreachable()),
        }
    }

    /// Its members now.
    pub(super) fn members(&self) -> Vec<Arc<Member>> {
        self.set.load().members.clone()
    }

    /// Waits for the first resolution of a name, but only if there is nobody to ask.
    ///
    /// # Errors
    /// `Unresolved` if no name has an address in time.
    pub(super) async fn ready(&self) -> Result<(), FetchError> {
        if !self.set.load().members.is_empty() {
            return Ok(());
        }
        let mut unresolved = self.unresolved.subscribe();
        let some = unresolved.wait_for(|left| *left == 0 || !self.set.load().members.is_empty());
        // Over time or not, what counts is whether somebody is there.
        let _ = tokio::time::timeout(self.config.timeouts.connect, some).await;
        if self.set.load().members.is_empty() {
            return Err(FetchError::Unresolved(self.name.clone()));
        }
        Ok(())
    }

    /// The member for `key` that was not tried yet. In this order: up and with room in the pool's own zone, up
    /// with room elsewhere, up without room, then ones that health checks call down (when all are, the checks are
    /// as likely wrong as the members), each only as its breaker admits. When all were tried, they are tried again.
    pub(super) fn choose(&self, key: u64, tried: &[u64]) -> Option<Attempt> {
        let set = self.set.load();
        let now = Instant::now();
        let at_home = |m: &Member| {
            !m.origin.spare && (self.config.zone.is_empty() || m.origin.zone == self.config.zone)
        };
        let weight_of = |fits: &dyn Fn(&Member) -> bool| -> u64 {
            set.members.iter().filter(|m| m.is_up() && fits(m)).map(|m| u64::from(m.place.weight)).sum()
        };
        // Those who share the load: the zone's own members while one of them is up, otherwise all.
        let sharing = match weight_of(&at_home) {
            0 => weight_of(&|_| true),
            home => home,
        };
        let total = self.in_flight.load(Ordering::Relaxed) + 1;
        let has_room = |m: &Member| {
            self.config.balance != Balance::Ring
                || m.in_flight() < capacity(self.config.load_bound, total, m.place.weight, sharing)
        };
        let stages: [&dyn Fn(&Member) -> bool; 5] = [
            &|m| m.is_up() && at_home(m) && has_room(m),
            &|m| m.is_up() && at_home(m),
            &|m| m.is_up() && has_room(m),
            &|m| m.is_healthy(),
            &|_| true,
        ];
        let start = self.start(&set);
        let begin = |m: &Arc<Member>| Attempt::begin(m, &self.in_flight, set.company(m), now);
        for tried in [tried, &[]] {
            // A member whose ejection is over gets its trial when a request comes that would have been its own.
            let first = self.order(&set, key, start).find(|m| !tried.contains(&m.place.identity));
            if let Some(attempt) = first.filter(|m| !m.is_up() && m.is_healthy()).and_then(begin) {
                return Some(attempt);
            }
            for fits in stages {
                let mut fitting =
                    self.order(&set, key, start).filter(|m| !tried.contains(&m.place.identity) && fits(m));
                if let Some(attempt) = fitting.find_map(begin) {
                    return Some(attempt);
                }
            }
        }
        None
    }

    /// A request came: it pays its share for retries.
    pub(super) fn deposit(&self) {
        self.budget_left.set(self.budget.deposit());
    }

    /// Takes a retry out of the budget, if it is not spent.
    pub(super) fn spend(&self) -> bool {
        let granted = self.budget.withdraw(Instant::now());
        let counter = if granted { &self.metrics.retries } else { &self.metrics.budget_exhausted };
        counter.with_label_values(&[self.name.as_ref()]).inc();
        granted
    }

    /// Whether a member is up that was not tried yet.
    pub(super) fn has_another(&self, tried: &[u64]) -> bool {
        self.set.load().members.iter().any(|m| m.is_up() && !tried.contains(&m.place.identity))
    }

    /// Leave to ask a member that is not one of the set, if its breaker gives it.
    pub(super) fn begin(&self, member: &Arc<Member>) -> Option<Attempt> {
        Attempt::begin(member, &self.in_flight, Company::Up, Instant::now())
    }

    /// Whether `member` can be ejected for what may be the request's fault: an answer like all others would have
    /// given, or a slow one. Half of the pool stays in whatever is asked, so that no client can empty a pool by
    /// asking for what fails everywhere.
    pub(super) fn can_spare(&self, member: &Member) -> bool {
        let set = self.set.load();
        let is_other = |other: &&Arc<Member>| other.place.identity != member.place.identity;
        let down = set.members.iter().filter(is_other).filter(|other| !other.is_up()).count();
        (down + 1) * 2 <= set.members.len()
    }

    /// Where members that are not on a ring begin.
    fn start(&self, set: &MemberSet) -> u64 {
        let count = set.members.len().max(1) as u64;
        match self.config.balance {
            Balance::Ring => 0,
            Balance::RoundRobin => self.turn.fetch_add(1, Ordering::Relaxed) % count,
            Balance::LeastRequests => {
                // The less loaded of two different random ones.
                let one = random() % count;
                let other = (one + 1 + random() % (count.max(2) - 1)) % count;
                let load = |n: u64| set.members.get(n as usize).map_or(0, |m| m.in_flight());
                if load(other) < load(one) { other } else { one }
            }
        }
    }

    /// All members, the preferred first.
    fn order<'a>(
        &self,
        set: &'a MemberSet,
        key: u64,
        start: u64,
    ) -> Box<dyn Iterator<Item = &'a Arc<Member>> + 'a> {
        let members = &set.members;
        match self.config.balance {
            Balance::Ring => Box::new(set.ring.walk(key).filter_map(|i| members.get(i))),
            Balance::RoundRobin | Balance::LeastRequests => {
                Box::new(members.iter().cycle().skip(start as usize).take(members.len()))
            }
        }
    }
}
