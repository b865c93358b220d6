//! Capacity: kept, and what is read stays.

use super::*;

#[tokio::test]
async fn the_capacity_is_kept_and_the_oldest_goes_first() {
    let world = World { capacity: 2 << 20, ..World::new() };
    let tier = world.open().await;
    let names = names(5_000);
    for chunk in names.chunks(50) {
        put_all(&tier, chunk, 1000).await;
        assert!(world.bytes() <= world.capacity, "{} bytes on disk", world.bytes());
        assert!(tier.bytes() <= world.capacity);
    }
    assert!(tier.bytes() > world.capacity * 8 / 10, "{} bytes are used", tier.bytes());
    assert!(!tier.contains(hash("n0")));
    let kept = names.iter().rev().take(1_000).filter(|name| tier.contains(hash(name))).count();
    assert_eq!(kept, 1_000, "the newest are all there");
    assert_eq!(tier.entries(), names.iter().filter(|name| tier.contains(hash(name))).count() as u64);
    tier.close();
    let smaller = World { capacity: 1 << 20, ..world };
    let tier = smaller.open().await;
    assert!(smaller.bytes() <= smaller.capacity);
    assert!(has(&tier, "n4999", 1000).await);
}

#[tokio::test]
async fn what_is_read_or_in_ram_is_kept() {
    let world = World { capacity: 2 << 20, wanted: Some(hash("n1")), ..World::new() };
    let tier = world.open().await;
    let names = names(6_000);
    for chunk in names.chunks(500) {
        put_all(&tier, chunk, 1000).await;
        assert!(has(&tier, "n0", 1000).await, "read between");
        assert!(has(&tier, "n0", 1000).await, "and again");
    }
    // Asked about after all, so that asking does not keep it.
    assert!(tier.contains(hash("n1")) && has(&tier, "n1", 1000).await, "in RAM all the time");
    assert!(!tier.contains(hash("n2")));
    tier.close();
    let tier = world.open().await;
    assert!(has(&tier, "n0", 1000).await && has(&tier, "n1", 1000).await);
}

#[tokio::test]
async fn when_all_is_read_the_log_still_takes_in_what_is_new() {
    let world = World { capacity: 2 << 20, ..World::new() };
    let tier = world.open().await;
    for chunk in names(5_000).chunks(50) {
        put_all(&tier, chunk, 1000).await;
        for name in chunk {
            assert!(has(&tier, name, 1000).await);
        }
        assert!(world.bytes() <= world.capacity);
    }
}

#[tokio::test]
async fn large_records_fit_beside_what_is_kept() {
    let world = World { capacity: 4 << 20, ..World::new() };
    let tier = world.open().await;
    let largest = (4 << 20) / 32 - 400;
    for i in 0..200 {
        let (name, len) = (format!("n{i}"), if i % 2 == 0 { largest } else { largest / 3 });
        put(&tier, &name, len);
        listed(&tier, &name).await;
        assert!(has(&tier, &name, len).await);
        assert!(world.bytes() <= world.capacity, "{} bytes on disk", world.bytes());
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_kept_and_replaces_what_was() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    put(&tier, "a", 300 * 1024);
    put(&tier, "end", 1);
    listed(&tier, "end").await;
    assert!(!tier.contains(hash("a")));
    tier.close();
    assert!(!world.open().await.contains(hash("a")));
}
