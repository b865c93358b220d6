//! How long it takes to find a key's member: `cargo bench --bench ring`. It should stay under 100 ns for 100 members.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use seawall::origin::ring::{Place, Ring};
use std::hint::black_box;

fn fleet(members: u64) -> Vec<Place> {
    // Any spread-out identities do.
    (1..=members).map(|n| Place { identity: n.wrapping_mul(0x9E37_79B9_7F4A_7C15), weight: 1 }).collect()
}

fn lookups(c: &mut Criterion) {
    for members in [3, 10, 100] {
        let ring = Ring::new(&fleet(members));
        let mut key = 0u64;
        let mut next = move || {
            key = key.wrapping_add(0xBF58_476D_1CE4_E5B9);
            key
        };
        c.bench_function(&format!("owner of a key, {members} members"), |b| {
            b.iter_batched(&mut next, |key| black_box(ring.owner(key)), BatchSize::SmallInput);
        });
        c.bench_function(&format!("first two of a walk, {members} members"), |b| {
            b.iter_batched(&mut next, |key| black_box(ring.walk(key).take(2).last()), BatchSize::SmallInput);
        });
    }
    c.bench_function("a ring of 100 members", |b| {
        let places = fleet(100);
        b.iter(|| Ring::new(black_box(&places)));
    });
}

criterion_group!(benches, lookups);
criterion_main!(benches);
