//! Slices on their way, for all who want to read them.
//!
//! A [`Run`] is one origin response that brings adjacent slices. Each slice it is going to bring is claimed in
//! [`Flights`], so that whoever wants the slice reads it there instead of asking again. Readers say how far they
//! are: the producer goes at most [`AHEAD`] slices further than the fastest, and stops at the next border when
//! nobody is left.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::growing::{Broken, Growing};
use super::key::{KeyHash, Prehashed};
use super::slice::Manifest;

/// How many slices a producer may be ahead of the fastest reader: what is held in RAM for one response.
pub const AHEAD: u64 = 4;

const SHARDS: usize = 64;

type Shard = Mutex<HashMap<KeyHash, Arc<Flight>, Prehashed>>;

/// The slices under way, by where they will be kept.
#[derive(Debug)]
pub struct Flights {
    shards: [Shard; SHARDS],
}

impl Default for Flights {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

/// One slice under way.
#[derive(Debug)]
pub struct Flight {
    /// What has arrived.
    pub body: Arc<Growing>,
    /// What brings it.
    pub run: Arc<Run>,
}

impl Flights {
    /// The slice under way.
    pub fn get(&self, manifest: &Manifest, index: u64) -> Option<Arc<Flight>> {
        let place = manifest.place(index);
        let flight = self.shard(place).lock().get(&place).cloned()?;
        (*flight.run.manifest == *manifest).then_some(flight)
    }

    /// Promises the slice, to be brought by `run`; `None` if somebody does already.
    pub fn claim(self: &Arc<Self>, run: &Arc<Run>, index: u64) -> Option<Claim> {
        let place = run.manifest.place(index);
        let mut shard = self.shard(place).lock();
        if shard.get(&place).is_some_and(|other| *other.run.manifest == *run.manifest) {
            return None;
        }
        let flight = Arc::new(Flight { body: Arc::default(), run: Arc::clone(run) });
        shard.insert(place, Arc::clone(&flight));
        drop(shard);
        Some(Claim { flights: Arc::clone(self), place, flight, index })
    }

    fn shard(&self, hash: KeyHash) -> &Shard {
        &self.shards[(hash.0 >> 120) as usize % SHARDS]
    }
}

/// Keeps a slice listed. Dropped before it is finished, those who read it are told to look elsewhere.
#[derive(Debug)]
pub struct Claim {
    flights: Arc<Flights>,
    place: KeyHash,
    flight: Arc<Flight>,
    /// Which slice.
    pub index: u64,
}

impl Claim {
    /// Where it arrives.
    pub fn body(&self) -> &Arc<Growing> {
        &self.flight.body
    }

    /// Says how it ended. Who hears of it and looks again finds it no longer under way.
    pub fn finish(self, how: Result<(), Broken>) {
        self.unlist();
        self.flight.body.finish(how);
    }

    fn unlist(&self) {
        let mut shard = self.flights.shard(self.place).lock();
        if shard.get(&self.place).is_some_and(|listed| Arc::ptr_eq(listed, &self.flight)) {
            shard.remove(&self.place);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.unlist();
        self.flight.body.finish(Err(Broken::Abandoned));
    }
}

/// One origin response that brings adjacent slices, and who wants them.
#[derive(Debug)]
pub struct Run {
    /// Whose slices.
    pub manifest: Arc<Manifest>,
    state: Mutex<Wanted>,
    changed: Notify,
}

#[derive(Debug)]
struct Wanted {
    /// The slices it may bring: from the first to before the end.
    first: u64,
    end: u64,
    /// Slices before this are brought whoever wants them.
    keep: u64,
    /// The slice that the fastest reader is at.
    reached: u64,
    readers: usize,
    /// The slices from `reached` on that have been begun. A tier that is full need not have taken them.
    recent: VecDeque<(u64, Arc<Growing>)>,
}

impl Run {
    /// Brings the slices from `first` to before `end`, those before `keep` in any case.
    pub fn new(manifest: Arc<Manifest>, first: u64, end: u64, keep: u64) -> Arc<Self> {
        let wanted = Wanted { first, end, keep, reached: first, readers: 0, recent: VecDeque::new() };
        Arc::new(Self { manifest, state: Mutex::new(wanted), changed: Notify::new() })
    }

    /// Whether it is to bring this slice.
    pub fn covers(&self, index: u64) -> bool {
        let state = self.state.lock();
        (state.first..state.end).contains(&index)
    }

    /// Whether it brings nothing at or behind this slice.
    pub fn ends_by(&self, index: u64) -> bool {
        self.state.lock().end <= index
    }

    /// It brings nothing from `index` on.
    pub fn end_at(&self, index: u64) {
        let mut state = self.state.lock();
        state.end = state.end.min(index);
    }

    /// Slices before `index` are to be brought whoever wants them, as far as it goes.
    pub fn keep_to(&self, index: u64) {
        let mut state = self.state.lock();
        state.keep = state.keep.max(index.min(state.end));
        drop(state);
        self.changed.notify_one();
    }

    /// The producer is about to bring this slice.
    pub fn begin(&self, index: u64, body: &Arc<Growing>) {
        self.state.lock().recent.push_back((index, Arc::clone(body)));
    }

    /// Waits until this slice is wanted; false if it will not be.
    pub async fn wanted(&self, index: u64) -> bool {
        loop {
            if let Some(wanted) = self.is_wanted(index) {
                return wanted;
            }
            self.changed.notified().await;
        }
    }

    fn is_wanted(&self, index: u64) -> Option<bool> {
        let state = self.state.lock();
        if index < state.keep {
            return Some(true);
        }
        if index >= state.end || state.readers == 0 {
            return Some(false);
        }
        (index <= state.reached.saturating_add(AHEAD)).then_some(true)
    }
}

/// Somebody reads what a run brings.
#[derive(Debug)]
pub struct Interest(Arc<Run>);

impl Interest {
    /// Counts a reader in.
    pub fn new(run: &Arc<Run>) -> Self {
        run.state.lock().readers += 1;
        Self(Arc::clone(run))
    }

    /// What is read.
    pub fn run(&self) -> &Arc<Run> {
        &self.0
    }

    /// The reader has come to this slice; it is given if the run still holds it.
    pub fn reach(&self, index: u64) -> Option<Arc<Growing>> {
        let mut state = self.0.state.lock();
        if index > state.reached {
            state.reached = index.min(state.end);
            let reached = state.reached;
            state.recent.retain(|(index, _)| *index >= reached);
        }
        let body = state.recent.iter().find(|(recent, _)| *recent == index).map(|(_, body)| Arc::clone(body));
        drop(state);
        self.0.changed.notify_one();
        body
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.state.lock().readers -= 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{Key, KeyText};
    use super::*;
    use http::HeaderValue;

    fn run(first: u64, end: u64) -> Arc<Run> {
        let key = Key::new(KeyText::from_slice(b"k"));
        let etag = HeaderValue::from_static("\"a\"");
        let manifest = Manifest::new(&key, None, Some(&etag), 1000, 10, 0).unwrap();
        Run::new(Arc::new(manifest), first, end, first + 1)
    }

    #[test]
    fn a_slice_is_claimed_once_and_free_when_the_claim_is_gone() {
        let (flights, run) = (Arc::new(Flights::default()), run(0, 100));
        let claim = flights.claim(&run, 3).unwrap();
        assert!(flights.claim(&run, 3).is_none());
        let flight = flights.get(&run.manifest, 3).unwrap();
        assert!(flights.get(&run.manifest, 4).is_none());
        drop(claim);
        assert!(flights.get(&run.manifest, 3).is_none());
        assert!(flights.claim(&run, 3).is_some());
        assert!(flight.body.take_whole().is_none(), "nobody brought it");
    }

    #[tokio::test]
    async fn the_producer_keeps_near_the_fastest_reader() {
        let run = run(10, 100);
        assert!(run.wanted(10).await, "the first is brought whoever wants it");
        assert!(!run.wanted(11).await, "nobody does");
        let (slow, fast) = (Interest::new(&run), Interest::new(&run));
        assert!(run.wanted(10 + AHEAD).await);
        assert_eq!(run.is_wanted(11 + AHEAD), None, "not yet");
        let waiting = tokio::spawn({
            let run = Arc::clone(&run);
            async move { run.wanted(11 + AHEAD).await }
        });
        tokio::task::yield_now().await;
        fast.reach(11);
        assert!(waiting.await.unwrap());
        drop(fast);
        assert!(run.wanted(11 + AHEAD).await);
        drop(slow);
        assert!(!run.wanted(11 + AHEAD).await);
    }

    #[tokio::test]
    async fn a_run_that_ends_earlier_wants_nothing_beyond() {
        let run = run(0, 100);
        let reader = Interest::new(&run);
        run.end_at(2);
        assert!(run.covers(1) && !run.covers(2));
        assert!(!run.wanted(2).await);
        run.keep_to(50);
        assert!(run.wanted(1).await && !run.wanted(2).await);
        drop(reader);
        assert!(run.wanted(1).await, "it was to be kept");
    }

    #[test]
    fn what_the_fastest_has_passed_is_let_go() {
        let run = run(0, 100);
        let reader = Interest::new(&run);
        for index in 0..3 {
            run.begin(index, &Arc::default());
        }
        assert!(reader.reach(1).is_some());
        assert!(reader.reach(0).is_none());
        assert!(reader.reach(2).is_some());
    }
}
