//! Seawall's own tiers, driven as `edge/service.rs` drives them, without sockets and origins.
//!
//! Each request is a real one from stage 2 on: routed, authorised, keyed, looked up in memory and on disk by
//! `cache::store`; a hit is told to it, and so is what an origin would have brought after a
//! miss. Left out is stage 6, whose answer is known (all is fresh), and the fill between origin and tiers. Bodies are
//! pieces of one block of noise: memory counts them as if each had its own bytes, and the disk gets them all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use seawall::cache::disk::{DiskTier, Status};
use seawall::cache::entry::Entry;
use seawall::cache::invalidation::Seen;
use seawall::cache::key::{Key, KeyText};
use seawall::cache::object::{Content, Meta, Object, PIECE, Touched, Whole};
use seawall::cache::store::Found;
use seawall::cache::variants::Variants;
use seawall::config::{self, Admission, Config, Disk};
use seawall::edge::build::Built;
use seawall::edge::clock::Clock;
use seawall::edge::request::authorize::authorize;
use seawall::edge::request::fields::Fields;
use seawall::edge::request::key::{Keyed, key};
use seawall::edge::request::route::route;
use seawall::edge::request::sanitize::{Incoming, Target};
use seawall::edge::worker;
use seawall::http::host::{Host, Scheme};
use seawall::http::protocol::Protocol;
use seawall::http::time::Time;
use seawall::policy::freshness::Freshness;
use seawall::server::{Interim, Peer, PeerAddr};

use super::generate::Trace;
use super::table::Counts;

/// Bytes that may wait to be written before the replay waits for them: as much as a busy edge has under way.
const UNDER_WAY: u64 = 4 << 20;

/// An edge's cache.
pub struct Edge {
    built: Built,
    peer: Arc<Peer>,
    host: Host,
    head: HeaderMap,
    noise: Bytes,
    /// Bytes that were put on the way to disk since the replay waited for it.
    under_way: u64,
    waited: u32,
}

/// What answered a request.
enum Answered {
    Memory,
    Disk,
    Origin,
}

impl Edge {
    /// An empty cache of `memory` bytes, and of those on disk in a folder that is its own.
    pub async fn open(memory: u64, disk: Option<(&Path, u64, Admission)>) -> Self {
        let mut config = configuration();
        config.cache.memory.capacity = memory;
        config.cache.disk =
            disk.map(|(path, capacity, admission)| Disk { path: path.to_owned(), capacity, admission });
        let built =
            worker::Edge::build(&config, Clock::manual(Time::from(std::time::SystemTime::now()))).unwrap();
        if let Some(disk) = &built.disk {
            disk.status().wait_for(|status| *status == Status::Up).await.unwrap();
        }
        Self {
            built,
            peer: peer(),
            host: Host::parse(b"photos.example", Scheme::Http).unwrap(),
            head: head(),
            noise: noise(),
            under_way: 0,
            waited: 0,
        }
    }

    /// Asks for all that a trace asks for.
    pub async fn replay(mut self, trace: &Trace) -> Counts {
        let mut counts = Counts::default();
        for id in &trace.requests {
            let size = trace.sizes[*id as usize];
            let answered = self.request(*id, size).await;
            counts.asked(u64::from(size), !matches!(answered, Answered::Origin));
            counts.from_memory += u64::from(matches!(answered, Answered::Memory));
            if self.under_way >= UNDER_WAY {
                self.wait().await;
            }
        }
        self.wait().await;
        let store = &self.built.edge.store;
        store.memory_usage();
        counts.evicted = store.metrics().evictions.get();
        if let Some(disk) = &self.built.disk {
            let metrics = disk.metrics();
            counts.written = Some(metrics.written_bytes.get());
            counts.kept_again = metrics.reinserted_bytes.get();
            counts.evicted = metrics.writes.get().saturating_sub(disk.entries());
            let shed = |reason: &&str| metrics.shed.with_label_values(&[reason]).get();
            counts.shed = ["queue", "down", "too_large"].iter().map(shed).sum();
            let unread = |result: &&str| metrics.reads.with_label_values(&[result]).get();
            counts.unread = ["bad", "error", "slow", "busy", "gone"].iter().map(unread).sum();
            assert!(disk.bytes() <= disk.capacity());
            disk.close();
        }
        counts
    }

    async fn request(&mut self, id: u32, size: u32) -> Answered {
        let keyed = self.keyed(id);
        let store = Arc::clone(&self.built.edge.store);
        let now = self.built.edge.now();
        let mut looked = store.find(&keyed, now);
        let mut answered = Answered::Memory;
        if store.may_be_behind(&keyed.key, &looked) {
            looked = store.find_behind(&keyed, looked).await;
            answered = Answered::Disk;
        }
        if let Found::Object(object) = &looked.found {
            if !object.meta.touched.is_set() {
                self.under_way += u64::from(size);
            }
            store.hit(&keyed.key, object);
            return answered;
        }
        // Who leads a fill looks once more.
        store.find(&keyed, now);
        self.under_way += u64::from(size);
        let object = self.object(&keyed.key, size);
        store.keep(&keyed.key, keyed.request.route().site_id, store.moment(&keyed.key), object).unwrap();
        Answered::Origin
    }

    fn keyed(&self, id: u32) -> Keyed {
        let path = PathAndQuery::try_from(format!("/objects/{id:010}.jpg")).unwrap();
        let incoming = Incoming {
            method: Method::GET,
            host: self.host.clone(),
            is_named: true,
            port: None,
            target: Target::new(path).unwrap(),
            headers: HeaderMap::new(),
            fields: Fields::default(),
            version: Version::HTTP_11,
            scheme: Scheme::Http,
            on_tls: false,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            body: None,
            peer: Arc::clone(&self.peer),
            path_token: None,
            takes_trailers: false,
            upgrade: None,
        };
        let Ok(routed) = route(incoming, &self.built.edge.settings().sites) else { panic!("not routed") };
        let Ok(authorized) = authorize(routed, self.built.edge.now()) else { panic!("not authorised") };
        key(authorized)
    }

    fn object(&self, key: &Key, size: u32) -> Arc<Object> {
        let size = size as usize;
        let pieces = (0..size).step_by(PIECE).map(|at| self.noise.slice(at..size.min(at + PIECE)));
        let meta = Meta {
            key: key.text().into(),
            variant: None,
            status: StatusCode::OK,
            head: self.head.clone(),
            upstream_status: None,
            freshness: Freshness {
                response_time: self.built.edge.now(),
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
            held_back: None,
            tags: Default::default(),
            seen: Seen::new(0),
            touched: Touched::default(),
        };
        Arc::new(Object { meta, body: Content::Whole(Whole::from_pieces(pieces.collect()).unwrap()) })
    }

    /// Until all that was put is on disk, so that nothing is shed: a small entry of its own comes after it.
    async fn wait(&mut self) {
        self.under_way = 0;
        let Some(disk) = &self.built.disk else { return };
        self.waited += 1;
        let last = Key::new(KeyText::from_slice(format!("last {}", self.waited).as_bytes()));
        disk.put(last.hash(), Entry::Variants(Arc::new(Variants::new(&last))));
        while !disk.contains(last.hash()) {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }
}

/// Bytes that an object takes beside its body, in memory and on disk: measured.
pub async fn overheads(folder: &Path) -> (u64, u64) {
    let mut edge = Edge::open(1 << 20, Some((folder, 16 << 20, Admission::All))).await;
    let disk: DiskTier = edge.built.disk.clone().unwrap();
    let mut bytes = Vec::new();
    for id in 0..2 {
        edge.request(id, 8).await;
        edge.wait().await;
        bytes.push(disk.bytes());
    }
    edge.wait().await;
    // What waiting itself wrote is not the object's.
    let marker = disk.bytes() - bytes[1];
    disk.close();
    (edge.built.edge.store.memory_usage().0 / 2 - 8, bytes[1] - bytes[0] - marker - 8)
}

fn configuration() -> Config {
    let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[pool]]\nname = \"p\"\nmembers = [{ url = \"http://127.0.0.1:1\" }]\n\
                [[site]]\nhosts = [\"photos.example\"]\npool = \"p\"\n";
    match config::load_from(text, "edge.toml", std::iter::empty()) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    }
}

fn peer() -> Arc<Peer> {
    Arc::new(Peer {
        addr: PeerAddr::Tcp(SocketAddr::from(([127, 0, 0, 1], 1))),
        local: None,
        listener: 0,
        tls: None,
        protocol: Protocol::Http1,
        interim: Interim::default(),
    })
}

fn head() -> HeaderMap {
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
    head
}

/// As much as the largest body may have, which no file system can make smaller.
fn noise() -> Bytes {
    let mut state = 1u64;
    let word = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    Bytes::from((0..(16 << 20) / 8).flat_map(word).collect::<Vec<u8>>())
}
