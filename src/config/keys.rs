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
        key("server", Kind::Table(&SERVER), Filled, "The process."),
        key("listener", Tables(&LISTENER), Absent, "Where clients connect; at least one."),
        key("cache", Kind::Table(&CACHE), Filled, "Where responses are kept."),
        key("pool", Tables(&POOL), Absent, "Origin servers; at least one."),
        key("site", Tables(&SITE), Absent, "What is served under which hosts; at least one."),
        key("admin", Kind::Table(&ADMIN), Filled, "The operator's listener."),
        key("log", Kind::Table(&LOG), Filled, "Logs."),
        key("telemetry", Kind::Table(&TELEMETRY), Absent, "Traces."),
        key("cluster", Kind::Table(&CLUSTER), Absent, "Several edges as one."),
    ],
);

static SERVER: Table = table(
    "server",
    &[
        key("threads", Or(&["auto"], &Count(1, 1024)), Is(r#""auto""#), "Worker threads; `auto` is one per core."),
        key("drain_delay", Duration(0, HOUR), Is(r#""0s""#), "After SIGTERM, how long it goes on serving and accepting while `/readyz` says 503, before listeners close. Behind a load balancer: as long as that needs to notice, say `10s`."),
        key("shutdown_timeout", Duration(0, HOUR), Is(r#""30s""#), "After SIGTERM and `drain_delay`, how long requests in flight may take to finish."),
        key("server_name", Text, Is(r#""seawall""#), "This node's name in Cache-Status, Via and the logs; a token of RFC 9110."),
        key("trusted_proxies", List(&Text), Is("[]"), "Addresses or networks whose X-Forwarded-* and Forwarded are believed; others' are replaced."),
        key("limits", Kind::Table(&LIMITS), Filled, "What a client may ask for."),
    ],
);

static LIMITS: Table = table(
    "limits",
    &[
        key("connections", Count(1, 10_000_000), Is("65536"), "Open client connections; above it new ones wait in the accept queue."),
        key("connections_per_ip", Count(0, 10_000_000), Is("0"), "Open connections of one client address; 0 is no limit."),
        key("header_timeout", Duration(100, HOUR), Is(r#""10s""#), "A request head must have arrived in full by then (408)."),
        key("idle_timeout", Duration(100, DAY), Is(r#""75s""#), "A keep-alive connection without a request is closed after this."),
        key("body_timeout", Duration(100, HOUR), Is(r#""30s""#), "The longest pause inside a request body (408)."),
        key("write_timeout", Duration(100, HOUR), Is(r#""60s""#), "The longest time a client may take no byte of a response."),
        key("header_bytes", Size(8 * KIB, MIB), Is(r#""32KiB""#), "A request head (431)."),
        key("headers", Count(1, 10_000), Is("100"), "Header fields in a request (431)."),
        key("uri_bytes", Size(256, MIB), Is(r#""8KiB""#), "A request target (414)."),
        key("request_body", Size(0, TIB), Is(r#""10MiB""#), "A request body (413)."),
    ],
);

static LISTENER: Table = Table {
    noun: "listener",
    label: Some("address"),
    keys: &[
        key("address", Text, Required, "`address:port` (`127.0.0.1:8080`, `[::]:8080`), or `unix:/path` (mode 0660: for the server's user and group). It must be free: a second server does not start on an address that one listens on, and only a socket file that nobody listens on is replaced."),
        key("proxy_protocol", Flag, Is("false"), "Expect PROXY protocol v1/v2 before the first byte."),
        key("redirect_https", Flag, Is("false"), "Answer every request with 308 to https; not together with `tls`."),
        key("http3", Flag, Is("false"), "Also serve HTTP/3 on the same UDP port and advertise it in Alt-Svc."),
        key("tls", Kind::Table(&LISTENER_TLS), Absent, "With this table the listener terminates TLS; ALPN offers h2 and http/1.1."),
    ],
};

static LISTENER_TLS: Table = table(
    "listener.tls",
    &[
        key("min_version", Word(&["1.2", "1.3"]), Is(r#""1.2""#), "The lowest TLS version."),
        key("certificates", Tables(&CERTIFICATE), Is("[]"), "One entry per certificate, picked by SNI; the first is the default."),
        key("client_ca", Path, Is(r#""""#), "Set: clients must present a certificate signed by one of this PEM file."),
        key("self_signed", Flag, Is("false"), "Make a throw-away certificate at start (demo, development)."),
        key("acme", Kind::Table(&ACME), Absent, "Instead of `certificates`: get and renew them over ACME."),
    ],
);

static CERTIFICATE: Table = table(
    "certificate",
    &[
        key("cert", Path, Required, "PEM file of the chain, leaf first."),
        key("key", Path, Required, "PEM file of the private key."),
    ],
);

static ACME: Table = table(
    "listener.tls.acme",
    &[
        key("domains", List(&Text), Is("[]"), "Names to ask for."),
        key("contact", Text, Is(r#""""#), "Mail address given to the authority."),
        key("directory", Text, Is(r#""""#), "The authority; `\"\"` is Let's Encrypt."),
        key("state", Path, Is(r#""/var/lib/seawall/acme""#), "Folder for account and certificates."),
    ],
);

static CACHE: Table = table(
    "cache",
    &[
        key("memory", Kind::Table(&MEMORY), Filled, "The RAM tier."),
        key("disk", Kind::Table(&DISK), Absent, "The SSD tier; without the table the edge is RAM only."),
    ],
);

static MEMORY: Table = table(
    "cache.memory",
    &[
        key("capacity", Size(MIB, 64 * TIB), Is(r#""512MiB""#), "Bytes of bodies and headers held in RAM."),
        key("max_object", Size(KIB, TIB), Is(r#""16MiB""#), "A larger whole object is kept in slices; not above `capacity`, to which the default yields."),
    ],
);

static DISK: Table = table(
    "cache.disk",
    &[
        key("path", Path, Is(r#""/var/cache/seawall""#), "Folder."),
        key("capacity", Size(MIB, 1024 * TIB), Is(r#""50GiB""#), "Bytes on disk."),
        key("admission", Word(&["all", "second-hit"]), Is(r#""second-hit""#), "What may be written to flash."),
    ],
);

static POOL: Table = Table {
    noun: "pool",
    label: Some("name"),
    keys: &[
        key("name", Text, Required, "What sites and metrics call it: letters, digits, `-`, `_` and `.`."),
        key("balance", Word(&["ring", "least-requests", "round-robin"]), Is(r#""ring""#), "How a member is picked; `ring` is a consistent hash of the cache key."),
        key("load_bound", Number(1.0, 100.0), Is("1.25"), "Ring: no member takes more than this times the mean load; the next on the ring does."),
        key("protocol", Word(&["http/1.1", "h2"]), Is(r#""http/1.1""#), "To the origin."),
        key("host", Text, Is(r#""""#), "Host sent to the origin; `\"\"` forwards the client's. S3 pools set their own."),
        key("members", Tables(&MEMBER), Required, "The servers. A name with several addresses is one member per address."),
        key("zone", Text, Is(r#""""#), "Members of this zone are preferred."),
        key("max_requests", Count(0, 1_000_000), Is("0"), "Requests under way at the origins at once, bodies included; 0 is no limit."),
        key("queue", Count(0, 1_000_000), Is("1024"), "Requests that may wait for one of `max_requests` to end; above it they are answered 503."),
        key("queue_timeout", Duration(0, MIN), Is(r#""1s""#), "The longest such wait."),
        key("timeouts", Kind::Table(&TIMEOUTS), Filled, "How long the origin may take."),
        key("retry", Kind::Table(&RETRY), Filled, "Only for requests that are safe to repeat, before any byte reached the client."),
        key("health", Kind::Table(&HEALTH), Absent, "Active checks; without the table there are none."),
        key("breaker", Kind::Table(&BREAKER), Filled, "Ejects a member that fails real requests."),
        key("tls", Kind::Table(&POOL_TLS), Filled, "For members with `https://`."),
        key("s3", Kind::Table(&S3), Absent, "Members are S3 endpoints and every request is signed (SigV4)."),
    ],
};

static MEMBER: Table = table(
    "member",
    &[
        key("url", Text, Required, "`http://host:port` or `https://host:port`, nothing behind it; `unix:/path` is a socket; `srv+http://_web._tcp.origin.internal` (or `srv+https://`) is all servers of its SRV records, by their weights, those of a lower priority only when the others are down."),
        key("weight", Count(1, 1000), Is("1"), "Share of keys relative to the others."),
        key("zone", Text, Is(r#""""#), "Where it stands."),
    ],
);

static TIMEOUTS: Table = table(
    "pool.timeouts",
    &[
        key("connect", Duration(10, 10 * MIN), Is(r#""2s""#), "TCP and TLS together."),
        key("first_byte", Duration(10, HOUR), Is(r#""15s""#), "From the request's last byte to the response's head."),
        key("idle", Duration(10, HOUR), Is(r#""15s""#), "The longest pause inside a response body."),
    ],
);

static RETRY: Table = table(
    "pool.retry",
    &[
        key("attempts", Count(1, 16), Is("3"), "In all, the first included, each on the next member of the ring; together they may take twice `connect` and `first_byte`. A member that has heard the request is asked again only for S3."),
        key("backoff", Duration(0, MIN), Is(r#""50ms""#), "Before the first retry; doubled each time, with jitter. An origin's Retry-After wins."),
        key("budget", Number(0.0, 1.0), Is("0.2"), "Retries may be at most this share of requests."),
        key("hedge_after", Or(&[""], &Duration(1, HOUR)), Is(r#""""#), "Set: ask a second member when the first byte takes longer."),
    ],
);

static HEALTH: Table = table(
    "pool.health",
    &[
        key("path", Text, Is(r#""/""#), "Path asked for."),
        key("interval", Duration(100, HOUR), Is(r#""5s""#), "Between two checks of a member."),
        key("timeout", Duration(10, 10 * MIN), Is(r#""2s""#), "For one check."),
        key("expect", List(&Count(100, 599)), Is("[200, 204, 301, 302, 403, 404]"), "Status codes that mean healthy."),
        key("unhealthy_after", Count(1, 1000), Is("3"), "Failed checks in a row that take a member out."),
        key("healthy_after", Count(1, 1000), Is("2"), "Good checks in a row that bring it back."),
    ],
);

static BREAKER: Table = table(
    "pool.breaker",
    &[
        key("consecutive_failures", Count(1, 10_000), Is("5"), "Failures in a row that eject a member. An answer that is of no use counts only while another member is up."),
        key("error_rate", Number(0.0, 1.0), Is("0.5"), "Share of failures in `window` that ejects a member."),
        key("window", Duration(100, HOUR), Is(r#""10s""#), "What `error_rate` looks back on."),
        key("min_requests", Count(1, 1_000_000), Is("20"), "`error_rate` says nothing before so many requests."),
        key("open_for", Duration(100, MIN), Is(r#""5s""#), "Then one trial request at a time; doubled at each further failure, to 1m."),
    ],
);

static POOL_TLS: Table = table(
    "pool.tls",
    &[
        key("ca", Path, Is(r#""""#), "PEM file of roots; `\"\"` is the system's."),
        key("client_cert", Path, Is(r#""""#), "PEM chain presented to the origin; needs `client_key`."),
        key("client_key", Path, Is(r#""""#), "Its PEM key."),
        key("verify", Flag, Is("true"), "False: any certificate is taken."),
        key("server_name", Text, Is(r#""""#), "SNI and the name verified; `\"\"` is the member's host."),
    ],
);

static S3: Table = table(
    "pool.s3",
    &[
        key("bucket", Text, Is(r#""""#), "The bucket; `\"\"` takes it from the Host."),
        key("region", Text, Is(r#""eu-central-1""#), "For the signature's scope."),
        key("style", Word(&["path", "virtual-host"]), Is(r#""path""#), "Where the bucket stands: `endpoint/bucket/key` or `bucket.endpoint/key`."),
        key("prefix", Text, Is(r#""""#), "Prepended to every key; without a leading slash."),
        key("index", Text, Is(r#""""#), "`index.html` serves it for keys that end in `/`."),
        key("credentials", Or(&["default", "anonymous"], &Kind::Table(&CREDENTIALS)), Is(r#""default""#), "`default`: environment, profile file, web identity, container, instance metadata; `anonymous`: do not sign; or a table."),
        key("not_found", Count(400, 599), Is("404"), "What S3's 403 for a missing key is answered as; 403 leaves it."),
    ],
);

static CREDENTIALS: Table = table(
    "pool.s3.credentials",
    &[
        key("access_key_id", Text, Required, "Access key id."),
        key("secret_access_key", Secret, Required, "Secret access key."),
        key("session_token", Secret, Is(r#""""#), "Of temporary credentials."),
    ],
);

static SITE: Table = Table {
    noun: "site",
    label: Some("hosts"),
    keys: &[
        key("hosts", List(&Text), Required, "`photos.example.com`, `*.photos.example.com` (one or more labels in front), `*` (any); addresses as in the Host header: `127.0.0.1`, `[::1]`."),
        key("pool", Text, Required, "Where misses go: a pool's name."),
        key("methods", List(&Text), Is(r#"["GET", "HEAD", "OPTIONS"]"#), "Methods a client may use; others are 405."),
        key("cache", Kind::Table(&SITE_CACHE), Filled, "What is kept, and for how long."),
        key("compress", Kind::Table(&COMPRESS), Absent, "Compression by the edge."),
        key("headers", Kind::Table(&HEADERS), Filled, "Fields set or removed."),
        key("signed", Tables(&SIGNED), Is("[]"), "A request must satisfy one of these tables; without any the site is public."),
        key("rule", Tables(&RULE), Is("[]"), "Paths that differ; the first match wins."),
    ],
};

static RULE: Table = Table {
    noun: "rule",
    label: Some("path"),
    keys: &[
        key("path", Text, Required, "Matched against the normalised path; `*` is any run of characters."),
        key("pool", Text, Absent, "Takes the place of the site's."),
        key("cache", Kind::Table(&SITE_CACHE), Absent, "Its keys take the place of the site's, one by one."),
        key("compress", Kind::Table(&COMPRESS), Absent, "Takes the place of the site's."),
        key("headers", Kind::Table(&HEADERS), Absent, "Its fields are added to the site's or take their place."),
        key("signed", Tables(&SIGNED), Absent, "Takes the place of the site's; `[]` is public."),
    ],
};

static SITE_CACHE: Table = table(
    "cache",
    &[
        key("enabled", Flag, Is("true"), "False: everything passes."),
        key("default_ttl", OFF_OR_TTL, Is(r#""""#), "When the origin says nothing; `\"\"` is the RFC 9111 heuristic."),
        key("min_ttl", OFF_OR_TTL, Is(r#""""#), "Raise what the origin says; `\"\"` leaves it."),
        key("max_ttl", OFF_OR_TTL, Is(r#""""#), "Lower what the origin says; `\"\"` leaves it."),
        key("override_ttl", OFF_OR_TTL, Is(r#""""#), "Ignore what the origin says (never for no-store or private)."),
        key("status_ttl", Map(&Duration(0, TTL_MAX)), Is(r#"{ 404 = "10s" }"#), "For responses without explicit freshness, by status code."),
        key("stale_while_revalidate", OFF_OR_TTL, Is(r#""""#), "When the origin does not say."),
        key("stale_if_error", OFF_OR_TTL, Is(r#""""#), "When the origin does not say; also covers unreachable origins."),
        key("query", Or(&["all", "none"], &Kind::Table(&QUERY)), Is(r#""all""#), "Which of the query is in the cache key."),
        key("sort_query", Flag, Is("true"), "Whether parameters are sorted in the key."),
        key("headers", List(&Text), Is("[]"), "Request headers in the key beyond Vary."),
        key("cookies", List(&Text), Is("[]"), "Cookies in the key."),
        key("ignore_request_no_cache", Flag, Is("true"), "A client's no-cache or max-age=0 does not force an origin fetch."),
        key("slice", Size(64 * KIB, 64 * MIB), Is(r#""1MiB""#), "Large objects are fetched and kept in slices of this size; a power of two."),
        key("collapse", Flag, Is("true"), "Concurrent misses of one key make one origin request."),
        key("collapse_timeout", Duration(1, HOUR), Is(r#""10s""#), "A waiting request goes on its own after that."),
    ],
);

static QUERY: Table = table(
    "cache.query",
    &[
        key("include", List(&Text), Absent, "Only parameters whose name matches one of these (`*` is any run of characters)."),
        key("exclude", List(&Text), Absent, "All but those; not together with `include`."),
    ],
);

static COMPRESS: Table = table(
    "compress",
    &[
        key("encodings", List(&Word(&["zstd", "br", "gzip"])), Is(r#"["zstd", "br", "gzip"]"#), "`[]` for none; each encoded variant is cached."),
        key("min_size", Size(0, TIB), Is(r#""1KiB""#), "Smaller bodies are left alone."),
        key("types", List(&Text), Is( r#"["text/*", "application/json", "application/javascript", "application/xml", "image/svg+xml", "application/wasm"]"#, ), "Content types."),
    ],
);

static HEADERS: Table = table(
    "headers",
    &[
        key("request", Map(&Text), Is("{}"), "Set on the way to the origin; `\"\"` removes."),
        key("response", Map(&Text), Is("{}"), "Set on the way to the client; `\"\"` removes."),
        key("debug", Flag, Is("false"), "Cache-Status always; with true also Server-Timing and X-Cache-Key."),
    ],
);

static SIGNED: Table = Table {
    noun: "signed",
    label: Some("scheme"),
    keys: &[
        key("scheme", Word(&["token", "aws-sigv4", "cloudfront", "jwt"]), Is(r#""token""#), "How a request proves itself."),
        key("paths", List(&Text), Is(r#"["/*"]"#), "Which paths it guards and can open."),
        key("keys", Tables(&SIGNED_KEY), Required, "Several: rotation."),
        key("clock_skew", Duration(0, HOUR), Is(r#""0s""#), "How far clocks may be apart."),
        key("max_lifetime", Or(&[""], &Duration(SEC, TTL_MAX)), Is(r#""""#), "Refuse a signature that is valid for longer than this."),
        key("param", Text, Is(r#""token""#), "Query parameter that carries the token: letters, digits, `-`, `_` and `.`."),
    ],
};

static SIGNED_KEY: Table = Table {
    noun: "key",
    label: Some("id"),
    keys: &[
        key("id", Text, Required, "Names the key in the token: letters, digits, `-` and `_`; unique in its table."),
        key("secret", Secret, Required, "The HMAC secret; at least 16 bytes."),
        key("public_key", Text, Is(r#""""#), "PEM public key, for schemes that verify with one."),
    ],
};

static ADMIN: Table = table(
    "admin",
    &[
        key("address", Text, Is(r#""127.0.0.1:9090""#), "/metrics, /healthz, /readyz and the API; `\"\"` for none."),
        key("token", Secret, Is(r#""""#), "Bearer token for everything that changes state; required when not on loopback."),
        key("purge_from", List(&Text), Is("[]"), "Addresses or networks that may send the PURGE method to the listeners."),
    ],
);

static LOG: Table = table(
    "log",
    &[
        key("level", Text, Is(r#""info""#), "`off`, `error`, `warn`, `info`, `debug`, `trace`, or a filter: `seawall::origin=debug,info`."),
        key("format", Word(&["auto", "json", "text"]), Is(r#""auto""#), "`auto` is text on a terminal, JSON elsewhere."),
        key("access", Path, Is(r#""off""#), "`off`, `stdout`, or a file (reopened on SIGUSR1)."),
        key("sample", Number(0.0, 1.0), Is("1.0"), "Share of successful requests in the access log; errors are always there."),
    ],
);

static TELEMETRY: Table =
    table("telemetry", &[key("otlp_endpoint", Text, Is(r#""""#), "Traces over OTLP when set.")]);

static CLUSTER: Table = table(
    "cluster",
    &[
        key("nats", List(&Text), Required, "JetStream carries purges in order and replays what an edge missed."),
        key("name", Text, Is(r#""edge-cluster""#), "The cluster's name."),
        key("advertise", Text, Required, "Where the other edges reach this one."),
        key("peers", Or(&["nats"], &List(&Text)), Is(r#""nats""#), "Who is in the ring."),
        key("shard", Flag, Is("true"), "A miss asks the edge that owns the key before the origin."),
    ],
);
