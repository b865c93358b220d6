//! All of it behind one handle.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::file::{Found, LogFile};
use super::marks::{MAX_ENTRIES, Marks, Subject, Verdict};
use super::metrics::InvalidationMetrics;
use super::record::{End, Record};
use super::selector::{Mode, Selector};
use crate::http::time::Time;

/// The last purge that has been applied to an object.
#[derive(Debug)]
pub struct Seen(AtomicU64);

impl Seen {
    /// All purges up to `sequence` have been.
    pub const fn new(sequence: u64) -> Self {
        Self(AtomicU64::new(sequence))
    }

    /// Its sequence: what a tier keeps with an object.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn advance(&self, sequence: u64) {
        self.0.fetch_max(sequence, Ordering::Release);
    }
}

impl Clone for Seen {
    fn clone(&self) -> Self {
        Self::new(self.get())
    }
}

/// On a cache line of its own: every hit reads it, and the locks beside it are written.
#[derive(Debug)]
#[repr(align(128))]
struct Head(AtomicU64);

/// The ordered log of purges. A purge is in effect for the next request when [`append`](Self::append) returns.
#[derive(Debug)]
pub struct InvalidationLog {
    head: Head,
    marks: RwLock<Marks>,
    /// Held for a whole append, so that records stand in the file in their order; hits never wait for it.
    file: Mutex<Backing>,
    metrics: InvalidationMetrics,
}

/// Where the records are kept.
#[derive(Debug)]
enum Backing {
    /// Nowhere: the cache does not outlive the process either.
    Nowhere,
    File(LogFile),
    /// To be in this file, which could not be opened yet.
    Missing(PathBuf),
}

/// Why a log can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("the log of purges {path}: {error}")]
pub struct LogError {
    path: PathBuf,
    #[source]
    error: io::Error,
}

/// A purge that is in effect, but would not survive a restart. The next append tries to save it as well.
#[derive(Debug, thiserror::Error)]
#[error("purge {sequence} is in effect, but could not be written to disk: {error}")]
pub struct NotDurable {
    /// The purge's sequence.
    pub sequence: u64,
    #[source]
    error: io::Error,
}

/// A purge in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence: objects that have seen it were judged by it.
    pub sequence: u64,
}

impl InvalidationLog {
    /// For a cache that does not outlive the process.
    pub fn in_memory(metrics: InvalidationMetrics) -> Self {
        Self::with(Marks::default(), Backing::Nowhere, metrics)
    }

    /// The log at `path`, for a cache that does; it is made if there is none. `now` keeps sequences rising from one
    /// run to the next, whatever became of the file.
    ///
    /// A record that was being written when the process died is dropped: its purge was not acknowledged. If the file
    /// is damaged, or gone, purges may be lost with it: everything older is [`Verdict::Suspect`] then.
    ///
    /// # Errors
    /// What the system says of the file.
    pub fn open(path: &Path, now: Time, metrics: InvalidationMetrics) -> Result<Self, LogError> {
        let (marks, file) = read(path, now)?;
        Ok(Self::with(marks, Backing::File(file), metrics))
    }

    /// As [`open`](Self::open), for a cache that is served whatever becomes of its disk. As long as the file can't be
    /// used, all that is older than this run is [`Verdict::Suspect`], and purges are not durable; each of them tries
    /// to open the file.
    pub fn open_or_suspect(path: &Path, now: Time, metrics: InvalidationMetrics) -> Self {
        match read(path, now) {
            Ok((marks, file)) => Self::with(marks, Backing::File(file), metrics),
            Err(error) => {
                tracing::error!(%error, "purges will not outlive a restart, and what is on disk is confirmed before use");
                let mut marks = Marks::default();
                marks.advance(head_at(now));
                marks.raise_floor(marks.head());
                Self::with(marks, Backing::Missing(path.to_owned()), metrics)
            }
        }
    }

    fn with(marks: Marks, file: Backing, metrics: InvalidationMetrics) -> Self {
        metrics.entries.set(i64::try_from(marks.len()).unwrap_or(i64::MAX));
        let head = Head(AtomicU64::new(marks.head()));
        Self { head, marks: RwLock::new(marks), file: Mutex::new(file), metrics }
    }

    /// Sequence of the latest purge: what an object has seen whose origin is asked from now on.
    pub fn head(&self) -> u64 {
        self.head.0.load(Ordering::Relaxed)
    }

    /// Whether nothing was purged since an object was last judged. This is all that a hit pays.
    #[inline]
    pub fn is_current(&self, seen: &Seen) -> bool {
        // In this order: having read what another thread has seen, this one sees the head that it saw.
        seen.0.load(Ordering::Acquire) == self.head.0.load(Ordering::Relaxed)
    }

    /// What the purges that an object has not seen say of it. If none means it, it has seen them now; in any other
    /// case the object has to be dropped, or replaced by one that is made by the verdict and has seen the
    /// sequence that comes with it.
    pub fn judge(&self, seen: &Seen, subject: Subject<'_>) -> (Verdict, u64) {
        let marks = self.marks.read();
        let (verdict, head) = (marks.judge(seen.get(), subject), marks.head());
        drop(marks);
        // Without tags it is not the whole truth.
        if verdict == Verdict::Current && subject.tags.is_some() {
            seen.advance(head);
        }
        (verdict, head)
    }

    /// A stored object was found purged, or stale by a purge.
    pub fn count_purged_hit(&self) {
        self.metrics.purged_hits.inc();
    }

    /// Purges all of `selectors` at once. In a log with a file this waits for the disk: not for a runtime's thread.
    ///
    /// # Errors
    /// The purge is in effect but is not on disk.
    pub fn append(&self, selectors: &[Selector], mode: Mode, now: Time) -> Result<Appended, NotDurable> {
        let mut file = self.file.lock();
        let sequence = {
            let mut marks = self.marks.write();
            let sequence = marks.head() + 1;
            selectors.iter().for_each(|selector| marks.set(selector, sequence, mode, now));
            marks.bound(MAX_ENTRIES);
            marks.advance(sequence);
            self.head.0.store(sequence, Ordering::Release);
            self.metrics.entries.set(i64::try_from(marks.len()).unwrap_or(i64::MAX));
            sequence
        };
        for selector in selectors {
            self.metrics.purges.with_label_values(&[selector.as_str(), mode.as_str()]).inc();
        }
        let failed = |error| NotDurable { sequence, error };
        let mut is_new = false;
        if let Backing::Missing(path) = &*file {
            // What it says is older than this run, and suspect without it.
            let (opened, _) = LogFile::open(path, |_| {}).map_err(failed)?;
            (*file, is_new) = (Backing::File(opened), true);
        }
        let Backing::File(file) = &mut *file else { return Ok(Appended { sequence }) };
        let marks = self.marks.read();
        let written = if is_new || file.wants_rewrite(marks.len()) {
            file.rewrite(records(&marks))
        } else {
            drop(marks);
            file.append(selectors.iter().map(|selector| Record::Purge {
                selector: selector.clone(),
                sequence,
                mode,
                time: now,
            }))
        };
        written.map(|()| Appended { sequence }).map_err(failed)
    }
}

/// The head of a log that is begun now: above all of earlier runs. There is room for a thousand purges in each
/// millisecond since; JSON numbers are exact up to the year 2248.
fn head_at(now: Time) -> u64 {
    now.0 << 10
}

/// What the log at `path` says.
fn read(path: &Path, now: Time) -> Result<(Marks, LogFile), LogError> {
    let failed = |error| LogError { path: path.to_owned(), error };
    let mut marks = Marks::default();
    let (mut file, found) = LogFile::open(path, |record| match record {
        Record::Purge { selector, sequence, mode, time } => marks.set(&selector, sequence, mode, time),
        Record::Floor(sequence) => marks.raise_floor(sequence),
    })
    .map_err(failed)?;
    marks.advance(head_at(now));
    match found {
        Found::Log(End::Clean) => {}
        Found::Log(End::Torn) => {
            tracing::info!(path = %path.display(), "an unfinished purge was dropped")
        }
        Found::Log(End::Damaged) => {
            tracing::warn!(path = %path.display(), "the log of purges is damaged: what is stored is confirmed before use");
            marks.raise_floor(marks.head());
        }
        Found::Nothing => marks.raise_floor(marks.head()),
    }
    marks.bound(MAX_ENTRIES);
    if file.wants_rewrite(marks.len()) {
        file.rewrite(records(&marks)).map_err(failed)?;
    }
    Ok((marks, file))
}

/// What a file has to hold for these marks.
fn records(marks: &Marks) -> impl Iterator<Item = Record> {
    let floor = (marks.floor() > 0).then(|| Record::Floor(marks.floor()));
    let purges = marks.purges().map(|(selector, sequence, mode, time)| Record::Purge {
        selector,
        sequence,
        mode,
        time,
    });
    floor.into_iter().chain(purges)
}

#[cfg(test)]
mod tests;
