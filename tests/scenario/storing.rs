//! What is stored, and for how long it is fresh (RFC 9111 §3, §4.2).

use crate::world::{Answer, Expect, Gate, World};

#[tokio::test]
async fn a_miss_is_stored_and_then_hit_with_its_age() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));

    let miss = world.get("/a").await;
    miss.assert_stored(200, "hello");
    assert_eq!(miss.header("cache-status").as_deref(), Some("seawall; fwd=uri-miss; stored"));

    world.advance(10);
    let hit = world.get("/a").await;
    hit.assert_hit(200, "hello");
    assert_eq!(hit.header("cache-status").as_deref(), Some("seawall; hit; ttl=50"));
    assert_eq!(hit.age(), 10);
    assert_eq!(hit.header("date"), miss.header("date"), "Date is the origin's, not the hit's");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn freshness_ends_at_the_second_it_says() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    world.get("/a").await;
    world.advance(59);
    world.get("/a").await.assert_hit(200, "hello");
    world.advance(1);
    assert!(!world.get("/a").await.is_hit(), "a response is stale once its age equals its lifetime");
}

#[tokio::test]
async fn an_age_the_origin_reports_counts() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60).header("Age", "40"));
    world.get("/a").await;
    world.advance(10);
    assert_eq!(world.get("/a").await.assert_hit(200, "hello").age(), 50);
    world.advance(10);
    assert!(!world.get("/a").await.is_hit());
}

#[tokio::test]
async fn a_date_in_the_past_counts_as_age() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60).dated("{now-45s}"));
    world.get("/a").await;
    world.advance(10);
    assert_eq!(world.get("/a").await.assert_hit(200, "hello").age(), 55);
}

/// Asks twice for a response with these fields; neither time may the cache keep it.
async fn is_never_stored(fields: &[(&str, &str)]) {
    let world = World::start().await;
    let answer = fields.iter().fold(Answer::ok("mine"), |answer, (name, value)| answer.header(name, *value));
    world.origin().always("/a", answer);
    world.get("/a").await.assert_not_stored(200, "mine");
    world.get("/a").await.assert_not_stored(200, "mine");
    assert_eq!(world.origin().count(), 2, "{fields:?}");
}

#[tokio::test]
async fn no_store_is_not_stored() {
    is_never_stored(&[("Cache-Control", "no-store")]).await;
    is_never_stored(&[("Cache-Control", "max-age=60, No-Store")]).await;
}

#[tokio::test]
async fn private_is_not_stored() {
    is_never_stored(&[("Cache-Control", "private, max-age=60")]).await;
}

#[tokio::test]
async fn a_response_that_sets_a_cookie_is_not_stored_by_a_rule() {
    let world = World::with_site("[site.cache]\ndefault_ttl = \"1h\"").await;
    world.origin().always("/a", Answer::ok("mine").header("Set-Cookie", "session=1"));
    world.get("/a").await.assert_not_stored(200, "mine");
    world.get("/a").await.assert_not_stored(200, "mine");
}

/// RFC 6265 §3 and RFC 9111 §7.3: a cookie does not forbid storing; an origin that says how long it may be kept
/// means it.
#[tokio::test]
async fn a_response_that_sets_a_cookie_is_stored_when_the_origin_says_for_how_long() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("ours", 60).header("Set-Cookie", "theme=1"));
    world.get("/a").await;
    world.get("/a").await.assert_hit(200, "ours");
}

#[tokio::test]
async fn no_store_wins_over_every_ttl_of_the_site() {
    let ttls = "[site.cache]\ndefault_ttl = \"1h\"\nmin_ttl = \"1h\"\noverride_ttl = \"1h\"";
    for cache_control in ["no-store", "private"] {
        let world = World::with_site(ttls).await;
        world.origin().always("/a", Answer::ok("mine").header("Cache-Control", cache_control));
        world.get("/a").await.assert_not_stored(200, "mine");
        assert!(!world.get("/a").await.is_hit(), "{cache_control}");
    }
}

/// A stored response with these fields is a hit after `fresh_at` seconds and none after `stale_at`.
async fn lives(site: &str, fields: &[(&str, &str)], fresh_at: u64, stale_at: u64) {
    let world = World::with_site(site).await;
    let answer = fields.iter().fold(Answer::ok("hello"), |answer, (name, value)| answer.header(name, *value));
    world.origin().always("/a", answer);
    world.get("/a").await.assert_stored(200, "hello");
    world.advance(fresh_at);
    assert!(world.get("/a").await.is_hit(), "{fields:?} should be fresh after {fresh_at}s");
    world.advance(stale_at - fresh_at);
    assert!(!world.get("/a").await.is_hit(), "{fields:?} should be stale after {stale_at}s");
}

#[tokio::test]
async fn s_maxage_wins_over_max_age() {
    lives("", &[("Cache-Control", "max-age=10, s-maxage=100")], 99, 100).await;
    lives("", &[("Cache-Control", "s-maxage=10, max-age=100")], 9, 10).await;
}

#[tokio::test]
async fn cdn_cache_control_wins_over_cache_control() {
    lives("", &[("CDN-Cache-Control", "max-age=100"), ("Cache-Control", "max-age=10")], 99, 100).await;
    lives("", &[("CDN-Cache-Control", "max-age=100"), ("Cache-Control", "no-store")], 99, 100).await;
}

#[tokio::test]
async fn max_age_wins_over_expires() {
    lives("", &[("Cache-Control", "max-age=10"), ("Expires", "{now+100s}")], 9, 10).await;
}

#[tokio::test]
async fn expires_is_a_lifetime_from_date_on() {
    lives("", &[("Expires", "{now+30s}")], 29, 30).await;
}

#[tokio::test]
async fn the_heuristic_is_a_tenth_of_the_time_since_the_last_change() {
    lives("", &[("Last-Modified", "{now-1000s}")], 99, 101).await;
}

#[tokio::test]
async fn default_ttl_speaks_when_the_origin_does_not() {
    let site = "[site.cache]\ndefault_ttl = \"30s\"";
    lives(site, &[], 29, 30).await;
    lives(site, &[("Cache-Control", "max-age=10")], 9, 10).await;
}

#[tokio::test]
async fn min_ttl_raises_what_the_origin_says() {
    let site = "[site.cache]\nmin_ttl = \"60s\"";
    lives(site, &[("Cache-Control", "max-age=10")], 59, 60).await;
    lives(site, &[("Cache-Control", "max-age=100")], 99, 100).await;
}

#[tokio::test]
async fn max_ttl_lowers_what_the_origin_says() {
    let site = "[site.cache]\nmax_ttl = \"60s\"";
    lives(site, &[("Cache-Control", "max-age=1000")], 59, 60).await;
    lives(site, &[("Cache-Control", "max-age=10")], 9, 10).await;
}

#[tokio::test]
async fn override_ttl_ignores_what_the_origin_says() {
    let site = "[site.cache]\noverride_ttl = \"60s\"";
    lives(site, &[("Cache-Control", "max-age=1")], 59, 60).await;
    lives(site, &[("Cache-Control", "max-age=1000")], 59, 60).await;
}

#[tokio::test]
async fn a_404_without_freshness_is_kept_for_its_status_ttl() {
    let world = World::start().await;
    world.origin().always("/none", Answer::status(404).body("none"));
    world.get("/none").await.assert_stored(404, "none");
    world.advance(9);
    world.get("/none").await.assert_hit(404, "none");
    world.advance(1);
    assert!(!world.get("/none").await.is_hit());
}

#[tokio::test]
async fn an_error_without_freshness_is_not_kept() {
    let world = World::new().pool("[pool.retry]\nattempts = 1").start().await;
    world.origin().then(Expect::get("/a"), Answer::status(500).body("oops"));
    world.origin().then(Expect::get("/a"), Answer::fresh("fine", 60));
    world.get("/a").await.assert_not_stored(500, "oops");
    world.get("/a").await.assert_stored(200, "fine");
}

#[tokio::test]
async fn an_authorized_response_is_stored_only_if_it_says_so() {
    for (cache_control, shared) in [
        ("max-age=60", false),
        ("public, max-age=60", true),
        ("s-maxage=60", true),
        ("must-revalidate, max-age=60", true),
    ] {
        let world = World::start().await;
        world.origin().always("/a", Answer::ok("mine").header("Cache-Control", cache_control));
        let ask = world.client().get("/a").header("Authorization", "Basic dTpw");
        ask.clone().send().await.assert(200, "mine");
        assert_eq!(ask.send().await.is_hit(), shared, "{cache_control}");
        assert_eq!(world.origin().last().header("authorization").as_deref(), Some("Basic dTpw"));
    }
}

#[tokio::test]
async fn a_head_is_answered_from_a_stored_get() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60).header("ETag", "\"v1\""));
    world.get("/a").await;
    let head = world.client().request("HEAD", "/a").send().await;
    head.assert_hit(200, "").assert_header("content-length", "5").assert_header("etag", "\"v1\"");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_head_that_misses_leaves_no_empty_body_behind() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let head = world.client().request("HEAD", "/a").send().await;
    head.assert(200, "").assert_header("content-length", "5");
    world.get("/a").await.assert(200, "hello");
    world.get("/a").await.assert_hit(200, "hello");
}

#[tokio::test]
async fn bodies_of_every_framing_are_stored_whole() {
    let world = World::start().await;
    let fresh = || Answer::status(200).header("Cache-Control", "max-age=60");
    world.origin().always("/length", fresh().body("one").body("two"));
    world.origin().always("/chunks", fresh().chunked().body("one").body("two"));
    world.origin().always("/close", fresh().until_close().body("one").body("two"));
    world.origin().always("/empty", fresh());
    for (target, body) in [("/length", "onetwo"), ("/chunks", "onetwo"), ("/close", "onetwo"), ("/empty", "")]
    {
        world.get(target).await.assert_stored(200, body);
        let length = body.len().to_string();
        world.get(target).await.assert_hit(200, body).assert_header("content-length", &length);
    }
}

/// RFC 9111 §5.2.2.4, §5.2.2.7: the fields may not be served from the cache; the response they came in has them.
#[tokio::test]
async fn a_field_that_is_not_to_be_shared_reaches_only_who_asked() {
    for cache_control in ["max-age=60, no-cache=\"set-cookie\"", "max-age=60, private=\"set-cookie, x-mine\""]
    {
        let (world, gate) = (World::start().await, Gate::new("the body"));
        let answer = Answer::status(200).header("Cache-Control", cache_control).header("Connection", "x-hop");
        let answer = answer.header("Set-Cookie", "a=1").header("Set-Cookie", "b=2").header("X-Ours", "1");
        world.origin().always("/a", answer.body("hel").hold(&gate).body("lo"));
        let leader = world.client().get("/a").begin().await;
        let cookies = |head: &str| head.matches("(\"set-cookie\"").count();
        assert_eq!(cookies(&format!("{:?}", leader.head)), 2, "{cache_control}");
        let follower = world.client().get("/a").begin().await;
        assert_eq!(cookies(&format!("{:?}", follower.head)), 0, "{cache_control}");
        gate.open();
        assert_eq!(leader.rest().await.unwrap(), "hello");
        assert_eq!(follower.rest().await.unwrap(), "hello");
        world
            .get("/a")
            .await
            .assert_hit(200, "hello")
            .assert_lacks("set-cookie")
            .assert_header("x-ours", "1");
        assert_eq!(world.origin().count(), 1);
    }
}

/// W3C Edge Architecture §2: for the cache nearest the origin, and nobody behind it.
#[tokio::test]
async fn surrogate_control_reaches_no_client_and_counts_all_the_same() {
    let world = World::start().await;
    let answer = |status| Answer::status(status).header("ETag", "\"1\"").header("Cache-Control", "no-store");
    let first = answer(200).body("hello").header("Surrogate-Control", "max-age=10");
    world.origin().then(Expect::get("/a").lacks("if-none-match"), first);
    world.origin().then(Expect::get("/a").has("if-none-match", "\"1\""), answer(304));
    world.get("/a").await.assert_stored(200, "hello").assert_lacks("surrogate-control");
    world.get("/a").await.assert_hit(200, "hello").assert_lacks("surrogate-control");
    world.advance(10);
    // The 304 leaves it out, so that it is still what the origin says (RFC 9111 §3.2).
    world.get("/a").await.assert(200, "hello").assert_lacks("surrogate-control");
    world.advance(9);
    world.get("/a").await.assert_hit(200, "hello").assert_header("cache-control", "no-store");
}

#[tokio::test]
async fn surrogate_control_of_what_is_not_stored_reaches_no_client_either() {
    let world = World::start().await;
    world.origin().always("/a", Answer::ok("mine").header("Surrogate-Control", "no-store"));
    world.get("/a").await.assert_not_stored(200, "mine").assert_lacks("surrogate-control");
    world.client().request("HEAD", "/a").send().await.assert(200, "").assert_lacks("surrogate-control");
}

/// RFC 9110 §7.6.1: Connection must not name what is for everybody, and an origin that does loses nothing by it.
#[tokio::test]
async fn a_connection_that_names_the_validator_does_not_take_it_away() {
    let world = World::start().await;
    let answer =
        Answer::fresh("hello", 60).header("ETag", "\"1\"").header("Connection", "ETag, Cache-Control, X-Hop");
    world.origin().always("/a", answer.header("X-Hop", "1"));
    for _ in 0..2 {
        world.get("/a").await.assert(200, "hello").assert_header("etag", "\"1\"").assert_lacks("x-hop");
    }
    assert_eq!(world.origin().count(), 1);
}

/// RFC 9111 §5.2.1.5: nothing of the exchange is kept, and nothing else changes.
#[tokio::test]
async fn a_no_store_request_leaves_the_cache_as_it_was() {
    let site = "[site.cache]\nstale_while_revalidate = \"60s\"\nstale_if_error = \"1h\"";
    let world = World::with_site(site).await;
    let private = || world.client().get("/a").header("Cache-Control", "no-store");
    let mut version = 0;
    world.origin().on("/a", move |_| {
        version += 1;
        Answer::fresh(format!("version {version}"), 10)
    });
    private().send().await.assert_not_stored(200, "version 1");
    world.get("/a").await.assert_stored(200, "version 2");
    private().send().await.assert_hit(200, "version 2");
    world.advance(15);
    private().send().await.assert(200, "version 2");
    assert_eq!(world.origin().count(), 2, "what it may not keep is not fetched behind its back");
    world.advance(60);
    private().send().await.assert_not_stored(200, "version 3");
    world.origin().die().await;
    world.get("/a").await.assert(200, "version 2");
}

#[tokio::test]
async fn what_a_no_store_request_brings_is_waited_for_by_nobody() {
    let world = World::start().await;
    let gate = Gate::new("the private answer");
    let private = Answer::fresh("mine", 60).head_after(&gate);
    world.origin().then(Expect::get("/a").has("cache-control", "no-store"), private);
    world.origin().then(Expect::get("/a").lacks("cache-control"), Answer::fresh("ours", 60));
    let slow = tokio::spawn(world.client().get("/a").header("Cache-Control", "no-store").send());
    world.origin().got(1).await;
    world.get("/a").await.assert_stored(200, "ours");
    gate.open();
    slow.await.unwrap().assert_not_stored(200, "mine");
    world.get("/a").await.assert_hit(200, "ours");
}
