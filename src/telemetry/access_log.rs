//! The access log: records go into a bounded queue, one background thread writes them. A request never waits.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::collector::Shards;
use super::line::LineFormat;
use super::metrics::{LogMetrics, Metrics};
use super::record::Record;
use super::sink::Sink;
use crate::config;

/// Records that may wait. With the longest details that are kept, a full queue is about 100 MB; a usual one is 4 MB.
const QUEUE: usize = 8192;
/// A line is on its way to the file at the latest after this.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Why there is no access log.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The file could not be opened for appending.
    #[error("access log {path}: {source}", path = path.display())]
    Open {
        /// `log.access`
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No thread to write with.
    #[error("access log thread: {0}")]
    Thread(io::Error),
}

enum Message {
    Record(Record),
    /// Look at `reopen` now.
    Wake,
    /// Write what is there, then answer.
    Flush(SyncSender<()>),
    Close,
}

/// A handle; clones are the same log. [`close`](AccessLog::close) it before the process ends.
#[derive(Clone)]
pub struct AccessLog {
    /// None: off.
    shared: Option<Arc<Shared>>,
}

struct Shared {
    queue: SyncSender<Message>,
    metrics: LogMetrics,
    /// A request is sampled if its hash is below; `None` samples all.
    threshold: Option<u64>,
    reopen: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AccessLog {
    /// A log that takes nothing.
    pub fn off() -> Self {
        Self { shared: None }
    }

    /// Opens what `[log]` names and starts the thread that writes to it.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub fn start(config: &config::Log, metrics: &Metrics) -> Result<Self, AccessLogError> {
        let counters = metrics.log().clone();
        let sink = match &config.access {
            config::AccessLog::Off => return Ok(Self::off()),
            config::AccessLog::Stdout => Sink::stdout(counters),
            config::AccessLog::File(path) => Sink::file(path, counters)
                .map_err(|source| AccessLogError::Open { path: path.clone(), source })?,
        };
        let format = match config.format {
            config::LogFormat::Json => LineFormat::Json,
            config::LogFormat::Text => LineFormat::Text,
            config::LogFormat::Auto
                if config.access == config::AccessLog::Stdout && io::stdout().is_terminal() =>
            {
                LineFormat::Text
            }
            config::LogFormat::Auto => LineFormat::Json,
        };
        let (queue, messages) = sync_channel(QUEUE);
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer { sink, format, shards: metrics.shards().clone(), reopen: reopen.clone() };
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || writer.run(&messages))
            .map_err(AccessLogError::Thread)?;
        Ok(Self::with(queue, metrics.log().clone(), config.sample, reopen, Some(thread)))
    }

    fn with(
        queue: SyncSender<Message>,
        metrics: LogMetrics,
        sample: f64,
        reopen: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    ) -> Self {
        // A share of the u64 range; the cast saturates, so no share overflows.
        let threshold = (sample < 1.0).then_some((sample.max(0.0) * u64::MAX as f64) as u64);
        Self {
            shared: Some(Arc::new(Shared { queue, metrics, threshold, reopen, thread: Mutex::new(thread) })),
        }
    }

    /// Whether nothing is ever logged.
    pub fn is_off(&self) -> bool {
        self.shared.is_none()
    }

    /// Whether the `n`th request of a thread is in the sample: pseudo-random, the same share of any run.
    pub(super) fn samples(&self, n: u64) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.threshold.is_none_or(|most| scatter(n) < most))
    }

    /// Puts a record in the queue, or counts it as dropped if there is no room. Never waits.
    pub fn write(&self, mut record: Record) {
        let Some(shared) = &self.shared else { return };
        if let Some(details) = &mut record.details {
            details.bound();
        }
        match shared.queue.try_send(Message::Record(record)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => shared.metrics.dropped.inc(),
        }
    }

    /// Opens the file's name again: for SIGUSR1, after a log rotation moved the file away. Does not wait.
    pub fn reopen(&self) {
        if let Some(shared) = &self.shared {
            shared.reopen.store(true, Ordering::Release);
            // No room: then the thread is at work, and looks at the flag before each line.
            let _ = shared.queue.try_send(Message::Wake);
        } else {
            tracing::info!("there is no access log to reopen: log.access is off");
        }
    }

    /// Returns when everything queued before has been handed to the system. Blocks: not for a worker thread.
    pub fn flush(&self) {
        if let Some(shared) = &self.shared {
            let (done, wait) = sync_channel(1);
            if shared.queue.send(Message::Flush(done)).is_ok() {
                let _ = wait.recv();
            }
        }
    }

    /// Writes what is queued and ends the thread; later records are dropped and counted. Blocks.
    pub fn close(&self) {
        if let Some(shared) = &self.shared
            && let Some(thread) = shared.thread.lock().take()
        {
            let _ = shared.queue.send(Message::Close);
            if thread.join().is_err() {
                tracing::error!("the access log thread panicked");
            }
        }
    }
}

/// SplitMix64's finaliser over a Weyl sequence: numbers in a row become evenly spread ones.
fn scatter(n: u64) -> u64 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The background thread.
struct Writer {
    sink: Sink,
    format: LineFormat,
    shards: Arc<Shards>,
    reopen: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut flush_at = Instant::now() + FLUSH_EVERY;
        loop {
            let message = messages.recv_timeout(flush_at.saturating_duration_since(Instant::now()));
            if self.reopen.swap(false, Ordering::Acquire) {
                self.sink.reopen();
            }
            match message {
                Ok(Message::Record(record)) => {
                    let site = self.shards.sites.label(record.site);
                    self.sink.line(|out| self.format.write(&record, &site, out));
                }
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Flush(done)) => {
                    self.sink.flush();
                    let _ = done.send(());
                }
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= flush_at {
                self.sink.flush();
                flush_at = Instant::now() + FLUSH_EVERY;
            }
        }
        self.sink.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::super::sites::SiteHandle;
    use super::*;
    use crate::http::time::Time;
    use crate::telemetry::{Details, Recorder};
    use std::path::Path;

    fn config(path: &Path, sample: f64) -> config::Log {
        config::Log {
            level: "info".into(),
            format: config::LogFormat::Auto,
            access: config::AccessLog::File(path.to_owned()),
            sample,
        }
    }

    fn record(path: &str) -> Record {
        let details = Details { path: path.into(), ..Details::default() };
        Record {
            status: 200,
            site: Some(SiteHandle::default()),
            complete: true,
            details: Some(Box::new(details)),
            ..Record::new(Time(0), quanta::Instant::now())
        }
    }

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn metrics() -> Metrics {
        let metrics = Metrics::new(&["a.example".into()]).unwrap();
        assert_eq!(metrics.site("a.example"), SiteHandle::default());
        metrics
    }

    #[test]
    fn lines_are_written_in_order_and_on_close() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let metrics = metrics();
        let log = AccessLog::start(&config(&path, 1.0), &metrics).unwrap();
        for i in 0..100 {
            log.write(record(&format!("/{i}\n\"")));
        }
        log.close();
        let lines = lines(&path);
        assert_eq!(lines.len(), 100);
        for (i, line) in lines.iter().enumerate() {
            assert_eq!((&line["path"], &line["site"]), (&format!("/{i}\n\"").into(), &"a.example".into()));
        }
        assert_eq!(metrics.log().written.get(), 100);
        log.write(record("/late"));
        log.close();
        log.flush();
        assert_eq!(metrics.log().dropped.get(), 1);
    }

    #[test]
    fn rotation_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let log = AccessLog::start(&config(&path, 1.0), &metrics()).unwrap();
        log.write(record("/before"));
        log.flush();
        std::fs::rename(&path, &moved).unwrap();
        log.write(record("/between"));
        log.flush();
        log.reopen();
        log.write(record("/after"));
        log.flush();
        assert_eq!(
            lines(&moved).iter().map(|l| l["path"].clone()).collect::<Vec<_>>(),
            ["/before", "/between"]
        );
        assert_eq!(lines(&path).iter().map(|l| l["path"].clone()).collect::<Vec<_>>(), ["/after"]);
        log.close();
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_does_not_block() {
        let metrics = metrics();
        let (queue, stuck) = sync_channel(2);
        let log = AccessLog::with(queue, metrics.log().clone(), 1.0, Arc::default(), None);
        for _ in 0..5 {
            log.write(record("/"));
        }
        log.reopen();
        assert_eq!(metrics.log().dropped.get(), 3);
        drop(stuck);
        log.write(record("/"));
        assert_eq!(metrics.log().dropped.get(), 4);
    }

    #[test]
    fn failures_are_always_logged_and_the_rest_by_share() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let metrics = metrics();
        let log = AccessLog::start(&config(&path, 0.0), &metrics).unwrap();
        let recorder = Recorder::new(metrics.shard(), log.clone());
        let request = |status| {
            let mut pending = recorder.begin(Time(0), quanta::Instant::now());
            pending.record.status = status;
            pending
        };
        request(200).finish();
        request(404).finish();
        assert!(!request(200).wants_details() && request(502).wants_details());
        log.flush();
        std::fs::write(&path, "").unwrap();
        request(500).finish();
        drop(request(200));
        log.close();
        let seen: Vec<_> =
            lines(&path).iter().map(|l| (l["status"].as_u64(), l["complete"].as_bool())).collect();
        assert_eq!(seen, [(Some(500), Some(true)), (Some(200), Some(false))]);
    }

    #[test]
    fn the_sample_has_the_size_asked_for() {
        let metrics = metrics();
        for (share, least, most) in [(0.0, 0, 0), (0.01, 70, 130), (0.25, 2300, 2700), (1.0, 10_000, 10_000)]
        {
            let (queue, _messages) = sync_channel(1);
            let log = AccessLog::with(queue, metrics.log().clone(), share, Arc::default(), None);
            let sampled = (0..10_000).filter(|&n| log.samples(n)).count();
            assert!((least..=most).contains(&sampled), "{share}: {sampled}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = AccessLog::start(&config(dir.path(), 1.0), &metrics()).err().unwrap().to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }

    #[test]
    fn off_is_off() {
        let config = config::Log { access: config::AccessLog::Off, ..config(Path::new("/"), 1.0) };
        let log = AccessLog::start(&config, &metrics()).unwrap();
        assert!(log.is_off() && !log.samples(0));
        log.write(record("/"));
        log.close();
    }
}
