//! Metrics, access log, tracing.
