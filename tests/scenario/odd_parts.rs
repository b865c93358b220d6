//! An origin whose Content-Range says one byte more than its body has. What came is kept as a part at most, so that no
//! guess about it gets into a slice or into the whole.

use crate::large::{Large, SLICE};
use crate::world::{Seen, World};

const LEN: u64 = 2 * SLICE + 1000;

/// How the origin tells the length of a body that is one byte short of its Content-Range.
#[derive(Clone, Copy, PartialEq)]
enum Framed {
    ByLength,
    Chunked,
    UntilClose,
}

/// The origin cheats on the first request, and is honest after.
async fn with(framed: Framed) -> (World, Large) {
    let world = World::new()
        .site("[site.cache]\nslice = \"64KiB\"")
        .pool("[pool.retry]\nattempts = 1")
        .more("[cache.memory]\ncapacity = \"64MiB\"\nmax_object = \"128KiB\"")
        .start()
        .await;
    let large = Large::new(LEN);
    let (origin, mut asked) = (large.clone(), 0);
    world.origin().on("/a", move |request| {
        asked += 1;
        let range = request.header("range").filter(|_| asked == 1);
        let Some((from, to)) = range.and_then(|range| origin.resolve(&range)) else {
            return origin.serve(request);
        };
        let place = format!("bytes {from}-{}/{LEN}", to - 1);
        let short = origin.answer(206, from, to - 1).header("Content-Range", place);
        match framed {
            Framed::ByLength => short,
            Framed::Chunked => short.chunked(),
            Framed::UntilClose => short.until_close(),
        }
    });
    (world, large)
}

async fn range(world: &World, range: &str) -> Seen {
    world.client().get("/a").header("Range", range).send().await
}

#[track_caller]
fn has(seen: &Seen, large: &Large, status: u16, from: u64, to: u64) {
    assert_eq!(seen.status, status, "{:?}", seen.fields);
    assert!(seen.body == large.bytes(from, to), "{from}..{to}: wrong bytes, {} of them", seen.body.len());
}

/// After the lie, everything the edge serves is what the origin has at that place.
async fn all_is_right(world: &World, large: &Large) {
    for (first, last) in
        [(LEN - 1, LEN - 1), (LEN - 900, LEN - 1), (0, LEN - 1), (SLICE - 1, SLICE), (LEN - 2, LEN - 2)]
    {
        let seen = range(world, &format!("bytes={first}-{last}")).await;
        has(&seen, large, 206, first, last + 1);
        seen.assert_header("content-range", &format!("bytes {first}-{last}/{LEN}"));
    }
    let whole = world.get("/a").await;
    has(&whole, large, 200, 0, LEN);
    let hit = world.get("/a").await;
    assert!(hit.is_hit(), "{:?}", hit.fields);
    has(&hit, large, 200, 0, LEN);
}

/// A body of an announced length that came: it is a part, for ranges inside of it, and gives way to what is not.
#[tokio::test]
async fn a_miscounted_part_stays_a_part() {
    for asked in
        [format!("bytes={}-", 2 * SLICE), format!("bytes={}-{}", LEN - 10, LEN - 1), "bytes=-10".into()]
    {
        let (world, large) = with(Framed::ByLength).await;
        // Whoever asked for it sees the contradiction.
        let seen = range(&world, &asked).await;
        assert_eq!(seen.status, 206, "{asked}: {:?}", seen.fields);
        let place = seen.header("content-range").unwrap();
        assert!(place.ends_with(&format!("-{}/{LEN}", LEN - 1)), "{asked}: {place}");
        let first: u64 = place["bytes ".len()..].split('-').next().unwrap().parse().unwrap();
        has(&seen, &large, 206, first, LEN - 1);
        // Ranges inside of what came are answered by it.
        let inside = range(&world, &format!("bytes={}-{}", LEN - 9, LEN - 5)).await;
        assert!(inside.is_hit(), "{asked}: {:?}", inside.fields);
        has(&inside, &large, 206, LEN - 9, LEN - 4);
        // Up to its end, where the whole ends by the one reading in which nothing is missing: fewer bytes, none wrong.
        let clipped = range(&world, &format!("bytes={}-{}", LEN - 3, LEN - 1)).await;
        assert!(clipped.is_hit(), "{asked}: {:?}", clipped.fields);
        has(&clipped, &large, 206, LEN - 3, LEN - 1);
        clipped.assert_header("content-range", &format!("bytes {}-{}/{}", LEN - 3, LEN - 2, LEN - 1));
        assert_eq!(world.origin().count(), 1, "{asked}");
        all_is_right(&world, &large).await;
    }
}

#[tokio::test]
async fn a_miscounted_part_does_not_answer_for_the_whole() {
    let (world, large) = with(Framed::ByLength).await;
    range(&world, "bytes=-10").await;
    has(&world.get("/a").await, &large, 200, 0, LEN);
    all_is_right(&world, &large).await;
}

/// Without a length it may have lost its last byte: nothing of it is kept where the byte is missing.
#[tokio::test]
async fn a_part_of_unknown_length_that_lacks_a_byte_breaks_off() {
    for framed in [Framed::Chunked, Framed::UntilClose] {
        for asked in [format!("bytes={}-", SLICE), "bytes=-10".to_owned()] {
            let (world, large) = with(framed).await;
            let request = world.client().get("/a").header("Range", &asked);
            if let Ok(seen) = request.try_send().await {
                let last = seen
                    .header("content-range")
                    .is_some_and(|place| place.contains(&format!("-{}/", LEN - 1)));
                let right = last && large.bytes(0, LEN).ends_with(&seen.body);
                assert!(right || seen.status == 502, "{asked}: {:?}", seen.fields);
            }
            all_is_right(&world, &large).await;
        }
    }
}
