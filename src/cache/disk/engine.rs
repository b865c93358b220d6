//! What all threads of the tier share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::entry::Entry;
use super::super::key::KeyHash;
use super::doorkeeper::Doorkeeper;
use super::faults::Faults;
use super::index::{Index, Place};
use super::metrics::DiskMetrics;
use super::queue::Queue;
use super::reader::{self, Readers, Unread};
use super::record::{SEGMENT_HEAD, SEGMENT_MOST};
use super::segments::Segments;

const KIB: u64 = 1 << 10;
/// What waits to be written, in RAM.
const QUEUE: usize = 32 << 20;
/// A read that takes longer is a miss.
const READ_TIMEOUT: Duration = Duration::from_millis(500);
/// Between a failure and the next try.
const RETRY: Duration = Duration::from_secs(2);
/// So many reads that fail or time out in a row, and nothing is read until [`RETRY`] has passed.
const FAILED_READS: u32 = 8;
/// Size of an object for which the doorkeeper's memory is planned.
const MEAN_OBJECT: u64 = 32 * KIB;

/// What is worth writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Whatever is stored.
    All,
    /// What somebody asks for a second time.
    SecondHit,
}

/// How a tier is set up.
pub struct Options {
    /// The folder.
    pub path: PathBuf,
    /// Bytes on disk.
    pub capacity: u64,
    /// What is written.
    pub admission: Admission,
    /// Bytes of a segment: what is made room by at once. No record is larger.
    pub segment: u32,
    /// Bytes that may wait to be written.
    pub queue: usize,
    /// A read that takes longer is a miss.
    pub read_timeout: Duration,
    /// Between a failure and the next try.
    pub retry: Duration,
    /// Threads that read.
    pub readers: usize,
    /// Whether something is worth keeping that nobody has read from disk: what is in RAM now.
    pub wanted: Box<dyn Fn(KeyHash) -> bool + Send + Sync>,
    pub(super) faults: Faults,
}

impl Options {
    /// A folder, the bytes it may have, and what is written there.
    pub fn new(path: PathBuf, capacity: u64, admission: Admission) -> Self {
        let segment = (capacity / 32).clamp(64 * KIB, SEGMENT_MOST.into()) / 8 * 8;
        Self {
            path,
            capacity,
            admission,
            segment: segment as u32,
            queue: QUEUE,
            read_timeout: READ_TIMEOUT,
            retry: RETRY,
            readers: thread::available_parallelism().map_or(4, |cores| cores.get() * 2).clamp(4, 16),
            wanted: Box::new(|_| false),
            faults: Faults::default(),
        }
    }

    pub(super) fn largest_record(&self) -> u32 {
        self.segment - SEGMENT_HEAD
    }
}

/// How the tier is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The index is being read; what is listed so far is served.
    Recovering,
    /// It reads and writes.
    Up,
    /// It can't write, or not read; why. It tries again by itself.
    Down(String),
    /// For good.
    Closed,
}

/// What all threads of the tier share.
pub(super) struct Inner {
    pub options: Options,
    pub index: Index,
    pub segments: Segments,
    pub queue: Queue,
    pub metrics: DiskMetrics,
    pub readers: Readers,
    pub(super) doorkeeper: Mutex<Doorkeeper>,
    pub(super) status: watch::Sender<Status>,
    /// How the writer is, whatever reads say.
    writer: Mutex<Status>,
    reads: Reads,
    /// Everything was removed, and the writer has not come to it yet.
    pub(super) forgetting: AtomicBool,
    pub(super) closed: AtomicBool,
}

/// Whether reading makes sense.
struct Reads {
    /// In a row.
    failed: AtomicU32,
    why: Mutex<String>,
    /// Milliseconds since `began`; nothing is read before.
    off_until: AtomicU64,
    began: Instant,
}

impl Inner {
    /// Nothing is read or written yet.
    pub fn new(options: Options, metrics: DiskMetrics) -> Self {
        let expected = (options.capacity / MEAN_OBJECT).clamp(1 << 14, 1 << 22) as usize;
        Self {
            queue: Queue::new(options.queue),
            index: Index::default(),
            segments: Segments::default(),
            readers: Readers::default(),
            doorkeeper: Mutex::new(Doorkeeper::new(expected)),
            status: watch::Sender::new(Status::Recovering),
            writer: Mutex::new(Status::Recovering),
            reads: Reads {
                failed: 0.into(),
                why: Mutex::default(),
                off_until: 0.into(),
                began: Instant::now(),
            },
            forgetting: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            metrics,
            options,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Says how the writer is.
    pub fn set(&self, status: Status) {
        *self.writer.lock() = status;
        self.tell();
    }

    /// Says how the tier is, if that has changed.
    fn tell(&self) {
        let mut status = self.writer.lock().clone();
        if matches!(status, Status::Up | Status::Recovering) && self.reads_fail() {
            status = Status::Down(self.reads.why.lock().clone());
        }
        self.metrics.up.set(i64::from(matches!(status, Status::Up | Status::Recovering)));
        self.status.send_if_modified(|known| {
            if *known == status {
                return false;
            }
            match &status {
                Status::Down(reason) => {
                    tracing::error!(target: "seawall::disk", %reason, path = %self.options.path.display(), "disk tier is down");
                }
                Status::Up => tracing::info!(target: "seawall::disk", "disk tier is up: it reads and writes"),
                Status::Recovering | Status::Closed => {}
            }
            *known = status;
            true
        });
    }

    /// Forgets what is in RAM; the files stay.
    pub fn forget_all(&self) {
        self.segments.clear();
        self.index.clear();
    }

    /// The writer has removed everything.
    pub fn forgotten(&self) {
        self.forgetting.store(false, Ordering::SeqCst);
    }

    pub fn may_read(&self) -> bool {
        if self.forgetting.load(Ordering::SeqCst) {
            return false;
        }
        let off_until = self.reads.off_until.load(Ordering::Relaxed);
        off_until == 0 || self.reads.began.elapsed().as_millis() as u64 >= off_until
    }

    pub fn read_failed(&self, reason: &str) {
        if self.reads.failed.fetch_add(1, Ordering::Relaxed) + 1 >= FAILED_READS {
            let until = self.reads.began.elapsed() + self.options.retry;
            self.reads.off_until.store(until.as_millis() as u64, Ordering::Relaxed);
            reason.clone_into(&mut self.reads.why.lock());
            self.tell();
        }
    }

    fn read_succeeded(&self) {
        if self.reads.failed.swap(0, Ordering::Relaxed) >= FAILED_READS {
            self.reads.off_until.store(0, Ordering::Relaxed);
            self.tell();
        }
    }

    fn reads_fail(&self) -> bool {
        self.reads.failed.load(Ordering::Relaxed) >= FAILED_READS
    }

    /// Finds out whether reads work again, when they did not: there may be nobody who asks for a record.
    pub fn probe_reads(&self) {
        let Some(segment) = self.segments.oldest().filter(|_| self.reads_fail()) else { return };
        let began = Instant::now();
        let read = segment.read(&mut [0; SEGMENT_HEAD as usize], 0);
        if read.is_ok() && began.elapsed() < self.options.read_timeout {
            self.read_succeeded();
        }
    }

    /// Reads a record, and says what became of it.
    pub fn read(&self, hash: KeyHash, place: Place) -> Option<Entry> {
        let read = match self.segments.get(place.segment()) {
            Some(segment) => reader::read(&segment, hash, place),
            None => Err(Unread::Gone),
        };
        let result = |result| self.metrics.reads.with_label_values(&[result]).inc();
        match read {
            Ok(entry) => {
                self.read_succeeded();
                self.metrics.read_bytes.inc_by(entry.weight() as u64);
                return Some(entry);
            }
            Err(Unread::Bad(what)) => {
                let (segment, offset) = (place.segment(), place.offset());
                tracing::warn!(target: "seawall::disk", segment, offset, what, "damaged record: a miss");
                self.metrics.bad_records.with_label_values(&["read"]).inc();
                self.index.forget(hash, place);
                result("bad");
            }
            Err(Unread::Gone) => {
                self.index.forget(hash, place);
                result("gone");
            }
            Err(Unread::Failed(error)) => {
                self.metrics.errors.with_label_values(&["read"]).inc();
                result("error");
                self.read_failed(&error.to_string());
            }
        }
        None
    }
}
