//! A disk that is slow, full, gone or taken.

use super::*;

#[tokio::test]
async fn a_slow_disk_sheds_writes_and_does_not_wait() {
    let world = World { queue: 100_000, ..World::new() };
    let tier = world.open().await;
    put(&tier, "old", 100);
    listed(&tier, "old").await;
    let made: Vec<_> = names(1000).iter().map(|name| Arc::new(object(name, &body(name, 1000)))).collect();
    // Larger than the others, so that the gap which the last of them left does not hold it.
    let new = Arc::new(object("old", &body("old", 2000)));
    world.faults.slow(Duration::from_millis(500));
    put(&tier, "first", 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    for (name, object) in names(1000).iter().zip(made) {
        tier.put(hash(name), Entry::Object(object));
    }
    tier.put(hash("old"), Entry::Object(new));
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(!tier.contains(hash("old")), "what could not be replaced is removed");
    world.faults.slow(Duration::ZERO);
    tier.close();
    let shed = tier.inner.metrics.shed.with_label_values(&["queue"]).get();
    assert!((500..1000).contains(&shed), "{shed} of 1000 shed");
}

#[tokio::test]
async fn a_full_disk_serves_what_is_there_and_comes_back() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    put(&tier, "removed", 100);
    listed(&tier, "removed").await;
    world.faults.full(true);
    put(&tier, "b", 100);
    until(&tier, |status| matches!(status, Status::Down(reason) if reason.contains("space"))).await;
    assert!(has(&tier, "a", 100).await);
    assert_eq!((tier.inner.metrics.full.get(), tier.inner.metrics.up.get()), (1, 0));
    put(&tier, "c", 100);
    tier.remove(hash("removed"));
    assert!(!tier.contains(hash("removed")));
    world.faults.full(false);
    until(&tier, |status| *status == Status::Up).await;
    assert_eq!((tier.inner.metrics.full.get(), tier.inner.metrics.up.get()), (0, 1));
    put(&tier, "d", 100);
    listed(&tier, "d").await;
    assert!(has(&tier, "a", 100).await && !tier.contains(hash("b")) && !tier.contains(hash("c")));
    tier.close();
    let tier = world.open().await;
    assert!(has(&tier, "a", 100).await && has(&tier, "d", 100).await);
    assert!(!tier.contains(hash("removed")), "removed while the disk was full");
}

#[tokio::test]
async fn reads_that_fail_are_not_tried_for_a_while_and_come_back() {
    let world = World::new();
    let tier = world.open().await;
    put_all(&tier, &names(20), 100).await;
    world.faults.unreadable(true);
    for name in names(20) {
        assert!(read(&tier, &name).await.is_none());
    }
    until(&tier, |status| matches!(status, Status::Down(reason) if reason.contains("unreadable"))).await;
    world.faults.unreadable(false);
    until(&tier, |status| *status == Status::Up).await;
    assert!(has(&tier, "n0", 100).await, "an error is no damage");
}

#[tokio::test]
async fn reads_that_take_too_long_are_misses() {
    let world = World { read_timeout: Duration::from_millis(10), ..World::new() };
    let tier = world.open().await;
    put_all(&tier, &names(20), 100).await;
    world.faults.slow(Duration::from_millis(100));
    let began = Instant::now();
    for name in names(20) {
        assert!(read(&tier, &name).await.is_none());
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    until(&tier, |status| matches!(status, Status::Down(_))).await;
    world.faults.slow(Duration::ZERO);
    until(&tier, |status| *status == Status::Up).await;
    assert!(tier.contains(hash("n0")));
}

#[tokio::test]
async fn a_folder_that_vanishes_is_made_anew() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    fs::remove_dir_all(world.path()).unwrap();
    until(&tier, |status| *status != Status::Up).await;
    until(&tier, |status| *status == Status::Up).await;
    assert!(!tier.contains(hash("a")));
    put(&tier, "b", 100);
    listed(&tier, "b").await;
    assert!(has(&tier, "b", 100).await);
}

#[tokio::test]
async fn a_folder_has_one_process() {
    let world = World::new();
    let first = world.open().await;
    put(&first, "a", 100);
    listed(&first, "a").await;
    let second = world.begin();
    until(&second, |status| matches!(status, Status::Down(reason) if reason.contains("another process")))
        .await;
    put(&second, "b", 100);
    first.close();
    drop(first);
    until(&second, |status| *status == Status::Up).await;
    assert!(has(&second, "a", 100).await);
}

#[tokio::test]
async fn a_path_that_can_not_be_a_folder_is_said_and_tried_again() {
    let world = World::new();
    fs::write(world.path(), "a file").unwrap();
    let tier = world.begin();
    until(&tier, |status| matches!(status, Status::Down(_))).await;
    put(&tier, "a", 100);
    assert!(tier.get(hash("a")).await.is_none());
    fs::remove_file(world.path()).unwrap();
    until(&tier, |status| *status == Status::Up).await;
}

#[tokio::test]
async fn a_record_cut_short_by_a_full_disk_is_no_damage() {
    let world = World { capacity: 256 << 20, queue: 8 << 20, ..World::new() };
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    let before = world.bytes();
    world.faults.full_after(2);
    put(&tier, "large", 3_000_000);
    until(&tier, |status| matches!(status, Status::Down(_))).await;
    assert_eq!(world.bytes(), before, "what was written of it is cut off");
    world.faults.full(false);
    until(&tier, |status| *status == Status::Up).await;
    put(&tier, "b", 100);
    listed(&tier, "b").await;
    tier.close();
    let tier = world.open().await;
    assert!(!tier.contains(hash("large")));
    assert!(!read(&tier, "a").await.unwrap().meta.freshness.always_validate);
}
