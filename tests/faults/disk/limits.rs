//! What the edge takes of the machine: memory under any mix, disk, time to be ready, time to purge.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::{ask, post};
use super::edge::Edge;
use super::origin::Origin;

const MIB: u64 = 1 << 20;

fn objects(default: u64) -> u64 {
    std::env::var("SEAWALL_LIMITS_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A connection that is kept.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, path: &str, more: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n{more}\r\n");
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// Whether it was a hit.
    fn get(&mut self, path: &str, more: &str) -> io::Result<bool> {
        self.send(path, more)?;
        let (mut line, mut hit, mut length) = (String::new(), false, 0);
        while self.0.read_line(&mut line)? > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            hit |= lower.starts_with("cache-status:") && lower.contains("; hit");
            line.clear();
        }
        io::copy(&mut (&mut self.0).take(length), &mut io::sink())?;
        Ok(hit)
    }
}

/// Four clients that ask for the paths of the numbers below `count`.
fn ask_all(edge: SocketAddr, count: u64, of: impl Fn(u64) -> (String, String) + Sync) {
    std::thread::scope(|scope| {
        for client in 0..4 {
            let of = &of;
            scope.spawn(move || {
                let mut kept = Kept::open(edge);
                for i in (client..count).step_by(4) {
                    let (path, more) = of(i);
                    kept.get(&path, &more).unwrap();
                }
            });
        }
    });
}

/// Clients that ask for a large body each, read a little, and wait.
fn slow_readers(edge: SocketAddr, count: u64, path: impl Fn(u64) -> String, wait: Duration) {
    let mut clients: Vec<_> = (0..count)
        .map(|i| {
            let mut kept = Kept::open(edge);
            kept.send(&path(i), "").unwrap();
            kept
        })
        .collect();
    for kept in &mut clients {
        let mut some = [0; 4096];
        kept.0.read_exact(&mut some).unwrap();
    }
    std::thread::sleep(wait);
}

fn on_disk(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("cache")).unwrap().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// The memory that docs/disk-cache.md allows, in bytes.
struct Allowed {
    capacity: u64,
    fills: u64,
}

impl Allowed {
    fn at(&self, connections: u64, origins: u64, sending: u64, marks: u64) -> u64 {
        // What the allocator keeps of what was freed is a share of all.
        let unoptimised = if cfg!(debug_assertions) { 16 * MIB } else { 0 };
        let all = 48 * MIB
            + unoptimised
            + self.capacity
            + self.fills
            + 40 * MIB
            + connections * 64 * 1024
            + origins * 512 * 1024
            + sending
            + marks * 400;
        all + all / 4
    }
}

#[test]
fn memory_and_disk_stay_within_what_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let capacity = 32 * MIB;
    let memory = "capacity = \"32MiB\"\nmax_object = \"4MiB\"";
    let edge = Edge::start_with(folder.path(), &origin, memory, "64MiB");
    edge.recovered();
    let allowed = Allowed { capacity, fills: 16 * MIB };
    let (stop, peak, disk) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let count = objects(20_000);
    let address = edge.address;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                peak.fetch_max(edge.memory("VmRSS"), Ordering::Relaxed);
                disk.fetch_max(on_disk(folder.path()), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut over = Vec::new();
        let mut most = 0;
        let mut phase = |name: &str, allowed: u64, run: &dyn Fn()| {
            // What the allocator keeps is a share of the most there was, not of what there is.
            most = allowed.max(most);
            let allowed = most;
            peak.store(0, Ordering::Relaxed);
            let began = Instant::now();
            run();
            std::thread::sleep(Duration::from_millis(60));
            let peak = peak.load(Ordering::Relaxed);
            eprintln!("{name}: {} MiB of {} MiB, {:?}", peak / MIB, allowed / MIB, began.elapsed());
            if peak > allowed {
                over.push((name.to_owned(), peak, allowed));
            }
        };
        phase("at start", allowed.at(4, 0, 0, 0), &|| ());
        phase("small objects", allowed.at(4, 4, 0, 0), &|| {
            ask_all(address, count, |i| (format!("/small/1024B/{i}"), String::new()));
        });
        phase("uncacheable keys", allowed.at(4, 4, 0, 0), &|| {
            ask_all(address, count / 4, |i| (format!("/private/100B/{i}"), String::new()));
        });
        phase("variants", allowed.at(4, 4, 0, 0), &|| {
            let language = |i| format!("Accept-Language: x-{}\r\n", i % 100);
            ask_all(address, count / 4, |i| (format!("/vary/1000B/{}", i / 100), language(i)));
        });
        phase("large bodies", allowed.at(4, 4, 0, 0), &|| {
            ask_all(address, 100, |i| (format!("/large/3000000B/{i}"), String::new()));
        });
        phase("slices", allowed.at(4, 4, 4 * 10 * MIB, 0), &|| {
            ask_all(address, 20, |i| (format!("/sliced/20000000B/{i}"), String::new()));
        });
        phase("fills in flight", allowed.at(60, 60, 0, 0), &|| {
            slow_readers(address, 60, |i| format!("/stall/4000000B/{i}"), Duration::from_millis(1500));
        });
        phase("slow readers of new bodies", allowed.at(60, 60, 0, 0), &|| {
            slow_readers(address, 60, |i| format!("/slow/4000000B/{i}"), Duration::from_millis(1500));
        });
        phase("slow readers of a known body", allowed.at(200, 0, 4_000_000, 0), &|| {
            slow_readers(address, 200, |_| "/slow/4000000B/0".to_owned(), Duration::from_millis(500));
        });
        phase("idle connections", allowed.at(400, 0, 0, 0), &|| {
            let idle: Vec<_> = (0..400).map(|_| TcpStream::connect(address).unwrap()).collect();
            std::thread::sleep(Duration::from_millis(300));
            drop(idle);
        });
        let purges = 100_000;
        phase("purges", allowed.at(4, 0, 0, purges), &|| {
            for batch in 0..purges / 10_000 {
                let urls: Vec<_> = (0..10_000)
                    .map(|i| format!("\"http://test.example/purged/{}\"", batch * 10_000 + i))
                    .collect();
                let body = format!("{{\"urls\":[{}]}}", urls.join(","));
                assert_eq!(post(edge.admin, "/purge", &body).unwrap().status, 200);
            }
        });
        stop.store(true, Ordering::Relaxed);
        assert!(over.is_empty(), "more memory than documented: {over:?}");
    });
    // The log of purges lies beside the segments, and counts by itself.
    let log = std::fs::metadata(folder.path().join("cache/purges.log")).unwrap().len();
    assert!(disk.load(Ordering::Relaxed) <= 64 * MIB + log, "{} bytes on disk", disk.load(Ordering::Relaxed));
    edge.kill();
}

#[test]
fn a_full_disk_tier_is_ready_at_once_and_purged_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let count = objects(5_000);
    let path = |i: u64| format!("/tagged/100B/{i}");
    let edge = Edge::start(folder.path(), &origin, "8GiB");
    edge.recovered();
    ask_all(edge.address, count, |i| (path(i), String::new()));
    let began = Instant::now();
    let mut entries = 0.0;
    while entries < count as f64 * 0.99 && began.elapsed() < Duration::from_secs(20) {
        entries = edge.metric("seawall_cache_entries{tier=\"disk\"}");
        std::thread::sleep(Duration::from_millis(50));
    }
    edge.kill();

    let began = Instant::now();
    let edge = Edge::start(folder.path(), &origin, "8GiB");
    assert_eq!(ask(edge.admin, "GET", "/readyz").unwrap().status, 200);
    let ready = began.elapsed();
    // The newest are listed first; any of them will do.
    let mut kept = Kept::open(edge.address);
    let mut asked = (0..count).rev().cycle();
    while !kept.get(&path(asked.next().unwrap()), "").unwrap() {
        assert!(began.elapsed() < Duration::from_secs(20), "no hit");
    }
    let hit = began.elapsed();
    edge.recovered();
    let recovery = edge.metric("seawall_disk_recovery_seconds");
    let entries = edge.metric("seawall_cache_entries{tier=\"disk\"}");
    eprintln!("{entries} entries: ready after {ready:?}, a hit after {hit:?}; the index took {recovery} s");
    let most = Duration::from_secs(if cfg!(debug_assertions) { 15 } else { 2 });
    assert!(ready < most && hit < most, "ready after {ready:?}, a hit after {hit:?}");

    let began = Instant::now();
    assert_eq!(post(edge.admin, "/purge", r#"{"tags":["all"]}"#).unwrap().status, 200);
    let purge = began.elapsed();
    eprintln!("purged {entries} entries by a tag in {purge:?}, the sync of the log included");
    for i in (0..count).step_by(1 + count as usize / 500) {
        assert!(!kept.get(&path(i), "").unwrap(), "{i} was purged");
    }
    assert!(kept.get(&path(0), "").unwrap(), "and is kept again");
    let most = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 10 });
    assert!(purge < most, "{purge:?}");
    edge.kill();
}
