//! The environment over the file, a rule over its site, values taken from elsewhere.

use std::time::Duration;

use super::*;

#[test]
fn the_environment_overrides_the_file() {
    let env = [
        ("SEAWALL_CACHE__MEMORY__CAPACITY", "2GiB"),
        ("SEAWALL_SERVER__THREADS", "3"),
        ("SEAWALL_SERVER__TRUSTED_PROXIES", r#"["10.1.2.3/8", "::1"]"#),
        ("SEAWALL_POOL__0__NAME", "renamed"),
        ("SEAWALL_POOL__0__MEMBERS__0__WEIGHT", "7"),
        ("SEAWALL_POOL__0__MEMBERS__1__URL", "https://b"),
        ("SEAWALL_SITE__0__POOL", "renamed"),
        ("SEAWALL_SITE__0__CACHE__STATUS_TTL__500", "1s"),
        ("SEAWALL_SITE__0__CACHE__SORT_QUERY", "false"),
        ("SEAWALL_SITE__1__HOSTS", r#"["b.example"]"#),
        ("SEAWALL_SITE__1__POOL", "renamed"),
        ("SEAWALL_TOKEN_KEY", "no setting"),
        ("SEAWALL_PORT", "tcp://10.0.0.1:80"),
        ("HOME", "/"),
    ];
    let config = loaded(BASE, &env);
    assert_eq!(config.cache.memory.capacity, 2 << 30);
    assert_eq!(config.server.threads, 3);
    let networks: Vec<String> = config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(config.pools[0].name, "renamed");
    let members: Vec<_> =
        config.pools[0].members.iter().map(|m| (m.host.as_str(), m.port, m.weight)).collect();
    assert_eq!(members, [("a", 80, 7), ("b", 443, 1)]);
    let cache = &config.sites[0].settings.cache;
    assert_eq!(cache.status_ttl, [(500, Duration::from_secs(1))]);
    assert!(!cache.sort_query);
    assert_eq!(config.sites[1].name, "b.example");
}

#[test]
fn a_whole_file_may_stand_in_the_environment() {
    let env = [
        ("SEAWALL_LISTENER__0__ADDRESS", "127.0.0.1:0"),
        ("SEAWALL_POOL__0__NAME", "p"),
        ("SEAWALL_POOL__0__MEMBERS", r#"[{ url = "http://a", weight = 2 }]"#),
        ("SEAWALL_SITE__0__HOSTS__0", "*"),
        ("SEAWALL_SITE__0__POOL", "p"),
    ];
    let config = loaded("", &env);
    assert_eq!(config.sites[0].hosts, [HostPattern::Any]);
    assert_eq!(config.pools[0].members[0].weight, 2);
}

#[test]
fn errors_of_the_environment_name_the_variable() {
    let table: &[(&str, &str, &str)] = &[
        ("SEAWALL_SERVR__THREADS", "1", r#"unknown key "servr"; did you mean "server"?"#),
        ("SEAWALL_SERVER__THREDS", "1", r#"unknown key "server.threds"; did you mean "threads"?"#),
        (
            "SEAWALL_SERVER__LIMITS__HEADER_BYTES",
            "4KiB",
            r#""server.limits.header_bytes" must be a size from 8KiB to 1MiB, not "4KiB""#,
        ),
        ("SEAWALL_SERVER__LIMITS", "1", r#""server.limits" must be a table, not "1""#),
        (
            "SEAWALL_POOL__PHOTOS__NAME",
            "x",
            r#""pool" is a list: its entries are addressed by number, from 0, not by "photos""#,
        ),
        ("SEAWALL_POOL__3__NAME", "x", r#""pool" has no entry 3: the next one is 1, counted from 0"#),
        (
            "SEAWALL_POOL__01__NAME",
            "x",
            r#""pool" is a list: its entries are addressed by number, from 0, not by "01""#,
        ),
        ("SEAWALL_POOL__1__NAME", "x", r#"pool "x" has no members"#),
        ("SEAWALL_LISTENER__0__HTTP3", "true", r#""listener.http3" is not supported yet"#),
        (
            "SEAWALL_SITE__0__POOL",
            "photo",
            r#"site "a.example" names an unknown pool "photo"; did you mean "photos"?"#,
        ),
        (
            "SEAWALL_CACHE__MEMORY__CAPACITY",
            "2GB",
            r#""cache.memory.capacity" must be a size from 1MiB to 64TiB, not "2GB"; did you mean "2GiB"?"#,
        ),
        ("SEAWALL_SERVER__TRUSTED_PROXIES", "[1]", r#""server.trusted_proxies" must be text, not 1"#),
    ];
    for (name, value, message) in table {
        assert_eq!(errors(BASE, &[(name, value)]), [format!("{name}: {message}")], "{name}={value}");
    }
}

#[test]
fn a_rule_lies_on_its_site() {
    let text = format!(
        r#"{BASE}
[site.cache]
default_ttl = "60s"
max_ttl = "1h"
query = "none"
[site.headers]
request = {{ X-A = "site", X-B = "site" }}
response = {{ Server = "" }}
debug = true
[[site.signed]]
keys = [{{ id = "site", secret = "0123456789abcdef" }}]
[[site.rule]]
path = "/a/*"
cache = {{ default_ttl = "5s", query = {{ include = ["w"] }} }}
headers = {{ request = {{ x-a = "rule", X-C = "rule" }} }}
[[site.rule]]
path = "/open/*"
pool = "other"
signed = []
cache.max_ttl = ""
headers.debug = false
[[pool]]
name = "other"
members = [{{ url = "http://b" }}]
"#
    );
    let config = loaded(&text, &[]);
    let (site, rules) = (&config.sites[0].settings, &config.sites[0].rules);
    let first = &rules[0].settings;
    assert_eq!(first.cache.default_ttl, Some(Duration::from_secs(5)));
    assert_eq!(first.cache.max_ttl, Some(Duration::from_secs(3600)));
    assert_eq!(first.cache.query, QueryKey::Include(vec!["w".to_owned()]));
    let request: Vec<(&str, &[u8])> = first
        .headers
        .request
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_ref().unwrap().as_bytes()))
        .collect();
    assert_eq!(request, [("x-b", &b"site"[..]), ("x-c", b"rule"), ("x-a", b"rule")]);
    assert_eq!(first.headers.response[0].1, None);
    assert!(first.headers.debug);
    assert_eq!((first.pool, first.signed.len()), (PoolId(0), 1));
    let second = &rules[1].settings;
    assert_eq!((second.pool, second.signed.len(), second.headers.debug), (PoolId(1), 0, false));
    assert_eq!(second.cache.max_ttl, None);
    assert_eq!(second.cache.default_ttl, Some(Duration::from_secs(60)));
    assert_eq!(site.cache.query, QueryKey::None);
    assert_eq!((site.headers.request.len(), rules[1].path.as_str()), (2, "/open/*"));
}

#[test]
fn values_are_taken_from_variables_and_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "s3same\r\n\n").unwrap();
    let text = format!(
        "{BASE}[server]\nthreads = \"${{THREADS}}\"\nserver_name = \"a${{b\"\n[admin]\ntoken = \"file:token\"\n[log]\naccess = \"file:x\"\n"
    );
    let text = text.replace("a${b", "a$b");
    let file = folder.path().join("e.toml");
    let config = load_from(&text, file.to_str().unwrap(), environment(&[("THREADS", "5")])).unwrap();
    assert_eq!((config.server.threads, config.server.server_name.as_str()), (5, "a$b"));
    assert_eq!(config.admin.token.unwrap().expose(), "s3same");
    // A path is not followed, and starts from the file's folder.
    assert_eq!(config.log.access, AccessLog::File(folder.path().join("file:x")));
}

#[test]
fn variables_are_replaced_inside_a_value() {
    let text = format!(
        "{BASE}[site.headers.request]\nAuthorization = \"Bearer ${{A}}\"\nX = \"${{A}}-${{B}}$\"\nY = \"$${{A}} $${{\"\n[[listener]]\naddress = \"127.0.0.1:${{PORT}}\"\n"
    );
    let config = loaded(&text, &[("A", "one"), ("B", "${A}"), ("PORT", "81")]);
    let fields: Vec<(&str, &str)> = config.sites[0]
        .settings
        .headers
        .request
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_ref().unwrap().to_str().unwrap()))
        .collect();
    assert_eq!(fields, [("authorization", "Bearer one"), ("x", "one-${A}$"), ("y", "${A} ${")]);
    assert_eq!(config.listeners[1].address, ListenAddress::Tcp(([127, 0, 0, 1], 81).into()));
}

#[test]
fn a_variable_that_looks_like_a_setting_is_remarked_on() {
    for (name, meant) in [
        ("SEAWALL_CACHE_MEMORY_CAPACITY", Some("SEAWALL_CACHE__MEMORY__CAPACITY")),
        ("SEAWALL_SERVER_SHUTDOWN_TIMEOUT", Some("SEAWALL_SERVER__SHUTDOWN_TIMEOUT")),
        ("SEAWALL_LISTENER_0_ADDRESS", Some("SEAWALL_LISTENER__0__ADDRESS")),
        ("SEAWALL_SITE_1_CACHE_STALE_IF_ERROR", Some("SEAWALL_SITE__1__CACHE__STALE_IF_ERROR")),
        ("SEAWALL_LOG_LEVEL", Some("SEAWALL_LOG__LEVEL")),
        ("SEAWALL_ADMIN_TOKEN", None),
        ("SEAWALL_TOKEN_KEY", None),
        ("SEAWALL_SERVER", None),
        ("SEAWALL_PORT", None),
        ("SEAWALL_PORT_8080_TCP_ADDR", None),
        ("SEAWALL_", None),
    ] {
        let loaded = load_with(BASE, "e.toml", environment(&[(name, "1")]), NOT_YET).unwrap();
        let said: Vec<String> =
            loaded.remarks.iter().map(|(place, text)| format!("{place}: {text}")).collect();
        let expected: Vec<String> = meant
            .map(|meant| {
                format!(
                    "{name}: this variable is not read; a setting has two underscores between levels: {meant}"
                )
            })
            .into_iter()
            .collect();
        assert_eq!(said, expected);
    }
}

#[test]
fn a_rule_that_another_covers_and_a_disk_that_is_too_small_are_remarked_on() {
    let folder = tempfile::tempdir().unwrap();
    let rules = |paths: &[&str]| {
        let rules: String = paths.iter().map(|path| format!("[[site.rule]]\npath = \"{path}\"\n")).collect();
        let loaded = load_with(&format!("{BASE}{rules}"), "e.toml", environment(&[]), NOT_YET).unwrap();
        loaded.remarks.into_iter().map(|(place, text)| format!("{place}: {text}")).collect::<Vec<_>>()
    };
    for (paths, covered) in [
        (&["/*", "/a"][..], true),
        (&["/a/*", "/a/b/*.jpg"], true),
        (&["*.jpg", "/a/*.jpg"], true),
        (&["/a", "/a"], true),
        (&["/a/*.jpg", "/a/*"], false),
        (&["/a*", "/*a"], false),
        (&["/a", "/*"], false),
    ] {
        let said = rules(paths);
        assert_eq!(said.len(), usize::from(covered), "{paths:?}: {said:?}");
    }
    let said = rules(&["/a/*", "/a/b"]);
    assert_eq!(
        said,
        [r#"e.toml:12: rule "/a/b" of site "a.example" never matches: rule "/a/*" comes first"#]
    );
    for path in ["/dev/null", "/dev/null/below"] {
        let text = format!("{BASE}[cache.disk]\npath = \"{path}\"\ncapacity = \"1MiB\"\n");
        let remarks = load_with(&text, "e.toml", environment(&[]), NOT_YET).unwrap().remarks;
        let [(place, message)] = remarks.as_slice() else { panic!("{remarks:?}") };
        assert_eq!(place.line(), Some(10), "{path}");
        assert!(message.contains("must be a folder, and \"/dev/null\" is a file"), "{message}");
    }
    let text =
        format!("{BASE}[cache.disk]\npath = \"{}/new\"\ncapacity = \"900TiB\"\n", folder.path().display());
    let loaded = load_with(&text, "e.toml", environment(&[]), NOT_YET).unwrap();
    let [(place, message)] = loaded.remarks.as_slice() else { panic!("{:?}", loaded.remarks) };
    assert_eq!(place.line(), Some(11));
    assert!(message.starts_with("\"cache.disk.capacity\" is 900TiB, and the file system of "), "{message}");
}

#[test]
fn secrets_in_the_file_are_noted_and_never_shown() {
    let text = format!("{BASE}[admin]\ntoken = \"hunter2-hunter2\"\n");
    let loaded = load_with(&text, "e.toml", environment(&[]), NOT_YET).unwrap();
    let place = Place::Line { file: "e.toml".into(), line: 10, column: 1 };
    assert_eq!(loaded.literal_secrets, [("admin.token".to_owned(), place)]);
    let env = [("T", "hunter2-hunter2"), ("SEAWALL_ADMIN__TOKEN", "${T}")];
    assert!(load_with(BASE, "e.toml", environment(&env), NOT_YET).unwrap().literal_secrets.is_empty());
    // A secret in the wrong place: the message says where it came from, not what it is.
    let text = format!("{BASE}[server]\nserver_name = \"${{T}}\"\n");
    let said = errors(&text, &[("T", "not a token: hunter2")]);
    assert_eq!(
        said,
        [r#"e.toml:10: "server.server_name" must be a token of RFC 9110, not the value of ${T}"#]
    );
}

#[test]
fn what_is_lifted_is_read() {
    let text = format!(
        r#"{BASE}[[pool]]
name = "all"
balance = "least-requests"
protocol = "h2"
zone = "eu"
members = [{{ url = "http://b", zone = "eu" }}]
health = {{ path = "/up", expect = [200] }}
breaker = {{ consecutive_failures = 2 }}
retry = {{ hedge_after = "70ms" }}
s3 = {{ region = "r" }}
[admin]
purge_from = ["10.0.0.1"]
"#
    );
    let refused = errors(&text, &[]);
    assert!(refused.is_empty(), "{refused:?}");
    let config = load_with(&text, "e.toml", environment(&[]), &[]).unwrap().config;
    let pool = &config.pools[1];
    assert_eq!((pool.balance, pool.protocol), (Balance::LeastRequests, OriginProtocol::H2));
    assert_eq!((pool.zone.as_str(), pool.members[0].zone.as_str()), ("eu", "eu"));
    let health = pool.health.as_ref().unwrap();
    assert_eq!((health.path.as_str(), &health.expect, health.healthy_after), ("/up", &vec![200], 2));
    assert_eq!((pool.breaker.consecutive_failures, pool.breaker.min_requests), (2, 20));
    assert_eq!(pool.retry.hedge_after, Some(Duration::from_millis(70)));
    assert_eq!(pool.s3.as_ref().unwrap().bucket, None);
    assert_eq!(config.admin.purge_from[0].to_string(), "10.0.0.1/32");
}
