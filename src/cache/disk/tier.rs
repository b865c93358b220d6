//! What the edge calls: nothing here waits for a disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::entry::Entry;
use super::super::key::KeyHash;
use super::super::store::tier::{Held, Reading, Tier};
use super::engine::{Admission, Inner, Options, Status};
use super::metrics::DiskMetrics;
use super::writer;

/// The disk tier. Cheap to clone.
#[derive(Clone)]
pub struct DiskTier {
    pub(super) inner: Arc<Inner>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl DiskTier {
    /// Begins to open the tier; recovers in a thread of its own, and goes on trying if the folder can't be used.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn open(options: Options, metrics: DiskMetrics) -> std::io::Result<Self> {
        let readers = options.readers;
        let inner = Arc::new(Inner::new(options, metrics));
        let tier = Self { inner, threads: Arc::default() };
        tier.spawn("seawall-disk-write".into(), writer::run)?;
        for i in 0..readers {
            tier.spawn(format!("seawall-disk-{i}"), |inner| inner.readers.run(inner))?;
        }
        Ok(tier)
    }

    fn spawn(&self, name: String, run: impl FnOnce(&Arc<Inner>) + Send + 'static) -> std::io::Result<()> {
        let inner = Arc::clone(&self.inner);
        let thread = thread::Builder::new().name(name).spawn(move || run(&inner))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Whether there is an entry under `hash`. Looks in RAM only.
    pub fn contains(&self, hash: KeyHash) -> bool {
        self.inner.may_read() && self.inner.index.contains(hash)
    }

    /// Reads an entry; `None` when there is none, it is damaged, or the disk is too slow.
    pub async fn get(&self, hash: KeyHash) -> Option<Held> {
        let inner = &self.inner;
        if !inner.may_read() {
            return None;
        }
        let place = inner.index.read(hash)?;
        let result = |result| inner.metrics.reads.with_label_values(&[result]).inc();
        let Some(asked) = inner.readers.ask(hash, place) else {
            result("busy");
            return None;
        };
        match tokio::time::timeout(inner.options.read_timeout, asked).await {
            Ok(Ok(Some(entry))) => {
                result("hit");
                Some(Held { entry, version: place.version() })
            }
            // Counted where it was read.
            Ok(_) => None,
            Err(_) => {
                result("slow");
                inner.read_failed("reads take too long");
                None
            }
        }
    }

    /// Whether what was read is still what the tier has: false once it was removed or replaced. Ask after it was
    /// put where a removal looks next, so that no removal is missed.
    pub fn is_current(&self, hash: KeyHash, held: &Held) -> bool {
        self.inner.index.get(hash).is_some_and(|place| place.version() == held.version)
    }

    /// Whether an entry should be written now. With `second-hit` that is so when its hash was offered lately.
    pub fn admits(&self, hash: KeyHash) -> bool {
        let admitted = match self.inner.options.admission {
            Admission::All => true,
            // What is there must be replaced.
            Admission::SecondHit => {
                // Until the tier has been full once, there is room for whatever comes again.
                let is_full = self.inner.metrics.reclaimed.get() > 0;
                let entries = || if is_full { self.inner.index.len() } else { usize::MAX };
                self.inner.doorkeeper.lock().saw(hash, entries) || self.inner.index.contains(hash)
            }
        };
        if !admitted {
            self.inner.metrics.not_admitted.inc();
        }
        admitted
    }

    /// Has an entry written soon, in place of what is there. It is given up, and what is there removed, when too
    /// much waits already.
    pub fn put(&self, hash: KeyHash, entry: Entry) {
        if let Err(shed) = self.inner.queue.put(hash, entry) {
            self.inner.metrics.shed.with_label_values(&[shed.as_str()]).inc();
            if self.inner.index.contains(hash) {
                self.remove(hash);
            }
        }
    }

    /// Removes an entry: gone from the next look on, and after a restart.
    pub fn remove(&self, hash: KeyHash) {
        let inner = &self.inner;
        inner.queue.remove(
            hash,
            |ticket| inner.index.bar(hash, ticket),
            || {
                inner.forgetting.store(true, Ordering::SeqCst);
            },
        );
    }

    /// How it is, and how that changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.subscribe()
    }

    /// What it counts.
    pub fn metrics(&self) -> &DiskMetrics {
        &self.inner.metrics
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.inner.segments.bytes()
    }

    /// Entries.
    pub fn entries(&self) -> u64 {
        self.inner.index.len() as u64
    }

    /// Bytes it may hold.
    pub fn capacity(&self) -> u64 {
        self.inner.options.capacity
    }

    /// Writes what waits, and ends. Blocks.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::SeqCst);
        self.inner.queue.close();
        self.inner.readers.close();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            let _ = thread.join();
        }
    }
}

impl Tier for DiskTier {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn contains(&self, place: KeyHash) -> bool {
        DiskTier::contains(self, place)
    }

    fn get(&self, place: KeyHash) -> Reading<'_> {
        Box::pin(DiskTier::get(self, place))
    }

    fn is_current(&self, place: KeyHash, held: &Held) -> bool {
        DiskTier::is_current(self, place, held)
    }

    fn admits(&self, place: KeyHash) -> bool {
        DiskTier::admits(self, place)
    }

    fn put(&self, place: KeyHash, entry: Entry) {
        DiskTier::put(self, place, entry);
    }

    fn remove(&self, place: KeyHash) {
        DiskTier::remove(self, place);
    }
}

impl std::fmt::Debug for DiskTier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.inner.status.borrow();
        f.debug_struct("DiskTier").field("path", &self.inner.options.path).field("status", &*status).finish()
    }
}
