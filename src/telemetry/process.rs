//! This process as `/proc` shows it, under the names that every Prometheus dashboard knows.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus::core::{Collector, Desc};
use prometheus::proto;

const CPU: &str = "process_cpu_seconds_total";
const FAMILIES: [(&str, &str); 7] = [
    ("process_resident_memory_bytes", "Resident memory."),
    (CPU, "User and system time spent."),
    ("process_open_fds", "Open file descriptors."),
    ("process_max_fds", "The limit on open file descriptors."),
    ("process_threads", "Threads."),
    ("process_start_time_seconds", "When the process started, since the Unix epoch."),
    ("seawall_uptime_seconds", "How long the process has been running."),
];

/// Clock ticks a second in `/proc/self/stat` where the kernel does not say: true of all Linux ports in use.
const USER_HZ: f64 = 100.0;

/// Reads `/proc/self` at each scrape; what cannot be read is not exported.
pub(super) struct ProcessCollector {
    descs: Vec<Desc>,
    ticks_per_second: f64,
    started: Instant,
    start_time: f64,
}

impl ProcessCollector {
    /// Uptime counts from here.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let descs = FAMILIES
            .iter()
            .map(|(name, help)| Desc::new((*name).to_owned(), (*help).to_owned(), Vec::new(), HashMap::new()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            descs,
            ticks_per_second: std::fs::read("/proc/self/auxv")
                .ok()
                .and_then(|v| clock_ticks(&v))
                .unwrap_or(USER_HZ),
            started: Instant::now(),
            start_time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        })
    }

    fn read(&self, name: &str) -> Option<f64> {
        let file = |path| std::fs::read_to_string(path).ok();
        match name {
            "process_resident_memory_bytes" => {
                status_field(&file("/proc/self/status")?, "VmRSS:").map(|kb| kb * 1024.0)
            }
            "process_threads" => status_field(&file("/proc/self/status")?, "Threads:"),
            CPU => cpu_ticks(&file("/proc/self/stat")?).map(|ticks| ticks / self.ticks_per_second),
            // One of them is the descriptor that lists the others.
            "process_open_fds" => {
                Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
            }
            "process_max_fds" => max_fds(&file("/proc/self/limits")?),
            "process_start_time_seconds" => Some(self.start_time),
            _ => Some(self.started.elapsed().as_secs_f64()),
        }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        FAMILIES.iter().filter_map(|(name, help)| Some(family(name, help, self.read(name)?))).collect()
    }
}

fn family(name: &str, help: &str, value: f64) -> proto::MetricFamily {
    let mut metric = proto::Metric::default();
    let mut family = proto::MetricFamily::default();
    if name == CPU {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
        family.set_field_type(proto::MetricType::COUNTER);
    } else {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
        family.set_field_type(proto::MetricType::GAUGE);
    }
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_metric(vec![metric]);
    family
}

/// `AT_CLKTCK` of the auxiliary vector: pairs of machine words, key and value.
fn clock_ticks(auxv: &[u8]) -> Option<f64> {
    const AT_CLKTCK: usize = 17;
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| bytes.try_into().ok().map(usize::from_ne_bytes);
    auxv.chunks_exact(2 * WORD)
        .find(|pair| word(&pair[..WORD]) == Some(AT_CLKTCK))
        .and_then(|pair| word(&pair[WORD..]))
        .filter(|&ticks| ticks > 0)
        .map(|ticks| ticks as f64)
}

/// The number after `key` in `/proc/self/status`.
fn status_field(status: &str, key: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

/// utime and stime of `/proc/self/stat`: fields 14 and 15, counted after a name that may hold blanks and brackets.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

/// The soft limit; none if there is no limit.
fn max_fds(limits: &str) -> Option<f64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_hostile_name() {
        let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 12345 1000 200";
        assert_eq!(cpu_ticks(stat), Some(300.0));
        assert_eq!(cpu_ticks("42 no name"), None);
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn status_and_limits_are_read() {
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t7\n";
        assert_eq!(status_field(status, "VmRSS:"), Some(2048.0));
        assert_eq!(status_field(status, "Threads:"), Some(7.0));
        assert_eq!(status_field(status, "VmSwap:"), None);
        let limits =
            "Limit  Soft  Hard  Units\nMax open files            1024                 4096   files\n";
        assert_eq!(max_fds(limits), Some(1024.0));
        assert_eq!(max_fds("Max open files   unlimited  unlimited files\n"), None);
    }

    #[test]
    fn clock_ticks_come_from_the_auxiliary_vector() {
        let auxv: Vec<u8> = [6usize, 4096, 17, 250, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!(clock_ticks(&auxv), Some(250.0));
        assert_eq!(clock_ticks(&auxv[..16]), None);
        assert_eq!(clock_ticks(b"odd"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen() {
        let process = ProcessCollector::new().unwrap();
        for (name, _) in FAMILIES {
            assert!(process.read(name).is_some_and(|value| value >= 0.0), "{name}");
        }
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        assert!(process.read("process_open_fds").unwrap() >= 50.0);
        drop(files);
    }
}
