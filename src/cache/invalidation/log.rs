//! All of it behind one handle.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::file::{Beside, Found, LogFile};
use super::marks::{Marks, Subject, Verdict};
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

/// Purges entered while hits that want the marks wait: tens of microseconds.
const ENTERED_AT_ONCE: usize = 256;

/// The ordered log of purges. A purge is in effect for the next request when [`append`](Self::append) returns.
#[derive(Debug)]
pub struct InvalidationLog {
    head: Head,
    marks: RwLock<Marks>,
    /// Held for a whole append, so that records stand in the file in their order; hits never wait for it.
    file: Mutex<Backing>,
    /// Somebody writes the file anew.
    tidying: AtomicBool,
    /// All purges are where they are to be.
    durable: AtomicBool,
    metrics: InvalidationMetrics,
}

/// Where the records are kept.
#[derive(Debug)]
enum Backing {
    /// Nowhere: the cache does not outlive the process either.
    Nowhere,
    File(LogFile),
    /// To be in this file, which could not be opened yet. What it says is below `since`, and suspect for as long.
    Missing {
        path: PathBuf,
        since: u64,
    },
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
    /// used, all that is older than this run is [`Verdict::Suspect`], and purges are not durable; each of them, and
    /// [`retry`](Self::retry), tries to open the file.
    pub fn open_or_suspect(path: &Path, now: Time, metrics: InvalidationMetrics) -> Self {
        match read(path, now) {
            Ok((marks, file)) => Self::with(marks, Backing::File(file), metrics),
            Err(error) => {
                tracing::error!(%error, "purges will not outlive a restart, and what is on disk is confirmed before use");
                let (mut marks, since) = (Marks::default(), head_at(now));
                marks.advance(since);
                marks.raise_floor(since);
                Self::with(marks, Backing::Missing { path: path.to_owned(), since }, metrics)
            }
        }
    }

    fn with(marks: Marks, file: Backing, metrics: InvalidationMetrics) -> Self {
        metrics.entries.set(i64::try_from(marks.len()).unwrap_or(i64::MAX));
        let head = Head(AtomicU64::new(marks.head()));
        let log = Self {
            head,
            marks: RwLock::new(marks),
            file: Mutex::new(Backing::Nowhere),
            tidying: false.into(),
            durable: true.into(),
            metrics,
        };
        log.tell(&file);
        *log.file.lock() = file;
        log
    }

    /// Whether all purges will be known after a restart, if the cache is. Doesn't wait.
    pub fn is_durable(&self) -> bool {
        self.durable.load(Ordering::Acquire)
    }

    fn tell(&self, backing: &Backing) {
        let is_durable = match backing {
            Backing::Nowhere => true,
            Backing::File(file) => !file.is_doubtful(),
            Backing::Missing { .. } => false,
        };
        self.durable.store(is_durable, Ordering::Release);
        self.metrics.durable.set(i64::from(is_durable));
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
        let sequence = self.enter(selectors, mode, now);
        let written = match &mut *file {
            Backing::Nowhere => Ok(()),
            Backing::File(file) if !file.is_doubtful() && !file.is_gone() => {
                file.append(selectors.iter().map(|selector| Record::Purge {
                    selector: selector.clone(),
                    sequence,
                    mode,
                    time: now,
                }))
            }
            _ => self.mend(&mut file),
        };
        self.tell(&file);
        written.map(|()| Appended { sequence }).map_err(|error| NotDurable { sequence, error })
    }

    /// Tries to make good what failed: opens the file that could not be opened, reads what earlier runs left in it, and
    /// writes what could not be written. Waits for the disk: not for a runtime's thread.
    ///
    /// # Errors
    /// It still can't be done.
    pub fn retry(&self) -> io::Result<()> {
        let mut file = self.file.lock();
        let mended = self.mend(&mut file);
        self.tell(&file);
        mended
    }

    fn mend(&self, backing: &mut Backing) -> io::Result<()> {
        if let Backing::Missing { path, since } = &*backing {
            let file = self.open_late(path, *since)?;
            *backing = Backing::File(file);
        }
        if let Backing::File(file) = backing
            && file.is_gone()
        {
            file.doubt();
            *file = self.open_anew(file.path())?;
        }
        if let Backing::File(file) = backing
            && file.is_doubtful()
        {
            let snapshot = self.marks.read().snapshot();
            file.rewrite(snapshot.records())?;
            tracing::info!("all purges are on disk again");
        }
        Ok(())
    }

    /// Makes the file again after it was deleted. What somebody else has put there is not known, and may matter.
    fn open_anew(&self, path: &Path) -> io::Result<LogFile> {
        let (mut file, found) = LogFile::open(path, |_| {})?;
        file.doubt();
        if found != Found::Nothing {
            let mut marks = self.marks.write();
            let head = marks.head();
            marks.raise_floor(head);
        }
        Ok(file)
    }

    /// Opens the file and adds what earlier runs left in it to the marks. What is older than this run is suspect no
    /// longer, unless purges may be lost, or somebody else has numbered purges as this run did.
    fn open_late(&self, path: &Path, since: u64) -> io::Result<LogFile> {
        let mut records = Vec::new();
        let (mut file, found) = LogFile::open(path, |record| records.push(record))?;
        file.doubt();
        let (mut floor, mut last) = (0, 0);
        for some in records.chunks(ENTERED_AT_ONCE) {
            let mut marks = self.marks.write();
            for record in some {
                match record {
                    Record::Purge { selector, sequence, mode, time } => {
                        marks.set(selector, *sequence, *mode, *time);
                        last = last.max(*sequence);
                    }
                    Record::Floor(sequence) => floor = floor.max(*sequence),
                }
            }
            let garbage = marks.take_garbage();
            drop(marks);
            drop(garbage);
        }
        let is_all = matches!(found, Found::Log(End::Clean | End::Torn));
        let mut marks = self.marks.write();
        if last.max(floor) <= since {
            // Where purges may be lost, the floor stays where this run began.
            if is_all {
                marks.lower_floor(since, floor);
            }
        } else {
            let above = last.max(floor).max(marks.head());
            marks.raise_floor(above);
            marks.advance(above);
            self.head.0.store(above, Ordering::Release);
        }
        let entries = marks.len();
        drop(marks);
        self.metrics.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        Ok(file)
    }

    /// Enters purges into the marks. Only who holds the file does so.
    fn enter(&self, selectors: &[Selector], mode: Mode, now: Time) -> u64 {
        let sequence = self.head() + 1;
        for some in selectors.chunks(ENTERED_AT_ONCE) {
            let mut marks = self.marks.write();
            some.iter().for_each(|selector| marks.set(selector, sequence, mode, now));
            let garbage = marks.take_garbage();
            drop(marks);
            drop(garbage);
        }
        let mut marks = self.marks.write();
        marks.advance(sequence);
        self.head.0.store(sequence, Ordering::Release);
        let entries = marks.len();
        drop(marks);
        self.metrics.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        for selector in selectors {
            self.metrics.purges.with_label_values(&[selector.as_str(), mode.as_str()]).inc();
        }
        sequence
    }

    /// Writes the file anew if most of it is superseded. That takes as long as a file of all marks takes; purges
    /// and hits go on meanwhile. Waits for the disk: not for a runtime's thread.
    ///
    /// # Errors
    /// The old file is still there, and still good.
    pub fn tidy(&self) -> io::Result<()> {
        let mark = match &*self.file.lock() {
            Backing::File(file) if file.is_bloated(self.marks.read().len()) => file.mark(),
            _ => return Ok(()),
        };
        if self.tidying.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let tidied = self.write_beside(&mark);
        self.tidying.store(false, Ordering::Release);
        tidied
    }

    fn write_beside(&self, mark: &super::file::Mark) -> io::Result<()> {
        // It may hold purges that are in the file behind the mark as well: to enter them twice does no harm.
        let snapshot = self.marks.read().snapshot();
        let beside = Beside::at(mark, snapshot.records())?;
        drop(snapshot);
        if let Backing::File(file) = &mut *self.file.lock() {
            file.replace(beside, mark)?;
        }
        Ok(())
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
        Record::Purge { selector, sequence, mode, time } => {
            marks.set(&selector, sequence, mode, time);
            marks.advance(sequence);
        }
        Record::Floor(sequence) => {
            marks.raise_floor(sequence);
            marks.advance(sequence);
        }
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
    drop(marks.take_garbage());
    if (file.is_doubtful() || file.is_bloated(marks.len()))
        && let Err(error) = file.rewrite(marks.snapshot().records())
    {
        // All that it says is known: only that it can't be appended to matters, and that may pass.
        tracing::error!(path = %path.display(), %error, "purges will not outlive a restart");
        file.doubt();
    }
    Ok((marks, file))
}

#[cfg(test)]
mod tests;
