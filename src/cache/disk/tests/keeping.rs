//! What is put is read, also after a restart; what is removed is not.

use super::*;

#[tokio::test]
async fn what_was_put_is_read_also_after_a_restart() {
    let world = World::new();
    let tier = world.open().await;
    let sizes = [("empty", 0), ("small", 100), ("medium", 70_000), ("piece", 256 * 1024 - 700)];
    for (name, len) in sizes {
        put(&tier, name, len);
        listed(&tier, name).await;
    }
    let key = Key::new(KeyText::from_slice(b"varies"));
    tier.put(key.hash(), Entry::Variants(Arc::new(Variants::new(&key))));
    for round in 0..3 {
        let tier = if round == 0 { tier.clone() } else { world.open().await };
        for (name, len) in sizes {
            assert!(has(&tier, name, len).await || round == 0, "{name} in round {round}");
        }
        listed(&tier, "empty").await;
        let object = read(&tier, "small").await.unwrap();
        let expected = object_freshness();
        assert_eq!(object.meta.freshness, expected, "its age counts from when it was stored");
        assert!(!tier.contains(hash("never put")));
        assert!(tier.get(hash("never put")).await.is_none());
        tier.close();
    }
    let tier = world.open().await;
    assert!(matches!(tier.get(key.hash()).await.unwrap().entry, Entry::Variants(_)));
}

fn object_freshness() -> Freshness {
    object("x", b"").meta.freshness
}

#[tokio::test]
async fn a_body_of_many_pieces_is_itself() {
    let world = World { capacity: 256 << 20, queue: 8 << 20, ..World::new() };
    let tier = world.open().await;
    for len in [256 * 1024, 1 << 20, (1 << 20) + 1, 3_000_000] {
        let name = format!("large {len}");
        put(&tier, &name, len);
        listed(&tier, &name).await;
        assert!(has(&tier, &name, len).await, "{name}");
    }
}

#[tokio::test]
async fn what_was_removed_does_not_come_back() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    let stored = tier.get(hash("a")).await.unwrap();
    assert!(tier.is_current(hash("a"), &stored));
    tier.remove(hash("a"));
    assert!(!tier.contains(hash("a")));
    assert!(!tier.is_current(hash("a"), &stored));
    // One that is still on its way, too.
    put(&tier, "b", 100);
    tier.remove(hash("b"));
    put(&tier, "c", 100);
    tier.remove(hash("c"));
    put(&tier, "c", 200);
    listed(&tier, "c").await;
    assert!(!tier.contains(hash("b")));
    tier.close();
    let tier = world.open().await;
    assert!(!tier.contains(hash("a")));
    assert!(!tier.contains(hash("b")));
    assert!(has(&tier, "c", 200).await);
}

#[tokio::test]
async fn the_newest_is_what_counts() {
    let world = World::new();
    let tier = world.open().await;
    for len in 1..20 {
        put(&tier, "a", len);
    }
    put(&tier, "end", 1);
    listed(&tier, "end").await;
    assert!(has(&tier, "a", 19).await);
    tier.close();
    assert!(has(&world.open().await, "a", 19).await);
}

#[tokio::test]
async fn many_readers_of_one_record_share_a_read() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 1000);
    listed(&tier, "a").await;
    world.faults.slow(Duration::from_millis(100));
    let reads: Vec<_> = (0..100)
        .map(|_| {
            let tier = tier.clone();
            tokio::spawn(async move { has(&tier, "a", 1000).await })
        })
        .collect();
    let began = Instant::now();
    for read in reads {
        assert!(read.await.unwrap());
    }
    assert!(began.elapsed() < Duration::from_secs(2), "100 reads in {:?}", began.elapsed());
}

#[tokio::test]
async fn second_hit_admits_what_was_seen_before() {
    let world = World { admission: Admission::SecondHit, ..World::new() };
    let tier = world.open().await;
    assert!(!tier.admits(hash("a")));
    assert!(tier.admits(hash("a")));
    put(&tier, "b", 100);
    listed(&tier, "b").await;
    assert!(tier.admits(hash("b")), "what is there is replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_gets_and_removals_at_once_never_give_a_wrong_body() {
    let world = World { capacity: 2 << 20, ..World::new() };
    let tier = world.open().await;
    let wrong = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..4u64)
        .map(|task| {
            let (tier, wrong) = (tier.clone(), Arc::clone(&wrong));
            tokio::spawn(async move {
                let mut random = task.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                for _ in 0..3_000 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let name = format!("n{}", random % 300);
                    match random >> 60 {
                        0 => tier.remove(hash(&name)),
                        1..=7 => put(&tier, &name, 1500),
                        _ => {
                            if let Some(object) = read(&tier, &name).await
                                && pieces(&object).concat() != body(&name, 1500)
                            {
                                wrong.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(wrong.load(Ordering::SeqCst), 0);
    assert!(world.bytes() <= world.capacity);
}
