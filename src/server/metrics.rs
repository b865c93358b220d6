//! What is counted about connections. Requests are the handler's to count.

use std::time::Duration;

use prometheus::{Gauge, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::metrics::Registrar;

use crate::http::protocol::Protocol;

/// Seconds. A round trip to the client is in it, so the scale is that of networks.
const HANDSHAKE_BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The server's metrics; a clone is the same metrics.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    connections: IntGaugeVec,
    accepted: IntCounterVec,
    refused: IntCounterVec,
    handshakes: IntCounterVec,
    handshake_failures: IntCounterVec,
    handshake_seconds: HistogramVec,
    expiry: GaugeVec,
    renewals: IntCounterVec,
}

/// Why a connection ended before it served anything, as the `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// `connections_per_ip` was reached.
    PerIp,
    /// accept(2) failed, mostly for want of file descriptors.
    Accept,
}

impl Turned {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Turned::PerIp => "per_ip",
            Turned::Accept => "accept",
        }
    }
}

/// The metrics of one listener, looked up once.
#[derive(Debug, Clone)]
pub struct ListenerMetrics {
    /// Connections accepted.
    pub accepted: IntCounter,
    http1: IntGauge,
    http2: IntGauge,
}

impl ListenerMetrics {
    /// Counts a connection as open until the value is dropped.
    pub fn open(&self, protocol: Protocol) -> Open {
        let gauge = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        gauge.inc();
        Open(gauge.clone())
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Open(IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl ServerMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When `registry` has some of that name already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Registrar::new(registry);
        Ok(Self {
            connections: metrics.gauges(
                "seawall_connections",
                "Open client connections.",
                &["listener", "protocol"],
            )?,
            accepted: metrics.counters(
                "seawall_connections_total",
                "Client connections accepted.",
                &["listener"],
            )?,
            refused: metrics.counters(
                "seawall_connections_refused_total",
                "Client connections closed at once.",
                &["reason"],
            )?,
            handshakes: metrics.counters(
                "seawall_tls_handshakes_total",
                "TLS handshakes with clients.",
                &["version", "result"],
            )?,
            handshake_failures: metrics.counters(
                "seawall_tls_handshake_failures_total",
                "TLS handshakes that failed, by reason.",
                &["reason"],
            )?,
            handshake_seconds: metrics.histograms(
                "seawall_tls_handshake_seconds",
                "How long TLS handshakes took, from the client's first byte.",
                &["kind"],
                &HANDSHAKE_BUCKETS,
            )?,
            expiry: metrics.float_gauges(
                "seawall_tls_certificate_expiry_seconds",
                "When a certificate in use ends, in seconds since the Unix epoch.",
                &["cert"],
            )?,
            renewals: metrics.counters(
                "seawall_tls_certificate_renewals_total",
                "Changed certificate files that were read, by what became of them.",
                &["cert", "result"],
            )?,
        })
    }

    /// Those of the listener that is called `name`.
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        let open = |protocol: Protocol| self.connections.with_label_values(&[name, protocol.as_str()]);
        ListenerMetrics {
            accepted: self.accepted.with_label_values(&[name]),
            http1: open(Protocol::Http1),
            http2: open(Protocol::Http2),
        }
    }

    /// A connection was closed at once.
    pub fn turned(&self, reason: Turned) {
        self.refused.with_label_values(&[reason.as_str()]).inc();
    }

    /// A handshake ended.
    pub fn handshake(&self, version: &str, result: &str) {
        self.handshakes.with_label_values(&[version, result]).inc();
    }

    /// A handshake failed for this reason.
    pub fn handshake_failed(&self, reason: &str) {
        self.handshake_failures.with_label_values(&[reason]).inc();
    }

    /// A handshake of this kind has been done.
    pub fn handshake_took(&self, kind: &str, took: Duration) {
        self.handshake_seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// The files of the certificate called `cert` have changed, with this result.
    pub fn renewed(&self, cert: &str, result: &str) {
        self.renewals.with_label_values(&[cert, result]).inc();
    }

    /// The gauge of the certificate called `cert`.
    pub fn expiry(&self, cert: &str) -> Gauge {
        self.expiry.with_label_values(&[cert])
    }
}
