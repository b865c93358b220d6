//! What the operator's listener tells.

use std::time::Duration;

use crate::world::{Answer, Expect, Metrics, World, within};

#[tokio::test]
async fn metrics_count_what_was_just_done() {
    let world = World::new().pool("[pool.retry]\nattempts = 1").start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    world.origin().always("/private", Answer::ok("mine").header("Cache-Control", "no-store"));
    world.origin().always("/broken", Answer::hang_up());
    world.get("/a").await.assert_stored(200, "hello");
    for _ in 0..3 {
        world.get("/a").await.assert_hit(200, "hello");
    }
    world.get("/private").await;
    world.get("/broken").await;
    world.client().raw("GET / HTTP/1.1\r\n\r\n").await.unwrap().assert_refused(400, "bad_host");

    let all = |metrics: &Metrics| metrics.sum("seawall_requests_total", &[("site", "test.example")]) == 6.0;
    let metrics = world.metrics_when("all six requests of the site are counted", all).await;
    let site = ("site", "test.example");
    let requests = |outcome| metrics.sum("seawall_requests_total", &[site, ("outcome", outcome)]);
    assert_eq!(requests("hit"), 3.0);
    assert_eq!(requests("miss") + requests("pass"), 3.0 - requests("edge"));
    assert_eq!(metrics.sum("seawall_response_bytes_total", &[site, ("outcome", "hit")]), 15.0);
    assert_eq!(metrics.sum("seawall_refusals_total", &[("reason", "origin_broken")]), 1.0);
    assert_eq!(metrics.sum("seawall_refusals_total", &[("reason", "bad_host")]), 1.0);
    assert_eq!(metrics.sum("seawall_origin_requests_total", &[("pool", "origin")]), 2.0);
    assert_eq!(metrics.sum("seawall_origin_errors_total", &[("pool", "origin")]), 1.0);
    assert!(metrics.has("seawall_requests_in_flight"));
    assert_eq!(metrics.sum("seawall_requests_in_flight", &[]), 0.0);
}

#[tokio::test]
async fn a_running_edge_is_healthy_and_ready() {
    let world = World::start().await;
    assert_eq!(world.admin("/healthz").await.status, 200);
    assert_eq!(world.admin("/readyz").await.status, 200);
    world.admin("/nothing").await.assert_refused(404, "no_such_path");
}

#[tokio::test]
async fn the_hottest_objects_are_listed() {
    let world = World::start().await;
    world.origin().always("*", Answer::fresh("hello", 60));
    for _ in 0..20 {
        world.get("/popular").await;
    }
    world.get("/lonely").await;
    let hot = world.admin("/hot").await;
    assert_eq!(hot.status, 200);
    assert!(hot.text().contains("/popular"), "{hot:?}");
}

#[tokio::test]
async fn operators_paths_are_not_on_the_public_listeners() {
    let world = World::start().await;
    world.origin().always("*", Answer::ok("the site's own").header("Cache-Control", "no-store"));
    for target in ["/metrics", "/healthz", "/hot"] {
        world.get(target).await.assert(200, "the site's own");
    }
}

#[tokio::test]
async fn debug_fields_are_there_only_where_the_site_says() {
    for (site, debug) in [("", false), ("[site.headers]\ndebug = true", true)] {
        let world = World::with_site(site).await;
        world.origin().always("/a", Answer::fresh("hello", 60));
        let seen = world.get("/a").await;
        assert_eq!(seen.header("x-cache-key").is_some(), debug);
        assert_eq!(seen.header("server-timing").is_some(), debug);
    }
}

#[tokio::test]
async fn the_access_log_says_who_failed_at_the_origin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = format!("[log]\nformat = \"json\"\naccess = \"{}\"", path.display());
    let world = World::new().site("methods = [\"GET\", \"POST\"]").more(&log).start().await;
    for target in ["/fill", "/own", "/post"] {
        world.origin().always(target, Answer::hang_up());
    }
    let stale = Answer::ok("hello").header("Cache-Control", "max-age=1, stale-if-error=600");
    world.origin().then(Expect::get("/stale"), stale);
    world.get("/stale").await.assert_stored(200, "hello");
    world.advance(10);
    world.origin().always("/stale", Answer::hang_up());
    world.get("/stale").await.assert(200, "hello");
    world.get("/fill").await.assert_refused(502, "origin_broken");
    world.client().get("/own").header("Authorization", "x").send().await.assert_refused(502, "origin_broken");
    world.client().request("POST", "/post").body("x").send().await.assert_refused(502, "origin_broken");
    let member = world.origin().address().to_string();
    let lines = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let all = async {
        while lines().len() < 5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("five lines of log", all).await;
    for line in lines().iter().skip(1) {
        let origin = &line["origin"];
        assert_eq!(
            (&origin["pool"], &origin["member"], &origin["attempts"], &origin["error"]),
            (&"origin".into(), &member.as_str().into(), &1.into(), &"broken".into()),
            "{line}"
        );
    }
}
