//! What is counted, and how it is printed.

/// What became of a trace's requests.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    requests: u64,
    hits: u64,
    bytes: u64,
    hit_bytes: u64,
    /// Hits that memory answered; Seawall only.
    pub from_memory: u64,
    /// Bytes written to flash, if there is any.
    pub written: Option<u64>,
    /// Bytes of those that had been written before, and were kept when their segment went; Seawall only.
    pub kept_again: u64,
    /// Objects put out of the cache to make room.
    pub evicted: u64,
    /// Writes given up.
    pub shed: u64,
    /// Reads from disk that gave nothing.
    pub unread: u64,
}

impl Counts {
    /// Counts a request for so many bytes.
    pub fn asked(&mut self, bytes: u64, hit: bool) {
        self.requests += 1;
        self.bytes += bytes;
        self.hits += u64::from(hit);
        self.hit_bytes += if hit { bytes } else { 0 };
    }

    /// The row of a table.
    pub fn row(&self, name: &str) -> String {
        let percent = |part: u64, of: u64| format!("{:.1} %", part as f64 * 100.0 / of.max(1) as f64);
        let written = match self.written {
            Some(written) => format!("{:.3}", written as f64 / self.bytes.max(1) as f64),
            None => "–".into(),
        };
        let (hits, bytes) = (percent(self.hits, self.requests), percent(self.hit_bytes, self.bytes));
        format!("| {name} | {hits} | {bytes} | {written} | {} |", self.evicted)
    }

    /// What only Seawall's own tiers can tell.
    pub fn details(&self) -> String {
        let share = |part: u64| part as f64 * 100.0 / self.requests.max(1) as f64;
        let again = self.kept_again as f64 / self.written.unwrap_or(0).max(1) as f64;
        format!(
            "{:.1} % of requests from memory, {:.1} % from disk; {:.1} % of bytes written were kept past their segment; \
             {} writes shed, {} reads in vain",
            share(self.from_memory),
            share(self.hits - self.from_memory),
            again * 100.0,
            self.shed,
            self.unread
        )
    }
}

/// The head of a table.
pub fn head() -> &'static str {
    "| policy | hit ratio | byte hit ratio | flash bytes written a byte served | evicted |\n|---|---|---|---|---|"
}
