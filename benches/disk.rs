//! What the disk tier costs and gives; docs/disk-cache.md has the figures.
//!
//!     cargo bench --bench disk                  a folder under the system's temporary one
//!     cargo bench --bench disk -- /mnt/ssd      there
//!
//! Each figure of the index is taken in a process of its own, so that no other's memory is counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that fails ends"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode};
use prometheus::Registry;
use seawall::cache::disk::metrics::DiskMetrics;
use seawall::cache::disk::{Admission, DiskTier, Options, Status};
use seawall::cache::entry::Entry;
use seawall::cache::invalidation::Seen;
use seawall::cache::key::{Key, KeyText};
use seawall::cache::object::{Content, Meta, Object, Touched, WholeBuilder};
use seawall::policy::freshness::Freshness;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let [recover, folder] = &arguments[..]
        && recover == "recover"
    {
        return runtime.block_on(recovered(Path::new(folder)));
    }
    let parent = arguments.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = parent.join(format!("seawall-bench-{}", std::process::id()));
    for (count, size) in [(100_000, KIB), (1_000_000, KIB), (500, MIB)] {
        runtime.block_on(filled(&folder, count, size));
        let me = std::env::current_exe().unwrap();
        let status = Command::new(me).arg("recover").arg(&folder).status().unwrap();
        assert!(status.success());
        runtime.block_on(read(&folder, count, size, if size == MIB { 8 } else { 64 }));
        std::fs::remove_dir_all(&folder).unwrap();
    }
    runtime.block_on(replaced(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn open(folder: &Path, capacity: u64) -> (DiskTier, DiskMetrics) {
    let options = Options::new(folder.to_owned(), capacity, Admission::All);
    let metrics = DiskMetrics::register(&Registry::new()).unwrap();
    (DiskTier::open(options, metrics.clone()).unwrap(), metrics)
}

async fn up(tier: &DiskTier) {
    tier.status().wait_for(|status| *status == Status::Up).await.unwrap();
}

fn key(i: usize) -> Key {
    Key::new(KeyText::from_slice(format!("photos.example/objects/{i:010}.jpg").as_bytes()))
}

fn object(key: &Key, size: usize) -> Arc<Object> {
    let mut head = HeaderMap::new();
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("etag", "\"0123456789abcdef0123456789abcdef\""),
        ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("cache-control", "public, max-age=31536000"),
        ("age", "0"),
        ("cache-status", "-"),
        ("via", "1.1 seawall"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
    let mut body = WholeBuilder::new(Some(size as u64));
    body.push(&key.text().repeat(size / key.text().len() + 1)[..size]);
    Arc::new(Object {
        meta: Meta {
            key: key.text().into(),
            variant: None,
            status: StatusCode::OK,
            head,
            upstream_status: None,
            held_back: None,
            freshness: Freshness {
                response_time: std::time::SystemTime::now().into(),
                initial_age: Duration::ZERO,
                lifetime: Duration::from_secs(31_536_000),
                stale_while_revalidate: Duration::ZERO,
                stale_if_error: Duration::ZERO,
                revalidate: false,
                always_validate: false,
                heuristic: false,
            },
            modified: None,
            dated: None,
            tags: Default::default(),
            seen: Seen::new(0),
            touched: Touched::default(),
        },
        body: Content::Whole(body.finish()),
    })
}

/// Puts objects as fast as the tier takes them without shedding.
async fn fill(tier: &DiskTier, from: usize, to: usize, size: usize) {
    let step = (8 * MIB / size).clamp(1, 4096);
    for first in (from..to).step_by(step) {
        let last = (first + step).min(to);
        for i in first..last {
            let key = key(i);
            tier.put(key.hash(), Entry::Object(object(&key, size)));
        }
        while !tier.contains(key(last - 1).hash()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn filled(folder: &Path, count: usize, size: usize) {
    println!("\n{count} objects of {size} bytes");
    let (tier, metrics) = open(folder, 8 << 30);
    up(&tier).await;
    let began = Instant::now();
    fill(&tier, 0, count, size).await;
    let took = began.elapsed().as_secs_f64();
    let (count, written) = (count as f64, metrics.written_bytes.get() as f64);
    println!("  written       {:.0}/s, {:.0} MiB/s", count / took, written / took / MIB as f64);
    println!(
        "  bytes on disk {:.0} an object, {:.2} times the body; bytes written: the same",
        tier.bytes() as f64 / count,
        tier.bytes() as f64 / count / size as f64
    );
    assert_eq!((written as u64, tier.entries() as f64), (tier.bytes(), count));
    tier.close();
}

/// In a process of its own: how long recovery takes, and what the index takes of RAM.
async fn recovered(folder: &Path) {
    // What the allocator and the threads take at first is not the index's.
    let empty = folder.join("empty");
    let (tier, _) = open(&empty, 8 << 30);
    up(&tier).await;
    let before = resident();
    let began = Instant::now();
    let (tier, _) = open(folder, 8 << 30);
    up(&tier).await;
    let took = began.elapsed();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let bytes = resident().saturating_sub(before) as f64 / tier.entries() as f64;
    println!("  recovered     {} entries in {took:.0?}, {bytes:.0} bytes of RAM each", tier.entries());
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

async fn read(folder: &Path, count: usize, size: usize, readers: usize) {
    let (tier, _) = open(folder, 8 << 30);
    up(&tier).await;
    let reads = (4096 * MIB / size).min(200_000);
    let began = Instant::now();
    let tasks: Vec<_> = (0..readers)
        .map(|reader| {
            let tier = tier.clone();
            tokio::spawn(async move {
                for i in 0..reads / readers {
                    let i = (reader * 7_919 + i * 104_729) % count;
                    assert!(tier.get(key(i).hash()).await.is_some(), "{i}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = reads as f64 / began.elapsed().as_secs_f64();
    println!(
        "  read          {rate:.0}/s, {:.0} MiB/s, {readers} at a time, from page cache",
        rate * size as f64 / MIB as f64
    );
    tier.close();
}

/// A tier that is full, whose objects are read by a skewed crowd: what reinsertion writes.
async fn replaced(folder: &Path) {
    let (tier, metrics) = open(folder, 256 << 20);
    up(&tier).await;
    let size = 16 * KIB;
    for round in 0..40 {
        fill(&tier, round * 1000, (round + 1) * 1000, size).await;
        for i in (0..round * 1000).step_by(20) {
            drop(tier.get(key(i).hash()).await);
        }
    }
    let (written, again) = (metrics.written_bytes.get() as f64, metrics.reinserted_bytes.get() as f64);
    println!("\na full tier, of whose objects one in twenty is read again and again");
    println!("  bytes written {:.2} times what was put", written / (written - again));
    assert!(tier.bytes() <= tier.capacity());
    tier.close();
}
