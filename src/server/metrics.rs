//! What is counted about connections. Requests are the handler's to count.

use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// The server's metrics; a clone is the same metrics.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    connections: IntGaugeVec,
    accepted: IntCounterVec,
    refused: IntCounterVec,
    handshakes: IntCounterVec,
    expiry: GaugeVec,
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
    pub fn open(&self, http2: bool) -> Open {
        let gauge = if http2 { &self.http2 } else { &self.http1 };
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
        let metrics = Self {
            connections: IntGaugeVec::new(
                Opts::new("seawall_connections", "Open client connections."),
                &["listener", "protocol"],
            )?,
            accepted: IntCounterVec::new(
                Opts::new("seawall_connections_total", "Client connections accepted."),
                &["listener"],
            )?,
            refused: IntCounterVec::new(
                Opts::new("seawall_connections_refused_total", "Client connections closed at once."),
                &["reason"],
            )?,
            handshakes: IntCounterVec::new(
                Opts::new("seawall_tls_handshakes_total", "TLS handshakes with clients."),
                &["version", "result"],
            )?,
            expiry: GaugeVec::new(
                Opts::new(
                    "seawall_tls_certificate_expiry_seconds",
                    "When a certificate in use ends, in seconds since the Unix epoch.",
                ),
                &["cert"],
            )?,
        };
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.handshakes.clone()))?;
        registry.register(Box::new(metrics.expiry.clone()))?;
        Ok(metrics)
    }

    /// Those of the listener that is called `name`.
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        ListenerMetrics {
            accepted: self.accepted.with_label_values(&[name]),
            http1: self.connections.with_label_values(&[name, "http/1.1"]),
            http2: self.connections.with_label_values(&[name, "h2"]),
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

    /// The gauge of the certificate called `cert`.
    pub fn expiry(&self, cert: &str) -> Gauge {
        self.expiry.with_label_values(&[cert])
    }
}
