//! Ranges of what is stored (RFC 9110 §14). Several ranges in one request are not told here.

use crate::world::{Answer, Gate, Seen, World};

const CHANGED: &str = "Wed, 31 Dec 2025 12:00:00 GMT";

/// A world whose `/a` is in the cache: ten digits.
async fn with_digits_stored() -> World {
    let world = World::start().await;
    let answer = Answer::fresh("0123456789", 600).header("ETag", "\"v1\"").header("Last-Modified", CHANGED);
    world.origin().always("/a", answer);
    world.get("/a").await.assert_stored(200, "0123456789");
    world
}

async fn ask(world: &World, range: &str, if_range: Option<&str>) -> Seen {
    let request = world.client().get("/a").header("Range", range);
    match if_range {
        Some(validator) => request.header("If-Range", validator).send().await,
        None => request.send().await,
    }
}

#[tokio::test]
async fn one_range_of_a_hit_is_206_with_its_place() {
    let world = with_digits_stored().await;
    for (range, body, place) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-5", "45", "bytes 4-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
        ("bytes=5-100", "56789", "bytes 5-9/10"),
        ("bytes=9-9", "9", "bytes 9-9/10"),
    ] {
        let seen = ask(&world, range, None).await;
        seen.assert_hit(206, body).assert_header("content-range", place).assert_header("etag", "\"v1\"");
        seen.assert_header("content-length", &body.len().to_string());
    }
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_range_behind_the_end_is_416_with_the_length() {
    let world = with_digits_stored().await;
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
        let seen = ask(&world, range, None).await;
        assert_eq!(seen.status, 416, "{range}: {seen:?}");
        seen.assert_header("content-range", "bytes */10");
    }
}

#[tokio::test]
async fn a_range_that_is_none_is_ignored() {
    let world = with_digits_stored().await;
    for range in ["bytes=5-4", "bytes=a-b", "bytes=", "lines=0-3", "bytes 0-3"] {
        let seen = ask(&world, range, None).await;
        seen.assert_hit(200, "0123456789").assert_lacks("content-range");
    }
}

#[tokio::test]
async fn if_range_gives_the_part_only_of_the_same_version() {
    let world = with_digits_stored().await;
    for same in ["\"v1\"", CHANGED] {
        ask(&world, "bytes=0-3", Some(same)).await.assert_hit(206, "0123");
    }
    for other in ["\"v2\"", "W/\"v1\"", "Wed, 31 Dec 2025 12:00:01 GMT", "nonsense"] {
        ask(&world, "bytes=0-3", Some(other)).await.assert_hit(200, "0123456789");
    }
}

#[tokio::test]
async fn a_head_ignores_the_range() {
    let world = with_digits_stored().await;
    let head = world.client().request("HEAD", "/a").header("Range", "bytes=0-3").send().await;
    head.assert_hit(200, "").assert_header("content-length", "10");
}

/// RFC 9110 §14.2: Range is for GET.
#[tokio::test]
async fn a_head_of_a_cold_key_ignores_the_range_too() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let answer = Answer::fresh("0123456789", 600).header("ETag", "\"v1\"");
        match request.header("range") {
            Some(_) => Answer::status(206).header("Content-Range", "bytes 2-3/10").body("23"),
            None if request.header("if-none-match").is_some() => Answer::status(304),
            None => answer,
        }
    });
    let head = world.client().request("HEAD", "/a");
    let seen = head.clone().header("Range", "bytes=2-3").header("If-Range", "\"v1\"").send().await;
    seen.assert(200, "").assert_header("content-length", "10").assert_lacks("content-range");
    let seen = head.header("If-None-Match", "\"v1\"").send().await;
    seen.assert(304, "").assert_header("etag", "\"v1\"");
    assert_eq!(
        world.origin().last().header("if-none-match"),
        None,
        "conditions are judged here, as for a hit"
    );
}

#[tokio::test]
async fn ranges_of_a_cold_key_that_need_all_of_it_are_the_same_as_of_a_hit() {
    let world = World::start().await;
    world.origin().always("/chunked", Answer::fresh("01234", 600).body("56789").chunked());
    // Ranges that are near each other are joined.
    world.origin().always("/a", Answer::fresh("0123456789".repeat(100), 600));
    let ask = |target, range| world.client().get(target).header("Range", range).send();
    let cold = ask("/chunked", "bytes=2-5").await;
    cold.assert(206, "2345").assert_header("content-range", "bytes 2-5/10");
    ask("/chunked", "bytes=2-5").await.assert_hit(206, "2345");
    let cold = ask("/a", "bytes=0-1,-2").await;
    assert_eq!(cold.status, 206, "{cold:?}");
    assert!(cold.header("content-type").unwrap().starts_with("multipart/byteranges"), "{cold:?}");
    assert_eq!(world.origin().count(), 2);
}

#[tokio::test]
async fn a_range_of_what_comes_slowly_is_answered_with_all_of_it() {
    let world = World::start().await;
    let rest = Gate::new("the rest");
    world.origin().always("/a", Answer::fresh("01234", 600).chunked().hold(&rest).body("56789"));
    let request = world.client().get("/a").header("Range", "bytes=2-");
    let mut streaming = request.begin().await;
    assert_eq!(streaming.head.status, 200);
    assert_eq!(streaming.read(5).await, "01234");
    rest.open();
    assert_eq!(streaming.rest().await.unwrap(), "56789");
}

#[tokio::test]
async fn a_condition_comes_before_the_range() {
    let world = with_digits_stored().await;
    let request = world.client().get("/a").header("Range", "bytes=0-3");
    request.clone().header("If-None-Match", "\"v1\"").send().await.assert(304, "");
    assert_eq!(request.header("If-Match", "\"v2\"").send().await.status, 412);
}

#[tokio::test]
async fn a_range_of_a_cold_key_is_the_same_as_of_a_hit() {
    let world = World::start().await;
    // This origin does not know ranges.
    world.origin().always("/a", Answer::fresh("0123456789", 600).header("ETag", "\"v1\""));
    let seen = ask(&world, "bytes=2-4", None).await;
    seen.assert(206, "234").assert_header("content-range", "bytes 2-4/10");
    world.get("/a").await.assert(200, "0123456789");
    ask(&world, "bytes=-1", None).await.assert_hit(206, "9");
}

#[tokio::test]
async fn a_206_of_the_origin_is_never_taken_for_the_whole() {
    let world = World::with_site("[[site.rule]]\npath = \"/*\"\ncache = { enabled = false }").await;
    let part = Answer::status(206).header("Content-Range", "bytes 2-4/10").body("234");
    world.origin().always("/a", part.header("Cache-Control", "max-age=60"));
    ask(&world, "bytes=2-4", None).await.assert(206, "234").assert_header("content-range", "bytes 2-4/10");
    assert_eq!(
        world.origin().last().header("range").as_deref(),
        Some("bytes=2-4"),
        "a pass passes the range"
    );
    ask(&world, "bytes=2-4", None).await.assert_not_stored(206, "234");
}

#[tokio::test]
async fn a_refused_range_or_condition_is_kept_by_no_cache_on_the_way() {
    let world = World::start().await;
    let answer = Answer::fresh("0123456789", 600).header("ETag", "\"v1\"").header("Content-Encoding", "br");
    world.origin().always("/a", answer.header("Expires", "Fri, 01 Jan 2100 00:00:00 GMT"));
    world.get("/a").await.assert_stored(200, "0123456789");
    for (name, value, status) in [("Range", "bytes=10-", 416), ("If-Match", "\"v2\"", 412)] {
        let seen = world.client().get("/a").header(name, value).send().await;
        seen.assert(status, "")
            .assert_header("cache-control", "no-store")
            .assert_header("content-length", "0");
        seen.assert_lacks("expires").assert_lacks("content-encoding");
    }
}
