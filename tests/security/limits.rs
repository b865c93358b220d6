//! Clients that send too much, too slowly, or do not read.

use std::time::Duration;

use crate::world::{Answer, Broken, World};

const SIZES: &str =
    "[server.limits]\nheader_bytes = \"8KiB\"\nheaders = 20\nuri_bytes = \"1KiB\"\nrequest_body = \"1KiB\"";
const WITH_POST: &str = "methods = [\"GET\", \"POST\"]";

async fn with_sizes() -> World {
    let world = World::new().server(SIZES).site(WITH_POST).start().await;
    world.origin().on("*", |request| Answer::ok(request.body.clone()).header("Cache-Control", "no-store"));
    world
}

/// This much is refused; a little less is not.
async fn ends_at(status: u16, reason: &str, fits: String, too_much: String) {
    let world = with_sizes().await;
    let seen = world.client().raw(fits).await.unwrap();
    assert_eq!(seen.status, 200, "{seen:?}");
    world.client().raw(too_much).await.unwrap().assert_refused(status, reason);
    assert_eq!(world.origin().count(), 1, "what is too much does not reach the origin");
    assert_eq!(world.get("/good").await.status, 200);
}

#[tokio::test]
async fn a_target_that_is_too_long_is_414() {
    let of = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: test.example\r\n\r\n", "a".repeat(n - 1));
    ends_at(414, "uri_too_long", of(1024), of(1025)).await;
}

#[tokio::test]
async fn a_target_without_end_is_414_before_it_ends() {
    let world = with_sizes().await;
    let endless = format!("GET /{}", "a".repeat(4000));
    world.client().raw(endless).await.unwrap().assert_refused(414, "uri_too_long");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let of = |n: usize| format!("GET /a HTTP/1.1\r\nHost: test.example\r\nX: {}\r\n\r\n", "a".repeat(n));
    ends_at(431, "head_too_large", of(7 * 1024), of(9 * 1024)).await;
}

#[tokio::test]
async fn a_head_without_end_is_431_before_it_ends() {
    let world = with_sizes().await;
    let endless = format!("GET /a HTTP/1.1\r\nHost: test.example\r\nX: {}", "a".repeat(20_000));
    world.client().raw(endless).await.unwrap().assert_refused(431, "head_too_large");
}

#[tokio::test]
async fn too_many_fields_are_431() {
    let of = |n: usize| format!("GET /a HTTP/1.1\r\nHost: test.example\r\n{}\r\n", "X: 1\r\n".repeat(n - 1));
    ends_at(431, "head_too_large", of(20), of(21)).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413() {
    let head = "POST /a HTTP/1.1\r\nHost: test.example\r\n";
    let of = |n: usize| format!("{head}Content-Length: {n}\r\n\r\n{}", "x".repeat(n));
    ends_at(413, "body_too_large", of(1024), of(1025)).await;
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_413_or_broken_off() {
    let world = with_sizes().await;
    let head = "POST /a HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let request = format!("{head}{}0\r\n\r\n", chunk.repeat(3));
    match world.client().raw(request).await {
        Ok(seen) => {
            seen.assert_refused(413, "body_too_large");
        }
        Err(broken) => assert!(matches!(broken, Broken::NoResponse), "{broken}"),
    }
    assert!(world.origin().received().is_empty(), "the origin never gets the whole of it");
}

#[tokio::test]
async fn an_h2_head_that_is_too_large_is_431_or_a_reset() {
    let world = with_sizes().await;
    let h2 = world.h2().await;
    let value = "a".repeat(20_000);
    if let Ok(seen) = h2.request("GET", "/a", &[("x", &value)]).await {
        assert_eq!(seen.status, 431, "{seen:?}");
    }
    assert_eq!(world.origin().count(), 0);
    world.h2().await.get("/a").await.assert(200, "");
}

async fn with_timeout(name: &str) -> World {
    let limits = format!("[server.limits]\n{name} = \"300ms\"");
    let world = World::new().server(&limits).site(WITH_POST).start().await;
    world.origin().always("*", Answer::ok("hello").header("Cache-Control", "no-store"));
    world
}

#[tokio::test]
async fn a_head_that_does_not_end_in_time_is_408() {
    let world = with_timeout("header_timeout").await;
    for start in ["G", "GET /a HTTP/1.1\r\n", "GET /a HTTP/1.1\r\nHost: test.example\r\nX-Slow: 1\r\n"] {
        let mut connection = world.client().connect().await;
        connection.send(start).await;
        connection.read("GET").await.assert_refused(408, "request_timeout");
        connection.closed().await;
    }
    assert_eq!(world.origin().count(), 0);
}

#[tokio::test]
async fn a_head_that_trickles_in_is_408_all_the_same() {
    let world = with_timeout("header_timeout").await;
    let mut connection = world.client().connect().await;
    connection.send("GET /a HTTP/1.1\r\n").await;
    // Each byte in time, the whole never: the limit is on the head, not on the pause.
    let answer = connection.trickle(b'X', Duration::from_millis(50)).await;
    answer.assert_refused(408, "request_timeout");
}

#[tokio::test]
async fn a_body_that_pauses_is_408() {
    let world = with_timeout("body_timeout").await;
    let mut connection = world.client().connect().await;
    connection.send("POST /a HTTP/1.1\r\nHost: test.example\r\nContent-Length: 10\r\n\r\nhello").await;
    connection.read("POST").await.assert_refused(408, "request_timeout");
    connection.closed().await;
    assert!(world.origin().received().is_empty(), "the origin never gets the whole of it");
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let world = with_timeout("idle_timeout").await;
    let mut connection = world.client().connect().await;
    connection.send("GET /a HTTP/1.1\r\nHost: test.example\r\n\r\n").await;
    connection.read("GET").await.assert(200, "hello");
    connection.closed().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let world = with_timeout("write_timeout").await;
    let body = "0123456789abcdef".repeat(15 * 65_536);
    world.origin().always("/big", Answer::fresh(&body, 60));
    let not_reading = world.client().get("/big").begin().await;
    // What is in flight falls to nothing although the client has not gone: the edge has let it go.
    let what = "nothing is in flight";
    world
        .metrics_when(what, |metrics| {
            metrics.has("seawall_requests_in_flight")
                && metrics.sum("seawall_requests_in_flight", &[]) == 0.0
                && metrics.sum("seawall_requests_incomplete_total", &[]) == 1.0
        })
        .await;
    assert!(not_reading.rest().await.is_err(), "it was cut off");
    assert!(world.get("/big").await.text() == body, "and the object is whole");
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let world = World::new().server("[server.limits]\nconnections_per_ip = 3").start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let get = "GET /a HTTP/1.1\r\nHost: test.example\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = world.client().connect().await;
        connection.send(get).await;
        connection.read("GET").await.assert(200, "hello");
        held.push(connection);
    }
    let mut fourth = world.client().connect().await;
    fourth.send(get).await;
    match fourth.try_read("GET").await {
        Ok(seen) => {
            seen.assert_refused(503, "overloaded");
        }
        Err(broken) => assert!(matches!(broken, Broken::NoResponse), "{broken}"),
    }
    drop(held);
    let again = async {
        loop {
            if matches!(world.client().get("/a").try_send().await, Ok(seen) if seen.status == 200) {
                return;
            }
        }
    };
    crate::world::within("a place to become free", again).await;
}
