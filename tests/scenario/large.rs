//! A large object at a scripted origin: any byte of it can be told from any other, and so can two versions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::world::{Answer, Received, Seen, World};

/// The smallest slice there is.
pub const SLICE: u64 = 64 * 1024;

const BLOCK: u64 = 4096;
const PERIOD: u64 = 251;

/// An object, as its origin has it now; clones are the same one.
#[derive(Clone)]
pub struct Large {
    len: u64,
    version: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
}

impl Large {
    /// Of so many bytes.
    pub fn new(len: u64) -> Self {
        Self { len, version: Arc::new(AtomicU64::new(1)), sent: Arc::default() }
    }

    /// It changes at the origin.
    pub fn change(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Its tag now.
    pub fn etag(&self) -> String {
        format!("\"v{}\"", self.version.load(Ordering::SeqCst))
    }

    /// Bytes of bodies that the origin has answered with.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Bytes `from..to` of it as it is now: a prime period, shifted in each block and each version.
    pub fn bytes(&self, from: u64, to: u64) -> Vec<u8> {
        let version = self.version.load(Ordering::SeqCst);
        let period: Vec<u8> = (0..PERIOD + BLOCK).map(|at| (at % PERIOD * 31 % PERIOD) as u8).collect();
        let mut bytes = Vec::with_capacity((to - from) as usize);
        let mut at = from;
        while at < to {
            let end = to.min((at / BLOCK + 1) * BLOCK);
            let shift = ((at + at / BLOCK * 7 + version * 101) % PERIOD) as usize;
            bytes.extend_from_slice(&period[shift..shift + (end - at) as usize]);
            at = end;
        }
        bytes
    }

    /// A body of it, with the tag and a lifetime.
    pub fn answer(&self, status: u16, from: u64, to: u64) -> Answer {
        self.sent.fetch_add(to - from, Ordering::SeqCst);
        self.head(status).body(self.bytes(from, to))
    }

    /// The head of an answer, with the tag and a lifetime.
    pub fn head(&self, status: u16) -> Answer {
        Answer::status(status).header("ETag", self.etag()).header("Cache-Control", "max-age=60")
    }

    /// What an origin that knows ranges and conditions says.
    pub fn serve(&self, request: &Received) -> Answer {
        if request.header("if-none-match") == Some(self.etag()) {
            return self.head(304);
        }
        let condition = request.header("if-range").is_none_or(|tag| tag == self.etag());
        match request.header("range").filter(|_| condition) {
            None => self.answer(200, 0, self.len),
            Some(range) => match self.resolve(&range) {
                Some((from, to)) => {
                    let place = format!("bytes {from}-{}/{}", to - 1, self.len);
                    self.answer(206, from, to).header("Content-Range", place)
                }
                None => Answer::status(416).header("Content-Range", format!("bytes */{}", self.len)),
            },
        }
    }

    /// The bytes of `bytes=from-to`, as the edge writes it.
    pub fn resolve(&self, range: &str) -> Option<(u64, u64)> {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let (from, to) = match (first, last) {
            ("", suffix) => (self.len.saturating_sub(suffix.parse().ok()?), self.len),
            (first, "") => (first.parse().ok()?, self.len),
            (first, last) => (first.parse().ok()?, self.len.min(last.parse::<u64>().ok()?.saturating_add(1))),
        };
        (from < to).then_some((from, to))
    }
}

/// Memory in which little is kept whole.
const SMALL: &str = "[cache.memory]\ncapacity = \"64MiB\"\nmax_object = \"128KiB\"";

/// A world with the smallest slices, and an object of `len` bytes at `/a`.
pub async fn with(len: u64) -> (World, Large) {
    let world = World::new()
        .site("[site.cache]\nslice = \"64KiB\"")
        .pool("[pool.retry]\nattempts = 1\n[pool.breaker]\nconsecutive_failures = 1000\nmin_requests = 1000")
        .more(SMALL)
        .start()
        .await;
    let large = Large::new(len);
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request));
    (world, large)
}

/// A range of `/a`.
pub async fn range(world: &World, range: &str) -> Seen {
    world.client().get("/a").header("Range", range).send().await
}

/// Until nothing is on its way: a client has its bytes before the slice they are in has come.
pub async fn settled(world: &World) {
    world.metrics_when("no fill is active", |metrics| metrics.sum("seawall_fills_active", &[]) == 0.0).await;
}

/// What was asked of the origin, in order.
pub fn asked(world: &World) -> Vec<String> {
    world.origin().received().iter().map(|got| got.header("range").unwrap_or_else(|| "all".into())).collect()
}

/// Is a 206 with these bytes.
#[track_caller]
pub fn is_part(seen: &Seen, large: &Large, from: u64, to: u64) {
    assert_eq!(seen.status, 206, "{:?}", seen.fields);
    assert!(seen.body == large.bytes(from, to), "{from}..{to}: wrong bytes, {} of them", seen.body.len());
    let place = seen.header("content-range").unwrap_or_default();
    assert!(place.starts_with(&format!("bytes {from}-{}/", to - 1)), "{place}");
}

/// Is a 200 with all bytes.
#[track_caller]
pub fn is_whole(seen: &Seen, large: &Large, len: u64) {
    assert_eq!(seen.status, 200, "{:?}", seen.fields);
    assert!(seen.body == large.bytes(0, len), "wrong bytes, {} of them", seen.body.len());
}
