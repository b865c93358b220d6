//! What the access log says of a request: enough to tell what became of it, and to join it with what else there is.

use std::path::Path;
use std::time::Duration;

use crate::world::{Answer, Client, World, within};

async fn world(folder: &Path, format: &str, more: &str) -> World {
    let access = folder.join("access.log");
    let log = format!("[log]\nformat = \"{format}\"\naccess = \"{}\"\n{more}", access.display());
    World::new().more(&log).start().await
}

async fn lines(folder: &Path, count: usize) -> Vec<String> {
    let read = || std::fs::read_to_string(folder.join("access.log")).unwrap_or_default();
    let all = async {
        while read().lines().count() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(format!("{count} lines of log"), all).await;
    read().lines().map(str::to_owned).collect()
}

async fn json(folder: &Path, count: usize) -> Vec<serde_json::Value> {
    lines(folder, count).await.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn a_line_says_where_a_hit_is_from_how_old_it_is_and_why_others_passed() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), "json", "").await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    world.get("/a").await.assert_stored(200, "hello");
    world.advance(5);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let hit = world.client().get("/a").header("X-Request-Id", "mine-1");
    hit.header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
        .send()
        .await
        .assert_hit(200, "hello");
    world.client().get("/a").body("x").send().await.assert(200, "hello");
    let objects = world.admin("/objects?url=http://test.example/a").await;
    let objects: serde_json::Value = serde_json::from_str(&objects.text()).expect("JSON");
    let log = json(folder.path(), 3).await;
    let [miss, hit, pass] = &log[..] else { panic!("{log:?}") };
    assert_eq!((&miss["fwd"], miss.get("tier"), miss.get("age")), (&"uri-miss".into(), None, None), "{miss}");
    assert_eq!(
        (&hit["tier"], &hit["age"], &hit["ttl"], hit.get("fwd")),
        (&"memory".into(), &5.into(), &55.into(), None),
        "{hit}"
    );
    assert_eq!((&hit["request_id"], &hit["trace_id"]), (&"mine-1".into(), &trace.into()), "{hit}");
    assert_eq!((&pass["fwd"], &pass["detail"]), (&"request".into(), &"body".into()), "{pass}");
    let made_up = |line: &serde_json::Value| line["request_id"].as_str().expect("an id").to_owned();
    assert_ne!(made_up(miss), made_up(pass));
    assert_eq!(made_up(miss).len(), 16);
    assert_eq!(objects["cache_key"], hit["cache_key"], "{objects} {hit}");
}

#[tokio::test]
async fn a_hit_from_disk_says_so() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tier = format!(
        "[cache.disk]\npath = \"{}\"\ncapacity = \"64MiB\"\nadmission = \"all\"",
        disk.path().display()
    );
    let mut first = world(folder.path(), "json", &tier).await;
    first.metrics_when("the index is read", |m| m.sum("seawall_disk_recovery_seconds", &[]) > 0.0).await;
    first.origin().always("/a", Answer::fresh("hello", 60));
    first.get("/a").await.assert_stored(200, "hello");
    assert!(first.stop().await.unwrap());
    let second = world(folder.path(), "json", &tier).await;
    second.metrics_when("the index is read", |m| m.sum("seawall_disk_recovery_seconds", &[]) > 0.0).await;
    for _ in 0..2 {
        second.get("/a").await.assert_hit(200, "hello");
    }
    let log = json(folder.path(), 3).await;
    assert_eq!((&log[1]["tier"], &log[2]["tier"]), (&"disk".into(), &"memory".into()), "{log:?}");
}

#[tokio::test]
async fn a_prefetch_is_no_client() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), "json", "").await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let admin = Client::of(world.admin_address(), "localhost");
    let asked = admin.request("POST", "/prefetch").header("Content-Type", "application/json");
    let asked = asked.body(r#"{"urls":["https://test.example/a"]}"#).send().await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let log = json(folder.path(), 1).await;
    assert_eq!((&log[0]["source"], &log[0]["status"]), (&"prefetch".into(), &200.into()), "{log:?}");
    for client in ["client", "tls", "protocol"] {
        assert_eq!(log[0].get(client), None, "{client} in {log:?}");
    }
}

/// What Apache's `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"` comes apart into.
fn combined(line: &str) -> Option<[&str; 7]> {
    let (client, rest) = line.split_once(" - - [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let (numbers, rest) = rest.split_once(" \"")?;
    let (status, bytes) = numbers.split_once(' ')?;
    let (referer, rest) = rest.split_once("\" \"")?;
    let (agent, ours) = rest.split_once("\" ")?;
    assert_eq!(referer, "-");
    Some([client, time, request, status, bytes, agent, ours])
}

#[tokio::test]
async fn text_lines_are_what_log_tools_read() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), "text", "").await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    world.client().get("/a?w=1").header("User-Agent", "curl/8").send().await.assert(200, "hello");
    world.h2().await.get("/a?w=1").await.assert_hit(200, "hello");
    let log = lines(folder.path(), 2).await;
    let parts = combined(&log[0]).unwrap_or_else(|| panic!("{log:?}"));
    let [client, time, request, status, bytes, agent, ours] = parts;
    assert_eq!((client, time, request), ("127.0.0.1", "01/Jan/2026:00:00:00 +0000", "GET /a?w=1 HTTP/1.1"));
    assert_eq!((status, bytes, agent), ("200", "5", "curl/8"));
    assert!(ours.starts_with("outcome=miss ms=") && ours.contains(" host=test.example site="), "{ours}");
    assert!(ours.split(' ').all(|word| word.contains('=')), "{ours}");
    let [_, _, request, _, _, _, ours] = combined(&log[1]).unwrap_or_else(|| panic!("{log:?}"));
    assert_eq!(request, "GET /a?w=1 HTTP/2.0");
    assert!(ours.contains(" tier=memory age=0 ttl=60 "), "{ours}");
}
