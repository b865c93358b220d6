//! Pages of other sites (CORS): each gets what names it, whatever the origin's Vary leaves out.

use crate::world::{Answer, Gate, Received, Seen, World};

const A: &str = "https://a.example";
const B: &str = "https://b.example";
const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// As S3 answers: of Origin it says something only to requests that have one.
fn s3(request: &Received) -> Answer {
    let answer = Answer::fresh("hello", 60).header("ETag", "\"v1\"");
    match request.header("origin") {
        Some(origin) => answer.header("Vary", VARY).header("Access-Control-Allow-Origin", origin),
        None => answer,
    }
}

async fn from(world: &World, site: &str) -> Seen {
    world.client().get("/a").header("Origin", site).send().await
}

#[tokio::test]
async fn each_site_gets_its_own_and_requests_without_one_keep_theirs() {
    let world = World::start().await;
    world.origin().on("/a", s3);
    for asked in [true, false, false] {
        let none = world.get("/a").await;
        assert_eq!(none.is_hit(), !asked, "{none:?}");
        none.assert_lacks("access-control-allow-origin");
        for site in [A, B] {
            let seen = from(&world, site).await;
            assert_eq!(seen.is_hit(), !asked, "{seen:?}");
            seen.assert_header("access-control-allow-origin", site);
        }
    }
    assert_eq!(world.origin().count(), 3);
}

#[tokio::test]
async fn a_site_that_comes_first_leaves_room_for_requests_without_one() {
    let world = World::start().await;
    world.origin().on("/a", s3);
    from(&world, A).await.assert_stored(200, "hello");
    world.get("/a").await.assert_stored(200, "hello").assert_lacks("vary");
    from(&world, A).await.assert_hit(200, "hello").assert_header("access-control-allow-origin", A);
    world.get("/a").await.assert_hit(200, "hello").assert_lacks("access-control-allow-origin");
}

#[tokio::test]
async fn a_stale_response_without_a_site_is_not_confirmed_for_one() {
    let world = World::start().await;
    world.origin().on("/a", s3);
    world.get("/a").await.assert_stored(200, "hello");
    world.advance(61);
    from(&world, A).await.assert_stored(200, "hello").assert_header("access-control-allow-origin", A);
    assert_eq!(world.origin().last().header("if-none-match"), None);
}

#[tokio::test]
async fn a_site_does_not_follow_a_fill_without_one() {
    let world = World::start().await;
    let answered = Gate::new("the origin may answer");
    let held = answered.clone();
    world.origin().on("/a", move |request| match request.header("origin") {
        Some(_) => s3(request),
        None => s3(request).head_after(&held),
    });
    let leader = tokio::spawn(world.client().get("/a").send());
    world.origin().got(1).await;
    let follower = tokio::spawn(world.client().get("/a").header("Origin", A).send());
    // Whoever waits is let go only once the leader's head is known.
    answered.open();
    leader.await.unwrap().assert(200, "hello").assert_lacks("access-control-allow-origin");
    follower.await.unwrap().assert(200, "hello").assert_header("access-control-allow-origin", A);
}

#[tokio::test]
async fn an_origin_that_never_says_that_it_varies_is_understood() {
    let world = World::start().await;
    world.origin().on("/a", |request| match request.header("origin") {
        Some(origin) => Answer::fresh("hello", 60).header("Access-Control-Allow-Origin", origin),
        None => Answer::fresh("hello", 60),
    });
    for _ in 0..3 {
        world.get("/a").await.assert_lacks("access-control-allow-origin");
        from(&world, A).await.assert_header("access-control-allow-origin", A);
        from(&world, B).await.assert_header("access-control-allow-origin", B);
    }
    assert_eq!(world.origin().count(), 3);
}

#[tokio::test]
async fn an_origin_that_varies_by_something_else_too_is_understood() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let answer = Answer::fresh("hello", 60);
        match request.header("origin") {
            Some(origin) => {
                answer.header("Vary", "Accept-Encoding, Origin").header("Access-Control-Allow-Origin", origin)
            }
            None => answer.header("Vary", "Accept-Encoding"),
        }
    });
    for _ in 0..3 {
        world.get("/a").await.assert_lacks("access-control-allow-origin");
        from(&world, A).await.assert_header("access-control-allow-origin", A);
    }
    assert_eq!(world.origin().count(), 2);
}

#[tokio::test]
async fn what_all_may_read_is_one_response() {
    for site in ["", "[site.headers]\nresponse = { Access-Control-Allow-Origin = \"*\" }"] {
        let world = World::with_site(site).await;
        let answer = Answer::fresh("hello", 60);
        let answer = if site.is_empty() { answer.header("Access-Control-Allow-Origin", "*") } else { answer };
        world.origin().always("/a", answer);
        world.get("/a").await.assert_stored(200, "hello");
        for site in [A, B] {
            from(&world, site)
                .await
                .assert_hit(200, "hello")
                .assert_header("access-control-allow-origin", "*");
        }
    }
}

#[tokio::test]
async fn a_site_that_hides_origin_from_its_origins_has_one_response() {
    let world = World::with_site("[site.headers]\nrequest = { Origin = \"\" }").await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    from(&world, A).await.assert_stored(200, "hello");
    from(&world, B).await.assert_hit(200, "hello");
    world.get("/a").await.assert_hit(200, "hello");
}
