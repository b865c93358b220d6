//! What the cache counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Counters and gauges of the tiers and of fills.
#[derive(Debug, Clone)]
pub struct CacheMetrics {
    /// Bytes held, by tier; set at scrape.
    pub bytes: IntGaugeVec,
    /// Entries held, by tier; set at scrape.
    pub entries: IntGaugeVec,
    /// Bytes a tier may hold.
    pub capacity: IntGaugeVec,
    /// Entries evicted from RAM to make room.
    pub evictions: IntCounter,
    /// Bytes of them.
    pub evicted_bytes: IntCounter,
    /// Responses stored.
    pub stores: IntCounter,
    /// Responses not stored, by reason.
    pub not_stored: IntCounterVec,
    /// Origin fetches that may be stored, started.
    pub fills: IntCounter,
    /// Those under way.
    pub fills_active: IntGauge,
    /// Requests that followed somebody else's fill.
    pub followers: IntCounter,
    /// Requests that stopped waiting for somebody else's fill, by reason.
    pub released: IntCounterVec,
    /// Fills whose body broke off.
    pub broken: IntCounter,
}

impl CacheMetrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone())).map(|()| counter)
        };
        let counters = |name, help, label| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone())).map(|()| counters)
        };
        let gauges = |name, help| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), &["tier"])?;
            registry.register(Box::new(gauges.clone())).map(|()| gauges)
        };
        let fills_active = IntGauge::new("seawall_fills_active", "Fills under way.")?;
        registry.register(Box::new(fills_active.clone()))?;
        Ok(Self {
            bytes: gauges("seawall_cache_bytes", "Bytes held by a cache tier, heads and bookkeeping included.")?,
            entries: gauges("seawall_cache_entries", "Entries held by a cache tier.")?,
            capacity: gauges("seawall_cache_capacity_bytes", "Bytes a cache tier may hold.")?,
            evictions: counter("seawall_cache_evictions_total", "Entries evicted from RAM to make room.")?,
            evicted_bytes: counter("seawall_cache_evicted_bytes_total", "Bytes evicted from RAM to make room.")?,
            stores: counter("seawall_cache_stores_total", "Responses stored.")?,
            not_stored: counters("seawall_cache_not_stored_total", "Responses that were not stored.", "reason")?,
            fills: counter("seawall_fills_total", "Origin fetches started to be stored.")?,
            fills_active,
            followers: counter("seawall_fill_followers_total", "Requests that followed another request's fill.")?,
            released: counters(
                "seawall_fill_released_total",
                "Requests that stopped waiting for another request's fill.",
                "reason",
            )?,
            broken: counter("seawall_fills_broken_total", "Fills whose body broke off.")?,
        })
    }
}
