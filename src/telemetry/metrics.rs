//! The metrics registry: modules register their own structs in it, worker threads get their shards from it.

use std::sync::Arc;

use prometheus::{Encoder, IntCounter, IntCounterVec, Registry, TextEncoder};

use super::collector::{ShardCollector, Shards};
use super::process::ProcessCollector;
use super::shard::RequestShard;
use super::sites::{SiteHandle, SiteLabels};
use crate::metrics::Registrar;

/// Content type of what [`Metrics::render`] gives: text exposition format 0.0.4.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One per process.
pub struct Metrics {
    registry: Registry,
    shards: Arc<Shards>,
    denied: IntCounterVec,
    log: LogMetrics,
}

/// The access log's own counters.
#[derive(Clone)]
pub(super) struct LogMetrics {
    /// Lines given up: the queue was full or the file would not take them.
    pub(super) dropped: IntCounter,
    /// Lines written.
    pub(super) written: IntCounter,
}

impl LogMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Registrar::new(registry);
        Ok(Self {
            dropped: metrics.counter(
                "seawall_access_log_dropped_total",
                "Access log lines given up because the queue was full or the file would not take them.",
            )?,
            written: metrics.counter("seawall_access_log_lines_total", "Access log lines written.")?,
        })
    }
}

impl Metrics {
    /// `sites` are the names of the sites that there will be first; see [`Metrics::site`].
    ///
    /// # Errors
    /// If a metric is registered twice, which is a mistake in this program.
    pub fn new(sites: &[String]) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let shards = Arc::new(Shards::new(SiteLabels::new(sites)));
        registry.register(Box::new(ShardCollector::new(shards.clone())?))?;
        registry.register(Box::new(ProcessCollector::new()?))?;
        let metrics = Registrar::new(&registry);
        let build =
            metrics.gauges("seawall_build_info", "Always 1; the labels say what runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let denied = metrics.counters(
            "seawall_denied_total",
            "Signed URLs that did not open the door, by reason.",
            &["reason"],
        )?;
        let log = LogMetrics::register(&registry)?;
        Ok(Self { registry, shards, denied, log })
    }

    /// Where other modules register theirs.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What records call a site of this name. It stays the same, and so do the site's counters, for as long as the
    /// process lives.
    pub fn site(&self, name: &str) -> SiteHandle {
        self.shards.sites.handle(name)
    }

    /// Counters for one worker thread; they are part of every scrape from now on.
    pub fn shard(&self) -> Arc<RequestShard> {
        let shard = Arc::new(RequestShard::new(self.denied.clone()));
        self.shards.add(shard.clone());
        shard
    }

    pub(super) fn log(&self) -> &LogMetrics {
        &self.log
    }

    pub(super) fn shards(&self) -> &Arc<Shards> {
        &self.shards
    }

    /// Everything, in text exposition format 0.0.4. A family that cannot be written is left out rather than
    /// taking the others with it.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * 1024);
        for family in self.registry.gather() {
            let begun = out.len();
            if let Err(error) = TextEncoder::new().encode(std::slice::from_ref(&family), &mut out) {
                out.truncate(begun);
                tracing::debug!(family = family.name(), %error, "metric family left out");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::exposition::{self, Sample};
    use super::*;
    use crate::http::refusal::Refusal;
    use crate::http::time::Time;
    use crate::policy::outcome::Outcome;
    use crate::telemetry::{MethodClass, Record};
    use quanta::Instant;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn metrics() -> Metrics {
        {
            let names = ["a.example".to_owned(), "b \"quoted\" \\ \n".to_owned()];
            let metrics = Metrics::new(&names).unwrap();
            for name in &names {
                let _ = metrics.site(name);
            }
            metrics
        }
    }

    /// A record that touches every metric of a shard.
    fn record() -> Record {
        Record {
            site: Some(SiteHandle(0)),
            method: MethodClass::Get,
            status: 200,
            outcome: Outcome::Hit,
            bytes_sent: 1000,
            bytes_received: 10,
            first_byte: Some(Duration::from_micros(80)),
            took: Duration::from_micros(300),
            complete: true,
            ..Record::new(Time(0), Instant::now())
        }
    }

    fn scrape(metrics: &Metrics) -> Vec<Sample> {
        exposition::parse(&String::from_utf8(metrics.render()).unwrap()).unwrap()
    }

    fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted = |s: &&Sample| s.name == name && labels.iter().all(|l| s.has(l.0, l.1));
        samples.iter().filter(wanted).map(|s| s.value).reduce(|a, b| a + b)
    }

    #[test]
    fn shards_are_summed_over_threads() {
        let metrics = metrics();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let shard = metrics.shard();
                scope.spawn(move || (0..1000).for_each(|_| shard.record(&record())));
            }
        });
        let samples = scrape(&metrics);
        let labels = [("site", "a.example"), ("method", "GET"), ("status", "2xx"), ("outcome", "hit")];
        assert_eq!(value(&samples, "seawall_requests_total", &labels), Some(4000.0));
        assert_eq!(value(&samples, "seawall_response_bytes_total", &labels[..1]), Some(4_000_000.0));
        assert_eq!(value(&samples, "seawall_request_bytes_total", &labels[..1]), Some(40_000.0));
        let labels = [("site", "a.example"), ("outcome", "hit")];
        assert_eq!(value(&samples, "seawall_request_duration_seconds_count", &labels), Some(4000.0));
        let sum = value(&samples, "seawall_request_duration_seconds_sum", &labels).unwrap();
        assert!((sum - 1.2).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn a_shard_may_be_shared_without_losing_a_count() {
        let metrics = metrics();
        let shard = metrics.shard();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| shard.record(&record())));
            }
        });
        assert_eq!(value(&scrape(&metrics), "seawall_requests_total", &[]), Some(4000.0));
    }

    #[test]
    fn buckets_are_cumulative_and_end_in_the_count() {
        let metrics = metrics();
        let shard = metrics.shard();
        for micros in [10, 60, 60, 3_000, 70_000_000] {
            shard.record(&Record { took: Duration::from_micros(micros), ..record() });
        }
        let samples = scrape(&metrics);
        let buckets: Vec<_> =
            samples.iter().filter(|s| s.name == "seawall_request_duration_seconds_bucket").collect();
        assert_eq!(buckets.len(), 20);
        for (le, count) in
            [("0.00005", 1.0), ("0.0001", 3.0), ("0.0025", 3.0), ("0.005", 4.0), ("60", 4.0), ("+Inf", 5.0)]
        {
            let bucket = buckets.iter().find(|b| b.has("le", le)).unwrap_or_else(|| panic!("no bucket {le}"));
            assert_eq!(bucket.value, count, "{le}");
        }
        assert!(buckets.windows(2).all(|pair| pair[0].value <= pair[1].value));
    }

    #[test]
    fn refusals_and_denials_are_counted_by_reason() {
        let metrics = metrics();
        let shard = metrics.shard();
        let mut denied = record();
        denied.refuse(Refusal::Denied);
        denied.deny = Some("expired");
        shard.record(&denied);
        shard.refuse(None, Refusal::MalformedHead);
        let samples = scrape(&metrics);
        assert_eq!(
            value(&samples, "seawall_refusals_total", &[("reason", "denied"), ("site", "a.example")]),
            Some(1.0)
        );
        assert_eq!(
            value(&samples, "seawall_refusals_total", &[("reason", "malformed_head"), ("site", "none")]),
            Some(1.0)
        );
        assert_eq!(value(&samples, "seawall_denied_total", &[("reason", "expired")]), Some(1.0));
        assert_eq!(value(&samples, "seawall_requests_total", &[("status", "4xx")]), Some(1.0));
    }

    #[test]
    fn empty_cells_are_not_exported_and_hostile_labels_are_escaped() {
        let metrics = metrics();
        let shard = metrics.shard();
        assert_eq!(value(&scrape(&metrics), "seawall_requests_total", &[]), None);
        shard.record(&Record { site: Some(SiteHandle(1)), ..record() });
        let samples = scrape(&metrics);
        let of_requests: Vec<_> = samples.iter().filter(|s| s.name == "seawall_requests_total").collect();
        assert_eq!(of_requests.len(), 1);
        assert!(of_requests[0].has("site", "b \"quoted\" \\ \n"));
    }

    #[test]
    fn the_process_and_the_build_are_there() {
        let samples = scrape(&metrics());
        assert_eq!(
            value(&samples, "seawall_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
            Some(1.0)
        );
        assert_eq!(value(&samples, "seawall_requests_in_flight", &[]), Some(0.0));
        if cfg!(target_os = "linux") {
            assert!(value(&samples, "process_resident_memory_bytes", &[]).unwrap() > 1e6);
            assert!(value(&samples, "process_open_fds", &[]).unwrap() >= 3.0);
        }
    }

    /// docs/metrics.md and the registry name the same metrics: in the sections that this module owns.
    #[test]
    fn the_page_lists_what_is_exported() {
        let metrics = metrics();
        let mut everything = record();
        everything.refuse(Refusal::Denied);
        everything.deny = Some("expired");
        everything.complete = false;
        metrics.shard().record(&everything);
        let exported: BTreeSet<_> = metrics.registry.gather().iter().map(|f| f.name().to_owned()).collect();
        let page = include_str!("../../docs/metrics.md");
        let documented: BTreeSet<_> = page
            .split("\n## ")
            .filter(|section| section.contains("<!-- owner: telemetry -->"))
            .flat_map(|section| section.lines())
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned))
            .collect();
        assert_eq!(documented, exported);
    }

    /// The alerts look at metrics that exist: those on the page, and those of rules recorded in the same file.
    #[test]
    fn the_rules_use_names_that_exist() {
        let page = include_str!("../../docs/metrics.md");
        let rules = include_str!("../../deploy/prometheus/rules.yml");
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        for name in rules.split(|c| !word(c)).filter(|w| w.starts_with("seawall_") && !w.contains(':')) {
            let family = name.trim_end_matches("_bucket");
            assert!(page.contains(&format!("`{family}`")), "{name} is not in docs/metrics.md");
        }
        for name in rules.split(|c| !word(c)).map(|w| w.trim_end_matches(':')).filter(|w| w.contains(':')) {
            assert!(rules.contains(&format!("record: {name}\n")), "{name} is not recorded");
        }
    }
}
