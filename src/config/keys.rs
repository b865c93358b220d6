//! Every table and key of `edge.toml`: name, type, bounds, default, meaning. docs/configuration.md is made from it.

use std::path::PathBuf;
use std::time::Duration;

use super::key::{
    Entries, Keys, Many, One, Texts, Values, WordOr, count, count_or, counts, define_tables, duration, filled_text, flag, list, map, number,
    optional_duration, path, secret, size, table, table_or, tables, text, texts, texts_or, words, written_path,
};
use super::schema::Default::{Absent, Filled, Is, Required};
use super::schema::{Default, Definition, Kind, Table};
use super::{Admission, Balance, LogFormat, OriginProtocol, S3Style, Secret, TlsVersion};

const SEC: u64 = 1_000;
const MIN: u64 = 60 * SEC;
const HOUR: u64 = 60 * MIN;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
/// Ten years: longer lifetimes are slips of the pen.
const TTL_MAX: u64 = 3650 * DAY;

pub(super) const ROOT: &Table = File::TABLE;

const fn key(name: &'static str, kind: Kind, default: Default, about: &'static str) -> Definition {
    Definition { name, kind, default, about }
}

const fn optional_ttl() -> Values<Option<Duration>> {
    optional_duration::<0, TTL_MAX>()
}

define_tables! {
    FILE: File, "the file" {
        server: One<Server> = table(), Filled, "Settings of the process.";
        listener: Many<Listener> = tables(), Absent, "Where clients connect; at least one.";
        cache: One<Cache> = table(), Filled, "The cache tiers.";
        pool: Many<Pool> = tables(), Absent, "A group of origin servers; at least one.";
        site: Many<Site> = tables(), Absent, "The hosts that are served, and from which pool; at least one.";
        admin: One<Admin> = table(), Filled, "The operator's listener.";
        log: One<Log> = table(), Filled, "Logs.";
        telemetry: One<Telemetry> = table(), Absent, "Traces.";
        cluster: One<Cluster> = table(), Absent, "Several edges that work as one.";
    }

    SERVER: Server, "server" {
        threads: Option<usize> = count_or::<1, 1024>(&["auto"]), Is(r#""auto""#), "Worker threads; `auto` starts one per core.";
        drain_delay: Duration = duration(0, HOUR), Is(r#""0s""#), "How long the edge still serves and accepts after SIGTERM while `/readyz` says 503, before listeners close. Behind a load balancer, set the time that it needs to notice, such as `10s`.";
        shutdown_timeout: Duration = duration(0, HOUR), Is(r#""30s""#), "How long requests in flight may take to finish after SIGTERM and `drain_delay`.";
        server_name: String = text(), Is(r#""seawall""#), "This node's name in Cache-Status, Via and the logs. It must be an RFC 9110 token.";
        trusted_proxies: Texts = texts(), Is("[]"), "Addresses or networks of proxies in front. Seawall trusts X-Forwarded-* and Forwarded from them and replaces these fields from anyone else.";
        limits: One<Limits> = table(), Filled, "Limits on what a client can use.";
    }

    LIMITS: Limits, "limits" {
        connections: usize = count(1, 10_000_000), Is("65536"), "Open client connections. Above this number, new ones wait in the accept queue.";
        connections_per_ip: usize = count(0, 10_000_000), Is("0"), "Open connections from one client address; 0 sets no limit.";
        header_timeout: Duration = duration(100, HOUR), Is(r#""10s""#), "How long a request head may take to arrive in full (408).";
        idle_timeout: Duration = duration(100, DAY), Is(r#""75s""#), "How long a keep-alive connection may stay idle before it is closed.";
        body_timeout: Duration = duration(100, HOUR), Is(r#""30s""#), "The longest pause inside a request body (408).";
        write_timeout: Duration = duration(100, HOUR), Is(r#""60s""#), "The longest time in which a client may take no byte of a response; then the connection or stream is reset.";
        header_bytes: usize = size(8 * KIB, MIB), Is(r#""32KiB""#), "The largest request head (431).";
        headers: usize = count(1, 10_000), Is("100"), "The most header fields in a request (431).";
        uri_bytes: usize = size(256, MIB), Is(r#""8KiB""#), "The longest request target (414).";
        request_body: u64 = size(0, TIB), Is(r#""10MiB""#), "The largest request body (413).";
    }

    LISTENER: Listener, "listener", by address {
        address: Option<String> = filled_text(), Required, "`address:port` (`127.0.0.1:8080`, `[::]:8080`), or `unix:/path` (mode 0660: the server's user and group can connect). The address must be free: Seawall does not start on an address that another server listens on. It replaces a socket file only if nobody listens on it.";
        proxy_protocol: bool = flag(), Is("false"), "Expect a PROXY protocol v1 or v2 header at the start of each connection.";
        redirect_https: bool = flag(), Is("false"), "Redirect every request to https with a 308. It can not be combined with `tls`.";
        redirect_port: u16 = count(1, 65535), Is("443"), "`redirect_https`: the port of the URLs, as the world knows it; 443 is left out of them.";
        http3: bool = flag(), Is("false"), "Also serve HTTP/3 on the same UDP port and advertise it in Alt-Svc.";
        tls: One<ListenerTls> = table(), Absent, "If this table is present, the listener terminates TLS. ALPN offers h2 and http/1.1.";
    }

    LISTENER_TLS: ListenerTls, "listener.tls" {
        min_version: TlsVersion = words!["1.2" => TlsVersion::V1_2, "1.3" => TlsVersion::V1_3], Is(r#""1.2""#), "The lowest TLS version that is accepted.";
        certificates: Many<Certificate> = tables(), Is("[]"), "One entry per certificate. SNI selects one; the first is the default.";
        client_ca: Option<PathBuf> = path(), Is(r#""""#), "If set, clients must present a certificate signed by a CA in this PEM file.";
        self_signed: bool = flag(), Is("false"), "Create a temporary self-signed certificate at start, for demos and development.";
        acme: One<Acme> = table(), Absent, "Get and renew certificates over ACME instead of `certificates`.";
    }

    CERTIFICATE: Certificate, "certificate" {
        cert: Option<PathBuf> = path(), Required, "PEM file with the certificate chain, leaf first.";
        key: Option<PathBuf> = path(), Required, "PEM file with the private key.";
    }

    ACME: Acme, "listener.tls.acme" {
        domains: Texts = texts(), Is("[]"), "Names to request certificates for.";
        contact: String = text(), Is(r#""""#), "Mail address to give to the authority.";
        directory: String = text(), Is(r#""""#), "Directory URL of the authority; `\"\"` uses Let's Encrypt.";
        state: Option<PathBuf> = path(), Is(r#""/var/lib/seawall/acme""#), "Folder for the account and the certificates.";
    }

    CACHE: Cache, "cache" {
        memory: One<Memory> = table(), Filled, "The RAM tier.";
        disk: One<Disk> = table(), Absent, "The SSD tier. Without this table, the edge caches in RAM only.";
    }

    MEMORY: Memory, "cache.memory" {
        capacity: u64 = size(MIB, 64 * TIB), Is(r#""512MiB""#), "How much RAM the cache may use for bodies, heads and bookkeeping.";
        max_object: u64 = size(KIB, TIB), Is(r#""16MiB""#), "The largest object that is kept whole; a larger one is kept in slices. It must not exceed `capacity`. If `capacity` is below the default, the default is `capacity`.";
    }

    DISK: Disk, "cache.disk" {
        path: Option<PathBuf> = path(), Is(r#""/var/cache/seawall""#), "The folder of the disk tier. No other process may use it.";
        capacity: u64 = size(MIB, 1024 * TIB), Is(r#""50GiB""#), "How much the cache may use on disk.";
        admission: Admission = words!["all" => Admission::All, "second-hit" => Admission::SecondHit], Is(r#""second-hit""#), "Which objects are written: `all`, or only those that are requested a second time (`second-hit`).";
    }

    POOL: Pool, "pool", by name {
        name: String = text(), Required, "The name that sites and metrics use: letters, digits, `-`, `_` and `.`.";
        balance: Balance = words!["ring" => Balance::Ring, "least-requests" => Balance::LeastRequests, "round-robin" => Balance::RoundRobin], Is(r#""ring""#), "How a member is chosen; `ring` uses a consistent hash of the cache key.";
        load_bound: f64 = number(1.0, 100.0), Is("1.25"), "For `ring`: a member takes at most this many times the mean load. Above that, the next member on the ring takes the request.";
        protocol: OriginProtocol = words!["http/1.1" => OriginProtocol::Http1, "h2" => OriginProtocol::H2], Is(r#""http/1.1""#), "The protocol that is spoken to the origin.";
        host: Option<String> = filled_text(), Is(r#""""#), "The Host field sent to the origin; `\"\"` forwards the client's. S3 pools set their own.";
        members: Many<Member> = tables(), Required, "The servers. A name with several addresses counts as one member per address.";
        zone: String = text(), Is(r#""""#), "Prefer members in this zone.";
        max_requests: usize = count(0, 1_000_000), Is("0"), "How many requests may be in flight to the pool at once, including their bodies; 0 sets no limit.";
        queue: usize = count(0, 1_000_000), Is("1024"), "How many requests may wait when `max_requests` are in flight. Others get a 503.";
        queue_timeout: Duration = duration(0, MIN), Is(r#""1s""#), "The longest time a request may wait there; then it gets a 503.";
        timeouts: One<Timeouts> = table(), Filled, "Timeouts for the origin.";
        retry: One<Retry> = table(), Filled, "Retries. Seawall retries only requests that are safe to repeat, and only before the client has received a byte.";
        health: One<Health> = table(), Absent, "Active health checks. Without this table, there are none.";
        breaker: One<Breaker> = table(), Filled, "The circuit breaker. It ejects a member that fails client requests.";
        tls: One<PoolTls> = table(), Filled, "TLS settings for members with `https://`.";
        s3: One<S3> = table(), Absent, "If this table is present, the members are S3 endpoints and Seawall signs every request (SigV4).";
    }

    MEMBER: Member, "member" {
        url: Option<String> = filled_text(), Required, "`http://host:port` or `https://host:port`, without a path; or `unix:/path` for a socket; or `srv+http://_web._tcp.origin.internal` (or `srv+https://`) for all servers in its SRV records. SRV weights apply; servers with a lower priority are used only while the others are down.";
        weight: u32 = count(1, 1000), Is("1"), "This member's share of keys, relative to the other members.";
        zone: String = text(), Is(r#""""#), "The zone that this member is in.";
    }

    TIMEOUTS: Timeouts, "pool.timeouts" {
        connect: Duration = duration(10, 10 * MIN), Is(r#""2s""#), "How long connecting may take, TCP and TLS together.";
        first_byte: Duration = duration(10, HOUR), Is(r#""30s""#), "The longest time between the last byte of the request and the head of the response (504).";
        idle: Duration = duration(10, HOUR), Is(r#""15s""#), "The longest pause inside a response body; then the response is cut off.";
        event_stream: Duration = duration(10, DAY), Is(r#""5m""#), "The longest pause inside a `text/event-stream`, which may have nothing to say for a while; `idle` if that is longer.";
    }

    RETRY: Retry, "pool.retry" {
        attempts: u32 = count(1, 16), Is("3"), "How many attempts a request gets in total, including the first. Each attempt goes to the next member of the ring. All attempts together may take twice `connect` plus `first_byte`. Seawall retries on a member that has already received the request only in an S3 pool.";
        backoff: Duration = duration(0, MIN), Is(r#""50ms""#), "The pause before the first retry. It doubles with each retry and has jitter. A Retry-After from the origin takes precedence.";
        budget: f64 = number(0.0, 1.0), Is("0.2"), "The largest share of requests that may be retries.";
        hedge_after: Option<Duration> = optional_duration::<1, HOUR>(), Is(r#""""#), "If set, ask a second member when the first byte takes longer than this.";
    }

    HEALTH: Health, "pool.health" {
        path: String = text(), Is(r#""/""#), "The path to request.";
        interval: Duration = duration(100, HOUR), Is(r#""5s""#), "The time between two checks of a member.";
        timeout: Duration = duration(10, 10 * MIN), Is(r#""2s""#), "How long one check may take.";
        expect: Vec<u16> = counts::<100, 599>(), Is("[200, 204, 301, 302, 403, 404]"), "Status codes that mean healthy.";
        unhealthy_after: u32 = count(1, 1000), Is("3"), "After how many failed checks in a row a member is taken out.";
        healthy_after: u32 = count(1, 1000), Is("2"), "After how many good checks in a row it is brought back.";
    }

    BREAKER: Breaker, "pool.breaker" {
        consecutive_failures: u32 = count(1, 10_000), Is("5"), "After how many failures in a row a member is ejected. An unusable response counts as a failure only while another member is up.";
        error_rate: f64 = number(0.0, 1.0), Is("0.5"), "The share of failed requests within `window` that ejects a member.";
        window: Duration = duration(100, HOUR), Is(r#""10s""#), "The time over which `error_rate` is computed.";
        min_requests: u32 = count(1, 1_000_000), Is("20"), "`error_rate` applies only after this many requests within `window`.";
        open_for: Duration = duration(100, MIN), Is(r#""5s""#), "How long a member stays ejected. After that, it gets one trial request at a time. Each failed trial doubles the time, up to 1m.";
    }

    POOL_TLS: PoolTls, "pool.tls" {
        ca: Option<PathBuf> = path(), Is(r#""""#), "PEM file with trusted roots; `\"\"` uses the system's.";
        client_cert: Option<PathBuf> = path(), Is(r#""""#), "PEM file with the certificate chain to present to the origin; needs `client_key`.";
        client_key: Option<PathBuf> = path(), Is(r#""""#), "PEM file with the private key of `client_cert`.";
        verify: bool = flag(), Is("true"), "If false, Seawall accepts any certificate from the origin.";
        server_name: Option<String> = filled_text(), Is(r#""""#), "The name to send in SNI and to verify; `\"\"` uses the member's host.";
    }

    S3: S3, "pool.s3" {
        bucket: Option<String> = filled_text(), Is(r#""""#), "The bucket name; `\"\"` takes it from the Host field.";
        region: String = text(), Is(r#""eu-central-1""#), "The region to sign for.";
        style: S3Style = words!["path" => S3Style::Path, "virtual-host" => S3Style::VirtualHost], Is(r#""path""#), "How a URL names the bucket: `endpoint/bucket/key` or `bucket.endpoint/key`.";
        prefix: String = text(), Is(r#""""#), "Text to put in front of every key, without a leading slash.";
        index: Option<String> = filled_text(), Is(r#""""#), "The file to serve for paths that end in `/`, such as `index.html`.";
        credentials: WordOr<Credentials> = table_or(&["default", "anonymous"]), Is(r#""default""#), "`default` tries the environment, a profile file, web identity, the container agent and instance metadata. `anonymous` does not sign. A table names the keys.";
        not_found: u16 = count(400, 599), Is("404"), "The status for clients when S3 answers 403 for a missing key; 403 leaves it as it is.";
    }

    CREDENTIALS: Credentials, "pool.s3.credentials" {
        access_key_id: String = text(), Required, "Access key id.";
        secret_access_key: Option<Secret> = secret(), Required, "Secret access key.";
        session_token: Option<Secret> = secret(), Is(r#""""#), "The session token of temporary credentials.";
    }

    SITE: Site, "site", by hosts {
        hosts: Texts = texts(), Required, "`photos.example.com`, `*.photos.example.com` (with one or more labels in front) or `*` (any host). Write addresses as in the Host field: `127.0.0.1`, `[::1]`.";
        pool: Option<String> = filled_text(), Required, "The name of the pool that handles misses.";
        methods: Texts = texts(), Is(r#"["GET", "HEAD", "OPTIONS"]"#), "The methods that clients may use; others get a 405.";
        cache: One<SiteCache> = table(), Filled, "Caching rules.";
        compress: One<Compress> = table(), Absent, "Compression by the edge.";
        headers: One<Headers> = table(), Filled, "Fields to set or remove.";
        signed: Many<Signed> = tables(), Is("[]"), "Signed URLs. A request must satisfy one of these tables. Without any, the site is public.";
        rule: Many<Rule> = tables(), Is("[]"), "Settings for some paths. The first match wins.";
    }

    RULE: Rule, "rule", by path {
        path: Option<String> = filled_text(), Required, "A pattern for the normalised path; `*` matches any run of characters.";
        pool: Option<String> = filled_text(), Absent, "Replaces the site's pool.";
        cache: One<SiteCache> = table(), Absent, "Each key here replaces the site's key of that name.";
        compress: One<Compress> = table(), Absent, "Replaces the site's table.";
        headers: One<Headers> = table(), Absent, "Each field here is added to the site's fields or replaces the one of that name.";
        signed: Many<Signed> = tables(), Absent, "Replaces the site's tables; `[]` makes the path public.";
    }

    SITE_CACHE: SiteCache, "cache" {
        enabled: bool = flag(), Is("true"), "If false, nothing is cached.";
        default_ttl: Option<Duration> = optional_ttl(), Is(r#""""#), "Time to live when the origin does not set one; `\"\"` uses the heuristic of RFC 9111 §4.2.2.";
        min_ttl: Option<Duration> = optional_ttl(), Is(r#""""#), "Raise the origin's time to live to at least this; `\"\"` leaves it.";
        max_ttl: Option<Duration> = optional_ttl(), Is(r#""""#), "Lower the origin's time to live to at most this; `\"\"` leaves it.";
        override_ttl: Option<Duration> = optional_ttl(), Is(r#""""#), "Use this time to live and ignore the origin's. It never overrides no-store or private.";
        status_ttl: Entries = map(&Kind::Duration(0, TTL_MAX)), Is(r#"{ 404 = "10s" }"#), "Time to live by status code, for responses without explicit freshness.";
        stale_while_revalidate: Option<Duration> = optional_ttl(), Is(r#""""#), "How long a stale copy may be served while it is refreshed, if the origin does not say.";
        stale_if_error: Option<Duration> = optional_ttl(), Is(r#""""#), "How long a stale copy may be served when the origin fails or cannot be reached, if the origin does not say.";
        query: WordOr<Query> = table_or(&["all", "none"]), Is(r#""all""#), "Which query parameters are part of the cache key.";
        sort_query: bool = flag(), Is("true"), "Sort query parameters in the cache key.";
        headers: Texts = texts(), Is("[]"), "Request fields that are part of the cache key, in addition to Vary.";
        cookies: Texts = texts(), Is("[]"), "Cookies that are part of the cache key.";
        ignore_request_no_cache: bool = flag(), Is("true"), "Ignore no-cache and max-age=0 from clients, so that they do not force a fetch from the origin.";
        slice: u64 = size(64 * KIB, 64 * MIB), Is(r#""1MiB""#), "The size of the slices in which large objects are fetched and kept; a power of two.";
        collapse: bool = flag(), Is("true"), "Send one request to the origin for concurrent misses of one key.";
        collapse_timeout: Duration = duration(1, HOUR), Is(r#""10s""#), "How long a request waits for another request's fetch before it asks the origin itself.";
    }

    QUERY: Query, "cache.query" {
        include: Texts = texts(), Absent, "Only parameters whose name matches one of these; `*` matches any run of characters.";
        exclude: Texts = texts(), Absent, "All parameters except those whose name matches one of these. It can not be combined with `include`.";
    }

    COMPRESS: Compress, "compress" {
        encodings: Texts = list(&Kind::Word(&["zstd", "br", "gzip"])), Is(r#"["zstd", "br", "gzip"]"#), "The encodings to offer; `[]` offers none. Each encoded variant is cached.";
        min_size: u64 = size(0, TIB), Is(r#""1KiB""#), "The smallest body to compress.";
        types: Texts = texts(), Is(r#"["text/*", "application/json", "application/javascript", "application/xml", "image/svg+xml", "application/wasm"]"#), "The content types to compress.";
    }

    HEADERS: Headers, "headers" {
        request: Entries = map(&Kind::Text), Is("{}"), "Fields to set in requests to the origin; `\"\"` removes a field.";
        response: Entries = map(&Kind::Text), Is("{}"), "Fields to set in responses to clients; `\"\"` removes a field.";
        debug: bool = flag(), Is("false"), "If true, responses also carry Server-Timing and X-Cache-Key. Cache-Status is always there.";
    }

    ADMIN: Admin, "admin" {
        address: Option<String> = filled_text(), Is(r#""127.0.0.1:9090""#), "The address of /metrics, /healthz, /readyz and the API; `\"\"` turns them off.";
        token: Option<Secret> = secret(), Is(r#""""#), "Bearer token for everything that changes state. It is required if `address` is not on loopback.";
        read_token: Option<Secret> = secret(), Is(r#""""#), "Bearer token for what shows keys and URLs (/hot, /objects, /prefetch/ID), beside `token`; `\"\"` leaves that to `token` alone.";
        metrics: bool = words!["open" => false, "token" => true], Is(r#""open""#), "`token`: /metrics asks for `read_token` or `token` too. /healthz and /readyz are always open.";
        purge_from: Texts = texts(), Is("[]"), "Addresses or networks of clients that may send the PURGE method to the listeners.";
    }

    LOG: Log, "log" {
        level: String = text(), Is(r#""info""#), "`off`, `error`, `warn`, `info`, `debug`, `trace`, or a filter: `seawall::origin=debug,info`.";
        format: LogFormat = words!["auto" => LogFormat::Auto, "json" => LogFormat::Json, "text" => LogFormat::Text], Is(r#""auto""#), "`auto` writes text to a terminal and JSON elsewhere.";
        access: String = written_path(), Is(r#""off""#), "`off`, `stdout`, or a file. SIGUSR1 reopens the file.";
        sample: f64 = number(0.0, 1.0), Is("1.0"), "The share of successful requests that are written to the access log. Errors are always written.";
    }

    TELEMETRY: Telemetry, "telemetry" {
        otlp_endpoint: String = text(), Is(r#""""#), "If set, send traces over OTLP to this address.";
    }

    CLUSTER: Cluster, "cluster" {
        nats: Texts = texts(), Required, "NATS servers. JetStream carries purges in order and replays those that an edge missed.";
        name: String = text(), Is(r#""edge-cluster""#), "The cluster's name.";
        advertise: String = text(), Required, "The address at which the other edges reach this one.";
        peers: Option<Texts> = texts_or(&["nats"]), Is(r#""nats""#), "The edges in the ring.";
        shard: bool = flag(), Is("true"), "On a miss, ask the edge that owns the key before the origin.";
    }
}

/// Read by its names still (`untyped.rs`).
#[derive(Debug)]
pub(super) struct Signed;

impl Keys for Signed {
    const TABLE: &'static Table = &SIGNED;
}

static SIGNED: Table = Table {
    noun: "signed",
    label: Some("scheme"),
    keys: &[
        key("scheme", Kind::Word(&["token", "aws-sigv4", "cloudfront", "jwt"]), Is(r#""token""#), "The scheme of the signatures."),
        key("paths", Kind::List(&Kind::Text), Is(r#"["/*"]"#), "The paths that the table guards and that its keys can open."),
        key("keys", Kind::Tables(&SIGNED_KEY), Required, "The keys. Use several to rotate them."),
        key("clock_skew", Kind::Duration(0, HOUR), Is(r#""0s""#), "How much the clocks of signer and edge may differ."),
        key("max_lifetime", Kind::Or(&[""], &Kind::Duration(SEC, TTL_MAX)), Is(r#""""#), "Refuse a signature that is valid for longer than this."),
        key("param", Kind::Text, Is(r#""token""#), "Query parameter that carries the token: letters, digits, `-`, `_` and `.`."),
    ],
};

static SIGNED_KEY: Table = Table {
    noun: "key",
    label: Some("id"),
    keys: &[
        key("id", Kind::Text, Required, "The name of the key in a token: letters, digits, `-` and `_`. It must be unique in its table."),
        key("secret", Kind::Secret, Required, "The HMAC secret; at least 16 bytes."),
        key("public_key", Kind::Text, Is(r#""""#), "PEM public key, for schemes that verify with a public key."),
    ],
};
