//! What the cache counts.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::disk::DiskTier;
use super::memory::MemoryTier;
use super::reason::{NotStored, StoppedWaiting};
use crate::metrics::Registrar;

/// Counters and gauges of the tiers and of fills.
#[derive(Debug, Clone)]
pub struct CacheMetrics {
    /// Entries evicted from RAM to make room.
    pub evictions: IntCounter,
    /// Bytes of them.
    pub evicted_bytes: IntCounter,
    /// Responses stored.
    pub stores: IntCounter,
    not_stored: IntCounterVec,
    /// Origin fetches that may be stored, started.
    pub fills: IntCounter,
    /// Those under way.
    pub fills_active: IntGauge,
    /// Requests that followed somebody else's fill.
    pub followers: IntCounter,
    released: IntCounterVec,
    /// Fills whose body broke off.
    pub broken: IntCounter,
}

/// Counts a fill as active until it is dropped.
#[derive(Debug)]
pub struct ActiveFill(IntGauge);

impl Drop for ActiveFill {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl CacheMetrics {
    /// A fill begins.
    pub fn begin_fill(&self) -> ActiveFill {
        self.fills.inc();
        self.fills_active.inc();
        ActiveFill(self.fills_active.clone())
    }

    /// A response was not stored.
    pub fn not_stored(&self, why: NotStored) {
        self.not_stored.with_label_values(&[why.as_str()]).inc();
    }

    /// A request stopped waiting for somebody else's fill.
    pub fn stopped_waiting(&self, why: StoppedWaiting) {
        self.released.with_label_values(&[why.as_str()]).inc();
    }

    /// Registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Registrar::new(registry);
        Ok(Self {
            evictions: metrics
                .counter("seawall_cache_evictions_total", "Entries evicted from RAM to make room.")?,
            evicted_bytes: metrics
                .counter("seawall_cache_evicted_bytes_total", "Bytes evicted from RAM to make room.")?,
            stores: metrics.counter("seawall_cache_stores_total", "Responses stored.")?,
            not_stored: metrics.counters(
                "seawall_cache_not_stored_total",
                "Responses that were not stored.",
                &["reason"],
            )?,
            fills: metrics.counter("seawall_fills_total", "Origin fetches started to be stored.")?,
            fills_active: metrics.gauge("seawall_fills_active", "Fills under way.")?,
            followers: metrics
                .counter("seawall_fill_followers_total", "Requests that followed another request's fill.")?,
            released: metrics.counters(
                "seawall_fill_released_total",
                "Requests that stopped waiting for another request's fill.",
                &["reason"],
            )?,
            broken: metrics.counter("seawall_fills_broken_total", "Fills whose body broke off.")?,
        })
    }
}

/// What the tiers hold, looked up when somebody asks.
#[derive(Debug)]
pub struct TierUsage {
    memory: MemoryTier,
    disk: Option<DiskTier>,
    bytes: IntGaugeVec,
    entries: IntGaugeVec,
    capacity: IntGaugeVec,
}

impl TierUsage {
    /// Of these tiers.
    pub fn new(memory: MemoryTier, disk: Option<DiskTier>) -> Result<Self, prometheus::Error> {
        let gauges = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["tier"]);
        Ok(Self {
            memory,
            disk,
            bytes: gauges(
                "seawall_cache_bytes",
                "Bytes held by a cache tier, heads and bookkeeping included.",
            )?,
            entries: gauges("seawall_cache_entries", "Entries held by a cache tier.")?,
            capacity: gauges("seawall_cache_capacity_bytes", "Bytes a cache tier may hold.")?,
        })
    }

    fn set(&self, tier: &str, values: [u64; 3]) {
        for (gauge, value) in self.gauges().into_iter().zip(values) {
            gauge.with_label_values(&[tier]).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    fn gauges(&self) -> [&IntGaugeVec; 3] {
        [&self.bytes, &self.entries, &self.capacity]
    }
}

impl Collector for TierUsage {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (bytes, entries) = self.memory.usage();
        self.set("memory", [bytes, entries, self.memory.capacity()]);
        if let Some(disk) = &self.disk {
            self.set("disk", [disk.bytes(), disk.entries(), disk.capacity()]);
        }
        self.gauges().into_iter().flat_map(Collector::collect).collect()
    }
}
