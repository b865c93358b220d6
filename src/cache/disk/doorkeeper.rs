//! Which hashes were seen lately: what is seen once is not worth the flash's wear.
//!
//! Two Bloom filters. Hashes are noted in the current one; when it is full it becomes the previous one, and that
//! one is forgotten. So a hash is remembered for one to two fillings.

use super::super::key::KeyHash;

/// Bits per expected hash, [`PROBES`] of them set: when both filters are full, 5 % of the hashes that were not
/// seen look as if.
const BITS: usize = 8;
const PROBES: u32 = 4;

/// The two filters; 2 bytes per expected hash.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    current: Vec<u64>,
    previous: Vec<u64>,
    noted: usize,
    expected: usize,
}

impl Doorkeeper {
    /// Remembers between `expected` hashes and twice as many.
    pub fn new(expected: usize) -> Self {
        let words = (expected * BITS).div_ceil(64).max(1);
        Self { current: vec![0; words], previous: vec![0; words], noted: 0, expected: expected.max(1) }
    }

    /// Whether the hash was seen lately; from now on it was.
    pub fn saw(&mut self, hash: KeyHash) -> bool {
        let bits = self.bits(hash);
        let in_current = bits.iter().all(|(word, bit)| self.current[*word] & bit != 0);
        if in_current {
            return true;
        }
        let in_previous = bits.iter().all(|(word, bit)| self.previous[*word] & bit != 0);
        bits.iter().for_each(|(word, bit)| self.current[*word] |= bit);
        self.noted += 1;
        if self.noted >= self.expected {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.fill(0);
            self.noted = 0;
        }
        in_previous
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

    #[test]
    fn the_second_time_is_known_and_the_first_mostly_not() {
        let mut door = Doorkeeper::new(10_000);
        let first = (0..9_000).filter(|i| door.saw(hash(*i))).count();
        assert!(first < 300, "{first} of 9000 taken for known");
        assert!((0..9_000).all(|i| door.saw(hash(i))));
    }

    #[test]
    fn what_was_seen_long_ago_is_forgotten() {
        let mut door = Doorkeeper::new(1_000);
        door.saw(hash(0));
        for i in 1..1_500 {
            door.saw(hash(i));
        }
        assert!(door.saw(hash(0)), "within two fillings");
        for i in 2_000..4_500 {
            door.saw(hash(i));
        }
        let known = (1..1_000).filter(|i| door.saw(hash(*i))).count();
        assert!(known < 100, "{known} of 999 remembered");
    }
}
