//! The policies on traces that are worked out by hand, and on random ones where one must be as good as another.

use super::policies::*;

/// Objects of one byte, by letter.
fn hits(policy: &mut dyn Policy, trace: &str) -> String {
    let seen = trace.bytes().enumerate().map(|(at, letter)| {
        match policy.request(Request { at, id: u32::from(letter - b'A'), weight: 1 }) {
            Seen::Hit => 'h',
            Seen::Admitted => '.',
            Seen::Bypassed => '-',
        }
    });
    seen.collect()
}

fn ids(trace: &str) -> Vec<u32> {
    trace.bytes().map(|letter| u32::from(letter - b'A')).collect()
}

#[test]
fn fifo_goes_by_arrival_and_lru_by_use() {
    //                                                     ABCADAB
    assert_eq!(hits(&mut Queue::new(Order::Fifo, 3, 26), "ABCADAB"), "...h...");
    assert_eq!(hits(&mut Queue::new(Order::Lru, 3, 26), "ABCADAB"), "...h.h.");
}

#[test]
fn sieve_spares_what_was_visited_where_it_stands() {
    let mut sieve = Sieve::new(7, 26);
    // The queue of seven is full; A, B and G have been visited. The hand clears A and B and evicts C for H; stays
    // there, so that I costs E (D was hit) and J costs F, though B was hit between.
    assert_eq!(hits(&mut sieve, "ABCDEFGABGHADIBJ"), ".......hhh.hh.h.");
    assert_eq!(hits(&mut sieve, "GABDHIJ"), "hhhhhhh", "C, E and F are gone");
    assert_eq!(sieve.evicted(), 3);
    // All are visited now: the hand is at G, goes round, clears them all, and evicts G.
    assert_eq!(hits(&mut sieve, "KABDHIJG"), ".hhhhhh.");
}

#[test]
fn sieve_is_fifo_while_nothing_is_asked_for_twice() {
    let mut sieve = Sieve::new(3, 26);
    assert_eq!(hits(&mut sieve, "ABCDEF"), "......");
    assert_eq!(hits(&mut sieve, "DEF"), "hhh");
}

#[test]
fn s3_fifo_lets_one_hit_wonders_through_quickly() {
    // A small queue of one object, a main queue of nine.
    let mut s3 = S3Fifo::new(10, 26);
    // A is asked for twice more while in the small queue, B once.
    assert_eq!(hits(&mut s3, "AAABBCDEFGHIJ"), ".hh.h........");
    // Full. K makes room: A goes to main, B leaves and is a ghost. The next leave in their order.
    assert_eq!(hits(&mut s3, "K"), ".");
    assert_eq!(s3.evicted(), 1);
    // B comes back, into main at once; C leaves for it.
    assert_eq!(hits(&mut s3, "B"), ".");
    // Nobody in the small queue can push out A or B.
    assert_eq!(hits(&mut s3, "LMNOPQRSTUVWXYZ"), "...............");
    assert_eq!(hits(&mut s3, "AB"), "hh");
}

#[test]
fn s3_fifo_forgets_ghosts_and_evicts_from_main_what_is_not_asked_for() {
    let mut s3 = S3Fifo::new(10, 26);
    // Ten in, the first five out again, and back through the ghost queue: they are in main, and others out.
    hits(&mut s3, "ABCDEFGHIJKLMNO");
    assert_eq!(hits(&mut s3, "ABCDE"), ".....");
    assert_eq!(hits(&mut s3, "ABCDE"), "hhhhh");
    // Main grows to nine: those that left the small queue for them are ghosts still.
    assert_eq!(hits(&mut s3, "FGHI"), "....");
    assert_eq!(hits(&mut s3, "ABCDEFGHI"), "hhhhhhhhh");
    // The small queue has one object. With it empty enough, main gives: all were asked for, so it goes round until
    // the counts are down, and the oldest goes.
    let before = s3.evicted();
    assert_eq!(hits(&mut s3, "J"), ".");
    assert_eq!(s3.evicted(), before + 1);
}

#[test]
fn belady_keeps_what_comes_first() {
    let trace = "ABCABDAB";
    let next = next_uses(&ids(trace), 26);
    assert_eq!(next, [3, 4, u32::MAX, 6, 7, u32::MAX, u32::MAX, u32::MAX]);
    let mut belady = Belady::new(Farthest::Time, 2, 26, &next);
    assert_eq!(hits(&mut belady, trace), "..-hh-hh");
    let mut belady = Belady::new(Farthest::TimeAndSize, 2, 26, &next);
    assert_eq!(hits(&mut belady, trace), "..-hh-hh");
}

#[test]
fn belady_by_size_gives_up_one_large_object_for_many_small_ones() {
    // A (4 bytes) and four of one byte are asked for in turn; there is room for 5.
    let trace = ids("ABCDEABCDEABCDE");
    let next = next_uses(&trace, 26);
    let run = |by| {
        let mut belady = Belady::new(by, 5, 26, &next);
        let hit = |(at, id): (usize, &u32)| {
            let weight = if *id == 0 { 4 } else { 1 };
            belady.request(Request { at, id: *id, weight }) == Seen::Hit
        };
        trace.iter().enumerate().map(hit).filter(|hit| *hit).count()
    };
    assert_eq!(run(Farthest::TimeAndSize), 8, "the four small ones, twice");
    assert!(run(Farthest::Time) < 8);
}

/// A skewed trace over 200 objects.
fn skewed(seed: u64) -> Vec<u32> {
    let mut state = seed * 2 + 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..20_000).map(|_| (200.0 * random().powi(3)) as u32).collect()
}

fn all<'a>(capacity: u64, objects: usize, next: &'a [u32]) -> Vec<Box<dyn Policy + 'a>> {
    vec![
        Box::new(Belady::new(Farthest::Time, capacity, objects, next)),
        Box::new(Belady::new(Farthest::TimeAndSize, capacity, objects, next)),
        Box::new(Queue::new(Order::Fifo, capacity, objects)),
        Box::new(Queue::new(Order::Lru, capacity, objects)),
        Box::new(S3Fifo::new(capacity, objects)),
        Box::new(Sieve::new(capacity, objects)),
    ]
}

#[test]
fn nothing_is_better_than_belady_for_objects_of_one_size() {
    for seed in 1..6 {
        let trace = skewed(seed);
        let next = next_uses(&trace, 200);
        for capacity in [10, 50, 150] {
            let count = |mut policy: Box<dyn Policy + '_>| {
                let hit =
                    |(at, id): (usize, &u32)| policy.request(Request { at, id: *id, weight: 1 }) == Seen::Hit;
                let hits = trace.iter().enumerate().map(hit).filter(|hit| *hit).count();
                (hits, policy.name())
            };
            let counts: Vec<_> = all(capacity, 200, &next).into_iter().map(count).collect();
            let (best, _) = counts[0];
            assert!(counts.iter().all(|(hits, _)| *hits <= best), "{counts:?} of {capacity}");
            assert!(counts.iter().all(|(hits, _)| *hits * 3 > best), "{counts:?} of {capacity}");
        }
    }
}

#[test]
fn a_larger_lru_has_all_hits_of_a_smaller_one() {
    for seed in 1..6 {
        let (mut small, mut large) = (Queue::new(Order::Lru, 20, 200), Queue::new(Order::Lru, 40, 200));
        for (at, id) in skewed(seed).into_iter().enumerate() {
            let request = Request { at, id, weight: 1 };
            let (in_small, in_large) = (small.request(request), large.request(request));
            assert!(in_small != Seen::Hit || in_large == Seen::Hit, "request {at}");
        }
    }
}

#[test]
fn no_policy_holds_more_than_it_may_or_loses_count() {
    let trace = skewed(7);
    let next = next_uses(&trace, 200);
    let weight = |id: u32| u64::from(id % 17 + 1);
    for mut policy in all(300, 200, &next) {
        let mut admitted = 0;
        for (at, id) in trace.iter().enumerate() {
            admitted +=
                u64::from(policy.request(Request { at, id: *id, weight: weight(*id) }) == Seen::Admitted);
        }
        let left = admitted - policy.evicted();
        // 300 bytes hold at most 200 objects, and not less than 300 / 17 once full.
        assert!((10..=200).contains(&left), "{}: {left} left", policy.name());
        let mut larger = Request { at: trace.len() - 1, id: 0, weight: 301 };
        larger.id = 199;
        assert_ne!(policy.request(larger), Seen::Admitted, "{}: larger than all", policy.name());
    }
}
