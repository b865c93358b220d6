//! The disk tier: what outlives memory and the process.

use std::path::Path;

use crate::world::{Answer, Metrics, Seen, World};

/// A world whose edge has a disk tier in `folder`.
async fn world(folder: &Path, admission: &str, more: &str) -> World {
    let toml = format!(
        "[cache.disk]\npath = \"{}\"\ncapacity = \"64MiB\"\nadmission = \"{admission}\"\n{more}",
        folder.display()
    );
    let world = World::new().more(&toml).start().await;
    // Recovery has ended before anything is asked of it.
    let ended = |m: &Metrics| m.sum("seawall_disk_recovery_seconds", &[]) > 0.0;
    world.metrics_when("the index is read", ended).await;
    world
}

fn writes(metrics: &Metrics) -> f64 {
    metrics.sum("seawall_disk_writes_total", &[])
}

/// Waits for so many records to be on disk.
async fn written(world: &World, count: f64) {
    world
        .metrics_when(&format!("{count} records are on disk"), |m| {
            writes(m) >= count && m.sum("seawall_cache_entries", &[("tier", "disk")]) > 0.0
        })
        .await;
}

async fn restarted(mut world: World, folder: &Path) -> World {
    assert!(world.stop().await.unwrap());
    let world = self::world(folder, "all", "").await;
    // Whoever asks it was not asked by the cache.
    world.origin().always("*", Answer::fresh("from the origin again", 60));
    world
}

#[tokio::test]
async fn a_restarted_edge_has_what_it_had_and_its_age_counts_the_downtime() {
    let folder = tempfile::tempdir().unwrap();
    let first = world(folder.path(), "all", "").await;
    first.origin().always("/a", Answer::fresh("hello", 60).header("ETag", "\"1\"").header("X-Mine", "yes"));
    first.get("/a").await.assert_stored(200, "hello");
    let second = restarted(first, folder.path()).await;
    second.advance(50);
    let hit = second.get("/a").await;
    hit.assert_hit(200, "hello");
    assert_eq!((hit.age(), hit.header("x-mine").as_deref()), (50, Some("yes")));
    second.client().get("/a").header("If-None-Match", "\"1\"").send().await.assert(304, "");
    second.client().get("/a").header("Range", "bytes=1-2").send().await.assert(206, "el");
    assert_eq!(second.origin().count(), 0);
    second.advance(10);
    assert!(!second.get("/a").await.is_hit(), "60 seconds are over");
}

async fn in_language(world: &World, language: &str) -> Seen {
    world.client().get("/a").header("Accept-Language", language).send().await
}

#[tokio::test]
async fn variants_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = world(folder.path(), "all", "").await;
    first.origin().on("/a", |request| {
        let language = request.header("accept-language").unwrap_or_default();
        Answer::fresh(format!("in {language}"), 60).header("Vary", "Accept-Language")
    });
    for language in ["de", "fr"] {
        in_language(&first, language).await.assert_stored(200, &format!("in {language}"));
    }
    let second = restarted(first, folder.path()).await;
    in_language(&second, "de").await.assert_hit(200, "in de");
    in_language(&second, "fr").await.assert_hit(200, "in fr");
    assert!(!in_language(&second, "en").await.is_hit());
    assert_eq!(second.origin().count(), 1);
}

#[tokio::test]
async fn the_second_request_is_what_gets_a_response_written() {
    let folder = tempfile::tempdir().unwrap();
    let first = world(folder.path(), "second-hit", "").await;
    first.origin().always("*", Answer::fresh("hello", 60));
    first.get("/once").await;
    first.get("/twice").await.assert_stored(200, "hello");
    for _ in 0..3 {
        first.get("/twice").await.assert_hit(200, "hello");
    }
    written(&first, 1.0).await;
    assert_eq!(writes(&first.metrics().await), 1.0);
    let second = restarted(first, folder.path()).await;
    second.get("/twice").await.assert_hit(200, "hello");
    second.get("/once").await.assert_stored(200, "from the origin again");
}

#[tokio::test]
async fn what_memory_has_no_room_for_is_served_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), "all", "[cache.memory]\ncapacity = \"1MiB\"").await;
    world.origin().on("*", |request| Answer::fresh(format!("{}{}", request.path(), "x".repeat(50_000)), 60));
    for i in 0..100 {
        assert_eq!(world.get(&format!("/{i}")).await.status, 200);
        written(&world, f64::from(i + 1)).await;
    }
    for i in 0..100 {
        let path = format!("/{i}");
        world.get(&path).await.assert_hit(200, &format!("{path}{}", "x".repeat(50_000)));
    }
    assert_eq!(world.origin().count(), 100);
    let metrics = world.metrics().await;
    assert!(metrics.sum("seawall_disk_reads_total", &[("result", "hit")]) >= 80.0);
    assert_eq!(metrics.sum("seawall_cache_entries", &[("tier", "disk")]), 100.0);
}

#[tokio::test]
async fn what_an_unsafe_request_changed_is_gone_from_disk_too() {
    let folder = tempfile::tempdir().unwrap();
    let first = World::new()
        .site("methods = [\"GET\", \"PUT\"]")
        .more(&format!("[cache.disk]\npath = \"{}\"\nadmission = \"all\"\n", folder.path().display()))
        .start()
        .await;
    first.origin().always("/a", Answer::fresh("old", 60));
    first.get("/a").await;
    written(&first, 1.0).await;
    first.client().request("PUT", "/a").body("new").send().await;
    let second = restarted(first, folder.path()).await;
    second.get("/a").await.assert_stored(200, "from the origin again");
}

#[tokio::test]
async fn what_was_confirmed_is_kept_as_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let first = world(folder.path(), "all", "").await;
    first.origin().on("/a", |request| match request.header("if-none-match") {
        Some(_) => Answer::status(304).header("ETag", "\"1\"").header("Cache-Control", "max-age=600"),
        None => Answer::fresh("hello", 10).header("ETag", "\"1\""),
    });
    first.get("/a").await;
    written(&first, 1.0).await;
    first.advance(20);
    first.get("/a").await.assert(200, "hello");
    let second = restarted(first, folder.path()).await;
    second.advance(120);
    second.get("/a").await.assert_hit(200, "hello");
}

#[tokio::test]
async fn without_its_folder_the_edge_serves_on_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    std::fs::write(&path, "in the way").unwrap();
    let toml = format!("[cache.disk]\npath = \"{}\"\nadmission = \"all\"\n", path.display());
    let world = World::new().more(&toml).start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    world.metrics_when("the folder was tried", |m| m.sum("seawall_disk_errors_total", &[]) > 0.0).await;
    assert_eq!(world.metrics().await.sum("seawall_disk_up", &[]), 0.0);
    let ready = world.readiness_when(r#""impaired":["disk_cache","purge_log"]"#).await;
    assert_eq!(ready.status, 200, "traffic is served");
    world.get("/a").await.assert_stored(200, "hello");
    world.get("/a").await.assert_hit(200, "hello");
    std::fs::remove_file(&path).unwrap();
    world.metrics_when("the disk tier is up", |m| m.sum("seawall_disk_up", &[]) == 1.0).await;
    world.readiness_when(r#""impaired":[]"#).await;
}

#[tokio::test]
async fn a_folder_that_can_not_be_used_at_the_start_is_used_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, away) = (folder.path().join("cache"), folder.path().join("away"));
    let mut first = world(&cache, "all", "").await;
    first.origin().always("/a", Answer::fresh("hello", 3600));
    first.get("/a").await.assert_stored(200, "hello");
    assert!(first.stop().await.unwrap());
    std::fs::rename(&cache, &away).unwrap();
    std::fs::write(&cache, "in the way").unwrap();
    let toml = format!("[cache.disk]\npath = \"{}\"\ncapacity = \"64MiB\"\n", cache.display());
    let world = World::new().more(&toml).start().await;
    world.origin().always("*", Answer::fresh("new", 60));
    world.get("/b").await.assert_stored(200, "new");
    world.get("/b").await.assert_hit(200, "new");
    world.readiness_when(r#""impaired":["disk_cache","purge_log"]"#).await;
    std::fs::remove_file(&cache).unwrap();
    std::fs::rename(&away, &cache).unwrap();
    world.readiness_when(r#""impaired":[]"#).await;
    world.get("/a").await.assert_hit(200, "hello");
    assert_eq!(world.origin().count(), 1);
}
