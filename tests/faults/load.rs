//! A steady stream of requests: each is due at its time, and late by all that passes after it, whoever is slow.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::origin::BODY;

/// Keys that are in the cache before it begins.
const KEYS: u32 = 100;
/// Connections, each with its share of the rate.
const CONNECTIONS: u32 = 64;
/// A client gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Cached for a second, to be served for ten minutes more if the origin fails.
    Cached,
    /// Never cached.
    Uncacheable,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was to be sent, from the start on.
    pub due: Duration,
    /// What it was for.
    pub kind: Kind,
    /// From when it was due to its last byte.
    pub latency: Duration,
    /// 200 with its whole body.
    pub good: bool,
}

/// Requests under way.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Sample>>>,
}

impl Load {
    /// `rate` requests a second, every other of them cacheable.
    pub fn start(edge: SocketAddr, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let tasks = (0..CONNECTIONS).map(|n| tokio::spawn(one(edge, begin, n, rate, stop.clone()))).collect();
        Self { stop, tasks }
    }

    /// Ends it; what became of each request, in no order.
    pub async fn stop(self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.extend(task.await.unwrap());
        }
        all
    }
}

async fn one(edge: SocketAddr, begin: Instant, n: u32, rate: u32, stop: Arc<AtomicBool>) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut connection = Connection { edge, stream: None };
    for turn in 0.. {
        let number = turn * CONNECTIONS + n;
        let due = Duration::from_secs_f64(f64::from(number) / f64::from(rate));
        tokio::time::sleep_until((begin + due).into()).await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // Both kinds on each connection.
        let (kind, path) = match (turn + n) % 2 {
            0 => (Kind::Cached, format!("/c/{}", number / 2 % KEYS)),
            _ => (Kind::Uncacheable, format!("/u/{number}")),
        };
        let good = connection.get(&path).await;
        samples.push(Sample { due, kind, latency: begin.elapsed().saturating_sub(due), good });
    }
    samples
}

/// Brings every cacheable key into the cache.
pub async fn prime(edge: SocketAddr) {
    let mut connection = Connection::open(edge).await;
    for key in 0..KEYS {
        assert!(connection.get(&format!("/c/{key}")).await, "/c/{key}");
    }
}

/// A client's connection, made anew when it breaks.
pub struct Connection {
    edge: SocketAddr,
    stream: Option<TcpStream>,
}

impl Connection {
    /// To the edge.
    pub async fn open(edge: SocketAddr) -> Self {
        Self { edge, stream: TcpStream::connect(edge).await.ok() }
    }

    /// Whether a GET gets a whole 200.
    pub async fn get(&mut self, path: &str) -> bool {
        let got = tokio::time::timeout(PATIENCE, self.try_get(path)).await.ok().flatten();
        if got.is_none() {
            self.stream = None;
        }
        got.is_some_and(|(status, length)| status == 200 && length == BODY)
    }

    async fn try_get(&mut self, path: &str) -> Option<(u16, usize)> {
        if self.stream.is_none() {
            self.stream = Some(TcpStream::connect(self.edge).await.ok()?);
        }
        let stream = self.stream.as_mut()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: faults.example\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut buffer = Vec::with_capacity(2048);
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        };
        let head = std::str::from_utf8(&buffer[..end]).ok()?.to_ascii_lowercase();
        let status = head.get(9..12)?.parse().ok()?;
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length?.trim().parse().ok()?;
        while buffer.len() < end + length {
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        }
        Some((status, length))
    }
}
