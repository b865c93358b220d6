//! How metrics are made: each is in its registry before anybody can count with it.

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

/// Makes metrics and registers them; every method fails when the name is taken.
#[derive(Debug, Clone, Copy)]
pub struct Registrar<'a>(&'a Registry);

impl<'a> Registrar<'a> {
    /// For this registry.
    pub const fn new(registry: &'a Registry) -> Self {
        Self(registry)
    }

    /// A count.
    pub fn counter(self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.registered(IntCounter::new(name, help)?)
    }

    /// Counts told apart by labels.
    pub fn counters(self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A whole number that goes up and down.
    pub fn gauge(self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.registered(IntGauge::new(name, help)?)
    }

    /// Whole numbers told apart by labels.
    pub fn gauges(self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A number with a fraction.
    pub fn float_gauge(self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.registered(Gauge::new(name, help)?)
    }

    /// Numbers with fractions, told apart by labels.
    pub fn float_gauges(self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.registered(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// Distributions told apart by labels; `buckets` are upper bounds.
    pub fn histograms(
        self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(HistogramVec::new(options, labels)?)
    }

    fn registered<M: Collector + Clone + 'static>(self, metric: M) -> Result<M, Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_registered_and_a_name_is_taken_once() {
        let registry = Registry::new();
        let metrics = Registrar::new(&registry);
        metrics.counter("seawall_tries_total", "Tries.").unwrap().inc();
        assert_eq!(registry.gather()[0].name(), "seawall_tries_total");
        assert!(metrics.gauge("seawall_tries_total", "Tries.").is_err());
        assert!(metrics.counters("seawall tries", "Tries.", &["by"]).is_err());
    }
}
