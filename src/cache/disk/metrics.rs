//! What the disk tier counts.

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Registry};

use crate::metrics::Registrar;

/// Counters and gauges of the tier.
#[derive(Debug, Clone)]
pub struct DiskMetrics {
    /// 1 while it reads and writes, 0 while it does not.
    pub up: IntGauge,
    /// 1 while the disk has no room for what is to be written.
    pub full: IntGauge,
    /// How long reading the index took when the tier was opened last.
    pub recovery: Gauge,
    /// Records asked for, by what became of it: `hit`, `bad`, `error`, `slow`, `busy`, `gone`.
    pub reads: IntCounterVec,
    /// Bytes read for requests.
    pub read_bytes: IntCounter,
    /// Records written.
    pub writes: IntCounter,
    /// Bytes written, for whatever reason.
    pub written_bytes: IntCounter,
    /// Entries that were to be written and were not, by reason: `queue`, `down`, `too_large`.
    pub shed: IntCounterVec,
    /// Entries seen for the first time, and so not written.
    pub not_admitted: IntCounter,
    /// Damaged records, by where they were found: `read`, `recovery`, `reclaim`.
    pub bad_records: IntCounterVec,
    /// IO that failed, by what was being done: `read`, `write`.
    pub errors: IntCounterVec,
    /// Segments deleted to make room.
    pub reclaimed: IntCounter,
    /// Records kept when their segment was deleted.
    pub reinserted: IntCounter,
    /// Bytes of them.
    pub reinserted_bytes: IntCounter,
}

impl DiskMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Registrar::new(registry);
        Ok(Self {
            up: metrics.gauge("seawall_disk_up", "Whether the disk tier works.")?,
            full: metrics
                .gauge("seawall_disk_full", "Whether the disk has no room for what is to be written.")?,
            recovery: metrics
                .float_gauge("seawall_disk_recovery_seconds", "Reading the index of the disk tier.")?,
            reads: metrics.counters(
                "seawall_disk_reads_total",
                "Records asked of the disk tier.",
                &["result"],
            )?,
            read_bytes: metrics.counter("seawall_disk_read_bytes_total", "Bytes read from the disk tier.")?,
            writes: metrics.counter("seawall_disk_writes_total", "Records written to the disk tier.")?,
            written_bytes: metrics
                .counter("seawall_disk_written_bytes_total", "Bytes written to the disk tier.")?,
            shed: metrics.counters(
                "seawall_disk_shed_total",
                "Writes to the disk tier given up.",
                &["reason"],
            )?,
            not_admitted: metrics
                .counter("seawall_disk_not_admitted_total", "Entries not worth writing yet.")?,
            bad_records: metrics.counters(
                "seawall_disk_bad_records_total",
                "Damaged records.",
                &["found"],
            )?,
            errors: metrics.counters(
                "seawall_disk_errors_total",
                "IO of the disk tier that failed.",
                &["op"],
            )?,
            reclaimed: metrics.counter("seawall_disk_reclaimed_total", "Segments deleted to make room.")?,
            reinserted: metrics
                .counter("seawall_disk_reinserted_total", "Records kept past their segment.")?,
            reinserted_bytes: metrics.counter("seawall_disk_reinserted_bytes_total", "Bytes of them.")?,
        })
    }
}
