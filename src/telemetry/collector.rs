//! Sums the threads' shards into Prometheus families when somebody scrapes. Empty cells are not exported.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::record::MethodClass;
use super::shard::{BOUNDS, Distribution, RequestShard, STATUSES};
use super::sites::{SiteHandle, SiteLabels};
use crate::http::refusal::Refusal;
use crate::policy::outcome::Outcome;

/// The families this collector exports, with their help texts and labels.
const FAMILIES: [(&str, &str, &[&str]); 8] = [
    (
        "seawall_requests_total",
        "Requests finished, by what became of them.",
        &["site", "method", "status", "outcome"],
    ),
    (
        "seawall_request_duration_seconds",
        "From the request's head until the last response byte was gone.",
        &["site", "outcome"],
    ),
    (
        "seawall_request_first_byte_seconds",
        "From the request's head until the response's head was on its way.",
        &["site", "outcome"],
    ),
    ("seawall_response_bytes_total", "Bytes of response bodies.", &["site", "outcome"]),
    ("seawall_request_bytes_total", "Bytes of request bodies.", &["site"]),
    (
        "seawall_requests_incomplete_total",
        "Requests whose client went away or whose body broke off.",
        &["site"],
    ),
    ("seawall_refusals_total", "Answers the edge gave on its own behalf, by reason.", &["site", "reason"]),
    ("seawall_requests_in_flight", "Requests that have begun and not ended.", &[]),
];

/// All shards of a process.
pub(super) struct Shards {
    pub(super) sites: SiteLabels,
    shards: Mutex<Vec<Arc<RequestShard>>>,
}

impl Shards {
    pub(super) fn new(sites: SiteLabels) -> Self {
        Self { sites, shards: Mutex::default() }
    }

    pub(super) fn add(&self, shard: Arc<RequestShard>) {
        self.shards.lock().push(shard);
    }
}

/// The `Collector` that a registry owns.
pub(super) struct ShardCollector {
    shards: Arc<Shards>,
    descs: Vec<Desc>,
}

impl ShardCollector {
    pub(super) fn new(shards: Arc<Shards>) -> Result<Self, prometheus::Error> {
        let descs = FAMILIES
            .iter()
            .map(|(name, help, labels)| {
                let labels = labels.iter().map(|&l| l.to_owned()).collect();
                Desc::new((*name).to_owned(), (*help).to_owned(), labels, HashMap::new())
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shards, descs })
    }
}

impl Collector for ShardCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let shards = self.shards.shards.lock().clone();
        let sum = Sum { sites: self.shards.sites.all(), shards: &shards };
        let metrics = [
            (proto::MetricType::COUNTER, sum.requests()),
            (proto::MetricType::HISTOGRAM, sum.histograms(RequestShard::add_duration)),
            (proto::MetricType::HISTOGRAM, sum.histograms(RequestShard::add_first_byte)),
            (proto::MetricType::COUNTER, sum.sent()),
            (proto::MetricType::COUNTER, sum.by_row(RequestShard::received)),
            (proto::MetricType::COUNTER, sum.by_row(RequestShard::incomplete)),
            (proto::MetricType::COUNTER, sum.refusals()),
            (proto::MetricType::GAUGE, vec![sum.in_flight()]),
        ];
        FAMILIES
            .iter()
            .zip(metrics)
            .filter(|(_, (_, metrics))| !metrics.is_empty())
            .map(|((name, help, _), (kind, metrics))| {
                let mut family = proto::MetricFamily::default();
                family.set_name((*name).to_owned());
                family.set_help((*help).to_owned());
                family.set_field_type(kind);
                family.set_metric(metrics);
                family
            })
            .collect()
    }
}

/// One scrape's view of the shards.
struct Sum<'a> {
    /// With their labels.
    sites: Vec<(Option<SiteHandle>, Arc<str>)>,
    shards: &'a [Arc<RequestShard>],
}

impl Sum<'_> {
    fn total(&self, cell: impl Fn(&RequestShard) -> u64) -> u64 {
        self.shards.iter().map(|shard| cell(shard)).fold(0, u64::wrapping_add)
    }

    fn requests(&self) -> Vec<proto::Metric> {
        let mut metrics = Vec::new();
        for (row, site) in self.sites.iter().map(|(row, site)| (*row, &**site)) {
            for (m, method) in MethodClass::ALL.iter().enumerate() {
                for (s, status) in STATUSES.iter().enumerate() {
                    for (o, outcome) in Outcome::ALL.iter().enumerate() {
                        let labels = [
                            ("method", method.as_str()),
                            ("outcome", outcome.as_str()),
                            ("site", site),
                            ("status", status),
                        ];
                        metrics.extend(counter(self.total(|shard| shard.requests(row, m, s, o)), &labels));
                    }
                }
            }
        }
        metrics
    }

    fn histograms(
        &self,
        add: impl Fn(&RequestShard, Option<SiteHandle>, usize, &mut Distribution),
    ) -> Vec<proto::Metric> {
        let mut metrics = Vec::new();
        for (row, site) in self.sites.iter().map(|(row, site)| (*row, &**site)) {
            for (o, outcome) in Outcome::ALL.iter().enumerate() {
                let mut sum = Distribution::default();
                for shard in self.shards {
                    add(shard, row, o, &mut sum);
                }
                metrics.extend(histogram(&sum, &[("outcome", outcome.as_str()), ("site", site)]));
            }
        }
        metrics
    }

    fn sent(&self) -> Vec<proto::Metric> {
        let mut metrics = Vec::new();
        for (row, site) in self.sites.iter().map(|(row, site)| (*row, &**site)) {
            for (o, outcome) in Outcome::ALL.iter().enumerate() {
                let labels = [("outcome", outcome.as_str()), ("site", site)];
                metrics.extend(counter(self.total(|shard| shard.sent(row, o)), &labels));
            }
        }
        metrics
    }

    fn by_row(&self, cell: impl Fn(&RequestShard, Option<SiteHandle>) -> u64) -> Vec<proto::Metric> {
        let rows = self.sites.iter();
        rows.filter_map(|(row, site)| counter(self.total(|shard| cell(shard, *row)), &[("site", site)]))
            .collect()
    }

    fn refusals(&self) -> Vec<proto::Metric> {
        let mut metrics = Vec::new();
        for (row, site) in self.sites.iter().map(|(row, site)| (*row, &**site)) {
            for (r, refusal) in Refusal::ALL.iter().enumerate() {
                let labels = [("reason", refusal.as_str()), ("site", site)];
                metrics.extend(counter(self.total(|shard| shard.refusals(row, r)), &labels));
            }
        }
        metrics
    }

    fn in_flight(&self) -> proto::Metric {
        let mut gauge = proto::Gauge::default();
        // The two counters of a shard are read one after the other: a blink below zero is no news.
        gauge.set_value(self.shards.iter().map(|shard| shard.in_flight()).sum::<i64>().max(0) as f64);
        proto::Metric::from_gauge(gauge)
    }
}

fn labelled(labels: &[(&str, &str)]) -> proto::Metric {
    let pair = |&(name, value): &(&str, &str)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    proto::Metric::from_label(labels.iter().map(pair).collect())
}

fn counter(value: u64, labels: &[(&str, &str)]) -> Option<proto::Metric> {
    (value > 0).then(|| {
        let mut counter = proto::Counter::default();
        counter.set_value(value as f64);
        let mut metric = labelled(labels);
        metric.set_counter(counter);
        metric
    })
}

fn histogram(sum: &Distribution, labels: &[(&str, &str)]) -> Option<proto::Metric> {
    let count = sum.count();
    (count > 0).then(|| {
        let mut below = 0;
        let buckets = BOUNDS.iter().zip(sum.buckets).map(|(&bound, inside)| {
            below += inside;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(bound as f64 / 1e9);
            bucket.set_cumulative_count(below);
            bucket
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(count);
        histogram.set_sample_sum(sum.sum_nanos as f64 / 1e9);
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        metric
    })
}
