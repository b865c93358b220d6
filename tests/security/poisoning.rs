//! Cache poisoning and deception: one client must not decide what another one gets.

use crate::world::{Answer, World};

/// An origin that puts what it is told into its answer, as frameworks do for absolute links.
#[tokio::test]
async fn a_strangers_forwarding_fields_are_not_in_what_others_get() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let host = request.header("x-forwarded-host").unwrap_or_default();
        let scheme = request.header("x-forwarded-scheme").unwrap_or_default();
        Answer::fresh(format!("link to {host} {scheme}"), 60)
    });
    let attack = world.client().get("/a").header("X-Forwarded-Host", "evil.example");
    attack.header("X-Forwarded-Scheme", "nothttps").send().await;
    let victim = world.get("/a").await;
    assert!(victim.is_hit(), "the attacker's answer is the one that is shared: {victim:?}");
    assert!(!victim.text().contains("evil") && !victim.text().contains("nothttps"), "{victim:?}");
}

#[tokio::test]
async fn an_error_provoked_by_a_field_is_not_kept_for_others() {
    let world = World::new().pool("[pool.retry]\nattempts = 1").start().await;
    world.origin().on("/a", |request| match request.header("x-oversized") {
        Some(_) => Answer::status(400).body("too much for me"),
        None => Answer::fresh("fine", 60),
    });
    world.client().get("/a").header("X-Oversized", "x").send().await.assert(400, "too much for me");
    world.get("/a").await.assert(200, "fine");
}

#[tokio::test]
async fn a_conditional_or_partial_answer_is_not_kept_as_the_whole() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let answer = match (request.header("range"), request.header("if-none-match")) {
            (_, Some(_)) => Answer::status(304),
            (Some(_), _) => Answer::status(206).header("Content-Range", "bytes 0-1/5").body("he"),
            _ => Answer::ok("hello"),
        };
        answer.header("ETag", "\"v1\"").header("Cache-Control", "max-age=60")
    });
    world.client().get("/a").header("If-None-Match", "\"v1\"").header("Range", "bytes=0-1").send().await;
    world.client().get("/a").header("Range", "bytes=0-1").send().await.assert(206, "he");
    world.get("/a").await.assert(200, "hello");
    world.get("/a").await.assert_hit(200, "hello");
}

#[tokio::test]
async fn a_head_with_a_method_override_does_not_empty_the_object() {
    let world = World::start().await;
    world.origin().on("/a", |request| match request.header("x-http-method-override") {
        Some(_) => Answer::fresh("", 60),
        None => Answer::fresh("hello", 60),
    });
    world.client().get("/a").header("X-HTTP-Method-Override", "HEAD").send().await;
    world.get("/a").await.assert_hit(200, "hello");
}
