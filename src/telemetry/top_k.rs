//! A Space-Saving sketch that forgets: the heaviest of unboundedly many keys in a few kilobytes.
//!
//! Metwally et al., "Efficient Computation of Frequent and Top-k Elements in Data Streams". A new key takes the place
//! of the lightest and inherits its count as its possible error, so `count - error` is what was surely seen.
//! Everything is halved each minute, so what was heavy yesterday is not heavy now.

use std::time::Duration;

use crate::http::time::Time;

/// Keys a sketch holds. A key with more than one in so many requests is surely among them.
const CAPACITY: usize = 256;
/// Counts are halved this often.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// What has decayed to this is forgotten.
const FORGOTTEN: f64 = 0.25;

/// A key and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) text: Box<str>,
    /// Requests, at most; decayed.
    count: f64,
    /// How many of `count` may have been other keys'.
    error: f64,
    /// Bytes sent; decayed.
    pub(super) bytes: f64,
}

impl Entry {
    /// Requests that were surely this key's.
    pub(super) fn hits(&self) -> f64 {
        self.count - self.error
    }
}

/// One thread's sketch.
pub(super) struct TopK {
    /// The entries' hashes on their own: a lookup scans 2 KiB instead of the entries.
    hashes: Vec<u64>,
    entries: Vec<Entry>,
    /// No entry's count is below this, once the sketch is full: counts only grow until they are halved.
    floor: f64,
    /// Where the search for the lightest goes on. Together with `floor` it makes a search a step or two, where
    /// looking at all entries was two thirds of a sample's cost.
    cursor: usize,
    /// When counts were last halved.
    halved: Time,
    /// Seconds the counts speak of up to `halved`, decayed as they are: what makes a rate of a count.
    before: f64,
}

impl TopK {
    pub(super) fn new(now: Time) -> Self {
        Self {
            hashes: Vec::with_capacity(CAPACITY),
            entries: Vec::with_capacity(CAPACITY),
            floor: 0.0,
            cursor: 0,
            halved: now,
            before: 0.0,
        }
    }

    /// Counts `weight` requests of a key; `text` is asked for only when the key is new here.
    pub(super) fn add(&mut self, hash: u64, weight: f64, bytes: f64, text: impl FnOnce() -> Box<str>) {
        if let Some(at) = self.hashes.iter().position(|&h| h == hash) {
            let entry = &mut self.entries[at];
            entry.count += weight;
            entry.bytes += bytes;
        } else if self.entries.len() < CAPACITY {
            self.hashes.push(hash);
            self.entries.push(Entry { hash, text: text(), count: weight, error: 0.0, bytes });
        } else {
            let at = self.lightest();
            let error = self.entries[at].count;
            self.entries[at] = Entry { hash, text: text(), count: error + weight, error, bytes };
            self.hashes[at] = hash;
        }
    }

    /// An entry with the least count; the sketch is not empty.
    fn lightest(&mut self) -> usize {
        let light = |floor: f64| move |entry: &Entry| entry.count <= floor;
        let after = self.entries[self.cursor..].iter().position(light(self.floor)).map(|at| at + self.cursor);
        let found = after.or_else(|| self.entries[..self.cursor].iter().position(light(self.floor)));
        self.cursor = found.unwrap_or_else(|| {
            let (at, least) = self
                .entries
                .iter()
                .map(|entry| entry.count)
                .enumerate()
                .fold((0, f64::INFINITY), |least, next| if next.1 < least.1 { next } else { least });
            self.floor = least;
            at
        });
        self.cursor
    }

    /// Halves the counts once for each half-life that has passed.
    pub(super) fn decay(&mut self, now: Time) {
        let passed = now.since(self.halved).as_secs() / HALF_LIFE.as_secs();
        if passed == 0 {
            return;
        }
        self.halved = self.halved.plus(HALF_LIFE * u32::try_from(passed).unwrap_or(u32::MAX));
        // After some dozens of half-lives nothing is left.
        for _ in 0..passed.min(64) {
            self.before = (self.before + HALF_LIFE.as_secs_f64()) / 2.0;
            for entry in &mut self.entries {
                entry.count /= 2.0;
                entry.error /= 2.0;
                entry.bytes /= 2.0;
            }
        }
        self.entries.retain(|entry| entry.hits() > FORGOTTEN);
        (self.floor, self.cursor) = (0.0, 0);
        self.hashes.clear();
        self.hashes.extend(self.entries.iter().map(|entry| entry.hash));
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Seconds that the counts speak of, at least one.
    pub(super) fn window(&self, now: Time) -> f64 {
        (self.before + now.since(self.halved).as_secs_f64()).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(top: &mut TopK, hash: u64) {
        top.add(hash, 1.0, 10.0, || hash.to_string().into());
    }

    #[test]
    fn a_new_key_takes_the_lightest_place_and_its_error() {
        let mut top = TopK::new(Time(0));
        for hash in 0..CAPACITY as u64 {
            add(&mut top, hash);
            add(&mut top, hash);
        }
        add(&mut top, 7);
        add(&mut top, 1_000_000);
        assert_eq!(top.entries().len(), CAPACITY);
        let new = top.entries().iter().find(|e| e.hash == 1_000_000).unwrap();
        assert_eq!((new.count, new.error, new.hits(), &*new.text), (3.0, 2.0, 1.0, "1000000"));
        let kept = top.entries().iter().find(|e| e.hash == 7).unwrap();
        assert_eq!((kept.hits(), kept.bytes), (3.0, 30.0));
    }

    #[test]
    fn the_lightest_is_found_whatever_came_before() {
        let mut top = TopK::new(Time(0));
        let mut state = 1u64;
        for i in 0..20_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = if i % 3 == 0 { state >> 60 } else { state >> 50 };
            top.add(key, ((state >> 40) % 5 + 1) as f64, 0.0, || "".into());
            if i == 10_000 {
                top.decay(Time::from_secs(60));
            }
            if top.entries.len() == CAPACITY {
                let least = top.entries.iter().map(|e| e.count).fold(f64::INFINITY, f64::min);
                let at = top.lightest();
                assert_eq!(top.entries[at].count, least, "{i}");
            }
        }
    }

    #[test]
    fn no_key_above_its_share_is_missed() {
        let mut top = TopK::new(Time(0));
        for i in 0..100_000u64 {
            add(&mut top, if i % 100 == 0 { 42 } else { 1_000 + i });
        }
        let heavy = top.entries().iter().find(|e| e.hash == 42).unwrap();
        assert!(heavy.count >= 1000.0 && heavy.hits() <= 1000.0, "{heavy:?}");
    }

    #[test]
    fn counts_halve_and_then_vanish() {
        let mut top = TopK::new(Time(0));
        (0..8).for_each(|_| add(&mut top, 1));
        top.decay(Time::from_secs(59));
        assert_eq!(top.entries()[0].hits(), 8.0);
        top.decay(Time::from_secs(60));
        assert_eq!((top.entries()[0].hits(), top.entries()[0].bytes), (4.0, 40.0));
        top.decay(Time::from_secs(185));
        assert_eq!(top.entries()[0].hits(), 1.0);
        top.decay(Time::from_secs(1_000_000_000));
        assert!(top.entries().is_empty() && top.hashes.is_empty());
        add(&mut top, 1);
        assert_eq!(top.entries().len(), 1);
    }

    #[test]
    fn a_steady_rate_is_told_at_any_age() {
        let mut top = TopK::new(Time(0));
        for second in 0..600 {
            top.decay(Time::from_secs(second));
            (0..5).for_each(|_| add(&mut top, 1));
            let now = Time::from_secs(second + 1);
            let rate = top.entries()[0].hits() / top.window(now);
            assert!((rate - 5.0).abs() < 0.01, "{second}: {rate}");
        }
    }
}
