//! The busiest cache keys, now: what `/hot` answers.
//!
//! Each worker thread samples its own requests into its own sketch. While it sees few, each is counted; above
//! that one in [`STRIDE`], and counted as that many. A request that is not sampled costs three relaxed atomic
//! operations on a line of the thread's own; one that is costs a lock nobody else wants and a scan of 2 KiB.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::Serialize;

use super::record::cut;
use super::top_k::TopK;
use crate::http::time::Time;

/// The first so many requests of a second are all counted.
const ALL: u64 = 64;
/// Then one in so many.
const STRIDE: u64 = 32;
/// Bytes of a key's text that are kept.
const TEXT: usize = 1024;

/// The sketches of all threads.
#[derive(Default)]
pub struct HotKeys {
    shards: Mutex<Vec<Arc<HotShard>>>,
}

/// One worker thread's sketch.
#[repr(align(128))]
pub struct HotShard {
    /// The second that `seen` counts in.
    second: AtomicU64,
    seen: AtomicU64,
    top: Mutex<TopK>,
}

/// A key of `/hot`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HotKey {
    /// The key's text.
    pub key: String,
    /// Requests a second, averaged over about the last two minutes.
    pub rate: f64,
    /// Requests, decayed: one of a minute ago counts half. An estimate that is never above the truth but for
    /// sampling.
    pub hits: u64,
    /// Bytes sent, decayed likewise.
    pub bytes: u64,
}

impl HotKeys {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// For one worker thread.
    pub fn shard(&self, now: Time) -> Arc<HotShard> {
        let shard = Arc::new(HotShard {
            second: AtomicU64::new(now.secs()),
            seen: AtomicU64::new(0),
            top: Mutex::new(TopK::new(now)),
        });
        self.shards.lock().push(shard.clone());
        shard
    }

    /// The `n` busiest keys over all threads, busiest first.
    pub fn busiest(&self, now: Time, n: usize) -> Vec<HotKey> {
        let shards = self.shards.lock().clone();
        let mut keys: HashMap<u64, (HotKey, f64, f64)> = HashMap::new();
        for shard in shards {
            let mut top = shard.top.lock();
            top.decay(now);
            let window = top.window(now);
            for entry in top.entries() {
                let (key, hits, bytes) = keys.entry(entry.hash).or_insert_with(|| {
                    (HotKey { key: entry.text.to_string(), rate: 0.0, hits: 0, bytes: 0 }, 0.0, 0.0)
                });
                *hits += entry.hits();
                *bytes += entry.bytes;
                key.rate += entry.hits() / window;
            }
        }
        let mut keys: Vec<_> = keys.into_values().collect();
        keys.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.key.cmp(&b.0.key)));
        keys.truncate(n);
        keys.into_iter()
            .map(|(key, hits, bytes)| HotKey {
                rate: (key.rate * 1000.0).round() / 1000.0,
                hits: hits.round() as u64,
                bytes: bytes.round() as u64,
                ..key
            })
            .collect()
    }
}

impl HotShard {
    /// A request for the key with this hash, answered with `bytes`. `text` is called only if the key is sampled
    /// and new here; it must not hold any part of a signature.
    pub fn touch<T: Into<String>>(&self, now: Time, hash: u64, bytes: u64, text: impl FnOnce() -> T) {
        let second = now.secs();
        let seen = if self.second.load(Relaxed) == second {
            let seen = self.seen.load(Relaxed);
            self.seen.store(seen + 1, Relaxed);
            seen
        } else {
            self.second.store(second, Relaxed);
            self.seen.store(1, Relaxed);
            0
        };
        let weight = if seen < ALL {
            1.0
        } else if picked(seen ^ second) {
            STRIDE as f64
        } else {
            return;
        };
        self.count(now, hash, weight, bytes, || {
            let mut text = text().into();
            cut(&mut text, TEXT);
            text.into_boxed_str()
        });
    }

    #[cold]
    fn count(&self, now: Time, hash: u64, weight: f64, bytes: u64, text: impl FnOnce() -> Box<str>) {
        let mut top = self.top.lock();
        top.decay(now);
        top.add(hash, weight, weight * bytes as f64, text);
    }
}

/// One in [`STRIDE`], spread so that requests that come in a fixed order are not always or never picked.
fn picked(n: u64) -> bool {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> (64 - STRIDE.trailing_zeros()) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zipf-like stream without a random crate: rank r with a weight of 1/r, over `keys` keys.
    fn zipf(keys: u64, draws: u64) -> impl Iterator<Item = u64> {
        let total: f64 = (1..=keys).map(|r| 1.0 / r as f64).sum();
        let sums: Vec<f64> = (1..=keys)
            .scan(0.0, |sum, r| {
                *sum += 1.0 / r as f64 / total;
                Some(*sum)
            })
            .collect();
        let mut state = 1u64;
        (0..draws).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let x = (state >> 11) as f64 / (1u64 << 53) as f64;
            sums.partition_point(|&sum| sum < x) as u64
        })
    }

    #[test]
    fn the_heavy_ones_of_a_zipf_stream_are_found() {
        let hot = HotKeys::new();
        let shards = [hot.shard(Time(0)), hot.shard(Time(0))];
        let draws = 400_000;
        for (i, rank) in zipf(20_000, draws).enumerate() {
            // Ten seconds, 20,000 requests a second and thread.
            let now = Time(i as u64 * 10_000 / draws);
            shards[i % 2].touch(now, rank, 100, || format!("/{rank}"));
        }
        let busiest = hot.busiest(Time::from_secs(10), 20);
        assert_eq!(busiest.len(), 20);
        for rank in 0..8 {
            let at = busiest.iter().position(|k| k.key == format!("/{rank}"));
            assert!(at.is_some_and(|at| at.abs_diff(rank) <= 4), "rank {rank} at {at:?}");
        }
        // 1/H(20000), 9.5 %, of the draws are the first key's.
        let first = &busiest[0];
        let share = first.hits as f64 / draws as f64;
        assert!((0.08..0.11).contains(&share), "{share}");
        assert!((first.rate - first.hits as f64 / 10.0).abs() < 1.0, "{first:?}");
        assert!((0.9..1.1).contains(&(first.bytes as f64 / 100.0 / first.hits as f64)), "{first:?}");
    }

    #[test]
    fn a_handful_of_requests_is_counted_exactly() {
        let hot = HotKeys::new();
        let (one, two) = (hot.shard(Time(0)), hot.shard(Time(0)));
        for _ in 0..3 {
            one.touch(Time(10), 1, 5, || "/a");
        }
        two.touch(Time(20), 1, 5, || "/a");
        two.touch(Time(20), 2, 7, || "/b");
        let expected = [("/a", 4, 20), ("/b", 1, 7)];
        let busiest = hot.busiest(Time(500), 10);
        let seen: Vec<_> = busiest.iter().map(|k| (k.key.as_str(), k.hits, k.bytes)).collect();
        assert_eq!(seen, expected);
        assert_eq!(hot.busiest(Time(500), 1).len(), 1);
    }

    #[test]
    fn each_second_begins_with_all_counted() {
        let hot = HotKeys::new();
        let shard = hot.shard(Time(0));
        (0..5_000).for_each(|_| shard.touch(Time(1), 1, 0, || "/busy"));
        shard.touch(Time(1_000), 2, 0, || "/quiet");
        assert!(hot.busiest(Time(1_000), 10).iter().any(|k| k.key == "/quiet" && k.hits == 1));
    }

    #[test]
    fn yesterday_is_forgotten() {
        let hot = HotKeys::new();
        let shard = hot.shard(Time(0));
        (0..100).for_each(|_| shard.touch(Time(0), 1, 1, || "/old"));
        shard.touch(Time::from_secs(3600), 2, 1, || "/new");
        let keys: Vec<_> = hot.busiest(Time::from_secs(3600), 10).into_iter().map(|k| k.key).collect();
        assert_eq!(keys, ["/new"]);
    }

    #[test]
    fn alternating_requests_are_sampled_alike() {
        let hot = HotKeys::new();
        let shard = hot.shard(Time(0));
        (0..100_000u64).for_each(|i| shard.touch(Time(0), i % 2, 0, || (i % 2).to_string()));
        let busiest = hot.busiest(Time(0), 2);
        assert!((0.8..1.25).contains(&(busiest[0].hits as f64 / busiest[1].hits as f64)), "{busiest:?}");
    }

    #[test]
    fn a_long_key_is_cut() {
        let hot = HotKeys::new();
        hot.shard(Time(0)).touch(Time(0), 1, 0, || "x".repeat(100_000));
        assert_eq!(hot.busiest(Time(0), 1)[0].key.len(), TEXT + 3);
    }
}
