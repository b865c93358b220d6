//! Slices of two versions never meet, and a response whose slices do not come breaks.

use crate::large::{Large, SLICE, asked, is_part, is_whole, range, settled, with};
use crate::world::{Answer, Broken, Expect, World};

#[tokio::test]
async fn a_version_that_changes_midway_breaks_the_response_and_the_next_is_new() {
    let len = 6 * SLICE;
    let (world, large) = with(len).await;
    is_part(&range(&world, "bytes=0-0").await, &large, 0, 1);
    settled(&world).await;
    let first = large.bytes(0, SLICE);
    large.change();
    match world.client().get("/a").try_send().await {
        Err(Broken::Cut { body }) => assert!(first.starts_with(&body), "bytes of another version"),
        Ok(seen) => panic!("two versions in one: {:?}", seen.fields),
        Err(Broken::NoResponse) => {}
        Err(other) => panic!("{other}"),
    }
    is_whole(&world.get("/a").await, &large, len);
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
}

#[tokio::test]
async fn a_version_found_changed_before_the_first_byte_is_no_breach() {
    let (world, large) = with(6 * SLICE).await;
    is_part(&range(&world, "bytes=0-0").await, &large, 0, 1);
    settled(&world).await;
    large.change();
    let seen = range(&world, "bytes=200000-200009").await;
    is_part(&seen, &large, 200_000, 200_010);
    seen.assert_header("etag", "\"v2\"");
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
}

#[tokio::test]
async fn a_reset_midway_is_mended() {
    let len = 6 * SLICE;
    let (world, large) = with(len).await;
    let short = large.head(200).body(large.bytes(0, SLICE + 1000));
    world.origin().then(Expect::get("/a"), short.reset_short_by((len - SLICE - 1000) as usize));
    is_whole(&world.get("/a").await, &large, len);
    assert!(world.get("/a").await.is_hit());
    assert!(asked(&world)[1].starts_with("bytes=65536-"), "{:?}", asked(&world));
}

#[tokio::test]
async fn an_origin_that_never_finishes_is_seen_as_a_break() {
    let len = 6 * SLICE;
    let (world, large) = with(len).await;
    let origin = large.clone();
    world.origin().on("/a", move |request| {
        let (from, to) = match request.header("range") {
            Some(range) => origin.resolve(&range).unwrap(),
            None => (0, len),
        };
        let answer = match request.header("range") {
            Some(_) => origin.head(206).header("Content-Range", format!("bytes {from}-{}/{len}", to - 1)),
            None => origin.head(200),
        };
        let cut = (from + 1000).min(to);
        answer.body(origin.bytes(from, cut)).cut_short_by((to - cut) as usize)
    });
    for _ in 0..2 {
        match world.client().get("/a").try_send().await {
            Err(Broken::Cut { body }) => {
                assert!(large.bytes(0, len).starts_with(&body) && body.len() < len as usize);
            }
            Err(Broken::NoResponse) => {}
            Ok(seen) if seen.status == 502 => {}
            other => panic!("{other:?}"),
        }
    }
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request));
    is_whole(&world.get("/a").await, &large, len);
}

#[tokio::test]
async fn many_readers_of_a_cache_too_small_and_an_origin_that_breaks_off_see_right_bytes() {
    let len = 60 * SLICE + 5;
    let world = World::new()
        .site("[site.cache]\nslice = \"64KiB\"")
        .more("[cache.memory]\ncapacity = \"1MiB\"\nmax_object = \"64KiB\"")
        .start()
        .await;
    let large = Large::new(len);
    let (origin, mut count) = (large.clone(), 0u64);
    world.origin().on("/a", move |request| {
        count += 1;
        let Some((from, to)) = request.header("range").and_then(|range| origin.resolve(&range)) else {
            return origin.serve(request);
        };
        // Every seventh response ends after half of its bytes.
        let cut = if count % 7 == 3 { from + (to - from) / 2 } else { to };
        let answer = origin.head(206).header("Content-Range", format!("bytes {from}-{}/{len}", to - 1));
        let answer = answer.body(origin.bytes(from, cut));
        if cut < to { answer.reset_short_by((to - cut) as usize) } else { answer }
    });
    let readers: Vec<_> = (0..60u64)
        .map(|n| {
            let from = n * n * 7919 % (len - 1);
            let to = (from + 1 + n * 104_729 % (10 * SLICE)).min(len);
            let request = world.client().get("/a").header("Range", &format!("bytes={from}-{}", to - 1));
            tokio::spawn(async move { (from, to, request.try_send().await) })
        })
        .collect();
    let mut whole = 0;
    for reader in readers {
        match reader.await.unwrap() {
            (from, to, Ok(seen)) if seen.status == 206 => {
                is_part(&seen, &large, from, to);
                whole += 1;
            }
            (_, _, Ok(seen)) => assert_eq!(seen.status, 502, "{:?}", seen.fields),
            (from, to, Err(Broken::Cut { body })) => assert!(large.bytes(from, to).starts_with(&body)),
            (_, _, Err(Broken::NoResponse)) => {}
            (_, _, Err(other)) => panic!("{other}"),
        }
    }
    assert!(whole > 50, "most breaks are mended, {whole} of 60");
}

#[tokio::test]
async fn later_slices_that_may_not_be_kept_end_the_version() {
    let (world, large) = with(6 * SLICE).await;
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    let origin = large.clone();
    world.origin().on("/a", move |request| {
        origin.serve(request).without("Cache-Control").header("Cache-Control", "no-store")
    });
    let seen = range(&world, "bytes=200000-200009").await;
    is_part(&seen, &large, 200_000, 200_010);
    seen.assert_header("cache-control", "no-store");
    assert!(!seen.cache_status().has("stored"), "{:?}", seen.fields);
}

#[tokio::test]
async fn a_stale_manifest_is_confirmed_and_its_slices_stay() {
    let (world, large) = with(6 * SLICE).await;
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    settled(&world).await;
    world.advance(61);
    let seen = range(&world, "bytes=20-29").await;
    is_part(&seen, &large, 20, 30);
    assert_eq!(world.origin().last().header("if-none-match").as_deref(), Some("\"v1\""));
    assert_eq!(large.sent(), SLICE, "only the head was fetched");
    assert!(range(&world, "bytes=0-9").await.is_hit(), "fresh again");
    large.change();
    world.advance(61);
    is_part(&range(&world, "bytes=20-29").await, &large, 20, 30);
    assert_eq!(world.origin().count(), 3, "one request tells and brings the new version");
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
}

#[tokio::test]
async fn a_range_that_the_origin_refuses_says_nothing_of_the_others() {
    let (world, large) = with(6 * SLICE).await;
    let seen = range(&world, "bytes=9999999-").await;
    assert_eq!(seen.status, 416);
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    settled(&world).await;
    assert!(range(&world, "bytes=0-9").await.is_hit(), "it is no uncacheable key");

    // Some origins refuse a range before they look at conditions.
    world.advance(61);
    let refusal = Answer::status(416).header("Content-Range", format!("bytes */{}", 6 * SLICE));
    world.origin().then(Expect::get("/a").has("range", "bytes=9961472-"), refusal);
    assert_eq!(range(&world, "bytes=9999999-").await.status, 416);
    let before = large.sent();
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    assert_eq!(large.sent(), before, "what was stored is confirmed, not fetched again");
}

#[tokio::test]
async fn while_the_origin_is_down_stale_slices_answer_what_they_have() {
    let (world, large) = with(6 * SLICE).await;
    is_part(&range(&world, "bytes=65536-65545").await, &large, 65_536, 65_546);
    settled(&world).await;
    world.advance(61);
    world.origin().die().await;
    for (from, to) in [(65_536, 65_546), (70_000, 131_072)] {
        is_part(&range(&world, &format!("bytes={from}-{}", to - 1)).await, &large, from, to);
    }
    assert_eq!(range(&world, "bytes=0-9").await.status, 502, "that is not here");
    is_part(&range(&world, "bytes=65536-65545").await, &large, 65_536, 65_546);
    let head = world.client().request("HEAD", "/a").send().await;
    head.assert(200, "").assert_header("content-length", &(6 * SLICE).to_string());
}

/// As for a whole object: the client learns what the origin said, and when to come back.
#[tokio::test]
async fn an_error_to_a_missing_slice_reaches_the_client_with_its_retry_after() {
    let (world, large) = with(6 * SLICE).await;
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    settled(&world).await;
    for (status, said, seen) in [
        (503, Some("7"), Some("7")),
        (429, Some("{now+30s}"), Some("30")),
        (500, None, None),
        (503, Some("soon"), None),
    ] {
        let before = world.origin().count();
        world.origin().on("/a", move |_| {
            let answer = Answer::status(status).body("later");
            said.map_or(answer.clone(), |said| answer.header("Retry-After", said))
        });
        let answer = range(&world, "bytes=200000-200009").await;
        answer.assert_refused(status, "origin_failed");
        assert_eq!(answer.header("retry-after").as_deref(), seen, "{answer:?}");
        assert_eq!(world.origin().count(), before + 1, "it is not asked again at once");
        is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    }
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request));
    is_part(&range(&world, "bytes=200000-200009").await, &large, 200_000, 200_010);
}

#[tokio::test]
async fn an_origin_that_is_too_slow_for_a_missing_slice_is_a_504() {
    let world = World::new()
        .site("[site.cache]\nslice = \"64KiB\"")
        .pool("[pool.retry]\nattempts = 1\n[pool.timeouts]\nfirst_byte = \"200ms\"")
        .start()
        .await;
    let large = crate::large::Large::new(6 * SLICE);
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request));
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    settled(&world).await;
    world.origin().on("/a", |_| Answer::silence());
    range(&world, "bytes=200000-200009").await.assert_refused(504, "origin_timeout");
}
