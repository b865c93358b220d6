//! Interim responses (RFC 9110 §15.2): passed on to who asked, never stored.

use crate::world::{Answer, Gate, World};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
const HELLO: &str = "Cache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello";

fn hinted() -> Answer {
    Answer::raw(format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}HTTP/1.1 200 OK\r\n{HELLO}"))
}

#[tokio::test]
async fn whoever_asks_the_origin_gets_them_and_a_hit_does_not() {
    let (world, gate) = (World::start().await, Gate::new("the final response"));
    let answer = Answer::raw(format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}")).hold(&gate);
    world.origin().always("/a", answer.body(format!("HTTP/1.1 200 OK\r\n{HELLO}")));
    let mut connection = world.client().connect().await;
    connection.send(world.client().get("/a").bytes()).await;
    connection.interim(102).await;
    connection.interim(103).await;
    gate.open();
    let miss = connection.read("GET").await;
    miss.assert_stored(200, "hello");
    assert_eq!(miss.header("link"), None);
    connection.send(world.client().get("/a").bytes()).await;
    let hit = connection.read("GET").await;
    hit.assert_hit(200, "hello");
    assert_eq!(hit.header("link"), None);
}

#[tokio::test]
async fn they_come_between_the_responses_of_a_pipeline() {
    let world = World::start().await;
    for target in ["/a", "/b", "/c"] {
        world.origin().always(target, hinted());
    }
    let mut connection = world.client().connect().await;
    let requests: Vec<u8> =
        ["/a", "/b", "/a", "/c"].iter().flat_map(|t| world.client().get(t).bytes().to_vec()).collect();
    connection.send(requests).await;
    for target in ["/a", "/b", "hit", "/c"] {
        if target != "hit" {
            connection.interim(102).await;
            connection.interim(103).await;
        }
        assert_eq!(connection.read("GET").await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_none() {
    let world = World::start().await;
    world.origin().always("/a", hinted());
    let request = String::from_utf8(world.client().get("/a").bytes().to_vec()).unwrap();
    let old = world.client().raw(request.replace("HTTP/1.1", "HTTP/1.0")).await;
    // The harness reads no HTTP/1.0, and says what it could not read.
    let first = format!("{old:?}");
    assert!(first.contains("HTTP/1.0 200 OK"), "{first}");
}
