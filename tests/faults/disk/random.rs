//! Random choices that can be repeated.

/// A small generator.
pub struct Random(u64);

impl Random {
    /// From `SEAWALL_FAULT_SEED`, or the clock; says which.
    pub fn new(test: &str) -> Self {
        let seed = std::env::var("SEAWALL_FAULT_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = seed.unwrap_or_else(clock);
        eprintln!("{test}: SEAWALL_FAULT_SEED={seed}");
        Self(seed | 1)
    }

    /// One for somebody else.
    pub fn split(&mut self) -> Self {
        Self(self.next().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// How many cycles to run, `default` unless `SEAWALL_FAULT_CYCLES` says.
pub fn cycles(default: u64) -> u64 {
    std::env::var("SEAWALL_FAULT_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(default)
}
