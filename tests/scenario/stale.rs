//! Stale answers, where they are better than none (RFC 5861, RFC 9111 §4.2.4).

use crate::world::{Answer, Expect, Gate, World};

const NO_RETRY: &str = "[pool.retry]\nattempts = 1";

fn lasting(body: &str, more: &str) -> Answer {
    Answer::ok(body).header("Cache-Control", format!("max-age=10, {more}"))
}

#[tokio::test]
async fn while_it_is_revalidated_the_stale_object_is_served_at_once() {
    let world = World::start().await;
    let refresh = Gate::new("the refresh may end");
    world.origin().then(Expect::get("/a"), lasting("old", "stale-while-revalidate=60"));
    world.origin().then(Expect::get("/a"), Answer::fresh("new", 60).head_after(&refresh));

    world.get("/a").await.assert_stored(200, "old");
    world.advance(15);
    for _ in 0..5 {
        let stale = world.get("/a").await;
        stale.assert_hit(200, "old");
        assert_eq!(stale.cache_status().get("ttl"), Some("-5"), "RFC 9211: a negative ttl is stale");
        assert_eq!(stale.age(), 15);
    }
    world.origin().got(2).await;
    refresh.open();
    world.eventually("/a", "new").await.assert_hit(200, "new");
    assert_eq!(world.origin().count(), 2, "five stale answers, one fetch");
}

#[tokio::test]
async fn after_its_window_a_stale_object_is_fetched_first() {
    let world = World::start().await;
    world.origin().then(Expect::get("/a"), lasting("old", "stale-while-revalidate=60"));
    world.origin().then(Expect::get("/a"), Answer::fresh("new", 60));
    world.get("/a").await;
    world.advance(71);
    world.get("/a").await.assert_stored(200, "new");
}

#[tokio::test]
async fn the_site_can_give_a_window_where_the_origin_does_not() {
    let world = World::with_site("[site.cache]\nstale_while_revalidate = \"60s\"").await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 10));
    world.origin().then(Expect::get("/a"), Answer::fresh("new", 60));
    world.get("/a").await;
    world.advance(15);
    world.get("/a").await.assert_hit(200, "old");
    world.eventually("/a", "new").await;
}

#[tokio::test]
async fn a_failed_background_refresh_is_tried_again() {
    let world = World::new().pool(NO_RETRY).start().await;
    world.origin().then(Expect::get("/a"), lasting("old", "stale-while-revalidate=600"));
    world.origin().then(Expect::get("/a"), Answer::hang_up());
    world.origin().on("/a", |_| Answer::fresh("new", 60));
    world.get("/a").await;
    world.advance(15);
    world.get("/a").await.assert_hit(200, "old");
    world.origin().got(2).await;
    world.advance(60);
    world.eventually("/a", "new").await;
}

#[tokio::test]
async fn when_the_origin_fails_with_500_the_stale_object_is_served() {
    let world = World::new().pool(NO_RETRY).start().await;
    world.origin().then(Expect::get("/a"), lasting("old", "stale-if-error=60"));
    world.origin().on("/a", |_| Answer::status(500).body("oops"));
    world.get("/a").await;
    world.advance(15);
    world.get("/a").await.assert(200, "old");
    assert_eq!(world.origin().count(), 2, "it was asked first");
    world.advance(100);
    world.get("/a").await.assert(500, "oops");
}

#[tokio::test]
async fn when_the_origin_is_gone_the_stale_object_is_served() {
    let world = World::with_site("[site.cache]\nstale_if_error = \"60s\"").await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 10));
    world.get("/a").await;
    world.origin().die().await;
    world.advance(15);
    world.get("/a").await.assert(200, "old");
    world.advance(100);
    assert_eq!(world.get("/a").await.status, 502);
}

#[tokio::test]
async fn when_the_origin_is_silent_the_stale_object_is_served() {
    let pool = format!("[pool.timeouts]\nfirst_byte = \"200ms\"\n{NO_RETRY}");
    let world = World::new().pool(&pool).start().await;
    world.origin().then(Expect::get("/a"), lasting("old", "stale-if-error=60"));
    world.origin().on("/a", |_| Answer::silence());
    world.get("/a").await;
    world.advance(15);
    world.get("/a").await.assert(200, "old");
}

#[tokio::test]
async fn without_leave_an_error_is_told_as_it_is() {
    let world = World::new().pool(NO_RETRY).start().await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 10));
    world.origin().then(Expect::get("/a"), Answer::status(500).body("oops"));
    world.get("/a").await;
    world.advance(15);
    world.get("/a").await.assert(500, "oops");
}

#[tokio::test]
async fn must_revalidate_forbids_every_stale_answer() {
    let site = "[site.cache]\nstale_if_error = \"60s\"\nstale_while_revalidate = \"60s\"";
    let world = World::with_site(site).await;
    world.origin().then(Expect::get("/a"), lasting("old", "must-revalidate"));
    world.get("/a").await;
    world.origin().die().await;
    world.advance(15);
    world.get("/a").await.assert_refused(504, "must_revalidate");
    world.client().request("HEAD", "/a").send().await.assert(504, "");
}

#[tokio::test]
async fn an_origin_nobody_can_reach_is_stood_in_for_without_a_window() {
    let world = World::new().pool(NO_RETRY).start().await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 10));
    world.origin().then(Expect::get("/a"), Answer::raw("220 mail.example ESMTP\r\n"));
    world.get("/a").await;
    world.advance(15);
    world.get("/a").await.assert(200, "old");
    world.origin().die().await;
    let stale = world.get("/a").await;
    stale.assert(200, "old");
    assert_eq!(stale.cache_status().get("detail"), Some("stale-if-error"));
    world.advance(86_400);
    world.get("/a").await.assert_refused(502, "origin_unreachable");
}

#[tokio::test]
async fn a_window_of_zero_forbids_that_too() {
    let world = World::with_site("[site.cache]\nstale_if_error = \"0s\"").await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 10));
    world.get("/a").await;
    world.origin().die().await;
    world.advance(15);
    world.get("/a").await.assert_refused(502, "origin_unreachable");
}

#[tokio::test]
async fn a_head_is_stood_in_for_as_a_get_is() {
    let world = World::new().pool(NO_RETRY).start().await;
    world.origin().then(Expect::get("/a"), lasting("old", "stale-if-error=60"));
    world.origin().then(Expect::method("HEAD", "/a"), Answer::status(503));
    world.get("/a").await;
    world.advance(15);
    for _ in 0..2 {
        let seen = world.client().request("HEAD", "/a").send().await;
        assert_eq!((seen.status, seen.header("content-length").as_deref()), (200, Some("3")));
        world.origin().die().await;
    }
}

#[tokio::test]
async fn a_pool_at_its_limit_says_so_and_serves_what_it_has() {
    let pool = format!("max_requests = 1\nqueue = 0\n{NO_RETRY}");
    let world = World::new().pool(&pool).start().await;
    let slow = Gate::new("the slow answer may come");
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 10));
    world.get("/a").await;
    world.advance(15);
    world.origin().then(Expect::get("/slow"), Answer::fresh("slow", 10).head_after(&slow));
    world.origin().then(Expect::get("/b"), Answer::fresh("b", 10));
    let client = world.client();
    let waiting = tokio::spawn(async move { client.get("/slow").send().await });
    world.origin().got(2).await;
    world.get("/b").await.assert_refused(503, "overloaded");
    world.get("/a").await.assert(200, "old");
    slow.open();
    waiting.await.unwrap().assert(200, "slow");
    world.get("/b").await.assert(200, "b");
    let metrics = world.metrics().await;
    assert_eq!(metrics.sum("seawall_origin_overloaded_total", &[("reason", "queue_full")]), 2.0);
}
