//! `[[pool]]`: origins.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;

use super::{CertificateFiles, Secret};

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
    /// The longest pause inside a `text/event-stream`, if longer than `idle`.
    pub event_stream: Duration,
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
