//! Tests of `seawall sign`: what it prints is what the edge's verifier takes.

use std::sync::Arc;

use clap::Parser;
use http::{HeaderMap, HeaderValue, Method};

use super::*;
use crate::config::*;
use crate::signed::{SignedRequest, split_path_token};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    sign: SignArgs,
}

const NOW: Time = Time::from_secs(1_000_000);

fn settings(signed: Vec<Signed>) -> Arc<RouteSettings> {
    let cache = CacheRules {
        enabled: true,
        default_ttl: None,
        min_ttl: None,
        max_ttl: None,
        override_ttl: None,
        status_ttl: Vec::new(),
        stale_while_revalidate: None,
        stale_if_error: None,
        query: QueryKey::All,
        sort_query: true,
        headers: Vec::new(),
        cookies: Vec::new(),
        ignore_request_no_cache: true,
        slice: 1 << 20,
        collapse: true,
        collapse_timeout: Duration::from_secs(10),
    };
    Arc::new(RouteSettings {
        pool: PoolId(0),
        origin: OriginKind::Http,
        cache,
        headers: HeaderRules::default(),
        signed,
    })
}

fn table(param: &str, key_ids: &[&str]) -> Signed {
    let key = |id: &&str| SignedKey { id: (*id).into(), secret: Secret::new(format!("secret of {id}")) };
    Signed {
        scheme: SignedScheme::Token,
        paths: vec![PathPattern::new("/*")],
        keys: key_ids.iter().map(key).collect(),
        clock_skew: Duration::ZERO,
        max_lifetime: Some(Duration::from_secs(3600)),
        param: param.into(),
    }
}

fn site(host: HostPattern, signed: Signed) -> Site {
    Site {
        name: "site".into(),
        hosts: vec![host],
        methods: vec![Method::GET],
        settings: settings(Vec::new()),
        rules: vec![Rule { path: PathPattern::new("/private/*"), settings: settings(vec![signed]) }],
    }
}

fn config() -> Config {
    Config {
        server: Server {
            threads: 1,
            drain_delay: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
            server_name: "seawall".into(),
            trusted_proxies: Vec::new(),
            limits: Limits {
                connections: 1,
                connections_per_ip: 0,
                header_timeout: Duration::ZERO,
                idle_timeout: Duration::ZERO,
                body_timeout: Duration::ZERO,
                write_timeout: Duration::ZERO,
                header_bytes: 8192,
                headers: 1,
                uri_bytes: 1,
                request_body: 1,
            },
        },
        listeners: Vec::new(),
        cache: Cache { memory: Memory { capacity: 1, max_object: 1 }, disk: None },
        pools: Vec::new(),
        sites: vec![
            site(HostPattern::Any, table("any", &["any"])),
            site(HostPattern::Suffix(".example.com".into()), table("sig", &["new", "old"])),
            site(HostPattern::Exact("exact.example.com".into()), table("token", &["exact"])),
        ],
        admin: Admin {
            address: None,
            token: None,
            read_token: None,
            guarded_metrics: false,
            purge_from: Vec::new(),
        },
        log: Log { level: "info".into(), format: LogFormat::Auto, access: AccessLog::Off, sample: 1.0 },
    }
}

fn sign(arguments: &str) -> anyhow::Result<String> {
    let args = Cli::try_parse_from(std::iter::once("sign").chain(arguments.split(' ')))?.sign;
    let mut out = Vec::new();
    run(&args, |_| Ok(config()), NOW, &mut out)?;
    Ok(String::from_utf8(out)?.trim_end().to_owned())
}

/// Sends what was printed to the tables of the site under `host`; the id of the key that let it in.
fn visit(url: &Uri, cookie: Option<&str>) -> Option<String> {
    let mut headers = HeaderMap::new();
    if let Some(cookie) = cookie {
        headers.insert(http::header::COOKIE, HeaderValue::from_str(cookie).unwrap());
    }
    let host = url.authority().unwrap().as_str().to_ascii_lowercase();
    let carried = split_path_token(url.path());
    let path = &*normalise_path(carried.map_or(url.path(), |carried| carried.path)).unwrap();
    let request = SignedRequest {
        method: &Method::GET,
        host: &host,
        path,
        origin: OriginKind::Http,
        path_token: carried.map(|carried| carried.token),
        query: url.query(),
        headers: &headers,
        client: "203.0.113.7".parse().unwrap(),
    };
    let config = config();
    let sites = Settings::offline(&config).unwrap().sites;
    let route = sites.route_of(url.host().unwrap(), path).unwrap();
    route.verifiers.verify(&request, NOW).unwrap().key_id.map(|id| id.to_string())
}

#[test]
fn what_it_prints_opens_the_url() {
    for (arguments, key) in [
        ("--url https://a.example.com/private/a.pdf", "new"),
        ("x --url https://a.example.com/private/a.pdf", "new"),
        ("-c x --url https://a.example.com/private/a.pdf", "new"),
        ("--config x --url https://a.example.com/private/a.pdf", "new"),
        ("--config x --url https://a.example.com/private/%7ea/%c3%a9.pdf", "new"),
        ("--config x --url https://A.example.com:8443/private/a.pdf --bind-host", "new"),
        ("--config x --url https://a.example.com/private/a.pdf?w=1 --key-id old", "old"),
        ("--config x --url https://exact.example.com/private/a.pdf --client-ip 203.0.113.0/24", "exact"),
        ("--config x --url http://localhost/private/a.pdf --expires-in 1h", "any"),
        ("--config x --url https://a.example.com/private/a.pdf?w=1 --as path", "new"),
        ("--config x --url https://a.example.com/private/hls/a.m3u8 --as path --prefix /private/hls/", "new"),
    ] {
        let printed = sign(arguments).unwrap();
        assert_eq!(visit(&printed.parse().unwrap(), None).as_deref(), Some(key), "{arguments}: {printed}");
    }
    let cookie =
        sign("--config x --url https://a.example.com/private/ --prefix /private/ --as cookie").unwrap();
    assert!(cookie.starts_with("sig=v1."), "{cookie}");
    let elsewhere: Uri = "https://a.example.com/private/b".parse().unwrap();
    assert_eq!(visit(&elsewhere, Some(&cookie)).as_deref(), Some("new"));
}

#[test]
fn the_url_keeps_its_shape() {
    let query = sign("--config x --url https://a.example.com:8443/private/a?w=1").unwrap();
    assert!(query.starts_with("https://a.example.com:8443/private/a?w=1&sig=v1."), "{query}");
    let path = sign("--config x --url https://a.example.com/private/a?w=1 --as path").unwrap();
    assert!(path.starts_with("https://a.example.com/_t/v1.") && path.ends_with("/private/a?w=1"), "{path}");
}

#[test]
fn a_secret_can_come_from_the_environment() {
    // Any variable that is there for sure: setting one is unsafe in a threaded test.
    let printed = sign("--key-id k --secret-env PATH --param t --url https://h/a").unwrap();
    let secret = Secret::new(std::env::var("PATH").unwrap());
    let claims = Claims {
        key_id: "k",
        expires: NOW.secs() + 900,
        scope: Scope::Path("/a"),
        client: None,
        host: None,
        not_before: None,
        issued_at: Some(NOW.secs()),
    };
    assert_eq!(printed, format!("https://h/a?t={}", token::sign(&claims, &secret).unwrap()));
}

#[test]
fn what_would_not_open_is_not_signed() {
    for (arguments, says) in [
        ("x", "required"),
        ("--config x --url /private/a", "absolute"),
        ("--config x --url https://a.example.com/open/a", "is public"),
        ("--config x --url https://a.example.com/private/%zz", "broken percent-encoding"),
        ("--config x --url https://a.example.com/private/a --key-id gone", "no key \"gone\""),
        (
            "--config x --url https://a.example.com/private/a --expires-in 2h",
            "--expires-in 2h is longer than the max_lifetime of 1h",
        ),
        ("--url https://a.example.com/private/a --param t", "--secret-env"),
        ("--secret-env PATH --url https://h/a", "--key-id"),
        ("--config x --url https://a.example.com/private/a --expires-in 2", "a whole number and a unit"),
        ("--config x --url https://a.example.com/private/a --prefix /other/", "does not cover"),
        ("--config x --url https://a.example.com/private/a --prefix /private", "must end with"),
        ("--config x --url https://a.example.com/private/a?sig=1", "already"),
        ("--config x --url https://a.example.com/private/a --client-ip 1.2.3", "an address or a network"),
        ("--config x --secret-env PATH --key-id k --url https://h/a", "cannot be used with"),
        ("--key-id k --secret-env SEAWALL_NO_SUCH --url https://h/a", "SEAWALL_NO_SUCH"),
    ] {
        let error = format!("{:#}", sign(arguments).unwrap_err());
        assert!(error.contains(says), "{arguments}: {error}");
    }
}
