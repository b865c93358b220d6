//! Methods other than GET and HEAD.

use crate::world::{Answer, World};

const WITH_POST: &str = "methods = [\"GET\", \"HEAD\", \"POST\", \"PUT\"]";

#[tokio::test]
async fn a_post_passes_with_its_body() {
    let world = World::with_site(WITH_POST).await;
    world.origin().on("/form", |request| Answer::fresh(format!("got {}", request.body.len()), 60));
    let body = "x".repeat(100_000);
    let post = world.client().request("POST", "/form").header("Content-Type", "text/plain").body(&body);
    post.clone().send().await.assert_not_stored(200, "got 100000");
    assert_eq!(world.origin().last().body, body.as_bytes());
    assert_eq!(world.origin().last().header("content-type").as_deref(), Some("text/plain"));
    post.send().await.assert_not_stored(200, "got 100000");
}

#[tokio::test]
async fn a_chunked_request_body_passes() {
    let world = World::with_site(WITH_POST).await;
    world.origin().on("/form", |request| Answer::ok(request.body.clone()));
    let mut connection = world.client().connect().await;
    let head = "POST /form HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.send(format!("{head}3\r\none\r\n3;x=y\r\ntwo\r\n0\r\n\r\n")).await;
    connection.read("POST").await.assert(200, "onetwo");
}

#[tokio::test]
async fn a_method_the_site_does_not_allow_is_405_with_those_it_does() {
    let world = World::start().await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let seen = world.client().request(method, "/a").send().await;
        seen.assert_refused(405, "method_not_allowed");
        let allow = seen.header("allow").expect("a 405 has Allow");
        let mut allow: Vec<&str> = allow.split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow, ["GET", "HEAD", "OPTIONS"]);
    }
    assert_eq!(world.origin().count(), 0);
}

/// RFC 9111 §4.4
#[tokio::test]
async fn a_post_that_succeeds_drops_what_was_stored() {
    let world = World::with_site(WITH_POST).await;
    let mut version = 0;
    world.origin().on("/a", move |request| match request.method.as_str() {
        "POST" => Answer::status(204),
        _ => {
            version += 1;
            Answer::fresh(format!("version {version}"), 60)
        }
    });
    world.get("/a").await.assert_stored(200, "version 1");
    world.client().request("POST", "/a").body("change").send().await.assert(204, "");
    world.get("/a").await.assert_stored(200, "version 2");
}

#[tokio::test]
async fn a_post_that_fails_drops_nothing() {
    let world = World::with_site(WITH_POST).await;
    world.origin().on("/a", |request| match request.method.as_str() {
        "POST" => Answer::status(403).body("no"),
        _ => Answer::fresh("hello", 60),
    });
    world.get("/a").await;
    world.client().request("POST", "/a").body("change").send().await.assert(403, "no");
    world.get("/a").await.assert_hit(200, "hello");
}

#[tokio::test]
async fn a_client_is_told_to_continue_before_it_sends_its_body() {
    let world = World::with_site(WITH_POST).await;
    world.origin().on("/form", |request| Answer::ok(request.body.clone()));
    let mut connection = world.client().connect().await;
    let head =
        "POST /form HTTP/1.1\r\nHost: test.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    connection.send(head).await;
    connection.interim(100).await;
    connection.send("hello").await;
    connection.read("POST").await.assert(200, "hello");
}
