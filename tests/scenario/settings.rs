//! Settings that are replaced while requests run: each request has all of the old ones or all of the new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::world::{Answer, Client, Gate, Seen, World};

/// Two sets of settings that a response can be told from: the node's name in Cache-Status, and a field of the site.
const NAMES: [&str; 2] = ["edge-a", "edge-b"];

fn named(name: &str) -> String {
    format!("response = {{ X-Settings = \"{name}\" }}")
}

async fn world() -> World {
    let server = format!("server_name = \"{}\"", NAMES[0]);
    World::new().server(&server).site(&format!("[site.headers]\n{}", named(NAMES[0]))).start().await
}

fn renamed(toml: &str, name: &str) -> String {
    toml.replace(NAMES[0], name)
}

/// Which settings answered, if it was one set.
fn settings_of(seen: &Seen) -> Option<String> {
    let by_site = seen.header("x-settings")?;
    let node = seen.header("cache-status")?.split(';').next()?.to_owned();
    (by_site == node).then_some(by_site)
}

/// Asks for what is cached, what is not, and what is not to be, until it is told to stop; how many were answered.
async fn traffic(client: Client, lane: usize, stop: Arc<AtomicBool>) -> usize {
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        for target in ["/hit".to_owned(), format!("/miss/{lane}/{answered}"), "/pass".to_owned()] {
            let seen = client.get(&target).send().await;
            assert_eq!(seen.status, 200, "{target}: {seen:?}");
            assert!(settings_of(&seen).is_some(), "half of each: {seen:?}");
            answered += 1;
        }
    }
    answered
}

#[tokio::test]
async fn no_request_fails_or_sees_half_of_each() {
    let world = world().await;
    world.origin().always("/pass", Answer::ok("x").header("Cache-Control", "no-store"));
    world.origin().always("*", Answer::fresh("x", 600));
    world.get("/hit").await.assert_stored(200, "x");
    let stop = Arc::new(AtomicBool::new(false));
    let lanes: Vec<_> =
        (0..4).map(|lane| tokio::spawn(traffic(world.client(), lane, Arc::clone(&stop)))).collect();
    let mut seen = [0, 0];
    for round in 0..200 {
        world.replace_settings(|toml| renamed(toml, NAMES[round % 2]));
        let by = settings_of(&world.get("/hit").await).expect("one set");
        assert_eq!(by, NAMES[round % 2], "in force when it returns");
        seen[round % 2] += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for lane in lanes {
        answered += lane.await.expect("no request failed");
    }
    assert!(answered > 0 && seen == [100, 100]);
}

#[tokio::test]
async fn a_new_site_is_served_and_counted_and_a_removed_one_ends_what_it_began() {
    let world = world().await;
    let rest = Gate::new("the rest");
    world.origin().always("/slow", Answer::fresh("01234", 600).chunked().hold(&rest).body("56789"));
    world.origin().always("/a", Answer::fresh("a", 600));
    let new = world.client().host("new.example");
    new.get("/a").send().await.assert_refused(404, "unknown_host");
    let mut slow = world.client().get("/slow").begin().await;
    assert_eq!(slow.read(5).await, "01234");

    world.replace_settings(|toml| toml.replace("hosts = [\"test.example\"]", "hosts = [\"new.example\"]"));
    new.get("/a").send().await.assert_stored(200, "a");
    new.get("/a").send().await.assert_hit(200, "a");
    world.get("/a").await.assert_refused(404, "unknown_host");
    rest.open();
    assert_eq!(slow.rest().await.unwrap(), "56789", "it had begun");

    let of = |site| move |m: &crate::world::Metrics| m.sum("seawall_requests_total", &[("site", site)]);
    let metrics = world.metrics_when("all are counted", |m| of("test.example")(m) == 1.0).await;
    assert_eq!(of("new.example")(&metrics), 2.0);
    assert_eq!(of("none")(&metrics), 2.0);

    world.replace_settings(str::to_owned);
    world.get("/slow").await.assert_hit(200, "0123456789");
    world.metrics_when("it is counted with those before", |m| of("test.example")(m) == 2.0).await;
}

#[tokio::test]
async fn a_changed_lifetime_is_that_of_what_is_stored_from_then_on() {
    let world = World::with_site("[site.cache]\noverride_ttl = \"60s\"").await;
    world.origin().always("*", Answer::ok("x"));
    world.get("/before").await.assert_stored(200, "x");
    world.replace_settings(|toml| toml.replace("60s", "10s"));
    world.get("/after").await.assert_stored(200, "x");
    world.advance(11);
    world.get("/before").await.assert_hit(200, "x");
    assert!(!world.get("/after").await.is_hit());
}
