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

/// CGI, WSGI and their like take `_` in a name for `-`: to the application it is the field that was taken away.
#[tokio::test]
async fn a_name_spelled_with_underscores_is_not_another_name_to_the_origin() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let told = ["x_forwarded_host", "x-forwarded_host", "x_original_url", "content_length", "proxy"];
        let told: Vec<String> = told.into_iter().filter_map(|name| request.header(name)).collect();
        Answer::fresh(format!("told {told:?}"), 60)
    });
    let attack =
        world.client().get("/a").header("X_Forwarded_Host", "evil.example").header("Proxy", "evil:80");
    let attack = attack.header("X-Forwarded_Host", "evil.example").header("X_Original_URL", "/evil");
    attack.header("Content_Length", "5").send().await.assert(200, "told []");
    world.get("/a").await.assert_hit(200, "told []");
}

/// Of two cookies of one name an origin may believe either.
#[tokio::test]
async fn a_second_cookie_of_a_name_does_not_choose_what_the_first_ones_owners_get() {
    let world = World::with_site("[site.cache]\ncookies = [\"lang\"]").await;
    world.origin().on("/a", |request| {
        let cookies = request.header("cookie").unwrap_or_default();
        let last = cookies.rsplit("lang=").next().unwrap_or_default();
        Answer::fresh(format!("in {last}"), 60)
    });
    let with = |cookie| world.client().get("/a").header("Cookie", cookie);
    with("lang=en; lang=evil").send().await.assert(200, "in evil");
    with("lang=en").send().await.assert(200, "in en");
    with("x=y; lang=en").send().await.assert_hit(200, "in en");
}

/// RFC 9113 §8.2.3: HTTP/2 clients split Cookie, and an HTTP/1 origin gets one line.
#[tokio::test]
async fn cookies_that_came_in_pieces_reach_the_origin_as_one_line() {
    let world = World::start().await;
    world.origin().on("*", |request| {
        let lines =
            request.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("cookie:")).count();
        Answer::fresh(format!("{lines}: {}", request.header("cookie").unwrap_or_default()), 60)
    });
    let cookies = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")];
    world.h2().await.request("GET", "/h2", &cookies).await.unwrap().assert(200, "1: a=1; b=2; c=3");
    let request = world.client().get("/h1").header("Cookie", "a=1").header("Cookie", "b=2");
    request.send().await.assert(200, "1: a=1; b=2");
}
