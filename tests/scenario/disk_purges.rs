//! Purges with a disk tier: what was purged is not served, whichever tier has it, and after a restart neither.

use std::path::Path;

use crate::world::{Answer, Client, Metrics, START, World};

/// A world whose edge has a disk tier in `folder`; `memory` is how much RAM it has, and `later` when it starts.
async fn world(folder: &Path, memory: &str, later: u64) -> World {
    let toml = format!(
        "[cache.memory]\ncapacity = \"{memory}\"\n\
         [cache.disk]\npath = \"{}\"\ncapacity = \"64MiB\"\nadmission = \"all\"\n",
        folder.display()
    );
    let world = World::new().later(later).more(&toml).start().await;
    let ended = |m: &Metrics| m.sum("seawall_disk_recovery_seconds", &[]) > 0.0;
    world.metrics_when("the index is read", ended).await;
    world
}

async fn restarted(mut world: World, folder: &Path) -> World {
    assert!(world.stop().await.unwrap());
    let later = world.now().since(START).as_secs() + 1;
    started_again(folder, later).await
}

async fn started_again(folder: &Path, later: u64) -> World {
    let world = self::world(folder, "64MiB", later).await;
    world.origin().on("*", |request| match request.header("if-none-match") {
        Some(tag) => Answer::status(304).header("ETag", &tag).header("Cache-Control", "max-age=600"),
        None => Answer::fresh(format!("new {}", request.path()), 600),
    });
    world
}

async fn purge(world: &World, body: &str) -> u16 {
    let client = Client::of(world.admin_address(), "localhost");
    client.request("POST", "/purge").body(body).send().await.status
}

/// Stores `/a` to `/z`, each tagged by itself.
async fn fill(world: &World, padding: usize) {
    world.origin().on("*", move |request| {
        let path = request.path().to_owned();
        let (tag, etag) = (format!("tag-{}", &path[1..]), format!("\"{path}\""));
        let body = format!("old {path}{}", " ".repeat(padding));
        Answer::fresh(body, 600).header("Cache-Tag", &tag).header("ETag", &etag)
    });
    for (n, name) in ('a'..='z').enumerate() {
        world.get(&format!("/{name}")).await;
        let written = |m: &Metrics| m.sum("seawall_cache_entries", &[("tier", "disk")]) > n as f64;
        world.metrics_when(&format!("/{name} is on disk"), written).await;
    }
}

#[tokio::test]
async fn what_was_purged_stays_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = world(folder.path(), "64MiB", 0).await;
    fill(&first, 0).await;
    assert_eq!(purge(&first, r#"{"urls":["http://test.example/a"]}"#).await, 200);
    assert_eq!(purge(&first, r#"{"tags":["tag-b"]}"#).await, 200);
    assert_eq!(purge(&first, r#"{"prefixes":["http://test.example/c"]}"#).await, 200);
    assert_eq!(purge(&first, r#"{"tags":["tag-d"],"soft":true}"#).await, 200);
    let second = restarted(first, folder.path()).await;
    for name in ["a", "b", "c"] {
        second.get(&format!("/{name}")).await.assert_stored(200, &format!("new /{name}"));
    }
    let confirmed = second.get("/d").await;
    confirmed.assert(200, "old /d");
    assert!(!confirmed.is_hit(), "{confirmed:?}");
    second.get("/e").await.assert_hit(200, "old /e");
    assert_eq!(second.origin().count(), 4);

    let third = restarted(second, folder.path()).await;
    third.get("/a").await.assert_hit(200, "new /a");
    third.get("/d").await.assert_hit(200, "old /d");
    assert_eq!(third.origin().count(), 0);
}

#[tokio::test]
async fn a_purge_means_what_an_earlier_run_has_stored() {
    let folder = tempfile::tempdir().unwrap();
    let first = world(folder.path(), "64MiB", 0).await;
    fill(&first, 0).await;
    let second = restarted(first, folder.path()).await;
    assert_eq!(purge(&second, r#"{"tags":["tag-a"]}"#).await, 200);
    second.get("/a").await.assert_stored(200, "new /a");
    second.get("/b").await.assert_hit(200, "old /b");
}

#[tokio::test]
async fn what_only_the_disk_has_is_purged_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), "1MiB", 0).await;
    fill(&world, 100_000).await;
    world.origin().on("*", |request| Answer::fresh(format!("new {}", request.path()), 600));
    assert_eq!(purge(&world, r#"{"prefixes":["http://test.example/"]}"#).await, 200);
    for name in 'a'..='z' {
        world.get(&format!("/{name}")).await.assert_stored(200, &format!("new /{name}"));
        world.get(&format!("/{name}")).await.assert_hit(200, &format!("new /{name}"));
    }
}

#[tokio::test]
async fn without_its_log_of_purges_all_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = world(folder.path(), "64MiB", 0).await;
    fill(&first, 0).await;
    assert_eq!(purge(&first, r#"{"tags":["tag-a"]}"#).await, 200);
    assert!(first.stop().await.unwrap());
    let log = folder.path().join("purges.log");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    let second = started_again(folder.path(), 1).await;
    let confirmed = second.get("/b").await;
    confirmed.assert(200, "old /b");
    assert!(!confirmed.is_hit(), "{confirmed:?}");
    // In effect, and not to be relied on after a restart.
    assert_ne!(purge(&second, r#"{"tags":["tag-b"]}"#).await, 200);
    second.get("/b").await.assert_stored(200, "new /b");
    std::fs::remove_dir(&log).unwrap();
    assert_eq!(purge(&second, r#"{"tags":["tag-c"]}"#).await, 200);
    let third = restarted(second, folder.path()).await;
    third.get("/c").await.assert_stored(200, "new /c");
    assert!(!third.get("/e").await.is_hit(), "older than the log");
    third.get("/b").await.assert_hit(200, "new /b");
}

#[tokio::test]
async fn an_operator_sees_which_tier_has_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let first = world(folder.path(), "64MiB", 0).await;
    fill(&first, 0).await;
    let second = restarted(first, folder.path()).await;
    let tier = async || {
        let client = Client::of(second.admin_address(), "localhost");
        let seen = client.get("/objects?url=http://test.example/a").send().await;
        let seen: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        seen["objects"][0]["tier"].as_str().map(ToOwned::to_owned)
    };
    assert_eq!(tier().await.as_deref(), Some("disk"));
    second.get("/a").await.assert_hit(200, "old /a");
    assert_eq!(tier().await.as_deref(), Some("memory"));
    purge(&second, r#"{"urls":["http://test.example/a"]}"#).await;
    assert_eq!(tier().await, None);
}
