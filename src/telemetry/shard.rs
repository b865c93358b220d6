//! One worker thread's counters: flat arrays that only this thread writes, summed by others at scrape.
//!
//! A request costs four to eight uncontended relaxed atomic adds, no lock, no hash, no allocation. Adds rather
//! than a load and a store, because a body may be dropped on another thread than its request began on.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus::IntCounterVec;

use super::record::{MethodClass, Record};
use super::sites::SiteHandle;
use crate::http::refusal::Refusal;
use crate::policy::outcome::Outcome;

/// Upper bounds of the latency buckets, in nanoseconds: 50 µs (a RAM hit) to 60 s (a slow transfer).
pub(super) const BOUNDS: [u64; 19] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Buckets with the one above the last bound.
const BUCKETS: usize = BOUNDS.len() + 1;
/// A histogram's cells: its buckets, not cumulative, then the sum in nanoseconds.
const HISTOGRAM: usize = BUCKETS + 1;
const METHODS: usize = MethodClass::ALL.len();
const OUTCOMES: usize = Outcome::ALL.len();
const REFUSALS: usize = Refusal::ALL.len();
/// The values of the `status` label, by index; the last is "no final response was sent".
pub(super) const STATUSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// Counters of a fixed number, on cache lines that no other allocation shares.
struct Cells(Box<[Line]>);

/// Two cache lines: the prefetcher fetches them in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Line([AtomicU64; 16]);

impl Cells {
    fn new(count: usize) -> Self {
        Self((0..count.div_ceil(16)).map(|_| Line::default()).collect())
    }

    fn add(&self, index: usize, by: u64) {
        self.0[index / 16].0[index % 16].fetch_add(by, Relaxed);
    }

    fn get(&self, index: usize) -> u64 {
        self.0[index / 16].0[index % 16].load(Relaxed)
    }
}

/// The counters of one site.
struct Row {
    /// [method][status][outcome]
    requests: Cells,
    /// [outcome][HISTOGRAM]
    durations: Cells,
    /// [outcome][HISTOGRAM]
    first_bytes: Cells,
    /// [outcome]
    sent: Cells,
    /// [0] bytes received, [1] incomplete
    others: Cells,
    /// [refusal]
    refusals: Cells,
}

impl Row {
    fn new() -> Self {
        Self {
            requests: Cells::new(METHODS * STATUSES.len() * OUTCOMES),
            durations: Cells::new(OUTCOMES * HISTOGRAM),
            first_bytes: Cells::new(OUTCOMES * HISTOGRAM),
            sent: Cells::new(OUTCOMES),
            others: Cells::new(2),
            refusals: Cells::new(REFUSALS),
        }
    }
}

const RECEIVED: usize = 0;
const INCOMPLETE: usize = 1;

/// Rows of a chunk. There are as many chunks, which is as many sites as a handle can tell apart.
const CHUNK: usize = 256;

/// Rows that appear when their site has its first request here: sites may come while the process runs.
struct Rows(Box<[OnceLock<Chunk>]>);

type Chunk = Box<[OnceLock<Box<Row>>]>;

impl Rows {
    fn new() -> Self {
        Self((0..CHUNK).map(|_| OnceLock::new()).collect())
    }

    fn get(&self, site: SiteHandle) -> Option<&Row> {
        let index = usize::from(site.0);
        self.0[index / CHUNK].get()?[index % CHUNK].get().map(|row| &**row)
    }

    fn get_or_new(&self, site: SiteHandle) -> &Row {
        let index = usize::from(site.0);
        let chunk = self.0[index / CHUNK].get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        chunk[index % CHUNK].get_or_init(|| Box::new(Row::new()))
    }
}

/// One thread's counters; made by [`Metrics::shard`](super::Metrics::shard).
pub struct RequestShard {
    rows: Rows,
    /// Of requests that no site was found for.
    no_site: Row,
    /// [0] begun, [1] ended
    flight: Cells,
    /// A refused signature is off the hit path, so one shared map will do.
    denied: IntCounterVec,
}

impl RequestShard {
    pub(super) fn new(denied: IntCounterVec) -> Self {
        Self { rows: Rows::new(), no_site: Row::new(), flight: Cells::new(2), denied }
    }

    /// A request begins; [`end`](Self::end) must follow. [`Recorder`](super::Recorder) sees to both.
    pub fn begin(&self) {
        self.flight.add(0, 1);
    }

    /// A request that began is over, whatever became of it.
    pub fn end(&self) {
        self.flight.add(1, 1);
    }

    /// Counts a finished request.
    pub fn record(&self, record: &Record) {
        let row = self.row(record.site);
        let outcome = record.outcome as usize;
        row.requests.add(request_cell(record.method as usize, status_index(record.status), outcome), 1);
        observe(&row.durations, outcome, record.took);
        if let Some(first_byte) = record.first_byte {
            observe(&row.first_bytes, outcome, first_byte);
        }
        if record.bytes_sent > 0 {
            row.sent.add(outcome, record.bytes_sent);
        }
        if record.bytes_received > 0 {
            row.others.add(RECEIVED, record.bytes_received);
        }
        if !record.complete {
            row.others.add(INCOMPLETE, 1);
        }
        if let Some(refusal) = record.refusal {
            self.refuse(record.site, refusal);
        }
        if let Some(reason) = record.deny {
            self.denied.with_label_values(&[reason]).inc();
        }
    }

    /// Counts a refusal that never became a request with a record: a head that was no HTTP, or came too slowly.
    pub fn refuse(&self, site: Option<SiteHandle>, refusal: Refusal) {
        self.row(site).refusals.add(refusal as usize, 1);
    }

    fn row(&self, site: Option<SiteHandle>) -> &Row {
        site.map_or(&self.no_site, |site| self.rows.get_or_new(site))
    }

    /// What a site's row has in a cell; nothing if this thread has not had a request for it.
    fn read<T: Default>(&self, site: Option<SiteHandle>, read: impl FnOnce(&Row) -> T) -> T {
        site.map_or(Some(&self.no_site), |site| self.rows.get(site)).map(read).unwrap_or_default()
    }

    pub(super) fn in_flight(&self) -> i64 {
        self.flight.get(0).wrapping_sub(self.flight.get(1)).cast_signed()
    }

    pub(super) fn requests(
        &self,
        site: Option<SiteHandle>,
        method: usize,
        status: usize,
        outcome: usize,
    ) -> u64 {
        self.read(site, |row| row.requests.get(request_cell(method, status, outcome)))
    }

    pub(super) fn sent(&self, site: Option<SiteHandle>, outcome: usize) -> u64 {
        self.read(site, |row| row.sent.get(outcome))
    }

    pub(super) fn received(&self, site: Option<SiteHandle>) -> u64 {
        self.read(site, |row| row.others.get(RECEIVED))
    }

    pub(super) fn incomplete(&self, site: Option<SiteHandle>) -> u64 {
        self.read(site, |row| row.others.get(INCOMPLETE))
    }

    pub(super) fn refusals(&self, site: Option<SiteHandle>, refusal: usize) -> u64 {
        self.read(site, |row| row.refusals.get(refusal))
    }

    pub(super) fn add_duration(&self, site: Option<SiteHandle>, outcome: usize, into: &mut Distribution) {
        self.read(site, |row| into.add(&row.durations, outcome));
    }

    pub(super) fn add_first_byte(&self, site: Option<SiteHandle>, outcome: usize, into: &mut Distribution) {
        self.read(site, |row| into.add(&row.first_bytes, outcome));
    }
}

/// A histogram summed over shards; buckets are not cumulative.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Distribution {
    pub(super) buckets: [u64; BUCKETS],
    pub(super) sum_nanos: u64,
}

impl Distribution {
    fn add(&mut self, cells: &Cells, outcome: usize) {
        let base = outcome * HISTOGRAM;
        for (i, bucket) in self.buckets.iter_mut().enumerate() {
            *bucket += cells.get(base + i);
        }
        self.sum_nanos = self.sum_nanos.wrapping_add(cells.get(base + BUCKETS));
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

fn request_cell(method: usize, status: usize, outcome: usize) -> usize {
    (method * STATUSES.len() + status) * OUTCOMES + outcome
}

fn status_index(status: u16) -> usize {
    match status {
        100..=599 => usize::from(status / 100) - 1,
        _ => STATUSES.len() - 1,
    }
}

fn observe(cells: &Cells, outcome: usize, took: Duration) {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let base = outcome * HISTOGRAM;
    cells.add(base + BOUNDS.partition_point(|&bound| bound < nanos), 1);
    cells.add(base + BUCKETS, nanos);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::time::Time;
    use prometheus::Opts;
    use quanta::Instant;

    fn shard() -> RequestShard {
        RequestShard::new(IntCounterVec::new(Opts::new("denied", "x"), &["reason"]).unwrap())
    }

    fn record() -> Record {
        Record { status: 200, complete: true, ..Record::new(Time(0), Instant::now()) }
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let (shard, site) = (shard(), Some(SiteHandle(0)));
        for (nanos, bucket) in
            [(0, 0), (50_000, 0), (50_001, 1), (1_000_000, 4), (60_000_000_000, 18), (60_000_000_001, 19)]
        {
            let mut before = Distribution::default();
            shard.add_duration(site, 0, &mut before);
            let took = Duration::from_nanos(nanos);
            shard.record(&Record { site, outcome: Outcome::Hit, took, ..record() });
            let mut after = Distribution::default();
            shard.add_duration(site, 0, &mut after);
            assert_eq!(after.buckets[bucket], before.buckets[bucket] + 1, "{nanos}");
            assert_eq!(after.sum_nanos, before.sum_nanos + nanos);
            assert_eq!(after.count(), before.count() + 1);
        }
    }

    #[test]
    fn every_cell_is_its_own() {
        let mut seen = std::collections::HashSet::new();
        for method in 0..METHODS {
            for status in 0..STATUSES.len() {
                for outcome in 0..OUTCOMES {
                    assert!(seen.insert(request_cell(method, status, outcome)));
                }
            }
        }
        assert_eq!(seen.iter().max(), Some(&(seen.len() - 1)));
    }

    #[test]
    fn every_site_has_a_row_of_its_own() {
        let shard = shard();
        let sites = [None, Some(SiteHandle(0)), Some(SiteHandle(300)), Some(SiteHandle(u16::MAX))];
        for (n, site) in (1..).zip(sites) {
            shard.record(&Record { site, bytes_received: n, ..record() });
        }
        assert_eq!(sites.map(|site| shard.received(site)), [1, 2, 3, 4]);
        assert_eq!(shard.received(Some(SiteHandle(1))), 0, "it has had no request");
    }

    #[test]
    fn any_status_has_a_class() {
        for (status, class) in
            [(0, "none"), (99, "none"), (101, "1xx"), (206, "2xx"), (599, "5xx"), (600, "none")]
        {
            assert_eq!(STATUSES[status_index(status)], class);
        }
    }

    #[test]
    fn lines_do_not_share_cache_lines() {
        assert_eq!((size_of::<Line>(), align_of::<Line>()), (128, 128));
    }
}
