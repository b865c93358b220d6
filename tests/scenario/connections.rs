//! Connections of clients: kept, pipelined, multiplexed, drained.

use crate::world::{Answer, Gate, World};

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: test.example\r\n\r\n")
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let world = World::start().await;
    world.origin().on("*", |request| Answer::fresh(format!("this is {}", request.target), 60));
    let mut connection = world.client().connect().await;
    for target in ["/a", "/b", "/a"] {
        connection.send(get(target)).await;
        connection.read("GET").await.assert(200, &format!("this is {target}"));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let world = World::start().await;
    let slow = Gate::new("the slow answer");
    world.origin().always("/slow", Answer::fresh("slow", 60).head_after(&slow));
    world.origin().always("/fast", Answer::fresh("fast", 60));
    let mut connection = world.client().connect().await;
    connection.send(format!("{}{}{}", get("/slow"), get("/fast"), get("/slow"))).await;
    world.origin().got(1).await;
    slow.open();
    for body in ["slow", "fast", "slow"] {
        connection.read("GET").await.assert(200, body);
    }
}

#[tokio::test]
async fn connection_close_closes() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let mut connection = world.client().connect().await;
    connection.send("GET /a HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n").await;
    connection.read("GET").await.assert(200, "hello").assert_header("connection", "close");
    connection.closed().await;
}

#[tokio::test]
async fn connections_to_the_origin_are_kept_too() {
    let world = World::new().threads(1).start().await;
    world.origin().always("*", Answer::fresh("hello", 60));
    for n in 0..10 {
        world.get(&format!("/{n}")).await.assert(200, "hello");
    }
    assert!(
        world.origin().connections() <= 2,
        "{} connections for 10 requests",
        world.origin().connections()
    );
}

#[tokio::test]
async fn h2_misses_hits_and_revalidates_like_http_1() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60).header("ETag", "\"v1\""));
    let h2 = world.h2().await;
    h2.get("/a").await.assert_stored(200, "hello");
    world.advance(5);
    let hit = h2.get("/a").await;
    hit.assert_hit(200, "hello");
    assert_eq!(hit.age(), 5);
    h2.request("GET", "/a", &[("if-none-match", "\"v1\"")]).await.unwrap().assert(304, "");
    h2.request("GET", "/a", &[("range", "bytes=1-2")]).await.unwrap().assert(206, "el");
    h2.request("HEAD", "/a", &[]).await.unwrap().assert(200, "").assert_header("content-length", "5");
    h2.request("DELETE", "/a", &[]).await.unwrap().assert_refused(405, "method_not_allowed");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn streams_of_one_h2_connection_do_not_wait_for_each_other() {
    let world = World::start().await;
    let slow = Gate::new("the slow answer");
    world.origin().always("/slow", Answer::fresh("slow", 60).head_after(&slow));
    world.origin().always("*", Answer::fresh("fast", 60));
    let h2 = world.h2().await;
    let waiting = {
        let h2 = h2.clone();
        tokio::spawn(async move { h2.get("/slow").await })
    };
    world.origin().got(1).await;
    for n in 0..50 {
        h2.get(&format!("/{n}")).await.assert(200, "fast");
    }
    slow.open();
    waiting.await.unwrap().assert(200, "slow");
}

#[tokio::test]
async fn a_response_in_flight_is_finished_before_the_edge_stops() {
    let mut world = World::start().await;
    let rest = Gate::new("the origin may send the rest");
    world.origin().always("/a", Answer::fresh("first", 60).hold(&rest).body("second"));
    let client = world.client();
    let mut idle = client.connect().await;
    world.origin().always("/b", Answer::fresh("b", 60));
    idle.send(get("/b")).await;
    idle.read("GET").await.assert(200, "b");
    let mut streaming = client.get("/a").begin().await;
    assert_eq!(streaming.read(5).await, "first");

    let stopping = world.stop();
    idle.closed().await; // The drain has begun: a connection with nothing in flight is let go.
    assert!(!stopping.is_finished(), "a request is still in flight");
    rest.open();
    assert_eq!(streaming.rest().await.unwrap(), "second");
    crate::world::within("the edge to stop", stopping).await.unwrap();
    client.refused().await;
}
