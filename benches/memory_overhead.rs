//! What an object costs in RAM beyond its body: fills the memory tier and compares what it weighs with what the
//! process grew by.
//!
//! `cargo bench --bench memory_overhead -- [objects] [body bytes]`; prints a line for each of a few body sizes.
//! Run on Linux: resident memory is read from /proc.

#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use seawall::cache::invalidation::Seen;
use seawall::cache::key::{Key, KeyText};
use seawall::cache::memory::MemoryTier;
use seawall::cache::metrics::CacheMetrics;
use seawall::cache::object::{Content, Meta, Object, WholeBuilder, compact_head};
use seawall::policy::freshness::Freshness;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// An S3 object's head as the edge keeps it.
fn head(size: usize) -> HeaderMap {
    let mut head = HeaderMap::new();
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("etag", "\"9b2cf535f27731c974343645a3985328\""),
        ("last-modified", "Tue, 24 Nov 2026 08:00:00 GMT"),
        ("date", "Tue, 24 Nov 2026 12:00:00 GMT"),
        ("cache-control", "public, max-age=3600"),
        ("accept-ranges", "bytes"),
        ("server", "AmazonS3"),
        ("via", "1.1 seawall"),
        ("age", "0"),
        ("cache-status", "-"),
    ] {
        head.insert(name, HeaderValue::from_static(value));
    }
    head.insert("content-length", size.into());
    compact_head(&head)
}

fn object(key: &Key, size: usize) -> Object {
    let mut body = WholeBuilder::new(Some(size as u64));
    body.push(&vec![7; size]);
    let freshness = Freshness {
        response_time: std::time::SystemTime::now().into(),
        initial_age: Duration::ZERO,
        lifetime: Duration::from_secs(3600),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        revalidate: false,
        always_validate: false,
        heuristic: false,
    };
    let meta = Meta {
        key: key.text().into(),
        variant: None,
        status: StatusCode::OK,
        head: head(size),
        upstream_status: None,
        held_back: None,
        freshness,
        modified: None,
        dated: None,
        tags: Default::default(),
        seen: Seen::new(0),
        touched: Default::default(),
    };
    Object { meta, body: Content::Whole(body.finish()) }
}

fn measure(objects: usize, size: usize) -> Result<(), prometheus::Error> {
    let metrics = CacheMetrics::register(&prometheus::Registry::new())?;
    let tier = MemoryTier::new(1 << 40, &metrics);
    let before = resident();
    for i in 0..objects {
        let text = format!("photos.example.com/albums/2026/summer/photo-{i:08}.jpg");
        let key = Key::new(KeyText::from_slice(text.as_bytes()));
        tier.store(&key, Arc::new(object(&key, size)));
    }
    let (weighed, entries) = tier.usage();
    let grew = resident().saturating_sub(before);
    let bodies = (size * objects) as u64;
    let each = |bytes: u64| bytes.saturating_sub(bodies) / entries.max(1);
    println!(
        "{entries:>8} objects of {size:>7} bytes: weighed {:>5}, measured {:>5} bytes beyond the body each \
         ({:.2} of the weight is resident)",
        each(weighed),
        each(grew),
        grew as f64 / weighed as f64
    );
    Ok(())
}

fn main() -> Result<(), prometheus::Error> {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if let [objects, size, ..] = given[..] {
        return measure(objects, size);
    }
    for (objects, size) in [(200_000, 1024), (50_000, 16 * 1024), (2_000, 1 << 20)] {
        measure(objects, size)?;
    }
    Ok(())
}
