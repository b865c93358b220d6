//! Which hashes were seen lately: what is seen once is not worth the flash's wear.
//!
//! Two Bloom filters. Hashes are noted in the current one; when it is full it becomes the previous one, and that
//! one is forgotten. So a hash is remembered for one to two fillings.
//!
//! A filling is as many hashes as the tier keeps entries, once it is full and within what the filters are made for.
//! What comes back later than that is not worth the place of what it pushes out: against fillings of a fixed size,
//! two and a half times that, the trace of `benches/trace.rs` has 0.8 points more hits with 30 % fewer bytes written.

use super::super::key::KeyHash;

/// Bits per expected hash, [`PROBES`] of them set: when both filters are full, 5 % of the hashes that were not
/// seen look as if.
const BITS: usize = 8;
const PROBES: u32 = 4;
/// A filling is at least this part of what the filters are made for, however few entries are left.
const LEAST: usize = 4;
/// Hashes noted between two looks at how many entries there are.
const LOOK: usize = 256;

/// The two filters; 2 bytes per expected hash.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    current: Vec<u64>,
    previous: Vec<u64>,
    noted: usize,
    expected: usize,
}

impl Doorkeeper {
    /// Remembers at most between `expected` hashes and twice as many.
    pub fn new(expected: usize) -> Self {
        let words = (expected * BITS).div_ceil(64).max(1);
        Self { current: vec![0; words], previous: vec![0; words], noted: 0, expected: expected.max(1) }
    }

    /// Whether the hash was seen lately; from now on it was. `entries` says how many the tier keeps.
    pub fn saw(&mut self, hash: KeyHash, entries: impl FnOnce() -> usize) -> bool {
        let bits = self.bits(hash);
        let in_current = bits.iter().all(|(word, bit)| self.current[*word] & bit != 0);
        if in_current {
            return true;
        }
        let in_previous = bits.iter().all(|(word, bit)| self.previous[*word] & bit != 0);
        bits.iter().for_each(|(word, bit)| self.current[*word] |= bit);
        self.noted += 1;
        if self.is_full(entries) {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.fill(0);
            self.noted = 0;
        }
        in_previous
    }

    fn is_full(&self, entries: impl FnOnce() -> usize) -> bool {
        self.noted >= self.expected
            || (self.noted >= self.expected / LEAST
                && self.noted.is_multiple_of(LOOK)
                && self.noted >= entries())
    }

    fn bits(&self, hash: KeyHash) -> [(usize, u64); PROBES as usize] {
        // Both halves are well mixed: double hashing.
        let (start, step) = (hash.0 as u64, (hash.0 >> 64) as u64 | 1);
        std::array::from_fn(|i| {
            let mixed = start.wrapping_add(step.wrapping_mul(i as u64));
            let word = (u128::from(mixed) * self.current.len() as u128) >> 64;
            (word as usize, 1 << (mixed & 63))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    fn hash(i: u64) -> KeyHash {
        KeyHash(xxh3_128(&i.to_le_bytes()))
    }

    fn many() -> usize {
        usize::MAX
    }

    #[test]
    fn the_second_time_is_known_and_the_first_mostly_not() {
        let mut door = Doorkeeper::new(10_000);
        let first = (0..9_000).filter(|i| door.saw(hash(*i), many)).count();
        assert!(first < 300, "{first} of 9000 taken for known");
        assert!((0..9_000).all(|i| door.saw(hash(i), many)));
    }

    #[test]
    fn what_was_seen_long_ago_is_forgotten() {
        let mut door = Doorkeeper::new(1_000);
        door.saw(hash(0), many);
        for i in 1..1_500 {
            door.saw(hash(i), many);
        }
        assert!(door.saw(hash(0), many), "within two fillings");
        for i in 2_000..4_500 {
            door.saw(hash(i), many);
        }
        let known = (1..1_000).filter(|i| door.saw(hash(*i), many)).count();
        assert!(known < 100, "{known} of 999 remembered");
    }

    #[test]
    fn a_tier_of_few_entries_remembers_for_less_time() {
        let known = |entries: usize| {
            let mut door = Doorkeeper::new(20_000);
            (0..18_000).for_each(|i| _ = door.saw(hash(i), || entries));
            (0..1_000).filter(|i| door.saw(hash(*i), || entries)).count()
        };
        assert_eq!(known(20_000), 1_000);
        assert!(known(6_000) < 100, "{} known after three fillings", known(6_000));
        let mut door = Doorkeeper::new(20_000);
        (0..4_900).for_each(|i| _ = door.saw(hash(i), || 0));
        assert!((0..4_900).all(|i| door.saw(hash(i), || 0)), "it is a quarter at least");
    }
}
