//! Preconditions of clients, answered from the cache (RFC 9110 §13).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::world::{Answer, World};

const CHANGED: &str = "Wed, 31 Dec 2025 12:00:00 GMT";
const BEFORE: &str = "Wed, 31 Dec 2025 11:59:59 GMT";
const AFTER: &str = "Wed, 31 Dec 2025 12:00:01 GMT";

/// A world whose `/a` is in the cache.
async fn with_a_stored() -> World {
    let world = World::start().await;
    let answer = Answer::fresh("hello", 600).header("ETag", "\"v1\"").header("Last-Modified", CHANGED);
    world.origin().always("/a", answer.header("X-Big", "not for a 304"));
    world.get("/a").await.assert_stored(200, "hello");
    world
}

/// What each condition gives on a hit; the origin is not asked.
async fn answers(conditions: &[(&[(&str, &str)], u16)]) {
    let world = with_a_stored().await;
    for (fields, status) in conditions {
        let ask = fields.iter().fold(world.client().get("/a"), |ask, (name, value)| ask.header(name, value));
        let seen = ask.send().await;
        assert_eq!(seen.status, *status, "{fields:?}: {seen:?}");
        assert_eq!(seen.text() == "hello", *status == 200, "{fields:?}: {seen:?}");
    }
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn if_none_match_is_compared_weakly_against_a_list() {
    answers(&[
        (&[("If-None-Match", "\"v1\"")], 304),
        (&[("If-None-Match", "W/\"v1\"")], 304),
        (&[("If-None-Match", "\"x\", \"v1\"")], 304),
        (&[("If-None-Match", "\"x\""), ("If-None-Match", "\"v1\"")], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"v2\"")], 200),
        (&[("If-None-Match", "\"x, v1\"")], 200),
    ])
    .await;
}

#[tokio::test]
async fn a_304_has_the_fields_that_matter_and_no_body() {
    let world = with_a_stored().await;
    world.advance(5);
    let seen = world.client().get("/a").header("If-None-Match", "\"v1\"").send().await;
    seen.assert(304, "").assert_header("etag", "\"v1\"").assert_header("cache-control", "max-age=600");
    assert_eq!(seen.age(), 5);
    assert!(seen.is_hit());
    assert!(seen.header("date").is_some());
}

#[tokio::test]
async fn if_modified_since_is_compared_with_the_last_change() {
    answers(&[
        (&[("If-Modified-Since", CHANGED)], 304),
        (&[("If-Modified-Since", AFTER)], 304),
        (&[("If-Modified-Since", BEFORE)], 200),
        (&[("If-Modified-Since", "yesterday")], 200),
    ])
    .await;
}

#[tokio::test]
async fn if_none_match_wins_over_if_modified_since() {
    answers(&[
        (&[("If-None-Match", "\"v2\""), ("If-Modified-Since", AFTER)], 200),
        (&[("If-None-Match", "\"v1\""), ("If-Modified-Since", BEFORE)], 304),
    ])
    .await;
}

#[tokio::test]
async fn if_match_that_does_not_hold_is_412() {
    answers(&[
        (&[("If-Match", "\"v1\"")], 200),
        (&[("If-Match", "\"x\", \"v1\"")], 200),
        (&[("If-Match", "*")], 200),
        (&[("If-Match", "\"v2\"")], 412),
        (&[("If-Match", "W/\"v1\"")], 412),
        (&[("If-Unmodified-Since", CHANGED)], 200),
        (&[("If-Unmodified-Since", BEFORE)], 412),
    ])
    .await;
}

#[tokio::test]
async fn a_condition_on_a_cold_key_still_fills_the_cache() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let matches = request.header("if-none-match").as_deref() == Some("\"v1\"");
        let answer = if matches { Answer::status(304) } else { Answer::ok("hello") };
        answer.header("ETag", "\"v1\"").header("Cache-Control", "max-age=60")
    });
    world.client().get("/a").header("If-None-Match", "\"v1\"").send().await.assert(304, "");
    world.get("/a").await.assert(200, "hello");
    world.get("/a").await.assert_hit(200, "hello");
}

#[tokio::test]
async fn what_is_not_kept_is_confirmed_by_its_origin_and_kept_once_it_may_be() {
    let world = World::start().await;
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    world.origin().on("/a", move |request| {
        let matches = request.header("if-none-match").as_deref() == Some("\"v1\"");
        let answer = if matches { Answer::status(304) } else { Answer::ok("hello") };
        let cache_control = if is_open.load(Ordering::SeqCst) { "max-age=60" } else { "private" };
        answer.header("ETag", "\"v1\"").header("Cache-Control", cache_control)
    });
    let known = || world.client().get("/a").header("If-None-Match", "\"v1\"");
    world.get("/a").await.assert_not_stored(200, "hello");
    known().send().await.assert(304, "").assert_header("etag", "\"v1\"");
    assert_eq!(
        world.origin().last().header("if-none-match").as_deref(),
        Some("\"v1\""),
        "as the client asked"
    );
    known().header("If-Match", "\"v2\"").send().await;
    assert_eq!(world.origin().last().header("if-match").as_deref(), Some("\"v2\""));

    open.store(true, Ordering::SeqCst);
    let other = world.client().get("/a").header("If-None-Match", "\"v0\"").send().await;
    other.assert_stored(200, "hello");
    known().send().await.assert(304, "");
    let asked = world.origin().count();
    world.get("/a").await.assert_hit(200, "hello");
    assert_eq!(world.origin().count(), asked);
}

#[tokio::test]
async fn a_condition_counts_for_every_success_and_for_nothing_else() {
    for (status, answer) in [(203, 304), (404, 404)] {
        let world = World::start().await;
        let origin = Answer::status(status).body("hello").header("Cache-Control", "max-age=60");
        world.origin().always("/a", origin.header("ETag", "\"v1\""));
        world.get("/a").await.assert_stored(status, "hello");
        let seen = world.client().get("/a").header("If-None-Match", "\"v1\"").send().await;
        assert!(seen.is_hit());
        assert_eq!(seen.status, answer);
    }
}
