//! Large objects are kept in slices: a range costs what it touches.

use crate::large::{Large, SLICE, asked, is_part, is_whole, range, settled, with};
use crate::world::{Answer, Expect, Gate, World};

#[tokio::test]
async fn a_range_of_a_cold_object_costs_the_slice_it_touches() {
    let (world, large) = with(10 * SLICE).await;
    let request = world.client().get("/a").header("Range", "bytes=70000-70009");
    let seen = request.header("If-None-Match", "\"other\"").send().await;
    is_part(&seen, &large, 70_000, 70_010);
    assert!(seen.cache_status().has("stored"), "{seen:?}");
    let got = world.origin().last();
    assert_eq!(got.header("range").as_deref(), Some("bytes=65536-131071"), "to the slice's borders");
    assert_eq!(got.header("if-none-match"), None, "the client's conditions are judged here");
    settled(&world).await;
    for (from, to) in [(70_000, 70_010), (SLICE, 2 * SLICE), (131_071, 131_072)] {
        let seen = range(&world, &format!("bytes={from}-{}", to - 1)).await;
        assert!(seen.is_hit(), "{seen:?}");
        is_part(&seen, &large, from, to);
    }
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_range_of_ten_gigabytes_costs_what_it_touches() {
    let (world, large) = with(10 << 30).await;
    let at = (7 << 30) + SLICE / 2;
    is_part(&range(&world, &format!("bytes={at}-{}", at + SLICE - 1)).await, &large, at, at + SLICE);
    assert_eq!(large.sent(), 2 * SLICE);
    is_part(&range(&world, "bytes=-5").await, &large, (10 << 30) - 5, 10 << 30);
    assert_eq!(large.sent(), 3 * SLICE);
}

#[tokio::test]
async fn readers_of_one_slice_share_its_fetch() {
    let (world, large) = with(10 * SLICE).await;
    is_part(&range(&world, "bytes=0-0").await, &large, 0, 1);
    settled(&world).await;
    let gate = Gate::new("the slice");
    let (origin, held) = (large.clone(), gate.clone());
    world.origin().on("/a", move |request| origin.serve(request).head_after(&held));
    let readers: Vec<_> = (0..20u64)
        .map(|n| (n, world.client().get("/a").header("Range", &format!("bytes={}-", 5 * SLICE + n))))
        .map(|(n, request)| tokio::spawn(async move { (n, request.begin().await) }))
        .collect();
    world.origin().got(2).await;
    gate.open();
    for reader in readers {
        let (n, streaming) = reader.await.unwrap();
        assert_eq!(streaming.head.header("content-length"), Some((5 * SLICE - n).to_string()));
    }
    assert!(large.sent() <= 6 * SLICE, "{} for {:?}", large.sent(), asked(&world));
}

#[tokio::test]
async fn a_burst_on_a_cold_object_asks_for_each_slice_once() {
    const MIB: u64 = 1 << 20;
    let world = World::new().threads(2).start().await;
    let large = Large::new(64 * MIB);
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request));
    let readers: Vec<_> = (0..50u64)
        .map(|n| {
            let from = n * 64 / 50 * MIB + n;
            let request = world.client().get("/a");
            let request = request.header("Range", &format!("bytes={from}-{}", from + MIB - 1));
            tokio::spawn(async move { (from, request.send().await) })
        })
        .collect();
    for reader in readers {
        let (from, seen) = reader.await.unwrap();
        is_part(&seen, &large, from, from + MIB);
    }
    assert!(large.sent() <= 66 * MIB, "{} bytes for {:?}", large.sent(), asked(&world));
}

#[tokio::test]
async fn a_whole_that_is_too_large_is_kept_in_slices() {
    let len = 9 * SLICE + 17;
    let (world, large) = with(len).await;
    let seen = world.get("/a").await;
    is_whole(&seen, &large, len);
    assert!(seen.cache_status().has("stored"), "{:?}", seen.fields);
    let seen = world.get("/a").await;
    assert!(seen.is_hit(), "{:?}", seen.fields);
    is_whole(&seen, &large, len);
    is_part(&range(&world, "bytes=100-500000").await, &large, 100, 500_001);
    is_part(&range(&world, "bytes=-18").await, &large, len - 18, len);
    assert_eq!(asked(&world), ["all"]);
}

#[tokio::test]
async fn what_is_missing_of_a_whole_is_fetched_in_runs() {
    let len = 6 * SLICE;
    let (world, large) = with(len).await;
    is_part(
        &range(&world, &format!("bytes={}-{}", 2 * SLICE, 2 * SLICE)).await,
        &large,
        2 * SLICE,
        2 * SLICE + 1,
    );
    let seen = world.get("/a").await;
    is_whole(&seen, &large, len);
    assert_eq!(seen.cache_status().fwd(), Some("partial"), "{:?}", seen.fields);
    assert!(seen.cache_status().has("stored"));
    let mut runs = asked(&world).split_off(1);
    runs.sort();
    assert_eq!(runs, ["bytes=0-131071", "bytes=196608-393215"]);
    let runs = world.origin().received();
    assert!(runs[1..].iter().all(|run| run.header("if-range").as_deref() == Some("\"v1\"")));
    assert!(world.get("/a").await.is_hit());
    assert_eq!(large.sent(), len);
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_fetch_at_a_border() {
    let len = 400 * SLICE;
    let (world, large) = with(len).await;
    let mut streaming = world.client().get("/a").begin().await;
    streaming.read(10).await;
    drop(streaming);
    settled(&world).await;
    let far = 300 * SLICE;
    is_part(&range(&world, &format!("bytes={far}-{far}")).await, &large, far, far + 1);
    assert_eq!(world.origin().count(), 2, "most of it was never brought");
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    assert_eq!(world.origin().count(), 2, "what was brought is kept");
}

#[tokio::test]
async fn a_slow_client_is_not_run_away_from() {
    let len = 400 * SLICE;
    let (world, large) = with(len).await;
    let mut slow = world.client().get("/a").begin().await;
    slow.read(10).await;
    // It still reads what it began when somebody else has read it all.
    is_whole(&world.get("/a").await, &large, len);
    let rest = slow.rest().await.unwrap();
    assert!(!rest.is_empty());
}

#[tokio::test]
async fn an_origin_that_ignores_ranges_still_works() {
    for len in [1000, 40 * SLICE] {
        let (world, large) = with(len).await;
        let origin = large.clone();
        world.origin().on("/a", move |_| origin.answer(200, 0, len));
        let from = len - 500;
        is_part(&range(&world, &format!("bytes={from}-{}", from + 9)).await, &large, from, from + 10);
        is_part(&range(&world, &format!("bytes={from}-{}", from + 99)).await, &large, from, from + 100);
        is_part(&range(&world, "bytes=10-19").await, &large, 10, 20);
        is_whole(&world.get("/a").await, &large, len);
        assert_eq!(world.origin().count(), 1, "of {len} bytes all were brought at once");
    }
}

#[tokio::test]
async fn a_suffix_asks_for_the_last_slices() {
    let len = 5 * SLICE + 100;
    let (world, large) = with(len).await;
    is_part(&range(&world, "bytes=-50").await, &large, len - 50, len);
    assert_eq!(asked(&world), ["bytes=-65536"]);
    settled(&world).await;
    assert!(range(&world, "bytes=-100").await.is_hit());
    is_part(&range(&world, "bytes=-101").await, &large, len - 101, len);
    assert_eq!(large.sent(), 2 * SLICE);
}

#[tokio::test]
async fn slices_that_were_evicted_are_fetched_again() {
    let len = 40 * SLICE;
    let world = World::new()
        .site("[site.cache]\nslice = \"64KiB\"")
        .more("[cache.memory]\ncapacity = \"1MiB\"\nmax_object = \"64KiB\"")
        .start()
        .await;
    let large = Large::new(len);
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request));
    for _ in 0..3 {
        is_whole(&world.get("/a").await, &large, len);
        is_part(&range(&world, "bytes=1000000-1999999").await, &large, 1_000_000, 2_000_000);
    }
    assert!(world.origin().count() < 30, "runs, not single slices: {:?}", asked(&world));
}

#[tokio::test]
async fn conditions_and_head_are_answered_from_the_manifest() {
    let len = 6 * SLICE;
    let (world, large) = with(len).await;
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    settled(&world).await;
    let get = || world.client().get("/a");
    get().header("If-None-Match", "\"v1\"").send().await.assert_hit(304, "");
    assert_eq!(get().header("If-Match", "\"v2\"").send().await.status, 412);
    let head = world.client().request("HEAD", "/a").send().await;
    head.assert_hit(200, "").assert_header("content-length", &len.to_string());
    head.assert_lacks("content-range");
    let beyond = range(&world, &format!("bytes={len}-")).await;
    assert_eq!(beyond.status, 416);
    beyond.assert_header("content-range", &format!("bytes */{len}"));
    let same = get().header("Range", "bytes=0-9").header("If-Range", "\"v1\"").send().await;
    assert!(same.is_hit());
    is_part(&same, &large, 0, 10);
    assert_eq!(world.origin().count(), 1, "all without the origin");
    is_whole(&get().header("Range", "bytes=0-9").header("If-Range", "\"v0\"").send().await, &large, len);
}

#[tokio::test]
async fn if_range_on_a_cold_object_is_judged_when_its_version_is_known() {
    let len = 6 * SLICE;
    for (tag, part) in [("\"v1\"", true), ("\"v0\"", false)] {
        let (world, large) = with(len).await;
        let request = world.client().get("/a").header("Range", "bytes=5-9").header("If-Range", tag);
        let seen = request.send().await;
        if part {
            is_part(&seen, &large, 5, 10)
        } else {
            is_whole(&seen, &large, len)
        }
        let (world, large) = with(len).await;
        let beyond = world.client().get("/a").header("Range", "bytes=9999999-").header("If-Range", tag);
        let seen = beyond.send().await;
        if part { assert_eq!(seen.status, 416) } else { is_whole(&seen, &large, len) }
    }
}

#[tokio::test]
async fn several_ranges_cost_their_slices() {
    let len = 40 * SLICE;
    let (world, large) = with(len).await;
    for hit in [false, true] {
        settled(&world).await;
        let seen = range(&world, "bytes=0-1,1000000-1000002").await;
        assert_eq!(seen.status, 206);
        assert_eq!(seen.is_hit(), hit, "{:?}", seen.fields);
        assert!(seen.header("content-type").unwrap().starts_with("multipart/byteranges"));
        for (from, to) in [(0, 2), (1_000_000, 1_000_003)] {
            let part = large.bytes(from, to);
            assert!(seen.body.windows(part.len()).any(|window| window == part));
        }
    }
    assert_eq!(large.sent(), 2 * SLICE);
}

#[tokio::test]
async fn a_small_object_is_kept_whole_from_its_first_range() {
    let (world, large) = with(1000).await;
    is_part(&range(&world, "bytes=10-19").await, &large, 10, 20);
    settled(&world).await;
    let seen = world.get("/a").await;
    assert!(seen.is_hit());
    is_whole(&seen, &large, 1000);
    is_part(&range(&world, "bytes=-1").await, &large, 999, 1000);
    assert_eq!(asked(&world), ["bytes=0-65535"]);
}

#[tokio::test]
async fn a_reader_that_goes_on_gets_the_next_slice_ahead_of_time() {
    let (world, large) = with(20 * SLICE).await;
    for index in 0..2 {
        let from = index * SLICE;
        is_part(&range(&world, &format!("bytes={from}-{}", from + 9)).await, &large, from, from + 10);
    }
    assert_eq!(asked(&world), ["bytes=0-65535", "bytes=65536-196607"], "it reads on: two at once");
    settled(&world).await;
    let from = 2 * SLICE;
    let seen = range(&world, &format!("bytes={from}-{}", from + 9)).await;
    assert!(seen.is_hit(), "{:?}", seen.fields);
    world.origin().got(3).await;
    assert_eq!(asked(&world)[2], "bytes=196608-262143");
}

#[tokio::test]
async fn only_if_cached_does_not_fetch_a_slice() {
    let (world, large) = with(6 * SLICE).await;
    is_part(&range(&world, "bytes=0-9").await, &large, 0, 10);
    settled(&world).await;
    let request = |range: &str| {
        world.client().get("/a").header("Range", range).header("Cache-Control", "only-if-cached")
    };
    is_part(&request("bytes=5-9").send().await, &large, 5, 10);
    request("bytes=200000-200009").send().await.assert_refused(504, "only_if_cached");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn an_error_to_a_range_is_kept_as_any_error() {
    let (world, _) = with(6 * SLICE).await;
    world.origin().always("/a", Answer::status(404).body("no").header("Cache-Control", "max-age=60"));
    range(&world, "bytes=0-9").await.assert_stored(404, "no");
    range(&world, "bytes=0-9").await.assert_hit(404, "no");
    world.get("/a").await.assert_hit(404, "no");
}

#[tokio::test]
async fn a_range_behind_the_end_of_a_cold_object_is_416() {
    let (world, _) = with(6 * SLICE).await;
    let seen = range(&world, "bytes=9999999-").await;
    assert_eq!(seen.status, 416);
    seen.assert_header("content-range", &format!("bytes */{}", 6 * SLICE));
}

#[tokio::test]
async fn an_origin_that_refuses_a_long_suffix_gets_the_clients_own() {
    let (world, large) = with(1000).await;
    let refusal = Answer::status(416).header("Content-Range", "bytes */1000");
    world.origin().then(Expect::get("/a").has("range", "bytes=-65536"), refusal);
    is_part(&range(&world, "bytes=-10").await, &large, 990, 1000);
    assert_eq!(asked(&world)[1], "bytes=-10");
}
