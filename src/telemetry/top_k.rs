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
        } else if let Some((at, lightest)) =
            self.entries.iter_mut().enumerate().min_by(|a, b| a.1.count.total_cmp(&b.1.count))
        {
            let error = lightest.count;
            *lightest = Entry { hash, text: text(), count: error + weight, error, bytes };
            self.hashes[at] = hash;
        }
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
