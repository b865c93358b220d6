//! Slices on disk: a large object outlives memory and the process, and what is read of it is what it was.

use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::large::{Large, SLICE};
use crate::world::{Metrics, Seen, World};

async fn world(folder: &Path, large: &Large, memory: &str, admission: &str) -> World {
    let toml = format!(
        "[cache.memory]\ncapacity = \"{memory}\"\nmax_object = \"128KiB\"\n\
         [cache.disk]\npath = \"{}\"\ncapacity = \"64MiB\"\nadmission = \"{admission}\"\n",
        folder.display()
    );
    let world = World::new().site("[site.cache]\nslice = \"64KiB\"").more(&toml).start().await;
    let ended = |m: &Metrics| m.sum("seawall_disk_recovery_seconds", &[]) > 0.0;
    world.metrics_when("the index is read", ended).await;
    let origin = large.clone();
    world.origin().on("/a", move |request| origin.serve(request));
    world
}

async fn written(world: &World, entries: f64) {
    let all = |m: &Metrics| m.sum("seawall_cache_entries", &[("tier", "disk")]) >= entries;
    world.metrics_when(&format!("{entries} entries are on disk"), all).await;
}

async fn range(world: &World, from: u64, to: u64) -> Seen {
    world.client().get("/a").header("Range", &format!("bytes={from}-{}", to - 1)).send().await
}

#[track_caller]
fn is_part(seen: &Seen, large: &Large, from: u64, to: u64) {
    assert_eq!(seen.status, 206, "{:?}", seen.fields);
    assert!(seen.body == large.bytes(from, to), "{from}..{to}: wrong bytes, {} of them", seen.body.len());
}

#[tokio::test]
async fn a_large_object_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let large = Large::new(40 * SLICE + 100);
    let mut first = world(folder.path(), &large, "64MiB", "all").await;
    assert!(first.get("/a").await.body == large.bytes(0, 40 * SLICE + 100));
    written(&first, 42.0).await;
    assert!(first.stop().await.unwrap());
    let second = world(folder.path(), &large, "64MiB", "all").await;
    let seen = range(&second, 3 * SLICE + 5, 6 * SLICE + 7).await;
    is_part(&seen, &large, 3 * SLICE + 5, 6 * SLICE + 7);
    assert!(seen.is_hit(), "{seen:?}");
    let seen = second.client().get("/a").header("Cache-Control", "only-if-cached").send().await;
    assert!(seen.is_hit() && seen.body == large.bytes(0, 40 * SLICE + 100), "{:?}", seen.fields);
    assert_eq!(second.origin().count(), 0);
}

#[tokio::test]
async fn what_memory_has_no_room_for_is_read_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let large = Large::new(100 * SLICE);
    let world = world(folder.path(), &large, "1MiB", "all").await;
    for _ in 0..3 {
        let seen = world.get("/a").await;
        assert!(seen.status == 200 && seen.body == large.bytes(0, 100 * SLICE), "{:?}", seen.fields);
        written(&world, 101.0).await;
    }
    assert_eq!(large.sent(), 100 * SLICE, "each byte was asked for once");
    let reads = world.metrics().await.sum("seawall_disk_reads_total", &[("result", "hit")]);
    assert!(reads > 100.0, "{reads}");
}

#[tokio::test]
async fn slices_that_are_on_neither_are_asked_for_alone() {
    let folder = tempfile::tempdir().unwrap();
    let large = Large::new(20 * SLICE);
    let mut first = world(folder.path(), &large, "64MiB", "all").await;
    for at in [2, 3, 7, 15] {
        is_part(&range(&first, at * SLICE, at * SLICE + 1).await, &large, at * SLICE, at * SLICE + 1);
    }
    written(&first, 5.0).await;
    let metrics = first.metrics_when("no fill", |m| m.sum("seawall_fills_active", &[]) == 0.0).await;
    let stored = metrics.sum("seawall_disk_writes_total", &[]) - 1.0;
    assert!(first.stop().await.unwrap());
    let before = large.sent();
    let second = world(folder.path(), &large, "64MiB", "all").await;
    let seen = second.get("/a").await;
    assert!(seen.body == large.bytes(0, 20 * SLICE), "{:?}", seen.fields);
    assert!(!seen.is_hit(), "{:?}", seen.fields);
    let sent = large.sent() - before;
    assert!(sent <= (20 - stored as u64) * SLICE, "{sent} bytes beside {stored} slices");
}

#[tokio::test]
async fn the_second_read_is_what_gets_a_slice_written() {
    let folder = tempfile::tempdir().unwrap();
    let large = Large::new(20 * SLICE);
    let first = world(folder.path(), &large, "64MiB", "second-hit").await;
    range(&first, 0, 10).await;
    first.metrics_when("no fill", |m| m.sum("seawall_fills_active", &[]) == 0.0).await;
    assert_eq!(first.metrics().await.sum("seawall_disk_writes_total", &[]), 0.0);
    assert!(range(&first, 10, 20).await.is_hit());
    // The slice, and the head that leads to it.
    written(&first, 2.0).await;
}

#[tokio::test]
async fn two_versions_never_meet_and_the_old_one_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let large = Large::new(20 * SLICE);
    let mut first = world(folder.path(), &large, "64MiB", "all").await;
    is_part(&range(&first, 0, 4 * SLICE).await, &large, 0, 4 * SLICE);
    first.metrics_when("no fill", |m| m.sum("seawall_fills_active", &[]) == 0.0).await;
    written(&first, 5.0).await;
    large.change();
    let (from, to) = (10 * SLICE, 11 * SLICE);
    is_part(&range(&first, from, to).await, &large, from, to);
    is_part(&range(&first, 0, SLICE).await, &large, 0, SLICE);
    assert!(first.stop().await.unwrap());
    let second = world(folder.path(), &large, "64MiB", "all").await;
    is_part(&range(&second, 0, 2 * SLICE).await, &large, 0, 2 * SLICE);
    is_part(&range(&second, from, to).await, &large, from, to);
}

#[tokio::test]
async fn a_damaged_slice_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let large = Large::new(20 * SLICE);
    let mut first = world(folder.path(), &large, "64MiB", "all").await;
    first.get("/a").await;
    written(&first, 21.0).await;
    assert!(first.stop().await.unwrap());
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            for at in [3, 4, 9, 17] {
                let (at, mut byte) = (at * SLICE + SLICE / 2, [0]);
                if file.read_at(&mut byte, at).unwrap() == 1 {
                    file.write_all_at(&[!byte[0]], at).unwrap();
                }
            }
        }
    }
    let before = large.sent();
    let second = world(folder.path(), &large, "64MiB", "all").await;
    for _ in 0..2 {
        let seen = second.get("/a").await;
        assert!(seen.status == 200 && seen.body == large.bytes(0, 20 * SLICE), "{:?}", seen.fields);
    }
    let sent = large.sent() - before;
    assert!(sent > 0 && sent < 20 * SLICE, "{sent}");
}
