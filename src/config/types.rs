//! The validated configuration: what every other module reads.
//!
//! Nothing here is parsed later: durations are `Duration`, sizes are bytes, patterns are compiled,
//! pool names are indices. A value of these types exists only if the whole file was right.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;

/// Everything `edge.toml` and the environment said.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[[listener]]`, in file order; at least one.
    pub listeners: Vec<Listener>,
    /// `[cache]`
    pub cache: Cache,
    /// `[[pool]]`, in file order; a [`PoolId`] is an index into it.
    pub pools: Vec<Pool>,
    /// `[[site]]`, in file order; at least one.
    pub sites: Vec<Site>,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
}

/// `[server]`
#[derive(Debug, Clone)]
pub struct Server {
    /// Worker threads, each with its own runtime and listeners; `"auto"` became one per core.
    pub threads: usize,
    /// How long requests in flight may take to finish after SIGTERM.
    pub shutdown_timeout: Duration,
    /// This node's name in Cache-Status, Via and the logs: an RFC 9110 token.
    pub server_name: String,
    /// Peers whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `[server.limits]`
    pub limits: Limits,
}

/// `[server.limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open client connections over all listeners; above it new ones wait in the accept queue.
    pub connections: usize,
    /// Open connections of one client address; 0 is no limit.
    pub connections_per_ip: usize,
    /// A request head must have arrived in full by then (408).
    pub header_timeout: Duration,
    /// A keep-alive connection without a request is closed after this.
    pub idle_timeout: Duration,
    /// The longest pause inside a request body (408).
    pub body_timeout: Duration,
    /// The longest time a client may take no byte of a response.
    pub write_timeout: Duration,
    /// Bytes of a request head (431). At least 8 KiB, what hyper needs as a read buffer.
    pub header_bytes: usize,
    /// Header fields in a request (431).
    pub headers: usize,
    /// Bytes of a request target (414).
    pub uri_bytes: usize,
    /// Bytes of a request body (413).
    pub request_body: u64,
}

/// `[[listener]]`
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where to listen.
    pub address: ListenAddress,
    /// Answer every request with 308 to https.
    pub redirect_https: bool,
    /// `[listener.tls]`; none is plain HTTP.
    pub tls: Option<ListenerTls>,
}

/// A listener's `address`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// `host:port`; port 0 asks the system for a free one.
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

/// `[listener.tls]`
#[derive(Debug, Clone)]
pub struct ListenerTls {
    /// `"1.2"` or `"1.3"`
    pub min_version: TlsVersion,
    /// Certificate and key files, picked by SNI; the first is the default.
    pub certificates: Vec<CertificateFiles>,
    /// Clients must present a certificate signed by this CA.
    pub client_ca: Option<PathBuf>,
    /// Make a throw-away certificate at start for the hosts of all sites.
    pub self_signed: bool,
}

/// The lowest TLS version a listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3
    V1_2,
    /// TLS 1.3 only
    V1_3,
}

/// One certificate of a listener.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// PEM chain, leaf first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// `[cache]`
#[derive(Debug, Clone)]
pub struct Cache {
    /// `[cache.memory]`
    pub memory: Memory,
    /// `[cache.disk]`; none is an edge that keeps nothing on disk.
    pub disk: Option<Disk>,
}

/// `[cache.disk]`
#[derive(Debug, Clone)]
pub struct Disk {
    /// The folder, which is this process's alone.
    pub path: PathBuf,
    /// Bytes on disk.
    pub capacity: u64,
    /// What is written.
    pub admission: Admission,
}

/// What `[cache.disk]` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Everything that is stored.
    All,
    /// What was asked for before, recently.
    SecondHit,
}

/// `[cache.memory]`
#[derive(Debug, Clone)]
pub struct Memory {
    /// Bytes of bodies, heads and bookkeeping held in RAM.
    pub capacity: u64,
    /// A larger whole object is kept in slices.
    pub max_object: u64,
}

/// An index into [`Config::pools`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolId(pub usize);

/// `[[pool]]`
#[derive(Debug, Clone)]
pub struct Pool {
    /// Unique name; the `pool` label in metrics.
    pub name: String,
    /// How a member is picked.
    pub balance: Balance,
    /// Ring: no member takes more than this times the mean load. At least 1.
    pub load_bound: f64,
    /// To the origin.
    pub protocol: OriginProtocol,
    /// Host sent to the origin; `None` forwards the client's.
    pub host: Option<HeaderValue>,
    /// At least one.
    pub members: Vec<Member>,
    /// Members of this zone are preferred.
    pub zone: String,
    /// Requests under way at the origins at once, over all threads; none is no limit.
    pub max_requests: Option<usize>,
    /// Requests that may wait for one of `max_requests` to end.
    pub queue: usize,
    /// The longest such wait.
    pub queue_timeout: Duration,
    /// `[pool.timeouts]`
    pub timeouts: Timeouts,
    /// `[pool.retry]`
    pub retry: Retry,
    /// `[pool.health]`; none is no active checks.
    pub health: Option<Health>,
    /// `[pool.breaker]`
    pub breaker: Breaker,
    /// `[pool.tls]`
    pub tls: OriginTls,
    /// `[pool.s3]`: members are S3 endpoints and requests are signed.
    pub s3: Option<S3>,
}

/// A pool's `balance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Consistent hash of the cache key.
    Ring,
    /// The less loaded of two random members.
    LeastRequests,
    /// In turn.
    RoundRobin,
}

/// A pool's `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginProtocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    H2,
}

/// One of a pool's `members`.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Whether the connection is TLS (`https://`).
    pub tls: bool,
    /// Host name or address literal, without brackets; with `srv`, the name of the SRV records.
    pub host: String,
    /// Port, from the URL or the scheme's default; with `srv`, the records have it and this is 0.
    pub port: u16,
    /// Whether the name stands for all servers that its SRV records name (`srv+http://`, RFC 2782).
    pub srv: bool,
    /// `unix:/path`: the socket, in place of host and port, which are then what a request without a Host is for.
    pub socket: Option<PathBuf>,
    /// Share of keys relative to the others; at least 1.
    pub weight: u32,
    /// Where it stands; `""` is nowhere in particular.
    pub zone: String,
}

/// `[pool.timeouts]`
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// TCP and TLS together.
    pub connect: Duration,
    /// From the request's last byte to the response's head.
    pub first_byte: Duration,
    /// The longest pause inside a response body.
    pub idle: Duration,
}

/// `[pool.retry]`
#[derive(Debug, Clone)]
pub struct Retry {
    /// In all, the first included; at least 1.
    pub attempts: u32,
    /// Before the first retry; doubled each time, with jitter.
    pub backoff: Duration,
    /// Retries may be at most this share of requests, 0 to 1.
    pub budget: f64,
    /// Ask a second member when the first byte takes longer.
    pub hedge_after: Option<Duration>,
}

/// `[pool.health]`
#[derive(Debug, Clone)]
pub struct Health {
    /// Path asked for.
    pub path: String,
    /// Between two checks of a member.
    pub interval: Duration,
    /// For one check.
    pub timeout: Duration,
    /// Status codes that mean healthy.
    pub expect: Vec<u16>,
    /// Failed checks in a row that take a member out.
    pub unhealthy_after: u32,
    /// Good checks in a row that bring it back.
    pub healthy_after: u32,
}

/// `[pool.breaker]`
#[derive(Debug, Clone)]
pub struct Breaker {
    /// Failures in a row that eject a member. An answer that is of no use counts only while another member is up.
    pub consecutive_failures: u32,
    /// Share of failures in `window` that ejects a member, 0 to 1.
    pub error_rate: f64,
    /// What `error_rate` looks back on.
    pub window: Duration,
    /// `error_rate` says nothing before so many requests.
    pub min_requests: u32,
    /// How long a member stays out before a trial request.
    pub open_for: Duration,
}

/// `[pool.tls]`
#[derive(Debug, Clone)]
pub struct OriginTls {
    /// PEM file of roots; none is the system's.
    pub ca: Option<PathBuf>,
    /// PEM chain and key presented to the origin.
    pub client: Option<CertificateFiles>,
    /// False: any certificate is taken.
    pub verify: bool,
    /// SNI and the name verified; none is the member's host.
    pub server_name: Option<String>,
}

/// `[pool.s3]`
#[derive(Debug, Clone)]
pub struct S3 {
    /// The bucket; `None` takes it from the request's Host.
    pub bucket: Option<String>,
    /// For the signature's scope.
    pub region: String,
    /// Where the bucket stands in the request.
    pub style: S3Style,
    /// Prepended to every key; without a leading slash.
    pub prefix: String,
    /// Served for keys that end in `/`.
    pub index: Option<String>,
    /// What requests are signed with.
    pub credentials: S3Credentials,
    /// What S3's 403 for a missing key is answered as; 403 leaves it.
    pub not_found: u16,
}

/// `pool.s3.style`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Style {
    /// `https://endpoint/bucket/key`
    Path,
    /// `https://bucket.endpoint/key`
    VirtualHost,
}

/// `pool.s3.credentials`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Credentials {
    /// The chain: environment, profile file, and so on.
    Default,
    /// Requests are not signed.
    Anonymous,
    /// Named in the file.
    Static {
        /// Access key id.
        access_key_id: String,
        /// Secret access key.
        secret_access_key: Secret,
        /// Session token of temporary credentials.
        session_token: Option<Secret>,
    },
}

/// A value that must not be printed: `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The secret itself; the name is long so that a reader of a diff sees it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// `[[site]]`
#[derive(Debug, Clone)]
pub struct Site {
    /// The first of `hosts` as written; the `site` label in metrics.
    pub name: String,
    /// Which hosts it answers; at least one.
    pub hosts: Vec<HostPattern>,
    /// Methods a client may use; others are 405.
    pub methods: Vec<Method>,
    /// What holds where no rule matches.
    pub settings: Arc<RouteSettings>,
    /// `[[site.rule]]`, in file order; the first match wins.
    pub rules: Vec<Rule>,
}

/// One of a site's `hosts`, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `photos.example.com`
    Exact(String),
    /// `*.photos.example.com`, kept as `.photos.example.com`: one or more labels in front.
    Suffix(String),
    /// `*`
    Any,
}

/// `[[site.rule]]`: a path and the settings that hold there, already merged over the site's.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As written; shown by `check` and in debug headers.
    pub path: PathPattern,
    /// The site's settings with the rule's own on top.
    pub settings: Arc<RouteSettings>,
}

/// A path pattern: `*` stands for any run of characters, `/` included; everything else is itself.
/// Matched against the normalised path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
}

impl PathPattern {
    /// A pattern from its text, which must begin with `/` or `*`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `path` matches.
    pub fn matches(&self, path: &str) -> bool {
        wildcard(self.text.as_bytes(), path.as_bytes())
    }
}

/// Matches `*` greedily with one backtrack point: linear in practice, quadratic at worst.
pub fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((sp, st)) = star {
            p = sp + 1;
            t = st + 1;
            star = Some((sp, st + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// What a request is handled by once its site and rule are known.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// Where misses go.
    pub pool: PoolId,
    /// `[site.cache]`
    pub cache: CacheRules,
    /// `[site.headers]`
    pub headers: HeaderRules,
    /// `[[site.signed]]`; empty is public, otherwise one of them must be satisfied.
    pub signed: Vec<Signed>,
}

/// `[site.cache]`
#[derive(Debug, Clone)]
pub struct CacheRules {
    /// False: everything passes.
    pub enabled: bool,
    /// When the origin says nothing; none is the RFC 9111 heuristic.
    pub default_ttl: Option<Duration>,
    /// Raise what the origin says.
    pub min_ttl: Option<Duration>,
    /// Lower what the origin says.
    pub max_ttl: Option<Duration>,
    /// Ignore what the origin says (never for no-store or private).
    pub override_ttl: Option<Duration>,
    /// For responses without explicit freshness, by status code.
    pub status_ttl: Vec<(u16, Duration)>,
    /// When the origin does not say.
    pub stale_while_revalidate: Option<Duration>,
    /// When the origin does not say.
    pub stale_if_error: Option<Duration>,
    /// Which of the query is in the key.
    pub query: QueryKey,
    /// Whether parameters are sorted in the key.
    pub sort_query: bool,
    /// Request headers in the key beyond Vary.
    pub headers: Vec<HeaderName>,
    /// Cookies in the key.
    pub cookies: Vec<String>,
    /// A client's no-cache does not force an origin fetch.
    pub ignore_request_no_cache: bool,
    /// Size of a slice in bytes: a power of two, 64 KiB to 64 MiB.
    pub slice: u64,
    /// Concurrent misses of one key make one origin request.
    pub collapse: bool,
    /// A waiting request goes on its own after that.
    pub collapse_timeout: Duration,
}

/// `site.cache.query`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryKey {
    /// All parameters.
    All,
    /// None of them.
    None,
    /// Only those whose name matches one of the patterns (`*` as in [`wildcard`]).
    Include(Vec<String>),
    /// All but those.
    Exclude(Vec<String>),
}

/// `[site.headers]`
#[derive(Debug, Clone, Default)]
pub struct HeaderRules {
    /// Set on the way to the origin; `None` removes.
    pub request: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Set on the way to the client; `None` removes.
    pub response: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Adds Server-Timing and X-Cache-Key.
    pub debug: bool,
}

/// `[[site.signed]]`
#[derive(Debug, Clone)]
pub struct Signed {
    /// How a request proves itself.
    pub scheme: SignedScheme,
    /// Which paths it guards and can open.
    pub paths: Vec<PathPattern>,
    /// Several: rotation.
    pub keys: Vec<SignedKey>,
    /// How far clocks may be apart.
    pub clock_skew: Duration,
    /// Refuse a signature that is valid for longer than this.
    pub max_lifetime: Option<Duration>,
    /// Query parameter that carries the token.
    pub param: String,
}

/// `signed.scheme`. A scheme that is not built yet is refused when the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedScheme {
    /// `docs/signed-urls.md`
    Token,
}

/// One of `signed.keys`.
#[derive(Debug, Clone)]
pub struct SignedKey {
    /// Names the key in the token.
    pub id: String,
    /// The HMAC secret.
    pub secret: Secret,
}

/// `[admin]`
#[derive(Debug, Clone)]
pub struct Admin {
    /// None: no admin listener.
    pub address: Option<SocketAddr>,
    /// Bearer token for what changes state.
    pub token: Option<Secret>,
    /// Networks that may send the PURGE method to the listeners.
    pub purge_from: Vec<IpNet>,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// A level, or a `tracing_subscriber::EnvFilter` directive list (already checked).
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// Where the access log goes.
    pub access: AccessLog,
    /// Share of successful requests in the access log, 0 to 1.
    pub sample: f64,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
    /// Text on a terminal, JSON elsewhere.
    Auto,
}

/// `log.access`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// No access log.
    Off,
    /// To standard output.
    Stdout,
    /// Appended to a file, reopened on SIGUSR1.
    File(PathBuf),
}
