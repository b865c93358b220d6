//! The tier as a whole, on real files.

mod failing;
mod integrity;
mod keeping;
mod room;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use prometheus::Registry;

use super::super::entry::Entry;
use super::super::invalidation::Seen;
use super::super::key::{Key, KeyHash, KeyText};
use super::super::object::{Content, Meta, Object, Touched, WholeBuilder};
use super::super::variants::Variants;
use super::faults::Faults;
use super::metrics::DiskMetrics;
use super::*;
use crate::http::time::Time;
use crate::policy::freshness::Freshness;

/// A folder, and what the next tier in it is opened with.
struct World {
    folder: Folder,
    capacity: u64,
    admission: Admission,
    queue: usize,
    faults: Faults,
    wanted: Option<KeyHash>,
    read_timeout: Duration,
}

/// A temporary folder. A tier that is left open would find it gone and make it anew, for good.
struct Folder {
    path: tempfile::TempDir,
    tiers: Mutex<Vec<DiskTier>>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.tiers.get_mut().iter().for_each(DiskTier::close);
    }
}

impl World {
    fn new() -> Self {
        Self {
            folder: Folder { path: tempfile::tempdir().unwrap(), tiers: Mutex::default() },
            capacity: 8 << 20,
            admission: Admission::All,
            queue: 1 << 20,
            faults: Faults::default(),
            wanted: None,
            read_timeout: Duration::from_secs(5),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path.path().join("cache")
    }

    /// Opens a tier; it may still be recovering.
    fn begin(&self) -> DiskTier {
        let mut options = Options::new(self.path(), self.capacity, self.admission);
        options.queue = self.queue;
        options.retry = Duration::from_millis(20);
        options.read_timeout = self.read_timeout;
        options.readers = 2;
        options.faults = self.faults.clone();
        let wanted = self.wanted;
        options.wanted = Box::new(move |hash| Some(hash) == wanted);
        let tier = DiskTier::open(options, DiskMetrics::register(&Registry::new()).unwrap()).unwrap();
        self.folder.tiers.lock().push(tier.clone());
        tier
    }

    async fn open(&self) -> DiskTier {
        let tier = self.begin();
        until(&tier, |status| *status == Status::Up).await;
        tier
    }

    /// The segment files, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        files.sort();
        files
    }

    fn bytes(&self) -> u64 {
        self.files().iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum()
    }
}

async fn until(tier: &DiskTier, is: impl FnMut(&Status) -> bool) {
    let mut status = tier.status();
    tokio::time::timeout(Duration::from_secs(20), status.wait_for(is)).await.expect("in time").unwrap();
}

fn hash(name: &str) -> KeyHash {
    Key::new(KeyText::from_slice(name.as_bytes())).hash()
}

fn object(name: &str, body: &[u8]) -> Object {
    let mut head = HeaderMap::new();
    head.insert("etag", HeaderValue::from_str(&format!("\"{name}\"")).unwrap());
    let freshness = Freshness {
        response_time: Time(1_700_000_000_000),
        initial_age: Duration::from_secs(1),
        lifetime: Duration::from_secs(60),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        revalidate: false,
        always_validate: false,
        heuristic: false,
    };
    let mut whole = WholeBuilder::new(None);
    whole.push(body);
    Object {
        meta: Meta {
            key: name.as_bytes().into(),
            variant: None,
            status: StatusCode::OK,
            head,
            upstream_status: None,
            held_back: None,
            freshness,
            modified: None,
            dated: None,
            tags: Default::default(),
            seen: Seen::new(0),
            touched: Touched::default(),
        },
        body: Content::Whole(whole.finish()),
    }
}

/// A body of its own for every name.
fn body(name: &str, len: usize) -> Vec<u8> {
    let seed = name.bytes().fold(7u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    (0..len as u64).map(|i| (seed.wrapping_add(i * i) >> 3) as u8).collect()
}

fn put(tier: &DiskTier, name: &str, len: usize) {
    tier.put(hash(name), Entry::Object(Arc::new(object(name, &body(name, len)))));
}

async fn read(tier: &DiskTier, name: &str) -> Option<Arc<Object>> {
    match tier.get(hash(name)).await?.entry {
        Entry::Object(object) => Some(object),
        other => panic!("{other:?} under {name}"),
    }
}

/// Of a body that is here.
fn pieces(object: &Object) -> &[bytes::Bytes] {
    let Content::Whole(whole) = &object.body else { panic!("{:?}", object.body) };
    whole.pieces()
}

/// Whether it is there; and if so, it must be what was put.
async fn has(tier: &DiskTier, name: &str, len: usize) -> bool {
    let Some(object) = read(tier, name).await else { return false };
    assert_eq!(pieces(&object).concat(), body(name, len), "the body of {name}");
    assert_eq!(*object.meta.key, *name.as_bytes());
    true
}

async fn listed(tier: &DiskTier, name: &str) {
    let began = Instant::now();
    while !tier.contains(hash(name)) {
        assert!(began.elapsed() < Duration::from_secs(20), "{name} is not on disk");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Puts one after the other, so that nothing is shed.
async fn put_all(tier: &DiskTier, names: &[String], len: usize) {
    for chunk in names.chunks(64) {
        chunk.iter().for_each(|name| put(tier, name, len));
        listed(tier, chunk.last().unwrap()).await;
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("n{i}")).collect()
}

fn flip(path: &Path, at: u64, mask: u8) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ mask], at).unwrap();
}
