//! Parts that cannot be kept in slices: each answers what it contains, or is its client's alone.

use crate::large::{SLICE, asked, is_part, range, with};
use crate::world::{Answer, Expect, World};

#[tokio::test]
async fn a_part_that_nothing_ties_to_others_answers_what_it_contains() {
    let len = 6 * SLICE;
    let (world, large) = with(len).await;
    let origin = large.clone();
    world
        .origin()
        .on("/a", move |request| origin.serve(request).without("ETag").header("ETag", "W/\"weak\""));
    let seen = range(&world, "bytes=70000-70009").await;
    is_part(&seen, &large, 70_000, 70_010);
    assert!(seen.cache_status().has("stored"), "{:?}", seen.fields);
    let seen = range(&world, "bytes=70005-131071").await;
    assert!(seen.is_hit(), "{:?}", seen.fields);
    is_part(&seen, &large, 70_005, 131_072);
    is_part(&range(&world, "bytes=131071-131072").await, &large, 131_071, 131_073);
    // Too wide to be kept as it is, but wide enough for the client.
    assert_eq!(asked(&world), ["bytes=65536-131071", "bytes=65536-196607"]);
    assert!(range(&world, "bytes=70000-70009").await.is_hit(), "the part is still good");
}

#[tokio::test]
async fn a_range_that_cannot_be_kept_is_cut_and_the_key_known_for_it() {
    let (world, large) = with(6 * SLICE).await;
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request).without("ETag"));
    for _ in 0..2 {
        let seen = range(&world, "bytes=60000-70000").await;
        is_part(&seen, &large, 60_000, 70_001);
        assert!(!seen.cache_status().has("stored"), "{:?}", seen.fields);
    }
    assert_eq!(asked(&world), ["bytes=0-131071", "bytes=60000-70000"]);
}

#[tokio::test]
async fn a_part_of_the_origins_own_choice_is_stored_and_used_again() {
    for (says, body, first) in [
        ("bytes 4-8/10", "45678", "67"),
        ("bytes 5-9/10", "56789", "67"),
        // It counts one too many: who asks sees that, who asks after that is served.
        ("bytes 4-9/10", "45678", "45678"),
    ] {
        let world = World::start().await;
        let part = Answer::status(206).header("Content-Range", says).header("Cache-Control", "max-age=60");
        world.origin().always("/a", part.body(body));
        let seen = range(&world, "bytes=6-7").await;
        seen.assert_stored(206, first);
        if first == body {
            seen.assert_header("content-range", says).assert_header("content-length", "5");
        }
        range(&world, "bytes=6-8").await.assert_hit(206, "678");
        world.origin().always("/a", Answer::fresh("0123456789", 60));
        range(&world, "bytes=2-6").await.assert(206, "23456");
        world.get("/a").await.assert_hit(200, "0123456789");
    }
}

#[tokio::test]
async fn a_part_is_not_the_whole() {
    let world = World::start().await;
    let part = Answer::status(206).header("Content-Range", "bytes 0-4/10").header("ETag", "\"a\"");
    let part = part.header("Cache-Control", "max-age=60").body("01234");
    world.origin().then(Expect::get("/a"), part);
    range(&world, "bytes=0-3").await.assert(206, "0123");
    world.origin().always("/a", Answer::fresh("0123456789", 60).header("ETag", "\"a\""));
    world.get("/a").await.assert_stored(200, "0123456789");
}

#[tokio::test]
async fn a_part_with_fewer_bytes_than_it_says_is_never_stored() {
    let world = World::start().await;
    let part = |body: &str| {
        let part = Answer::status(206).header("Content-Range", "bytes 0-7/10");
        part.header("Cache-Control", "max-age=60").body(body)
    };
    world.origin().then(Expect::get("/a"), part("01234"));
    world.origin().then(Expect::get("/a").has("range", "bytes=0-3"), part("01234567"));
    assert_eq!(range(&world, "bytes=0-3").await.status, 206);
    world.origin().always("/a", Answer::fresh("0123456789", 60));
    assert!(!range(&world, "bytes=0-3").await.is_hit());
}

#[tokio::test]
async fn an_odd_part_is_asked_for_again_as_the_client_did() {
    let (world, large) = with(10 * SLICE).await;
    let odd = large.answer(206, 0, 100).header("Content-Range", "bytes 0-99/655360");
    world.origin().then(Expect::get("/a").has("range", "bytes=65536-131071"), odd);
    is_part(&range(&world, "bytes=70000-70009").await, &large, 70_000, 70_010);
    assert_eq!(asked(&world)[1], "bytes=70000-70009");
}

#[tokio::test]
async fn a_part_that_is_private_is_for_its_client_alone() {
    let (world, large) = with(10 * SLICE).await;
    let origin = large.clone();
    world.origin().on("/a", move |request| {
        origin.serve(request).without("Cache-Control").header("Cache-Control", "private")
    });
    for n in 1..3 {
        is_part(&range(&world, "bytes=5-9").await, &large, 5, 10);
        assert_eq!(world.origin().count(), n);
    }
}
