//! What the origin side counts.
//!
//! The `member` label is `host:port` as configured, not the address behind a name: addresses of a large service
//! change every few seconds and would make series without end.

use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec, Registry, exponential_buckets};

use super::breaker::{Phase, Why};
use crate::metrics::Registrar;

/// All handles; cheap to clone.
#[derive(Debug, Clone)]
pub struct OriginMetrics {
    pub(super) requests: IntCounterVec,
    pub(super) errors: IntCounterVec,
    pub(super) first_byte: HistogramVec,
    pub(super) retries: IntCounterVec,
    pub(super) budget_exhausted: IntCounterVec,
    pub(super) budget: GaugeVec,
    pub(super) hedges: IntCounterVec,
    date_offset: IntGaugeVec,
    ejections: IntCounterVec,
    breaker: IntGaugeVec,
    pub(super) tunnels: IntGaugeVec,
    pub(super) tunnel_bytes: IntCounterVec,
    pub(super) queued: IntGaugeVec,
    pub(super) overloaded: IntCounterVec,
    pub(super) connections: IntGaugeVec,
    pub(super) connects: IntCounterVec,
    pub(super) bytes: IntCounterVec,
    pub(super) up: IntGaugeVec,
    credentials: IntCounterVec,
    credentials_expiry: GaugeVec,
}

impl OriginMetrics {
    /// Registers every metric of this module.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Registrar::new(registry);
        // 1 ms to 16 s: below is loopback, above is a timeout.
        let buckets = exponential_buckets(0.001, 2.0, 15)?;
        Ok(Self {
            requests: metrics.counters(
                "seawall_origin_requests_total",
                "Responses of origins by status code, one per attempt.",
                &["pool", "member", "code"],
            )?,
            errors: metrics.counters(
                "seawall_origin_errors_total",
                "Attempts without a response, and bodies that broke off.",
                &["pool", "member", "reason"],
            )?,
            first_byte: metrics.histograms(
                "seawall_origin_first_byte_seconds",
                "From an attempt's start to its response head.",
                &["pool", "member"],
                &buckets,
            )?,
            retries: metrics.counters(
                "seawall_origin_retries_total",
                "Attempts after the first, hedges included.",
                &["pool"],
            )?,
            budget: metrics.float_gauges(
                "seawall_origin_retry_budget",
                "Retries that could be made now.",
                &["pool"],
            )?,
            hedges: metrics.counters(
                "seawall_origin_hedges_total",
                "Second attempts made because the first was slow, by which of the two answered.",
                &["pool", "winner"],
            )?,
            ejections: metrics.counters(
                "seawall_origin_ejections_total",
                "Times a member was taken out.",
                &["pool", "member", "reason"],
            )?,
            breaker: metrics.gauges(
                "seawall_origin_breaker_state",
                "Addresses of a member whose breaker is closed, open or half open.",
                &["pool", "member", "state"],
            )?,
            budget_exhausted: metrics.counters(
                "seawall_origin_retry_budget_exhausted_total",
                "Retries not made because the budget was spent.",
                &["pool"],
            )?,
            tunnels: metrics.gauges(
                "seawall_origin_tunnels",
                "Connections that changed to another protocol and are open.",
                &["pool", "member"],
            )?,
            tunnel_bytes: metrics.counters(
                "seawall_origin_tunnel_bytes_total",
                "Bytes carried in tunnels.",
                &["pool", "member", "direction"],
            )?,
            queued: metrics.gauges(
                "seawall_origin_queue_waiting",
                "Requests that wait for one of pool.max_requests to end.",
                &["pool"],
            )?,
            overloaded: metrics.counters(
                "seawall_origin_overloaded_total",
                "Requests refused because the pool was at max_requests.",
                &["pool", "reason"],
            )?,
            connections: metrics.gauges(
                "seawall_origin_connections",
                "Open connections to origins.",
                &["pool", "member", "state"],
            )?,
            connects: metrics.counters(
                "seawall_origin_connects_total",
                "Connections made.",
                &["pool", "member"],
            )?,
            bytes: metrics.counters(
                "seawall_origin_bytes_total",
                "Body bytes received.",
                &["pool", "member"],
            )?,
            date_offset: metrics.gauges(
                "seawall_origin_date_offset_seconds",
                "How far a member's clock is ahead of this machine's, by its last Date; negative: behind.",
                &["pool", "member"],
            )?,
            up: metrics.gauges(
                "seawall_origin_member_up",
                "Addresses of a member that take requests: neither ejected nor unhealthy.",
                &["pool", "member"],
            )?,
            credentials: metrics.counters(
                "seawall_origin_credentials_refreshes_total",
                "Times temporary S3 credentials were asked for.",
                &["pool", "result"],
            )?,
            credentials_expiry: metrics.float_gauges(
                "seawall_origin_credentials_expiry_timestamp_seconds",
                "When the temporary S3 credentials in use run out; 0 while there are none.",
                &["pool"],
            )?,
        })
    }

    /// Of a pool with temporary credentials.
    pub(super) fn credentials(&self, pool: &str) -> CredentialMetrics {
        let count = |result| self.credentials.with_label_values(&[pool, result]);
        CredentialMetrics {
            granted: count("ok"),
            failed: count("failed"),
            expiry: self.credentials_expiry.with_label_values(&[pool]),
        }
    }

    /// The handles of one member, looked up once.
    pub(super) fn member(&self, pool: &str, member: &str) -> MemberMetrics {
        let labels = [pool, member];
        let state = |state| self.breaker.with_label_values(&[pool, member, state]);
        MemberMetrics {
            all: self.clone(),
            states: [state("closed"), state("open"), state("half_open")],
            pool: pool.to_owned(),
            member: member.to_owned(),
            first_byte: self.first_byte.with_label_values(&labels),
            idle: self.connections.with_label_values(&[pool, member, "idle"]),
            active: self.connections.with_label_values(&[pool, member, "active"]),
            connects: self.connects.with_label_values(&labels),
            bytes: self.bytes.with_label_values(&labels),
            up: self.up.with_label_values(&labels),
            date_offset: self.date_offset.with_label_values(&labels),
        }
    }
}

/// What is counted of temporary credentials.
#[derive(Debug, Clone)]
pub(super) struct CredentialMetrics {
    pub(super) granted: prometheus::IntCounter,
    pub(super) failed: prometheus::IntCounter,
    /// Seconds since 1970.
    pub(super) expiry: prometheus::Gauge,
}

/// One member's handles.
#[derive(Debug)]
pub(super) struct MemberMetrics {
    all: OriginMetrics,
    states: [prometheus::IntGauge; 3],
    pool: String,
    member: String,
    pub(super) first_byte: prometheus::Histogram,
    pub(super) idle: prometheus::IntGauge,
    pub(super) active: prometheus::IntGauge,
    pub(super) connects: prometheus::IntCounter,
    pub(super) bytes: prometheus::IntCounter,
    pub(super) up: prometheus::IntGauge,
    pub(super) date_offset: prometheus::IntGauge,
}

impl MemberMetrics {
    pub(super) fn answered(&self, code: http::StatusCode) {
        self.all.requests.with_label_values(&[self.pool.as_str(), &self.member, code.as_str()]).inc();
    }

    /// Addresses whose breaker is so.
    pub(super) fn phase(&self, phase: Phase) -> &prometheus::IntGauge {
        let [closed, open, half_open] = &self.states;
        match phase {
            Phase::Closed => closed,
            Phase::Open => open,
            Phase::HalfOpen => half_open,
        }
    }

    pub(super) fn ejected(&self, why: Why) {
        self.all.ejections.with_label_values(&[self.pool.as_str(), &self.member, why.as_str()]).inc();
    }

    /// Tunnels open, bytes received, bytes sent.
    pub(super) fn tunnel(&self) -> (prometheus::IntGauge, prometheus::IntCounter, prometheus::IntCounter) {
        let (pool, member) = (self.pool.as_str(), self.member.as_str());
        let bytes = |direction| self.all.tunnel_bytes.with_label_values(&[pool, member, direction]);
        (self.all.tunnels.with_label_values(&[pool, member]), bytes("received"), bytes("sent"))
    }

    pub(super) fn failed(&self, reason: &str) {
        self.all.errors.with_label_values(&[self.pool.as_str(), &self.member, reason]).inc();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// docs/metrics.md and the registry name the same metrics of origins, with the same labels.
    #[test]
    fn the_page_says_what_is_registered() {
        let registry = Registry::new();
        let metrics = OriginMetrics::register(&registry).unwrap();
        let member = metrics.member("p", "m");
        member.answered(http::StatusCode::OK);
        member.failed("connect");
        member.ejected(Why::Health);
        let _ = member.tunnel();
        for one in [&metrics.retries, &metrics.budget_exhausted] {
            one.with_label_values(&["p"]).inc();
        }
        metrics.hedges.with_label_values(&["p", "first"]).inc();
        let _ = metrics.credentials("p");
        metrics.overloaded.with_label_values(&["p", "queue_full"]).inc();
        metrics.queued.with_label_values(&["p"]).set(0);
        metrics.budget.with_label_values(&["p"]).set(0.0);
        let registered: BTreeSet<String> = registry
            .gather()
            .iter()
            .map(|family| {
                let mut labels: Vec<_> =
                    family.get_metric()[0].get_label().iter().map(|l| format!("`{}`", l.name())).collect();
                labels.sort();
                format!("{}: {}", family.name(), labels.join(", "))
            })
            .collect();
        let page = include_str!("../../docs/metrics.md");
        let rows = page.lines().filter(|line| line.starts_with("| `seawall_origin"));
        let documented: BTreeSet<String> = rows
            .map(|row| {
                let cells: Vec<_> = row.split('|').map(str::trim).collect();
                let mut labels: Vec<_> = cells[3].split(", ").collect();
                labels.sort_unstable();
                format!("{}: {}", cells[1].trim_matches('`'), labels.join(", "))
            })
            .collect();
        assert_eq!(registered, documented);
    }
}
