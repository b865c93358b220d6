//! What is counted about purges.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use crate::metrics::Registrar;

/// Counters of the log; a clone is the same counters.
#[derive(Debug, Clone)]
pub struct InvalidationMetrics {
    /// Purges, by `selector` and `mode`.
    pub purges: IntCounterVec,
    /// Objects that were found purged, or stale by a purge, when they were asked for.
    pub purged_hits: IntCounter,
    /// Things that have a mark in the log.
    pub entries: IntGauge,
    /// 1 while the log will be as it is after a restart, as far as the cache will; 0 while it can't be written.
    pub durable: IntGauge,
}

impl InvalidationMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When `registry` has some of that name already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Registrar::new(registry);
        Ok(Self {
            purges: metrics.counters(
                "seawall_purges_total",
                "Things purged, by what named them.",
                &["selector", "mode"],
            )?,
            purged_hits: metrics.counter(
                "seawall_purged_hits_total",
                "Objects found purged, or stale by a purge, when they were asked for.",
            )?,
            entries: metrics.gauge(
                "seawall_invalidation_log_entries",
                "URLs, prefixes, tags and sites that the log of purges holds.",
            )?,
            durable: metrics.gauge(
                "seawall_invalidation_log_durable",
                "Whether purges outlive a restart, if the cache does.",
            )?,
        })
    }
}
