//! Requests that are malformed or can be read in two ways: one table, one verdict each.

use crate::world::{Answer, World};

const SITE: &str = "methods = [\"GET\", \"HEAD\", \"POST\", \"OPTIONS\"]";

/// A GET of `/` with these field lines.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n")
}

/// A POST with these framing fields and what follows the head.
fn post(fields: &str, rest: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n{rest}")
}

/// A GET of this target, for the right host.
fn target(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n")
}

/// A GET of `/` with this Host line, or none.
fn host(line: &str) -> String {
    format!("GET / HTTP/1.1\r\n{line}\r\n")
}

/// Each is answered with this status and a body that names this reason, the origin sees nothing of any of them, and
/// after each a good request on a new connection works. A reason `a|b` is either.
async fn are_refused(table: Vec<(String, u16, &str)>) {
    let world = World::with_site(SITE).await;
    world.origin().always("/good", Answer::ok("good").header("Cache-Control", "no-store"));
    for (good, (request, status, reason)) in (1..).zip(table) {
        let what = request.escape_debug().to_string();
        let what = what.get(..200).unwrap_or(&what);
        let seen = world.client().raw(&request).await.unwrap_or_else(|broken| panic!("{what}: {broken}"));
        let text = seen.text();
        assert_eq!(seen.status, status, "{what}: {text}");
        assert!(
            reason.split('|').any(|reason| text.contains(reason)),
            "{what}: {reason} expected, got {text}"
        );
        let own = seen.header("cache-status").unwrap_or_else(|| panic!("{what}: no Cache-Status"));
        let detail = own.split_once("; detail=").map(|(_, detail)| detail);
        assert!(
            detail.is_some_and(|detail| reason.split('|').any(|reason| reason == detail)),
            "{what}: {own} (RFC 9211)"
        );
        world.get("/good").await.assert(200, "good");
        assert_eq!(world.origin().count(), good, "something reached the origin: {what}");
    }
}

fn row(request: impl Into<String>, status: u16, reason: &'static str) -> (String, u16, &'static str) {
    (request.into(), status, reason)
}

#[tokio::test]
async fn a_host_that_is_missing_doubled_or_none() {
    let refused = |request: String| row(request, 400, "bad_host");
    are_refused(vec![
        refused(host("")),
        refused(host("Host: test.example\r\nHost: other.example\r\n")),
        refused(host("Host: test.example\r\nHost: test.example\r\n")),
        refused(host("Host: test.example, other.example\r\n")),
        refused(host("Host:\r\n")),
        refused(host("Host: test example\r\n")),
        refused(host("Host: test.example/path\r\n")),
        refused(host("Host: user@test.example\r\n")),
        refused(host("Host: test.example:port\r\n")),
        refused(host("Host: test.example:99999\r\n")),
        refused(host("Host: [::1\r\n")),
        refused(host("Host: test.example\\evil\r\n")),
        refused(host("Host: test.example?x\r\n")),
        refused(host("Host: http://test.example\r\n")),
        refused("GET http://other.example/ HTTP/1.1\r\nHost: test.example\r\n\r\n".to_owned()),
        refused("GET http://test.example/ HTTP/1.1\r\n\r\n".to_owned()),
        refused("GET http://user@test.example/ HTTP/1.1\r\nHost: test.example\r\n\r\n".to_owned()),
    ])
    .await;
}

#[tokio::test]
async fn framing_that_can_be_read_in_two_ways() {
    let refused = |fields: &str, rest: &str| row(post(fields, rest), 400, "ambiguous_framing");
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    are_refused(vec![
        refused("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks),
        refused("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks),
        refused("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        refused("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        refused("Content-Length: 5, 5\r\n", "hello"),
        refused("Content-Length: 5, 6\r\n", "hello!"),
        refused("Content-Length: -5\r\n", "hello"),
        refused("Content-Length: +5\r\n", "hello"),
        refused("Content-Length: 0x5\r\n", "hello"),
        refused("Content-Length: 5 5\r\n", "hello"),
        refused("Content-Length: five\r\n", "hello"),
        refused("Content-Length:\r\n", "hello"),
        refused("Content-Length: 99999999999999999999\r\n", "hello"),
        refused("Transfer-Encoding: gzip\r\n", "hello"),
        refused("Transfer-Encoding: gzip, chunked\r\n", chunks),
        refused("Transfer-Encoding: chunked, gzip\r\n", chunks),
        refused("Transfer-Encoding: chunked, chunked\r\n", chunks),
        refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks),
        refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunks),
        refused("Transfer-Encoding: xchunked\r\n", chunks),
        refused("Transfer-Encoding: \"chunked\"\r\n", chunks),
        refused("Transfer-Encoding: chunked;q=1\r\n", chunks),
        row(
            format!("POST / HTTP/1.0\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
            400,
            "ambiguous_framing",
        ),
    ])
    .await;
}

#[tokio::test]
async fn heads_that_are_no_http() {
    let malformed = |request: &str| row(request, 400, "malformed_head");
    are_refused(vec![
        malformed(&get("X-Folded: one\r\n two\r\n")),
        malformed(&get("X-Folded: one\r\n\ttwo\r\n")),
        malformed(&get(" X-Indented: 1\r\n")),
        malformed(&get("X-Space : 1\r\n")),
        malformed(&get("Transfer-Encoding : chunked\r\n")),
        malformed(&get("X-Bare: one\rtwo\r\n")),
        malformed(&get("X-Null: one\0two\r\n")),
        malformed(&get("X-Bell: one\x07two\r\n")),
        malformed(&get("X-No-Colon\r\n")),
        malformed(&get(": no name\r\n")),
        malformed(&get("X(Comment): 1\r\n")),
        malformed("POST / HTTP/1.1\r\nHost: test.example\r\nX: 1\nContent-Length: 5\r\n\r\nhello"),
        malformed("G@T / HTTP/1.1\r\nHost: test.example\r\n\r\n"),
        malformed(" GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"),
        malformed("GET  / HTTP/1.1\r\nHost: test.example\r\n\r\n"),
        malformed("GET /a b HTTP/1.1\r\nHost: test.example\r\n\r\n"),
        malformed("GET\t/\tHTTP/1.1\r\nHost: test.example\r\n\r\n"),
        malformed("GET / HTTP/1.2\r\nHost: test.example\r\n\r\n"),
        malformed("GET / HTTP/2.0\r\nHost: test.example\r\n\r\n"),
        malformed("GET / http/1.1\r\nHost: test.example\r\n\r\n"),
        malformed("GET / HTTP/1.1x\r\nHost: test.example\r\n\r\n"),
        malformed("GET /\r\n\r\n"),
        malformed("GET / \r\nHost: test.example\r\n\r\n"),
        malformed("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n"),
        malformed("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn targets_that_are_no_path() {
    let path = |at: &str| row(target(at), 400, "bad_path|malformed_head");
    let query = |at: &str| row(target(at), 400, "bad_query|malformed_head");
    are_refused(vec![
        path("/%zz"),
        path("/%4"),
        path("/%"),
        path("/a%00b"),
        path("/a%0d%0aX-Injected:1"),
        path("/a%7Fb"),
        path("/.."),
        path("/../etc/passwd"),
        path("/a/../../b"),
        path("/%2e%2e/b"),
        path("/a/%2E./../../b"),
        path("/a\\b"),
        path("/a\\..\\b"),
        query("/a?x=%zz"),
        query("/a?x=%"),
        query("/a?x=%00"),
        row(target("a"), 400, "bad_target|bad_host|bad_path|malformed_head"),
        row(target("*"), 400, "bad_target"),
        row("CONNECT test.example:443 HTTP/1.1\r\nHost: test.example:443\r\n\r\n", 400, "bad_target"),
        row(target("ftp://test.example/a"), 400, "bad_target|bad_host"),
    ])
    .await;
}

#[tokio::test]
async fn methods_and_expectations_that_are_not_known() {
    let method = |method: &str| format!("{method} / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    let seen = [("TRACE", [405, 501]), ("get", [405, 501]), ("BREW", [405, 501]), ("PURGE", [403, 405])];
    let world = World::with_site(SITE).await;
    for (name, statuses) in seen {
        let seen = world.client().raw(method(name)).await.unwrap();
        assert!(statuses.contains(&seen.status), "{name}: {seen:?}");
    }
    let expecting = world.client().raw(post("Content-Length: 5\r\nExpect: a-miracle\r\n", "hello")).await;
    expecting.unwrap().assert_refused(417, "expectation_failed");
    assert_eq!(world.origin().count(), 0);
}

/// A refusal tells the reason and nothing of the request: no reflection, nothing to cache.
#[tokio::test]
async fn a_refusal_reflects_nothing() {
    let world = World::start().await;
    let seen = world.client().raw(target("/%zz<script>alert(1)</script>")).await.unwrap();
    assert_eq!(seen.status, 400);
    assert!(!seen.text().contains("script"), "{seen:?}");
    let seen = world.client().host("evil-host.example").get("/evil-path").send().await;
    seen.assert_refused(404, "unknown_host");
    assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
}

/// What a client sent wrongly once must not stand between it and the next good request of somebody else.
#[tokio::test]
async fn after_a_malformed_request_the_connection_is_closed() {
    let world = World::start().await;
    world.origin().always("/a", Answer::ok("hello"));
    let mut connection = world.client().connect().await;
    connection.send(get("X-Space : 1\r\n")).await;
    connection.read("GET").await.assert_refused(400, "malformed_head");
    connection.closed().await;
}
