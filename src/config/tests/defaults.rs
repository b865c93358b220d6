//! The schema against the contract: testdata/reference.toml is a copy of the reference configuration.

use super::super::node::{Node, Value};
use super::super::schema::{Default, Kind, Table, kind_at};
use super::super::source;
use super::super::walk::default_of;
use super::*;

/// Values that the reference shows as an example, not as the default.
const EXAMPLES: &[&str] =
    &["listener.tls.certificates", "pool.s3.bucket", "site.rule.cache.enabled", "cluster.advertise"];

fn compare(node: &Node, table: &'static Table, seen: &mut Vec<String>) {
    for (name, entry) in node.table().unwrap() {
        let key = table.key(name).unwrap_or_else(|| panic!("{} is not in the schema", entry.path));
        seen.push(entry.path.clone());
        match (&key.kind, &entry.value) {
            (Kind::Table(inner), Value::Table(_)) => compare(entry, inner, seen),
            (Kind::Tables(inner), Value::List(items)) => {
                items.iter().for_each(|item| compare(item, inner, seen))
            }
            _ => {}
        }
        let default = default_of(key, &entry.place, &entry.path);
        let is_free = matches!(key.default, Default::Required | Default::Filled | Default::Absent);
        let is_list_of_tables = matches!(key.kind, Kind::Tables(_));
        if !is_free && !is_list_of_tables && !EXAMPLES.contains(&entry.path.as_str()) {
            assert!(default.unwrap().same(entry), "{}: the default differs from the reference", entry.path);
        }
    }
}

#[test]
fn defaults_are_those_of_the_reference() {
    let text = include_str!("../testdata/reference.toml");
    let (root, errors) = source::read(text, &"reference.toml".into(), &BTreeMap::new()).unwrap();
    assert!(errors.is_empty());
    let mut seen = Vec::new();
    compare(&root, ROOT, &mut seen);
    assert!(seen.len() > 120, "{}", seen.len());
}

#[test]
fn every_default_is_of_its_own_kind() {
    fn walk(table: &'static Table) {
        for key in table.keys {
            let place = Place::File("".into());
            if let Some(default) = default_of(key, &place, key.name) {
                assert!(key.kind.accepts(&default), "{}: {}", key.name, default.shown());
            }
            match key.kind {
                Kind::Table(inner) | Kind::Tables(inner) => walk(inner),
                _ => {}
            }
        }
    }
    walk(ROOT);
}

#[test]
fn what_nobody_wrote_has_its_default() {
    let config = loaded(BASE, &[]);
    assert_eq!(config.server.threads, std::thread::available_parallelism().unwrap().get());
    assert_eq!((config.server.limits.header_bytes, config.server.limits.headers), (32 << 10, 100));
    assert_eq!((config.cache.memory.capacity, config.cache.memory.max_object), (512 << 20, 16 << 20));
    let pool = &config.pools[0];
    assert_eq!((pool.load_bound, pool.retry.attempts, pool.breaker.min_requests), (1.25, 3, 20));
    assert!(pool.health.is_none() && pool.s3.is_none() && pool.tls.verify && pool.host.is_none());
    let cache = &config.sites[0].settings.cache;
    assert_eq!(cache.status_ttl, [(404, std::time::Duration::from_secs(10))]);
    assert_eq!((cache.slice, cache.default_ttl, cache.enabled), (1 << 20, None, true));
    assert_eq!(config.sites[0].methods, ["GET", "HEAD", "OPTIONS"]);
    assert_eq!(config.admin.address, Some(([127, 0, 0, 1], 9090).into()));
    assert_eq!((config.log.access, config.log.sample), (AccessLog::Off, 1.0));
}

#[test]
fn a_small_cache_lowers_the_default_of_max_object() {
    let config = loaded(&format!("{BASE}[cache.memory]\ncapacity = \"4MiB\"\n"), &[]);
    assert_eq!(config.cache.memory.max_object, 4 << 20);
}

#[test]
fn off_values_of_what_is_not_built_are_fine() {
    let off = r#"[[listener]]
address = "127.0.0.1:0"
http3 = false
proxy_protocol = false
[[pool]]
name = "p"
balance = "ring"
protocol = "http/1.1"
zone = ""
members = [{ url = "http://a", zone = "" }]
retry.hedge_after = ""
[[site]]
hosts = ["a"]
pool = "p"
[admin]
purge_from = []
[telemetry]
otlp_endpoint = ""
"#;
    loaded(off, &[]);
}

#[test]
fn a_path_finds_its_kind() {
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    assert!(matches!(kind_at(ROOT, &path("pool.0.members")), Some(Kind::Tables(_))));
    assert!(matches!(kind_at(ROOT, &path("pool.0.members.3.weight")), Some(Kind::Count(..))));
    assert!(matches!(kind_at(ROOT, &path("site.0.cache.query.include")), Some(Kind::List(_))));
    assert!(matches!(kind_at(ROOT, &path("site.0.cache.status_ttl.404")), Some(Kind::Duration(..))));
    assert!(kind_at(ROOT, &path("pool.0")).is_none() && kind_at(ROOT, &path("pool.name")).is_none());
}
