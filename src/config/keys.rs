//! Every table and key of `edge.toml`: name, kind and bounds, default, meaning. docs/configuration.md is made from it.

use super::schema::Default::{Absent, Filled, Is, Required};
use super::schema::Kind::{
    Count, Duration, Flag, List, Map, Number, Or, Path, Secret, Size, Tables, Text, Word,
};
use super::schema::{Default, Key, Kind, Table};

const SEC: u64 = 1_000;
const MIN: u64 = 60 * SEC;
const HOUR: u64 = 60 * MIN;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
/// Ten years: longer lifetimes are slips of the pen.
const TTL_MAX: u64 = 3650 * DAY;
const OFF_OR_TTL: Kind = Or(&[""], &Duration(0, TTL_MAX));

const fn key(name: &'static str, kind: Kind, default: Default, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

const fn table(noun: &'static str, keys: &'static [Key]) -> Table {
    Table { noun, label: None, keys }
}

/// The file as a whole.
pub(super) static ROOT: Table = table(
    "the file",
    &[
        key("server", Kind::Table(&SERVER), Filled, "Settings of the process."),
        key("listener", Tables(&LISTENER), Absent, "Where clients connect; at least one."),
        key("cache", Kind::Table(&CACHE), Filled, "The cache tiers."),
        key("pool", Tables(&POOL), Absent, "A group of origin servers; at least one."),
        key("site", Tables(&SITE), Absent, "The hosts that are served, and from which pool; at least one."),
        key("admin", Kind::Table(&ADMIN), Filled, "The operator's listener."),
        key("log", Kind::Table(&LOG), Filled, "Logs."),
        key("telemetry", Kind::Table(&TELEMETRY), Absent, "Traces."),
        key("cluster", Kind::Table(&CLUSTER), Absent, "Several edges that work as one."),
    ],
);

static SERVER: Table = table(
    "server",
    &[
        key("threads", Or(&["auto"], &Count(1, 1024)), Is(r#""auto""#), "Worker threads; `auto` starts one per core."),
        key("drain_delay", Duration(0, HOUR), Is(r#""0s""#), "How long the edge still serves and accepts after SIGTERM while `/readyz` says 503, before listeners close. Behind a load balancer, set the time that it needs to notice, such as `10s`."),
        key("shutdown_timeout", Duration(0, HOUR), Is(r#""30s""#), "How long requests in flight may take to finish after SIGTERM and `drain_delay`."),
        key("server_name", Text, Is(r#""seawall""#), "This node's name in Cache-Status, Via and the logs. It must be an RFC 9110 token."),
        key("trusted_proxies", List(&Text), Is("[]"), "Addresses or networks of proxies in front. Seawall trusts X-Forwarded-* and Forwarded from them and replaces these fields from anyone else."),
        key("limits", Kind::Table(&LIMITS), Filled, "Limits on what a client can use."),
    ],
);

static LIMITS: Table = table(
    "limits",
    &[
        key("connections", Count(1, 10_000_000), Is("65536"), "Open client connections. Above this number, new ones wait in the accept queue."),
        key("connections_per_ip", Count(0, 10_000_000), Is("0"), "Open connections from one client address; 0 sets no limit."),
        key("header_timeout", Duration(100, HOUR), Is(r#""10s""#), "How long a request head may take to arrive in full (408)."),
        key("idle_timeout", Duration(100, DAY), Is(r#""75s""#), "How long a keep-alive connection may stay idle before it is closed."),
        key("body_timeout", Duration(100, HOUR), Is(r#""30s""#), "The longest pause inside a request body (408)."),
        key("write_timeout", Duration(100, HOUR), Is(r#""60s""#), "The longest time in which a client may take no byte of a response; then the connection or stream is reset."),
        key("header_bytes", Size(8 * KIB, MIB), Is(r#""32KiB""#), "The largest request head (431)."),
        key("headers", Count(1, 10_000), Is("100"), "The most header fields in a request (431)."),
        key("uri_bytes", Size(256, MIB), Is(r#""8KiB""#), "The longest request target (414)."),
        key("request_body", Size(0, TIB), Is(r#""10MiB""#), "The largest request body (413)."),
    ],
);

static LISTENER: Table = Table {
    noun: "listener",
    label: Some("address"),
    keys: &[
        key("address", Text, Required, "`address:port` (`127.0.0.1:8080`, `[::]:8080`), or `unix:/path` (mode 0660: the server's user and group can connect). The address must be free: Seawall does not start on an address that another server listens on. It replaces a socket file only if nobody listens on it."),
        key("proxy_protocol", Flag, Is("false"), "Expect a PROXY protocol v1 or v2 header at the start of each connection."),
        key("redirect_https", Flag, Is("false"), "Redirect every request to https with a 308. It can not be combined with `tls`."),
        key("redirect_port", Count(1, 65535), Is("443"), "`redirect_https`: the port of the URLs, as the world knows it; 443 is left out of them."),
        key("http3", Flag, Is("false"), "Also serve HTTP/3 on the same UDP port and advertise it in Alt-Svc."),
        key("tls", Kind::Table(&LISTENER_TLS), Absent, "If this table is present, the listener terminates TLS. ALPN offers h2 and http/1.1."),
    ],
};

static LISTENER_TLS: Table = table(
    "listener.tls",
    &[
        key("min_version", Word(&["1.2", "1.3"]), Is(r#""1.2""#), "The lowest TLS version that is accepted."),
        key("certificates", Tables(&CERTIFICATE), Is("[]"), "One entry per certificate. SNI selects one; the first is the default."),
        key("client_ca", Path, Is(r#""""#), "If set, clients must present a certificate signed by a CA in this PEM file."),
        key("self_signed", Flag, Is("false"), "Create a temporary self-signed certificate at start, for demos and development."),
        key("acme", Kind::Table(&ACME), Absent, "Get and renew certificates over ACME instead of `certificates`."),
    ],
);

static CERTIFICATE: Table = table(
    "certificate",
    &[
        key("cert", Path, Required, "PEM file with the certificate chain, leaf first."),
        key("key", Path, Required, "PEM file with the private key."),
    ],
);

static ACME: Table = table(
    "listener.tls.acme",
    &[
        key("domains", List(&Text), Is("[]"), "Names to request certificates for."),
        key("contact", Text, Is(r#""""#), "Mail address to give to the authority."),
        key("directory", Text, Is(r#""""#), "Directory URL of the authority; `\"\"` uses Let's Encrypt."),
        key("state", Path, Is(r#""/var/lib/seawall/acme""#), "Folder for the account and the certificates."),
    ],
);

static CACHE: Table = table(
    "cache",
    &[
        key("memory", Kind::Table(&MEMORY), Filled, "The RAM tier."),
        key("disk", Kind::Table(&DISK), Absent, "The SSD tier. Without this table, the edge caches in RAM only."),
    ],
);

static MEMORY: Table = table(
    "cache.memory",
    &[
        key("capacity", Size(MIB, 64 * TIB), Is(r#""512MiB""#), "How much RAM the cache may use for bodies, heads and bookkeeping."),
        key("max_object", Size(KIB, TIB), Is(r#""16MiB""#), "The largest object that is kept whole; a larger one is kept in slices. It must not exceed `capacity`. If `capacity` is below the default, the default is `capacity`."),
    ],
);

static DISK: Table = table(
    "cache.disk",
    &[
        key("path", Path, Is(r#""/var/cache/seawall""#), "The folder of the disk tier. No other process may use it."),
        key("capacity", Size(MIB, 1024 * TIB), Is(r#""50GiB""#), "How much the cache may use on disk."),
        key("admission", Word(&["all", "second-hit"]), Is(r#""second-hit""#), "Which objects are written: `all`, or only those that are requested a second time (`second-hit`)."),
    ],
);

static POOL: Table = Table {
    noun: "pool",
    label: Some("name"),
    keys: &[
        key("name", Text, Required, "The name that sites and metrics use: letters, digits, `-`, `_` and `.`."),
        key("balance", Word(&["ring", "least-requests", "round-robin"]), Is(r#""ring""#), "How a member is chosen; `ring` uses a consistent hash of the cache key."),
        key("load_bound", Number(1.0, 100.0), Is("1.25"), "For `ring`: a member takes at most this many times the mean load. Above that, the next member on the ring takes the request."),
        key("protocol", Word(&["http/1.1", "h2"]), Is(r#""http/1.1""#), "The protocol that is spoken to the origin."),
        key("host", Text, Is(r#""""#), "The Host field sent to the origin; `\"\"` forwards the client's. S3 pools set their own."),
        key("members", Tables(&MEMBER), Required, "The servers. A name with several addresses counts as one member per address."),
        key("zone", Text, Is(r#""""#), "Prefer members in this zone."),
        key("max_requests", Count(0, 1_000_000), Is("0"), "How many requests may be in flight to the pool at once, including their bodies; 0 sets no limit."),
        key("queue", Count(0, 1_000_000), Is("1024"), "How many requests may wait when `max_requests` are in flight. Others get a 503."),
        key("queue_timeout", Duration(0, MIN), Is(r#""1s""#), "The longest time a request may wait there; then it gets a 503."),
        key("timeouts", Kind::Table(&TIMEOUTS), Filled, "Timeouts for the origin."),
        key("retry", Kind::Table(&RETRY), Filled, "Retries. Seawall retries only requests that are safe to repeat, and only before the client has received a byte."),
        key("health", Kind::Table(&HEALTH), Absent, "Active health checks. Without this table, there are none."),
        key("breaker", Kind::Table(&BREAKER), Filled, "The circuit breaker. It ejects a member that fails client requests."),
        key("tls", Kind::Table(&POOL_TLS), Filled, "TLS settings for members with `https://`."),
        key("s3", Kind::Table(&S3), Absent, "If this table is present, the members are S3 endpoints and Seawall signs every request (SigV4)."),
    ],
};

static MEMBER: Table = table(
    "member",
    &[
        key("url", Text, Required, "`http://host:port` or `https://host:port`, without a path; or `unix:/path` for a socket; or `srv+http://_web._tcp.origin.internal` (or `srv+https://`) for all servers in its SRV records. SRV weights apply; servers with a lower priority are used only while the others are down."),
        key("weight", Count(1, 1000), Is("1"), "This member's share of keys, relative to the other members."),
        key("zone", Text, Is(r#""""#), "The zone that this member is in."),
    ],
);

static TIMEOUTS: Table = table(
    "pool.timeouts",
    &[
        key("connect", Duration(10, 10 * MIN), Is(r#""2s""#), "How long connecting may take, TCP and TLS together."),
        key("first_byte", Duration(10, HOUR), Is(r#""30s""#), "The longest time between the last byte of the request and the head of the response (504)."),
        key("idle", Duration(10, HOUR), Is(r#""15s""#), "The longest pause inside a response body; then the response is cut off."),
        key("event_stream", Duration(10, DAY), Is(r#""5m""#), "The longest pause inside a `text/event-stream`, which may have nothing to say for a while; `idle` if that is longer."),
    ],
);

static RETRY: Table = table(
    "pool.retry",
    &[
        key("attempts", Count(1, 16), Is("3"), "How many attempts a request gets in total, including the first. Each attempt goes to the next member of the ring. All attempts together may take twice `connect` plus `first_byte`. Seawall retries on a member that has already received the request only in an S3 pool."),
        key("backoff", Duration(0, MIN), Is(r#""50ms""#), "The pause before the first retry. It doubles with each retry and has jitter. A Retry-After from the origin takes precedence."),
        key("budget", Number(0.0, 1.0), Is("0.2"), "The largest share of requests that may be retries."),
        key("hedge_after", Or(&[""], &Duration(1, HOUR)), Is(r#""""#), "If set, ask a second member when the first byte takes longer than this."),
    ],
);

static HEALTH: Table = table(
    "pool.health",
    &[
        key("path", Text, Is(r#""/""#), "The path to request."),
        key("interval", Duration(100, HOUR), Is(r#""5s""#), "The time between two checks of a member."),
        key("timeout", Duration(10, 10 * MIN), Is(r#""2s""#), "How long one check may take."),
        key("expect", List(&Count(100, 599)), Is("[200, 204, 301, 302, 403, 404]"), "Status codes that mean healthy."),
        key("unhealthy_after", Count(1, 1000), Is("3"), "After how many failed checks in a row a member is taken out."),
        key("healthy_after", Count(1, 1000), Is("2"), "After how many good checks in a row it is brought back."),
    ],
);

static BREAKER: Table = table(
    "pool.breaker",
    &[
        key("consecutive_failures", Count(1, 10_000), Is("5"), "After how many failures in a row a member is ejected. An unusable response counts as a failure only while another member is up."),
        key("error_rate", Number(0.0, 1.0), Is("0.5"), "The share of failed requests within `window` that ejects a member."),
        key("window", Duration(100, HOUR), Is(r#""10s""#), "The time over which `error_rate` is computed."),
        key("min_requests", Count(1, 1_000_000), Is("20"), "`error_rate` applies only after this many requests within `window`."),
        key("open_for", Duration(100, MIN), Is(r#""5s""#), "How long a member stays ejected. After that, it gets one trial request at a time. Each failed trial doubles the time, up to 1m."),
    ],
);

static POOL_TLS: Table = table(
    "pool.tls",
    &[
        key("ca", Path, Is(r#""""#), "PEM file with trusted roots; `\"\"` uses the system's."),
        key("client_cert", Path, Is(r#""""#), "PEM file with the certificate chain to present to the origin; needs `client_key`."),
        key("client_key", Path, Is(r#""""#), "PEM file with the private key of `client_cert`."),
        key("verify", Flag, Is("true"), "If false, Seawall accepts any certificate from the origin."),
        key("server_name", Text, Is(r#""""#), "The name to send in SNI and to verify; `\"\"` uses the member's host."),
    ],
);

static S3: Table = table(
    "pool.s3",
    &[
        key("bucket", Text, Is(r#""""#), "The bucket name; `\"\"` takes it from the Host field."),
        key("region", Text, Is(r#""eu-central-1""#), "The region to sign for."),
        key("style", Word(&["path", "virtual-host"]), Is(r#""path""#), "How a URL names the bucket: `endpoint/bucket/key` or `bucket.endpoint/key`."),
        key("prefix", Text, Is(r#""""#), "Text to put in front of every key, without a leading slash."),
        key("index", Text, Is(r#""""#), "The file to serve for paths that end in `/`, such as `index.html`."),
        key("credentials", Or(&["default", "anonymous"], &Kind::Table(&CREDENTIALS)), Is(r#""default""#), "`default` tries the environment, a profile file, web identity, the container agent and instance metadata. `anonymous` does not sign. A table names the keys."),
        key("not_found", Count(400, 599), Is("404"), "The status for clients when S3 answers 403 for a missing key; 403 leaves it as it is."),
    ],
);

static CREDENTIALS: Table = table(
    "pool.s3.credentials",
    &[
        key("access_key_id", Text, Required, "Access key id."),
        key("secret_access_key", Secret, Required, "Secret access key."),
        key("session_token", Secret, Is(r#""""#), "The session token of temporary credentials."),
    ],
);

static SITE: Table = Table {
    noun: "site",
    label: Some("hosts"),
    keys: &[
        key("hosts", List(&Text), Required, "`photos.example.com`, `*.photos.example.com` (with one or more labels in front) or `*` (any host). Write addresses as in the Host field: `127.0.0.1`, `[::1]`."),
        key("pool", Text, Required, "The name of the pool that handles misses."),
        key("methods", List(&Text), Is(r#"["GET", "HEAD", "OPTIONS"]"#), "The methods that clients may use; others get a 405."),
        key("cache", Kind::Table(&SITE_CACHE), Filled, "Caching rules."),
        key("compress", Kind::Table(&COMPRESS), Absent, "Compression by the edge."),
        key("headers", Kind::Table(&HEADERS), Filled, "Fields to set or remove."),
        key("signed", Tables(&SIGNED), Is("[]"), "Signed URLs. A request must satisfy one of these tables. Without any, the site is public."),
        key("rule", Tables(&RULE), Is("[]"), "Settings for some paths. The first match wins."),
    ],
};

static RULE: Table = Table {
    noun: "rule",
    label: Some("path"),
    keys: &[
        key("path", Text, Required, "A pattern for the normalised path; `*` matches any run of characters."),
        key("pool", Text, Absent, "Replaces the site's pool."),
        key("cache", Kind::Table(&SITE_CACHE), Absent, "Each key here replaces the site's key of that name."),
        key("compress", Kind::Table(&COMPRESS), Absent, "Replaces the site's table."),
        key("headers", Kind::Table(&HEADERS), Absent, "Each field here is added to the site's fields or replaces the one of that name."),
        key("signed", Tables(&SIGNED), Absent, "Replaces the site's tables; `[]` makes the path public."),
    ],
};

static SITE_CACHE: Table = table(
    "cache",
    &[
        key("enabled", Flag, Is("true"), "If false, nothing is cached."),
        key("default_ttl", OFF_OR_TTL, Is(r#""""#), "Time to live when the origin does not set one; `\"\"` uses the heuristic of RFC 9111 §4.2.2."),
        key("min_ttl", OFF_OR_TTL, Is(r#""""#), "Raise the origin's time to live to at least this; `\"\"` leaves it."),
        key("max_ttl", OFF_OR_TTL, Is(r#""""#), "Lower the origin's time to live to at most this; `\"\"` leaves it."),
        key("override_ttl", OFF_OR_TTL, Is(r#""""#), "Use this time to live and ignore the origin's. It never overrides no-store or private."),
        key("status_ttl", Map(&Duration(0, TTL_MAX)), Is(r#"{ 404 = "10s" }"#), "Time to live by status code, for responses without explicit freshness."),
        key("stale_while_revalidate", OFF_OR_TTL, Is(r#""""#), "How long a stale copy may be served while it is refreshed, if the origin does not say."),
        key("stale_if_error", OFF_OR_TTL, Is(r#""""#), "How long a stale copy may be served when the origin fails or cannot be reached, if the origin does not say."),
        key("query", Or(&["all", "none"], &Kind::Table(&QUERY)), Is(r#""all""#), "Which query parameters are part of the cache key."),
        key("sort_query", Flag, Is("true"), "Sort query parameters in the cache key."),
        key("headers", List(&Text), Is("[]"), "Request fields that are part of the cache key, in addition to Vary."),
        key("cookies", List(&Text), Is("[]"), "Cookies that are part of the cache key."),
        key("ignore_request_no_cache", Flag, Is("true"), "Ignore no-cache and max-age=0 from clients, so that they do not force a fetch from the origin."),
        key("slice", Size(64 * KIB, 64 * MIB), Is(r#""1MiB""#), "The size of the slices in which large objects are fetched and kept; a power of two."),
        key("collapse", Flag, Is("true"), "Send one request to the origin for concurrent misses of one key."),
        key("collapse_timeout", Duration(1, HOUR), Is(r#""10s""#), "How long a request waits for another request's fetch before it asks the origin itself."),
    ],
);

static QUERY: Table = table(
    "cache.query",
    &[
        key("include", List(&Text), Absent, "Only parameters whose name matches one of these; `*` matches any run of characters."),
        key("exclude", List(&Text), Absent, "All parameters except those whose name matches one of these. It can not be combined with `include`."),
    ],
);

static COMPRESS: Table = table(
    "compress",
    &[
        key("encodings", List(&Word(&["zstd", "br", "gzip"])), Is(r#"["zstd", "br", "gzip"]"#), "The encodings to offer; `[]` offers none. Each encoded variant is cached."),
        key("min_size", Size(0, TIB), Is(r#""1KiB""#), "The smallest body to compress."),
        key("types", List(&Text), Is( r#"["text/*", "application/json", "application/javascript", "application/xml", "image/svg+xml", "application/wasm"]"#, ), "The content types to compress."),
    ],
);

static HEADERS: Table = table(
    "headers",
    &[
        key("request", Map(&Text), Is("{}"), "Fields to set in requests to the origin; `\"\"` removes a field."),
        key("response", Map(&Text), Is("{}"), "Fields to set in responses to clients; `\"\"` removes a field."),
        key("debug", Flag, Is("false"), "If true, responses also carry Server-Timing and X-Cache-Key. Cache-Status is always there."),
    ],
);

static SIGNED: Table = Table {
    noun: "signed",
    label: Some("scheme"),
    keys: &[
        key("scheme", Word(&["token", "aws-sigv4", "cloudfront", "jwt"]), Is(r#""token""#), "The scheme of the signatures."),
        key("paths", List(&Text), Is(r#"["/*"]"#), "The paths that the table guards and that its keys can open."),
        key("keys", Tables(&SIGNED_KEY), Required, "The keys. Use several to rotate them."),
        key("clock_skew", Duration(0, HOUR), Is(r#""0s""#), "How much the clocks of signer and edge may differ."),
        key("max_lifetime", Or(&[""], &Duration(SEC, TTL_MAX)), Is(r#""""#), "Refuse a signature that is valid for longer than this."),
        key("param", Text, Is(r#""token""#), "Query parameter that carries the token: letters, digits, `-`, `_` and `.`."),
    ],
};

static SIGNED_KEY: Table = Table {
    noun: "key",
    label: Some("id"),
    keys: &[
        key("id", Text, Required, "The name of the key in a token: letters, digits, `-` and `_`. It must be unique in its table."),
        key("secret", Secret, Required, "The HMAC secret; at least 16 bytes."),
        key("public_key", Text, Is(r#""""#), "PEM public key, for schemes that verify with a public key."),
    ],
};

static ADMIN: Table = table(
    "admin",
    &[
        key("address", Text, Is(r#""127.0.0.1:9090""#), "The address of /metrics, /healthz, /readyz and the API; `\"\"` turns them off."),
        key("token", Secret, Is(r#""""#), "Bearer token for everything that changes state. It is required if `address` is not on loopback."),
        key("read_token", Secret, Is(r#""""#), "Bearer token for what shows keys and URLs (/hot, /objects, /prefetch/ID), beside `token`; `\"\"` leaves that to `token` alone."),
        key("metrics", Word(&["open", "token"]), Is(r#""open""#), "`token`: /metrics asks for `read_token` or `token` too. /healthz and /readyz are always open."),
        key("purge_from", List(&Text), Is("[]"), "Addresses or networks of clients that may send the PURGE method to the listeners."),
    ],
);

static LOG: Table = table(
    "log",
    &[
        key("level", Text, Is(r#""info""#), "`off`, `error`, `warn`, `info`, `debug`, `trace`, or a filter: `seawall::origin=debug,info`."),
        key("format", Word(&["auto", "json", "text"]), Is(r#""auto""#), "`auto` writes text to a terminal and JSON elsewhere."),
        key("access", Path, Is(r#""off""#), "`off`, `stdout`, or a file. SIGUSR1 reopens the file."),
        key("sample", Number(0.0, 1.0), Is("1.0"), "The share of successful requests that are written to the access log. Errors are always written."),
    ],
);

static TELEMETRY: Table =
    table("telemetry", &[key("otlp_endpoint", Text, Is(r#""""#), "If set, send traces over OTLP to this address.")]);

static CLUSTER: Table = table(
    "cluster",
    &[
        key("nats", List(&Text), Required, "NATS servers. JetStream carries purges in order and replays those that an edge missed."),
        key("name", Text, Is(r#""edge-cluster""#), "The cluster's name."),
        key("advertise", Text, Required, "The address at which the other edges reach this one."),
        key("peers", Or(&["nats"], &List(&Text)), Is(r#""nats""#), "The edges in the ring."),
        key("shard", Flag, Is("true"), "On a miss, ask the edge that owns the key before the origin."),
    ],
);
