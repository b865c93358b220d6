//! A consistent-hash ring: which member a key belongs to, and who is next.
//!
//! Each member stands at [`POINTS`] × weight places that depend on nothing but its own identity, so the ring is
//! the same on every edge and in every process, whatever the order of the configuration, and a member that comes
//! or goes moves only the keys it gains or leaves.

use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Places per unit of weight: a member's share of keys is then within about ±8 % (one standard deviation).
pub const POINTS: u32 = 160;

/// Weights above this count as this; a ring of 100 such members has 4 million places.
pub const MAX_WEIGHT: u32 = 256;

/// A member as the ring sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// A hash of what makes this member itself (its name and address), the same everywhere.
    pub identity: u64,
    /// Its share relative to the others'.
    pub weight: u32,
}

/// Immutable; a change of members makes a new one.
#[derive(Debug, Default)]
pub struct Ring {
    /// Sorted, and apart from `owners`, so that a search touches nothing else.
    points: Vec<u64>,
    /// The member at each point.
    owners: Vec<u32>,
    members: usize,
}

impl Ring {
    /// A ring of these; walks give indices into `places`.
    pub fn new(places: &[Place]) -> Self {
        let mut all: Vec<(u64, u64, u32)> = Vec::new();
        for (index, place) in (0u32..).zip(places) {
            let count = POINTS * place.weight.clamp(1, MAX_WEIGHT);
            // The identity breaks ties, so that two members at one point stand in the same order everywhere.
            all.extend((0..count).map(|n| {
                let at = xxh3_64_with_seed(&n.to_le_bytes(), place.identity);
                (at, place.identity, index)
            }));
        }
        all.sort_unstable();
        Self {
            points: all.iter().map(|(at, ..)| *at).collect(),
            owners: all.iter().map(|(.., index)| *index).collect(),
            members: places.len(),
        }
    }

    /// The member a key belongs to; `None` on an empty ring.
    pub fn owner(&self, key: u64) -> Option<usize> {
        let at = self.points.partition_point(|point| *point < key);
        self.owners.get(at).or_else(|| self.owners.first()).map(|&index| index as usize)
    }

    /// All members, each once, in the order in which the ring meets them from `key` on.
    pub fn walk(&self, key: u64) -> Walk<'_> {
        let at = self.points.partition_point(|point| *point < key);
        Walk { ring: self, at, seen: smallvec![0; self.members.div_ceil(64)], left: self.members }
    }
}

/// An iterator over distinct members. See [`Ring::walk`].
#[derive(Debug)]
pub struct Walk<'a> {
    ring: &'a Ring,
    at: usize,
    seen: SmallVec<[u64; 4]>,
    left: usize,
}

impl Iterator for Walk<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.left > 0 {
            let owners = &self.ring.owners;
            let index = *owners.get(self.at).or_else(|| owners.first())? as usize;
            self.at = if self.at >= owners.len() { 1 } else { self.at + 1 };
            let (word, bit) = (index / 64, 1u64 << (index % 64));
            if let Some(word) = self.seen.get_mut(word)
                && *word & bit == 0
            {
                *word |= bit;
                self.left -= 1;
                return Some(index);
            }
        }
        None
    }
}

/// Requests one member may have in flight when `total` are (the one to be placed included): its weight's share
/// of them times `bound`, rounded up, so that somebody always has room.
pub fn capacity(bound: f64, total: u64, weight: u32, total_weight: u64) -> u64 {
    let share = f64::from(weight.clamp(1, MAX_WEIGHT)) / (total_weight.max(1) as f64);
    (bound.max(1.0) * total as f64 * share).ceil() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(name: &str, weight: u32) -> Place {
        Place { identity: xxh3_64_with_seed(name.as_bytes(), 0), weight }
    }

    fn fleet(name: &str, n: usize) -> Vec<Place> {
        (0..n).map(|i| place(&format!("{name}-{i}.internal:80"), 1)).collect()
    }

    fn key(n: u64) -> u64 {
        xxh3_64_with_seed(&n.to_le_bytes(), 7)
    }

    #[test]
    fn shares_follow_weights() {
        let weighted: Vec<_> = (0..10).map(|i| place(&format!("w{i}"), 1 + i % 4)).collect();
        for places in [fleet("cache", 10), fleet("photos", 10), fleet("10.0.0", 10), weighted] {
            let ring = Ring::new(&places);
            let total: u32 = places.iter().map(|p| p.weight).sum();
            let mut counts = vec![0u32; places.len()];
            (0..100_000).for_each(|n| counts[ring.owner(key(n)).unwrap()] += 1);
            for (place, count) in places.iter().zip(&counts) {
                let fair = 100_000.0 * f64::from(place.weight) / f64::from(total);
                let off = (f64::from(*count) - fair).abs() / fair;
                assert!(off < 0.25, "{off} off its share: {counts:?}");
            }
        }
    }

    #[test]
    fn bounded_load_keeps_everybody_near_the_mean() {
        for (places, total_weight) in [(fleet("cache", 10), 10), (fleet("photos", 10), 10)] {
            let ring = Ring::new(&places);
            let mut load = [0u64; 10];
            for n in 0..100_000 {
                let at = ring
                    .walk(key(n))
                    .find(|&i| load[i] < capacity(1.1, n + 1, 1, total_weight))
                    .expect("somebody has room");
                load[at] += 1;
            }
            assert!(load.iter().all(|l| *l <= 11_000), "{load:?}");
        }
    }

    #[test]
    fn walking_wraps_and_ends() {
        let ring = Ring::new(&fleet("a", 3));
        for at in [0, 1, u64::MAX / 2, u64::MAX] {
            let mut order: Vec<_> = ring.walk(at).collect();
            assert_eq!(order.first().copied(), ring.owner(at));
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        assert_eq!(Ring::new(&[]).walk(3).next(), None);
        assert_eq!(Ring::default().owner(3), None);
        let many = Ring::new(&fleet("many", 300));
        assert_eq!(many.walk(9).count(), 300);
    }

    #[test]
    fn capacity_has_room_for_one_more() {
        assert_eq!(capacity(1.25, 1, 1, 10), 1);
        assert_eq!(capacity(1.25, 100, 1, 10), 13);
        assert_eq!(capacity(1.0, 100, 2, 10), 20);
        assert_eq!(capacity(0.1, 100, 1, 1), 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn order_does_not_matter(n in 2usize..20, swap in any::<prop::sample::Index>(), keys: [u64; 32]) {
            let places = fleet("order", n);
            let mut turned = places.clone();
            turned.rotate_left(swap.index(n));
            turned.swap(0, n - 1);
            let (a, b) = (Ring::new(&places), Ring::new(&turned));
            for key in keys {
                let a: Vec<_> = a.walk(key).map(|i| places[i]).collect();
                let b: Vec<_> = b.walk(key).map(|i| turned[i]).collect();
                prop_assert_eq!(a, b);
            }
        }

        #[test]
        fn a_change_moves_only_what_it_must(n in 3usize..24, gone in any::<prop::sample::Index>()) {
            let places = fleet("move", n);
            let gone = gone.index(n);
            let fewer: Vec<_> = places.iter().enumerate().filter(|(i, _)| *i != gone).map(|(_, p)| *p).collect();
            let (before, after) = (Ring::new(&places), Ring::new(&fewer));
            let (mut moved, keys) = (0, 20_000);
            for k in 0..keys {
                let was = places[before.owner(key(k)).unwrap()];
                let is = fewer[after.owner(key(k)).unwrap()];
                if was != is {
                    moved += 1;
                    prop_assert_eq!(was, places[gone], "a key moved between members that stay");
                }
            }
            let share = f64::from(moved) / keys as f64;
            prop_assert!(share <= 1.3 / n as f64, "{share} of the keys moved, n = {n}");
        }
    }
}
