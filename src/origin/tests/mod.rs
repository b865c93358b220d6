//! Pools against scripted origins on loopback.

mod connections;
mod h2;
mod members;
mod retries;
mod s3;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;
use crate::config::{self, Config, Pool};

/// What an origin does with one request.
pub enum Act {
    /// Sends these bytes and reads the next request.
    Reply(String),
    /// Sends these bytes and closes.
    ReplyAndClose(String),
    /// Sends these bytes and then nothing more, with the connection open.
    ReplyAndStall(String),
}

/// `200` with this body, on a connection that stays open.
pub fn ok(body: &str) -> Act {
    Act::Reply(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// An empty answer with this status and these further fields.
pub fn status(code: u16, fields: &str) -> Act {
    Act::Reply(format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n{fields}\r\n"))
}

pub const SILENT: fn() -> Act = || Act::ReplyAndStall(String::new());
pub const CLOSE: fn() -> Act = || Act::ReplyAndClose(String::new());

/// A request as an origin saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which of the origin's connections it came on, from 0.
    pub connection: usize,
    /// The head, as text.
    pub head: String,
}

/// A scripted origin.
pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    /// How many of its connections the other side has closed.
    pub closed: watch::Receiver<usize>,
}

impl Server {
    /// `script` gets the number of the connection, the number of the request on it, and the head.
    pub async fn start(script: impl Fn(usize, usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (closing, closed) = watch::channel(0);
        let (script, log) = (Arc::new(script), seen.clone());
        tokio::spawn(async move {
            for connection in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                let (script, log, closing) = (script.clone(), log.clone(), closing.clone());
                tokio::spawn(async move {
                    serve(socket, connection, script.as_ref(), &log).await;
                    closing.send_modify(|closed| *closed += 1);
                });
            }
        });
        Self { address, seen, closed }
    }

    pub fn requests(&self) -> usize {
        self.seen.lock().len()
    }

    /// How many connections carried requests.
    pub fn connections(&self) -> usize {
        self.seen.lock().iter().map(|seen| seen.connection + 1).max().unwrap_or(0)
    }
}

/// Answers requests on one connection until a script or the other side ends it.
pub async fn serve(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    script: &(dyn Fn(usize, usize, &str) -> Act + Send + Sync),
    log: &Mutex<Vec<Seen>>,
) {
    let mut buffer = Vec::new();
    for request in 0.. {
        let end = loop {
            if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if !matches!(io.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
        let act = script(connection, request, &head);
        log.lock().push(Seen { connection, head });
        let (text, then) = match act {
            Act::Reply(text) => (text, 0),
            Act::ReplyAndClose(text) => (text, 1),
            Act::ReplyAndStall(text) => (text, 2),
        };
        if io.write_all(text.as_bytes()).await.is_err() || io.flush().await.is_err() {
            return;
        }
        match then {
            0 => {}
            1 => {
                let _ = io.shutdown().await;
                return;
            }
            _ => while matches!(io.read_buf(&mut buffer).await, Ok(1..)) {},
        }
    }
}

/// A pool over these addresses that fails fast and tries once.
pub fn pool(members: &[SocketAddr]) -> Pool {
    let second = Duration::from_secs(1);
    Pool {
        name: "photos".into(),
        balance: config::Balance::Ring,
        load_bound: 1.25,
        protocol: config::OriginProtocol::Http1,
        host: None,
        members: members.iter().map(|address| member(&address.ip().to_string(), address.port())).collect(),
        zone: String::new(),
        max_requests: None,
        queue: 0,
        queue_timeout: second,
        timeouts: config::Timeouts {
            connect: second * 5,
            first_byte: second * 5,
            idle: second * 5,
            event_stream: second * 60,
        },
        retry: config::Retry {
            attempts: 1,
            backoff: Duration::from_millis(1),
            budget: 0.2,
            hedge_after: None,
        },
        health: None,
        breaker: config::Breaker {
            consecutive_failures: u32::MAX,
            error_rate: 1.0,
            window: second * 10,
            min_requests: u32::MAX,
            open_for: second * 5,
        },
        tls: config::OriginTls { ca: None, client: None, verify: true, server_name: None },
        s3: None,
    }
}

pub fn member(host: &str, port: u16) -> config::Member {
    config::Member {
        tls: false,
        host: host.into(),
        port,
        srv: false,
        socket: None,
        weight: 1,
        zone: String::new(),
    }
}

/// A process with this pool as its only one.
pub struct World {
    pub client: Client,
    pub pool: PoolHandle,
    pub registry: prometheus::Registry,
}

impl World {
    pub fn new(pool: Pool) -> Self {
        Self::try_new(pool).unwrap()
    }

    pub fn try_new(pool: Pool) -> Result<Self, OriginSetupError> {
        let registry = prometheus::Registry::new();
        let metrics = OriginMetrics::register(&registry).unwrap();
        let name = pool.name.clone();
        let origins = Origins::start(&config(pool), metrics)?;
        Ok(Self { client: origins.client(), pool: origins.pool(&name), registry })
    }

    pub async fn fetch(&self, request: OriginRequest) -> Result<OriginResponse, FetchError> {
        self.trip(request).await.map_err(|failed| failed.error)
    }

    /// As [`World::fetch`], with what was done in vain.
    pub async fn trip(&self, request: OriginRequest) -> Result<OriginResponse, Failed> {
        let fetched = self.client.fetch(&self.pool, request);
        tokio::time::timeout(Duration::from_secs(10), fetched).await.expect("the fetch hangs")
    }

    /// Status and body of a GET.
    pub async fn get(&self, uri: &str) -> Result<(u16, String), FetchError> {
        let response = self.fetch(get(uri)).await?;
        Ok((response.status.as_u16(), text(response).await.unwrap()))
    }

    /// The sum of a metric over its labels.
    pub fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().filter(|family| family.name() == name);
        family
            .flat_map(|family| family.get_metric())
            .map(|m| m.get_counter().get_value() + m.get_gauge().get_value())
            .sum()
    }

    /// See [`until`].
    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        until(|| condition(self)).await;
    }
}

/// Waits until `condition` holds; it must be made true by tasks that run already.
pub async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.expect("the condition never came true");
}

/// A pool of one name that nobody resolves yet.
pub fn bare_pool(host: &str, port: u16) -> Arc<super::pool::Pool> {
    let mut pool = pool(&[]);
    pool.members = vec![member(host, port)];
    let metrics = OriginMetrics::register(&prometheus::Registry::new()).unwrap();
    let maker = super::maker::Maker::new(&pool, &metrics).unwrap();
    Arc::new(super::pool::Pool::new(pool, None, maker, metrics))
}

fn config(pool: Pool) -> Config {
    let second = Duration::from_secs(1);
    Config {
        server: config::Server {
            threads: 1,
            drain_delay: std::time::Duration::ZERO,
            shutdown_timeout: second,
            server_name: "seawall".into(),
            trusted_proxies: vec![],
            limits: config::Limits {
                connections: 1,
                connections_per_ip: 0,
                header_timeout: second,
                idle_timeout: second,
                body_timeout: second,
                write_timeout: second,
                header_bytes: 1 << 15,
                headers: 100,
                uri_bytes: 1 << 13,
                request_body: 1 << 20,
            },
        },
        listeners: vec![],
        cache: config::Cache { memory: config::Memory { capacity: 0, max_object: 0 }, disk: None },
        pools: vec![pool],
        sites: vec![],
        admin: config::Admin {
            address: None,
            token: None,
            read_token: None,
            guarded_metrics: false,
            purge_from: vec![],
        },
        log: config::Log {
            level: "info".into(),
            format: config::LogFormat::Auto,
            access: config::AccessLog::Off,
            sample: 1.0,
        },
    }
}

pub fn get(uri: &str) -> OriginRequest {
    request(Method::GET, uri, RequestBody::Empty)
}

pub fn request(method: Method, uri: &str, body: RequestBody) -> OriginRequest {
    let uri: Uri = uri.parse().unwrap();
    OriginRequest {
        method,
        path: Bytes::copy_from_slice(uri.path().as_bytes()),
        query: uri.query().map(|query| Bytes::copy_from_slice(query.as_bytes())),
        host: HeaderValue::from_static("photos.example"),
        scheme_https: false,
        headers: HeaderMap::new(),
        body,
        key: xxhash_rust::xxh3::xxh3_64(uri.path().as_bytes()),
        trailers: false,
        upgrade: None,
        stand_in: false,
        on_informational: None,
    }
}

pub async fn text(response: OriginResponse) -> Result<String, BodyError> {
    let body = tokio::time::timeout(Duration::from_secs(10), response.body.collect());
    let bytes = body.await.expect("the body hangs")?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}
