//! A stale object asks the origin whether it still holds (RFC 9111 §4.3).

use crate::world::{Answer, Expect, Gate, World};

fn version(body: &str, etag: &str) -> Answer {
    Answer::fresh(body, 10).header("ETag", etag)
}

#[tokio::test]
async fn a_304_refreshes_the_stored_head_and_keeps_the_body() {
    let world = World::start().await;
    world.origin().then(
        Expect::get("/a").lacks("if-none-match"),
        version("hello", "\"v1\"").header("X-Old", "kept").header("X-Seen", "1"),
    );
    let confirmed = Answer::status(304).header("ETag", "\"v1\"").header("X-Seen", "2");
    world.origin().then(
        Expect::get("/a").has("if-none-match", "\"v1\""),
        confirmed.header("Cache-Control", "max-age=100"),
    );

    world.get("/a").await.assert_stored(200, "hello");
    world.advance(11);
    let revalidated = world.get("/a").await;
    revalidated.assert(200, "hello").assert_header("x-old", "kept").assert_header("x-seen", "2");
    assert_eq!(revalidated.cache_status().fwd(), Some("stale"));

    world.advance(50);
    let hit = world.get("/a").await;
    hit.assert_hit(200, "hello").assert_header("x-seen", "2").assert_header("content-length", "5");
    assert_eq!(hit.age(), 50, "a 304 makes the response young again");
}

#[tokio::test]
async fn a_200_replaces_what_was_stored() {
    let world = World::start().await;
    world.origin().then(Expect::get("/a"), version("first", "\"v1\"").header("X-First", "1"));
    world.origin().then(Expect::get("/a").has("if-none-match", "\"v1\""), version("second", "\"v2\""));

    world.get("/a").await;
    world.advance(11);
    let replaced = world.get("/a").await;
    replaced.assert_stored(200, "second").assert_lacks("x-first");
    world.get("/a").await.assert_hit(200, "second").assert_header("etag", "\"v2\"");
}

#[tokio::test]
async fn without_an_etag_the_last_change_is_asked_for() {
    let world = World::start().await;
    let changed = world.date("{now-500s}");
    world.origin().then(Expect::get("/a"), Answer::fresh("hello", 10).header("Last-Modified", &changed));
    world.origin().then(
        Expect::get("/a").has("if-modified-since", &changed).lacks("if-none-match"),
        Answer::status(304).header("Cache-Control", "max-age=10"),
    );
    world.get("/a").await;
    world.advance(11);
    world.get("/a").await.assert(200, "hello");
    world.get("/a").await.assert_hit(200, "hello");
}

#[tokio::test]
async fn many_clients_of_a_stale_object_make_one_revalidation() {
    let world = World::start().await;
    let answered = Gate::new("the origin may answer");
    world.origin().then(Expect::get("/a"), version("hello", "\"v1\""));
    let confirmed = Answer::status(304).header("ETag", "\"v1\"").header("Cache-Control", "max-age=100");
    world.origin().then(Expect::get("/a").has("if-none-match", "\"v1\""), confirmed.head_after(&answered));
    world.get("/a").await;
    world.advance(11);
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut connection = world.client().connect().await;
        connection.send(world.client().get("/a").bytes()).await;
        waiting.push(connection);
    }
    world.origin().got(2).await;
    answered.open();
    for mut connection in waiting {
        connection.read("GET").await.assert(200, "hello");
    }
    assert_eq!(world.origin().count(), 2);
}

#[tokio::test]
async fn no_cache_is_stored_and_revalidated_every_time() {
    let world = World::start().await;
    world.origin().on("/a", |request| match request.header("if-none-match") {
        Some(_) => Answer::status(304).header("ETag", "\"v1\"").header("Cache-Control", "no-cache"),
        None => Answer::ok("hello").header("ETag", "\"v1\"").header("Cache-Control", "no-cache"),
    });
    for asked in 1..=3 {
        world.get("/a").await.assert(200, "hello");
        assert_eq!(world.origin().count(), asked);
    }
    assert_eq!(world.origin().last().header("if-none-match").as_deref(), Some("\"v1\""));
}

#[tokio::test]
async fn a_stale_object_and_a_matching_condition_give_the_client_a_304() {
    let world = World::start().await;
    world.origin().then(Expect::get("/a"), version("hello", "\"v1\""));
    world.origin().then(
        Expect::get("/a").has("if-none-match", "\"v1\""),
        Answer::status(304).header("ETag", "\"v1\"").header("Cache-Control", "max-age=10"),
    );
    world.get("/a").await;
    world.advance(11);
    world.client().get("/a").header("If-None-Match", "\"v1\"").send().await.assert(304, "");
    world.get("/a").await.assert_hit(200, "hello");
}

#[tokio::test]
async fn a_client_that_must_have_it_fresh_is_heeded_only_if_the_site_says_so() {
    for (site, asks_again) in [("", false), ("[site.cache]\nignore_request_no_cache = false", true)] {
        let world = World::with_site(site).await;
        world.origin().always("/a", Answer::fresh("hello", 60));
        world.get("/a").await;
        let again = world.client().get("/a").header("Cache-Control", "no-cache").send().await;
        assert_eq!(again.is_hit(), !asks_again);
        assert_eq!(world.origin().count(), if asks_again { 2 } else { 1 });
    }
}

#[tokio::test]
async fn only_if_cached_never_goes_to_the_origin() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let ask = world.client().get("/a").header("Cache-Control", "only-if-cached");
    ask.clone().send().await.assert_refused(504, "only_if_cached");
    assert_eq!(world.origin().count(), 0);
    world.get("/a").await;
    ask.send().await.assert_hit(200, "hello");
}
