//! The tier as a whole, on real files.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode};
use prometheus::Registry;

use super::super::key::{Key, KeyHash, KeyText};
use super::super::object::{Meta, Object, Touched, WholeBuilder};
use super::super::variants::Variants;
use super::folder::Faults;
use super::metrics::DiskMetrics;
use super::*;
use crate::config::{Admission, Disk};
use crate::http::time::Time;
use crate::policy::freshness::Freshness;

/// A folder, and what the next tier in it is opened with.
struct World {
    folder: tempfile::TempDir,
    capacity: u64,
    admission: Admission,
    queue: usize,
    faults: Faults,
    wanted: Option<KeyHash>,
    read_timeout: Duration,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            capacity: 8 << 20,
            admission: Admission::All,
            queue: 1 << 20,
            faults: Faults::default(),
            wanted: None,
            read_timeout: Duration::from_secs(5),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Opens a tier; it may still be recovering.
    fn begin(&self) -> DiskTier {
        let config = Disk { path: self.path(), capacity: self.capacity, admission: self.admission };
        let mut options = Options::new(&config);
        options.queue = self.queue;
        options.retry = Duration::from_millis(20);
        options.read_timeout = self.read_timeout;
        options.readers = 2;
        options.faults = self.faults.clone();
        let wanted = self.wanted;
        options.wanted = Box::new(move |hash| Some(hash) == wanted);
        DiskTier::open(options, DiskMetrics::register(&Registry::new()).unwrap()).unwrap()
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
            freshness,
            modified: None,
            dated: None,
            touched: Touched::default(),
        },
        body: whole.finish(),
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
        Entry::Variants(_) => panic!("variants under {name}"),
    }
}

/// Whether it is there; and if so, it must be what was put.
async fn has(tier: &DiskTier, name: &str, len: usize) -> bool {
    let Some(object) = read(tier, name).await else { return false };
    assert_eq!(object.body.pieces().concat(), body(name, len), "the body of {name}");
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

#[tokio::test]
async fn what_was_put_is_read_also_after_a_restart() {
    let world = World::new();
    let tier = world.open().await;
    let sizes = [("empty", 0), ("small", 100), ("medium", 70_000), ("piece", 256 * 1024 - 700)];
    for (name, len) in sizes {
        put(&tier, name, len);
        listed(&tier, name).await;
    }
    let key = Key::new(KeyText::from_slice(b"varies"));
    tier.put(key.hash(), Entry::Variants(Arc::new(Variants::new(&key))));
    for round in 0..3 {
        let tier = if round == 0 { tier.clone() } else { world.open().await };
        for (name, len) in sizes {
            assert!(has(&tier, name, len).await || round == 0, "{name} in round {round}");
        }
        listed(&tier, "empty").await;
        let object = read(&tier, "small").await.unwrap();
        let expected = object_freshness();
        assert_eq!(object.meta.freshness, expected, "its age counts from when it was stored");
        assert!(!tier.contains(hash("never put")));
        assert!(tier.get(hash("never put")).await.is_none());
        tier.close();
    }
    let tier = world.open().await;
    assert!(matches!(tier.get(key.hash()).await.unwrap().entry, Entry::Variants(_)));
}

fn object_freshness() -> Freshness {
    object("x", b"").meta.freshness
}

#[tokio::test]
async fn a_body_of_many_pieces_is_itself() {
    let world = World { capacity: 256 << 20, queue: 8 << 20, ..World::new() };
    let tier = world.open().await;
    for len in [256 * 1024, 1 << 20, (1 << 20) + 1, 3_000_000] {
        let name = format!("large {len}");
        put(&tier, &name, len);
        listed(&tier, &name).await;
        assert!(has(&tier, &name, len).await, "{name}");
    }
}

#[tokio::test]
async fn what_was_removed_does_not_come_back() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    let stored = tier.get(hash("a")).await.unwrap();
    assert!(tier.is_current(hash("a"), &stored));
    tier.remove(hash("a"));
    assert!(!tier.contains(hash("a")));
    assert!(!tier.is_current(hash("a"), &stored));
    // One that is still on its way, too.
    put(&tier, "b", 100);
    tier.remove(hash("b"));
    put(&tier, "c", 100);
    tier.remove(hash("c"));
    put(&tier, "c", 200);
    listed(&tier, "c").await;
    assert!(!tier.contains(hash("b")));
    tier.close();
    let tier = world.open().await;
    assert!(!tier.contains(hash("a")));
    assert!(!tier.contains(hash("b")));
    assert!(has(&tier, "c", 200).await);
}

#[tokio::test]
async fn the_newest_is_what_counts() {
    let world = World::new();
    let tier = world.open().await;
    for len in 1..20 {
        put(&tier, "a", len);
    }
    put(&tier, "end", 1);
    listed(&tier, "end").await;
    assert!(has(&tier, "a", 19).await);
    tier.close();
    assert!(has(&world.open().await, "a", 19).await);
}

#[tokio::test]
async fn a_torn_end_loses_what_was_being_written() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "whole", 300);
    put(&tier, "torn", 300);
    listed(&tier, "torn").await;
    tier.close();
    let file = world.files().pop().unwrap();
    let bytes = fs::read(&file).unwrap();
    let record = (bytes.len() - super::record::SEGMENT_HEAD as usize) / 2;
    // Every length that cuts the last record, its padding aside.
    for cut in (9..=record).step_by(1) {
        fs::write(&file, &bytes[..bytes.len() - cut]).unwrap();
        let tier = world.open().await;
        assert!(has(&tier, "whole", 300).await, "{cut} bytes are missing");
        assert!(!tier.contains(hash("torn")), "{cut} bytes are missing");
        assert!(!read(&tier, "whole").await.unwrap().meta.freshness.always_validate, "torn is not damaged");
        tier.close();
        world.files().iter().filter(|path| **path != file).for_each(|path| fs::remove_file(path).unwrap());
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_a_miss_and_no_more() {
    let world = World::new();
    let tier = world.open().await;
    for name in ["a", "b", "c"] {
        put(&tier, name, 200);
        listed(&tier, name).await;
    }
    tier.close();
    let file = world.files().pop().unwrap();
    let len = fs::metadata(&file).unwrap().len();
    let bytes = fs::read(&file).unwrap();
    for at in 0..len {
        flip(&file, at, 1 << (at % 8));
        let tier = world.open().await;
        let mut found = 0;
        for name in ["a", "b", "c"] {
            found += u32::from(has(&tier, name, 200).await);
        }
        // A segment's head is needed for all of it.
        let least = if at < super::record::SEGMENT_HEAD.into() { 0 } else { 2 };
        assert!(found >= least, "byte {at}: {found} are left");
        tier.close();
        world.files().iter().for_each(|path| fs::remove_file(path).unwrap());
        fs::write(&file, &bytes).unwrap();
    }
}

#[tokio::test]
async fn a_bit_flipped_under_a_running_tier_is_a_miss() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 2000);
    listed(&tier, "a").await;
    let file = world.files().pop().unwrap();
    flip(&file, fs::metadata(&file).unwrap().len() - 500, 4);
    assert!(read(&tier, "a").await.is_none());
    assert!(!tier.contains(hash("a")), "it is not tried again");
    put(&tier, "a", 2000);
    listed(&tier, "a").await;
    assert!(has(&tier, "a", 2000).await);
}

#[tokio::test]
async fn what_is_older_than_damage_is_validated_before_use() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "older", 100);
    listed(&tier, "older").await;
    put(&tier, "hit", 100);
    listed(&tier, "hit").await;
    let at = fs::metadata(world.files().pop().unwrap()).unwrap().len() - 1;
    put(&tier, "newer", 100);
    listed(&tier, "newer").await;
    tier.close();
    // The head of "hit" may have been that of a removal of "older".
    let record = fs::read(world.files().pop().unwrap()).unwrap();
    let head = record.windows(4).enumerate().filter(|(_, window)| *window == b"sWr\x01").map(|(at, _)| at);
    let heads: Vec<_> = head.collect();
    assert!(heads.len() == 3 && heads[1] < at as usize);
    flip(&world.files().pop().unwrap(), heads[1] as u64 + 12, 1);
    let tier = world.open().await;
    assert!(!tier.contains(hash("hit")));
    assert!(read(&tier, "older").await.unwrap().meta.freshness.always_validate);
    assert!(!read(&tier, "newer").await.unwrap().meta.freshness.always_validate);
}

#[tokio::test]
async fn a_missing_or_shortened_segment_makes_what_is_older_suspect() {
    for shortened in [true, false] {
        let world = World { capacity: 2 << 20, ..World::new() };
        let tier = world.open().await;
        put_all(&tier, &names(400), 1000).await;
        tier.close();
        let files = world.files();
        assert!(files.len() > 4);
        if shortened {
            let file = fs::OpenOptions::new().write(true).open(&files[2]).unwrap();
            file.set_len(30_000).unwrap();
        } else {
            fs::remove_file(&files[2]).unwrap();
        }
        let tier = world.open().await;
        assert!(read(&tier, "n0").await.unwrap().meta.freshness.always_validate);
        assert!(!read(&tier, "n399").await.unwrap().meta.freshness.always_validate);
    }
}

#[tokio::test]
async fn the_capacity_is_kept_and_the_oldest_goes_first() {
    let world = World { capacity: 2 << 20, ..World::new() };
    let tier = world.open().await;
    let names = names(5_000);
    for chunk in names.chunks(50) {
        put_all(&tier, chunk, 1000).await;
        assert!(world.bytes() <= world.capacity, "{} bytes on disk", world.bytes());
        assert!(tier.bytes() <= world.capacity);
    }
    assert!(tier.bytes() > world.capacity * 8 / 10, "{} bytes are used", tier.bytes());
    assert!(!tier.contains(hash("n0")));
    let kept = names.iter().rev().take(1_000).filter(|name| tier.contains(hash(name))).count();
    assert_eq!(kept, 1_000, "the newest are all there");
    assert_eq!(tier.entries(), names.iter().filter(|name| tier.contains(hash(name))).count() as u64);
    tier.close();
    let smaller = World { capacity: 1 << 20, ..world };
    let tier = smaller.open().await;
    assert!(smaller.bytes() <= smaller.capacity);
    assert!(has(&tier, "n4999", 1000).await);
}

#[tokio::test]
async fn what_is_read_or_in_ram_is_kept() {
    let world = World { capacity: 2 << 20, wanted: Some(hash("n1")), ..World::new() };
    let tier = world.open().await;
    let names = names(6_000);
    for chunk in names.chunks(500) {
        put_all(&tier, chunk, 1000).await;
        assert!(has(&tier, "n0", 1000).await, "read between");
        assert!(has(&tier, "n0", 1000).await, "and again");
    }
    // Asked about after all, so that asking does not keep it.
    assert!(tier.contains(hash("n1")) && has(&tier, "n1", 1000).await, "in RAM all the time");
    assert!(!tier.contains(hash("n2")));
    tier.close();
    let tier = world.open().await;
    assert!(has(&tier, "n0", 1000).await && has(&tier, "n1", 1000).await);
}

#[tokio::test]
async fn when_all_is_read_the_log_still_takes_in_what_is_new() {
    let world = World { capacity: 2 << 20, ..World::new() };
    let tier = world.open().await;
    for chunk in names(5_000).chunks(50) {
        put_all(&tier, chunk, 1000).await;
        for name in chunk {
            assert!(has(&tier, name, 1000).await);
        }
        assert!(world.bytes() <= world.capacity);
    }
}

#[tokio::test]
async fn large_records_fit_beside_what_is_kept() {
    let world = World { capacity: 4 << 20, ..World::new() };
    let tier = world.open().await;
    let largest = (4 << 20) / 32 - 400;
    for i in 0..200 {
        let (name, len) = (format!("n{i}"), if i % 2 == 0 { largest } else { largest / 3 });
        put(&tier, &name, len);
        listed(&tier, &name).await;
        assert!(has(&tier, &name, len).await);
        assert!(world.bytes() <= world.capacity, "{} bytes on disk", world.bytes());
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_kept_and_replaces_what_was() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    put(&tier, "a", 300 * 1024);
    put(&tier, "end", 1);
    listed(&tier, "end").await;
    assert!(!tier.contains(hash("a")));
    tier.close();
    assert!(!world.open().await.contains(hash("a")));
}

#[tokio::test]
async fn a_slow_disk_sheds_writes_and_does_not_wait() {
    let world = World { queue: 100_000, ..World::new() };
    let tier = world.open().await;
    put(&tier, "old", 100);
    listed(&tier, "old").await;
    let made: Vec<_> = names(1000).iter().map(|name| Arc::new(object(name, &body(name, 1000)))).collect();
    let new = Arc::new(object("old", &body("old", 200)));
    world.faults.slow(Duration::from_millis(500));
    put(&tier, "first", 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    for (name, object) in names(1000).iter().zip(made) {
        tier.put(hash(name), Entry::Object(object));
    }
    tier.put(hash("old"), Entry::Object(new));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(!tier.contains(hash("old")), "what could not be replaced is removed");
    world.faults.slow(Duration::ZERO);
    tier.close();
    let shed = tier.inner.metrics.shed.with_label_values(&["queue"]).get();
    assert!((500..1000).contains(&shed), "{shed} of 1000 shed");
}

#[tokio::test]
async fn a_full_disk_serves_what_is_there_and_comes_back() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    put(&tier, "removed", 100);
    listed(&tier, "removed").await;
    world.faults.full(true);
    put(&tier, "b", 100);
    until(&tier, |status| matches!(status, Status::Down(reason) if reason.contains("space"))).await;
    assert!(has(&tier, "a", 100).await);
    put(&tier, "c", 100);
    tier.remove(hash("removed"));
    assert!(!tier.contains(hash("removed")));
    world.faults.full(false);
    until(&tier, |status| *status == Status::Up).await;
    put(&tier, "d", 100);
    listed(&tier, "d").await;
    assert!(has(&tier, "a", 100).await && !tier.contains(hash("b")) && !tier.contains(hash("c")));
    tier.close();
    let tier = world.open().await;
    assert!(has(&tier, "a", 100).await && has(&tier, "d", 100).await);
    assert!(!tier.contains(hash("removed")), "removed while the disk was full");
}

#[tokio::test]
async fn reads_that_fail_are_not_tried_for_a_while_and_come_back() {
    let world = World::new();
    let tier = world.open().await;
    put_all(&tier, &names(20), 100).await;
    world.faults.unreadable(true);
    for name in names(20) {
        assert!(read(&tier, &name).await.is_none());
    }
    until(&tier, |status| matches!(status, Status::Down(reason) if reason.contains("unreadable"))).await;
    world.faults.unreadable(false);
    until(&tier, |status| *status == Status::Up).await;
    assert!(has(&tier, "n0", 100).await, "an error is no damage");
}

#[tokio::test]
async fn reads_that_take_too_long_are_misses() {
    let world = World { read_timeout: Duration::from_millis(10), ..World::new() };
    let tier = world.open().await;
    put_all(&tier, &names(20), 100).await;
    world.faults.slow(Duration::from_millis(100));
    let began = Instant::now();
    for name in names(20) {
        assert!(read(&tier, &name).await.is_none());
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    until(&tier, |status| matches!(status, Status::Down(_))).await;
    world.faults.slow(Duration::ZERO);
    until(&tier, |status| *status == Status::Up).await;
    assert!(tier.contains(hash("n0")));
}

#[tokio::test]
async fn many_readers_of_one_record_share_a_read() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 1000);
    listed(&tier, "a").await;
    world.faults.slow(Duration::from_millis(100));
    let reads: Vec<_> = (0..100)
        .map(|_| {
            let tier = tier.clone();
            tokio::spawn(async move { has(&tier, "a", 1000).await })
        })
        .collect();
    let began = Instant::now();
    for read in reads {
        assert!(read.await.unwrap());
    }
    assert!(began.elapsed() < Duration::from_secs(2), "100 reads in {:?}", began.elapsed());
}

#[tokio::test]
async fn a_folder_that_vanishes_is_made_anew() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    fs::remove_dir_all(world.path()).unwrap();
    until(&tier, |status| *status != Status::Up).await;
    until(&tier, |status| *status == Status::Up).await;
    assert!(!tier.contains(hash("a")));
    put(&tier, "b", 100);
    listed(&tier, "b").await;
    assert!(has(&tier, "b", 100).await);
}

#[tokio::test]
async fn a_folder_has_one_process() {
    let world = World::new();
    let first = world.open().await;
    put(&first, "a", 100);
    listed(&first, "a").await;
    let second = world.begin();
    until(&second, |status| matches!(status, Status::Down(reason) if reason.contains("another process")))
        .await;
    put(&second, "b", 100);
    first.close();
    drop(first);
    until(&second, |status| *status == Status::Up).await;
    assert!(has(&second, "a", 100).await);
}

#[tokio::test]
async fn a_path_that_can_not_be_a_folder_is_said_and_tried_again() {
    let world = World::new();
    fs::write(world.path(), "a file").unwrap();
    let tier = world.begin();
    until(&tier, |status| matches!(status, Status::Down(_))).await;
    put(&tier, "a", 100);
    assert!(tier.get(hash("a")).await.is_none());
    fs::remove_file(world.path()).unwrap();
    until(&tier, |status| *status == Status::Up).await;
}

#[tokio::test]
async fn foreign_and_foreign_version_files_do_no_harm() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    tier.close();
    let mut other_version = fs::read(&world.files()[0]).unwrap();
    other_version[7] += 1;
    fs::write(world.path().join("00000000.seg"), other_version).unwrap();
    fs::write(world.path().join("00000077.seg"), "short").unwrap();
    fs::write(world.path().join("readme.txt"), "mine").unwrap();
    let tier = world.open().await;
    assert!(has(&tier, "a", 100).await);
    put(&tier, "b", 100);
    listed(&tier, "b").await;
    assert!(world.path().join("readme.txt").exists());
}

#[tokio::test]
async fn second_hit_admits_what_was_seen_before() {
    let world = World { admission: Admission::SecondHit, ..World::new() };
    let tier = world.open().await;
    assert!(!tier.admits(hash("a")));
    assert!(tier.admits(hash("a")));
    put(&tier, "b", 100);
    listed(&tier, "b").await;
    assert!(tier.admits(hash("b")), "what is there is replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_gets_and_removals_at_once_never_give_a_wrong_body() {
    let world = World { capacity: 2 << 20, ..World::new() };
    let tier = world.open().await;
    let wrong = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..4u64)
        .map(|task| {
            let (tier, wrong) = (tier.clone(), Arc::clone(&wrong));
            tokio::spawn(async move {
                let mut random = task.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                for _ in 0..3_000 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let name = format!("n{}", random % 300);
                    match random >> 60 {
                        0 => tier.remove(hash(&name)),
                        1..=7 => put(&tier, &name, 1500),
                        _ => {
                            if let Some(object) = read(&tier, &name).await
                                && object.body.pieces().concat() != body(&name, 1500)
                            {
                                wrong.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(wrong.load(Ordering::SeqCst), 0);
    assert!(world.bytes() <= world.capacity);
}
