//! Purges: what is let go of, when, and who may ask for it.

use crate::world::{Answer, Client, Expect, Gate, Seen, World};

/// An origin that counts its answers to each path: `/a 1`, `/a 2`, …
fn counting(world: &World, path: &str, answer: impl Fn(String) -> Answer + Send + 'static) {
    let (name, mut count) = (path.to_owned(), 0);
    world.origin().on(path, move |_| {
        count += 1;
        answer(format!("{name} {count}"))
    });
}

fn fresh(body: String) -> Answer {
    Answer::fresh(body, 600)
}

async fn post(world: &World, target: &str, body: &str) -> Seen {
    Client::of(world.admin_address(), "localhost").request("POST", target).body(body).send().await
}

async fn purge(world: &World, body: &str) {
    let seen = post(world, "/purge", body).await;
    assert_eq!(seen.status, 200, "{seen:?}");
}

fn json(seen: &Seen) -> serde_json::Value {
    serde_json::from_slice(&seen.body).unwrap_or_else(|error| panic!("{error} in {seen:?}"))
}

#[tokio::test]
async fn the_very_next_request_after_a_purge_goes_to_the_origin() {
    let world = World::start().await;
    counting(&world, "/a", fresh);
    world.get("/a").await.assert_stored(200, "/a 1");
    for n in 2..20 {
        purge(&world, r#"{"urls":["http://test.example/a"]}"#).await;
        world.get("/a").await.assert_stored(200, &format!("/a {n}"));
        world.get("/a").await.assert_hit(200, &format!("/a {n}"));
    }
}

#[tokio::test]
async fn a_purge_by_url_takes_all_variants_and_nothing_else() {
    let world = World::start().await;
    for path in ["/a", "/ab"] {
        counting(&world, path, |body| fresh(body).header("Vary", "Accept-Language"));
    }
    let ask = async |path: &str, language: &str| {
        world.client().get(path).header("Accept-Language", language).send().await
    };
    ask("/a", "de").await.assert_stored(200, "/a 1");
    ask("/a", "en").await.assert_stored(200, "/a 2");
    ask("/a?q=1", "en").await.assert_stored(200, "/a 3");
    ask("/ab", "de").await.assert_stored(200, "/ab 1");
    purge(&world, r#"{"urls":["https://TEST.example:8443/x/../a"]}"#).await;
    ask("/a?q=1", "en").await.assert_hit(200, "/a 3");
    ask("/ab", "de").await.assert_hit(200, "/ab 1");
    ask("/a", "de").await.assert_stored(200, "/a 4");
    ask("/a", "en").await.assert_stored(200, "/a 5");
    let metrics = world.metrics().await;
    assert_eq!(metrics.sum("seawall_purged_hits_total", &[]), 2.0);
    assert_eq!(metrics.sum("seawall_purges_total", &[("selector", "url"), ("mode", "hard")]), 1.0);
    assert_eq!(metrics.sum("seawall_invalidation_log_entries", &[]), 1.0);
}

#[tokio::test]
async fn a_purge_by_url_takes_what_is_stored_under_headers_and_cookies() {
    let world = World::with_site("[site.cache]\nheaders = [\"X-Device\"]\ncookies = [\"theme\"]").await;
    counting(&world, "/a", fresh);
    let ask = async |device: &str| world.client().get("/a").header("X-Device", device).send().await;
    ask("tv").await.assert_stored(200, "/a 1");
    ask("phone").await.assert_stored(200, "/a 2");
    purge(&world, r#"{"urls":["http://test.example/a"]}"#).await;
    ask("tv").await.assert_stored(200, "/a 3");
    ask("phone").await.assert_stored(200, "/a 4");
}

#[tokio::test]
async fn a_purge_by_prefix_takes_what_begins_like_that() {
    let world = World::start().await;
    for path in ["/img/a", "/img/b", "/imgs"] {
        counting(&world, path, fresh);
        world.get(path).await.assert_stored(200, &format!("{path} 1"));
    }
    world.get("/img/a?w=5").await.assert_stored(200, "/img/a 2");
    purge(&world, r#"{"prefixes":["http://test.example/img/"]}"#).await;
    world.get("/imgs").await.assert_hit(200, "/imgs 1");
    world.get("/img/a?w=5").await.assert_stored(200, "/img/a 3");
    world.get("/img/b").await.assert_stored(200, "/img/b 2");
}

#[tokio::test]
async fn a_purge_by_tag_takes_what_the_origin_tagged_and_no_client_sees_tags() {
    let world = World::start().await;
    counting(&world, "/fastly", |body| fresh(body).header("Surrogate-Key", "album-7 user-1"));
    counting(&world, "/akamai", |body| fresh(body).header("Cache-Tag", "user-1, album-7"));
    counting(&world, "/s3", |body| fresh(body).header("x-amz-meta-cache-tag", "album-7"));
    counting(&world, "/varnish", |body| fresh(body).header("xkey", "user-1,\talbum-7"));
    counting(&world, "/mixed", |body| fresh(body).header("Surrogate-Key", "album-7, user-1"));
    counting(&world, "/other", |body| fresh(body).header("Cache-Tag", "album-70"));
    for path in ["/fastly", "/akamai", "/s3", "/varnish", "/mixed", "/other"] {
        for seen in [world.get(path).await, world.get(path).await] {
            seen.assert_lacks("surrogate-key").assert_lacks("cache-tag").assert_lacks("x-amz-meta-cache-tag");
            seen.assert_lacks("xkey");
        }
    }
    purge(&world, r#"{"tags":["album-7"]}"#).await;
    for path in ["/fastly", "/akamai", "/s3", "/varnish", "/mixed"] {
        world.get(path).await.assert_stored(200, &format!("{path} 2"));
    }
    world.get("/other").await.assert_hit(200, "/other 1");
}

#[tokio::test]
async fn tags_survive_a_revalidation_that_does_not_repeat_them() {
    let world = World::start().await;
    let first = Answer::fresh("one", 10).header("ETag", "\"1\"").header("Cache-Tag", "t");
    world.origin().then(Expect::get("/a"), first);
    world.origin().then(
        Expect::get("/a").has("if-none-match", "\"1\""),
        Answer::status(304).header("ETag", "\"1\"").header("Cache-Control", "max-age=600"),
    );
    world.origin().then(Expect::get("/a").lacks("if-none-match"), Answer::fresh("two", 600));
    world.get("/a").await;
    world.advance(20);
    world.get("/a").await.assert(200, "one");
    purge(&world, r#"{"tags":["t"]}"#).await;
    world.get("/a").await.assert_stored(200, "two");
}

#[tokio::test]
async fn debug_shows_tags_and_what_passes_is_stripped_as_well() {
    let world = World::with_site("[site.headers]\ndebug = true").await;
    world.origin().always("/a", Answer::fresh("hello", 60).header("Cache-Tag", "t"));
    for _ in 0..2 {
        world.get("/a").await.assert_header("cache-tag", "t");
    }
    let world = World::start().await;
    world
        .origin()
        .always("/a", Answer::ok("hello").header("Cache-Control", "no-store").header("Cache-Tag", "t"));
    world.get("/a").await.assert_lacks("cache-tag");
}

#[tokio::test]
async fn a_purge_of_a_site_leaves_the_others_and_of_everything_none() {
    let more = "[[site]]\nhosts = [\"other.example\", \"*.other.example\"]\npool = \"origin\"";
    let world = World::new().more(more).start().await;
    counting(&world, "/a", fresh);
    let ask = async |host: &str| world.client().host(host).get("/a").send().await;
    ask("test.example").await.assert_stored(200, "/a 1");
    ask("other.example").await.assert_stored(200, "/a 2");
    ask("x.other.example").await.assert_stored(200, "/a 3");
    purge(&world, r#"{"sites":["*.other.example"]}"#).await;
    ask("test.example").await.assert_hit(200, "/a 1");
    ask("other.example").await.assert_stored(200, "/a 4");
    ask("x.other.example").await.assert_stored(200, "/a 5");
    purge(&world, r#"{"everything":true}"#).await;
    ask("test.example").await.assert_stored(200, "/a 6");
    ask("other.example").await.assert_stored(200, "/a 7");
}

#[tokio::test]
async fn after_a_hard_purge_the_origin_is_asked_without_conditions_and_its_failure_is_told() {
    let site = "[site.cache]\nstale_if_error = \"1h\"\nstale_while_revalidate = \"1h\"";
    let world = World::new().site(site).pool("[pool.retry]\nattempts = 1").start().await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 600).header("ETag", "\"1\""));
    world.origin().then(Expect::get("/a").lacks("if-none-match"), Answer::status(503).body("down"));
    world.get("/a").await;
    purge(&world, r#"{"urls":["http://test.example/a"]}"#).await;
    world.get("/a").await.assert(503, "down");
}

#[tokio::test]
async fn after_a_soft_purge_the_origin_is_asked_whether_it_is_still_good() {
    let world = World::start().await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 600).header("ETag", "\"1\""));
    let confirmed = Answer::status(304).header("ETag", "\"1\"").header("Cache-Control", "max-age=600");
    world.origin().then(Expect::get("/a").has("if-none-match", "\"1\""), confirmed);
    world.get("/a").await;
    purge(&world, r#"{"urls":["http://test.example/a"],"soft":true}"#).await;
    world.get("/a").await.assert(200, "old");
    world.get("/a").await.assert_hit(200, "old");
    assert_eq!(world.origin().count(), 2, "confirmed once, then fresh again");
}

#[tokio::test]
async fn softly_purged_it_stands_in_while_the_origin_is_down_for_as_long_as_is_allowed() {
    let world = World::with_site("[site.cache]\nstale_if_error = \"60s\"").await;
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 600));
    world.get("/a").await;
    world.advance(100);
    purge(&world, r#"{"tags":["none"],"prefixes":["http://test.example/"],"soft":true}"#).await;
    world.origin().die().await;
    world.advance(30);
    let stale = world.get("/a").await;
    stale.assert(200, "old");
    assert_eq!(stale.cache_status().get("ttl"), Some("-30"), "stale since the purge");
    world.advance(31);
    assert_eq!(world.get("/a").await.status, 502);
}

#[tokio::test]
async fn softly_purged_it_is_refreshed_behind_the_back() {
    let world = World::with_site("[site.cache]\nstale_while_revalidate = \"60s\"").await;
    counting(&world, "/a", fresh);
    world.get("/a").await;
    purge(&world, r#"{"everything":true,"soft":true}"#).await;
    world.get("/a").await.assert_hit(200, "/a 1");
    world.eventually("/a", "/a 2").await.assert_hit(200, "/a 2");
    assert_eq!(world.origin().count(), 2);
}

/// By what its key tells, and by a tag, which only its head does.
#[tokio::test]
async fn a_fill_that_began_before_a_purge_is_not_what_comes_after_it() {
    for selector in [r#""urls":["http://test.example/a"]"#, r#""tags":["t"]"#] {
        for soft in [false, true] {
            let world = World::start().await;
            let (rest, mut count) = (Gate::new("the rest of the first answer"), 0);
            let held = rest.clone();
            world.origin().on("/a", move |_| {
                count += 1;
                let answer =
                    Answer::status(200).header("Cache-Control", "max-age=600").header("Cache-Tag", "t");
                match count {
                    1 => answer.body("old ").hold(&held).body("bytes"),
                    _ => answer.body("new"),
                }
            });
            let mut early = world.client().get("/a").begin().await;
            assert_eq!(early.read(4).await, "old ");
            purge(&world, &format!("{{{selector},\"soft\":{soft}}}")).await;
            world.get("/a").await.assert_stored(200, "new");
            rest.open();
            assert_eq!(early.rest().await.unwrap(), "bytes", "who asked before gets what was asked for");
            world.metrics_when("the old fill has ended", |m| m.sum("seawall_fills_active", &[]) == 0.0).await;
            world.get("/a").await.assert_hit(200, "new");
            let metrics = world.metrics().await;
            assert_eq!(metrics.sum("seawall_cache_not_stored_total", &[("reason", "purged")]), 1.0);
        }
    }
}

#[tokio::test]
async fn a_revalidation_under_way_does_not_bring_back_what_was_purged() {
    let world = World::start().await;
    let confirmed = Gate::new("the 304");
    let not_modified = Answer::status(304).header("ETag", "\"1\"").header("Cache-Control", "max-age=600");
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 10).header("ETag", "\"1\""));
    world.origin().then(Expect::get("/a").has("if-none-match", "\"1\""), not_modified.head_after(&confirmed));
    world.origin().then(Expect::get("/a").lacks("if-none-match"), Answer::fresh("new", 600));
    world.get("/a").await;
    world.advance(20);
    let early = tokio::spawn(world.client().get("/a").send());
    world.origin().got(2).await;
    purge(&world, r#"{"urls":["http://test.example/a"]}"#).await;
    confirmed.open();
    early.await.unwrap().assert(200, "old");
    world.get("/a").await.assert_stored(200, "new");
}

#[tokio::test]
async fn who_waits_for_a_head_when_it_is_purged_is_not_given_it_later() {
    let world = World::start().await;
    let (head, mut count) = (Gate::new("the first head"), 0);
    let held = head.clone();
    world.origin().on("/a", move |_| {
        count += 1;
        let answer = Answer::fresh(format!("answer {count}"), 600).header("Cache-Tag", "t");
        if count == 1 { answer.head_after(&held) } else { answer }
    });
    let leader = tokio::spawn(world.client().get("/a").send());
    world.origin().got(1).await;
    purge(&world, r#"{"tags":["t"]}"#).await;
    let mut late = world.client().connect().await;
    late.send(world.client().get("/a").bytes()).await;
    head.open();
    leader.await.unwrap().assert(200, "answer 1");
    late.read("GET").await.assert(200, "answer 2");
    world.eventually("/a", "answer 2").await;
}

#[tokio::test]
async fn many_who_come_after_a_purge_make_one_request() {
    let world = World::start().await;
    let (first, second, mut count) = (Gate::new("the first head"), Gate::new("the second head"), 0);
    let gates = [first.clone(), second.clone()];
    world.origin().on("/a", move |_| {
        count += 1;
        let answer = Answer::fresh(format!("answer {count}"), 600);
        gates.get(count - 1).map_or(answer.clone(), |gate| answer.head_after(gate))
    });
    let early = tokio::spawn(world.client().get("/a").send());
    world.origin().got(1).await;
    purge(&world, r#"{"urls":["http://test.example/a"]}"#).await;
    let late: Vec<_> = (0..20).map(|_| tokio::spawn(world.client().get("/a").send())).collect();
    world.origin().got(2).await;
    second.open();
    for late in late {
        late.await.unwrap().assert(200, "answer 2");
    }
    first.open();
    early.await.unwrap().assert(200, "answer 1");
    assert_eq!(world.origin().count(), 2);
}

#[tokio::test]
async fn the_purge_method_is_for_those_who_may() {
    let allowed = "[admin]\naddress = \"127.0.0.1:0\"\npurge_from = [\"127.0.0.0/8\"]";
    let world = World::new().admin(allowed).start().await;
    counting(&world, "/a", fresh);
    world.get("/a").await.assert_stored(200, "/a 1");
    let purged = world.client().request("PURGE", "/a").send().await;
    assert_eq!((purged.status, &json(&purged)["purged"]), (200, &1.into()));
    purged.assert_header("content-type", "application/json");
    world.get("/a").await.assert_stored(200, "/a 2");
    let soft = world.client().request("PURGE", "/a").header("Purge-Soft", "1").send().await;
    assert_eq!(json(&soft)["sequence"], 2);
    let metrics = world.metrics().await;
    assert_eq!(metrics.sum("seawall_purges_total", &[("mode", "soft")]), 1.0);
    world
        .client()
        .request("PURGE", "/a")
        .header("Purge-Soft", "yes")
        .send()
        .await
        .assert_refused(400, "bad_field");
    world.client().host("no.example").request("PURGE", "/a").send().await.assert_refused(404, "unknown_host");
    world.get("/a").await;
    let wild = world.client().request("PURGE", "/a*").send().await;
    assert_eq!(wild.status, 200, "{wild:?}");
    world.get("/a").await.assert_stored(200, "/a 4");
    let inside = world.client().request("PURGE", "/*.jpg").send().await;
    assert_eq!((inside.status, inside.text()), (400, "400 Bad Request: bad_path (asterisk)\n".into()));
    assert!(world.origin().received().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn from_others_purge_is_a_method_like_any_other_unless_they_have_the_token() {
    let elsewhere =
        "[admin]\naddress = \"127.0.0.1:0\"\ntoken = \"s3cret-s3cret-s3cret\"\npurge_from = [\"10.0.0.0/8\"]";
    let world = World::new().admin(elsewhere).start().await;
    counting(&world, "/a", fresh);
    world.get("/a").await;
    let request = world.client().request("PURGE", "/a");
    request.clone().send().await.assert_refused(405, "method_not_allowed");
    request
        .clone()
        .header("X-Forwarded-For", "10.0.0.1")
        .send()
        .await
        .assert_refused(405, "method_not_allowed");
    request
        .clone()
        .header("Authorization", "Bearer wrong")
        .send()
        .await
        .assert_refused(405, "method_not_allowed");
    world.get("/a").await.assert_hit(200, "/a 1");
    request.header("Authorization", "Bearer s3cret-s3cret-s3cret").send().await;
    world.get("/a").await.assert_stored(200, "/a 2");
    let unauthorized = post(&world, "/purge", r#"{"everything":true}"#).await;
    unauthorized.assert_header("www-authenticate", "Bearer");
    assert_eq!(unauthorized.status, 401);
    world.get("/a").await.assert_hit(200, "/a 2");
}

/// RFC 9111 §4.4 goes on as before.
#[tokio::test]
async fn an_unsafe_method_still_invalidates() {
    let world = World::with_site("methods = [\"GET\", \"POST\"]").await;
    let mut count = 0;
    world.origin().on("/a", move |request| {
        count += usize::from(request.method == "GET");
        if request.method == "POST" { Answer::status(204) } else { fresh(format!("/a {count}")) }
    });
    purge(&world, r#"{"everything":true}"#).await;
    world.get("/a").await.assert_stored(200, "/a 1");
    world.client().request("POST", "/a").body("x").send().await.assert(204, "");
    world.get("/a").await.assert_stored(200, "/a 2");
}

#[tokio::test]
async fn what_is_cached_can_be_looked_at() {
    let world = World::start().await;
    counting(&world, "/a", |body| {
        fresh(body).header("Vary", "Accept-Language").header("Cache-Tag", "t, u").header("ETag", "\"1\"")
    });
    let look = async || json(&world.admin("/objects?url=http%3A%2F%2Ftest.example%2Fa").await);
    assert_eq!(look().await["objects"].as_array().unwrap().len(), 0);
    for language in ["de", "en"] {
        world.client().get("/a").header("Accept-Language", language).send().await;
    }
    world.advance(60);
    let seen = look().await;
    assert_eq!((&seen["key"], seen["objects"].as_array().unwrap().len()), (&"test.example/a".into(), 2));
    let newest = &seen["objects"][0];
    for (name, value) in [
        ("tier", serde_json::json!("memory")),
        ("vary", serde_json::json!(["accept-language"])),
        ("status", 200.into()),
        ("state", "fresh".into()),
        ("age", 60.into()),
        ("ttl", 540.into()),
        ("size", 4.into()),
        ("hits", 0.into()),
        ("etag", "\"1\"".into()),
        ("tags", serde_json::json!(["t", "u"])),
    ] {
        assert_eq!(newest[name], value, "{name} in {newest}");
    }
    for language in ["de", "en", "de"] {
        assert!(world.client().get("/a").header("Accept-Language", language).send().await.is_hit());
    }
    let hits = |seen: &serde_json::Value| {
        let objects = seen["objects"].as_array().unwrap();
        objects.iter().map(|object| object["hits"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(hits(&look().await), 3);
    purge(&world, r#"{"tags":["u"],"soft":true}"#).await;
    assert_eq!(look().await["objects"][0]["state"], "stale");
    assert_eq!(hits(&look().await), 3, "still counted");
    purge(&world, r#"{"tags":["u"]}"#).await;
    assert_eq!(look().await["objects"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_list_of_urls_is_warmed() {
    let world = World::start().await;
    for path in ["/a", "/b"] {
        counting(&world, path, fresh);
    }
    world.origin().always("/gone", Answer::status(404).header("Cache-Control", "no-store"));
    let taken = post(
        &world,
        "/prefetch",
        r#"{"urls":["http://test.example/a","https://test.example/b?x=1","http://test.example/gone"]}"#,
    )
    .await;
    assert_eq!(taken.status, 202, "{taken:?}");
    let at = taken.header("location").unwrap();
    let done = crate::world::within("the job to finish", async {
        loop {
            let progress = json(&world.admin(&at).await);
            if progress["state"] == "finished" {
                return progress;
            }
        }
    })
    .await;
    for (name, value) in [("total", 3), ("done", 3), ("ok", 2), ("cached", 2), ("failed", 1), ("bytes", 8)] {
        assert_eq!(done[name], value, "{name} in {done}");
    }
    assert_eq!(done["failures"][0]["reason"], "status 404");
    world.get("/a").await.assert_hit(200, "/a 1");
    world.get("/b?x=1").await.assert_hit(200, "/b 1");
    let received = world.origin().received();
    let secure = received.iter().find(|request| request.target == "/b?x=1").unwrap();
    assert_eq!(secure.header("x-forwarded-proto").as_deref(), Some("https"), "as the URL says");
}

/// The command in the binary's own words, against a running edge.
#[tokio::test]
async fn the_command_line_purges() {
    let world = World::start().await;
    counting(&world, "/a", fresh);
    world.get("/a").await;
    let at = format!("http://{}", world.admin_address());
    let run = async |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.arg("purge").arg("--admin").arg(&at).args(arguments);
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
    };
    let done = run(&["--url", "http://test.example/a", "--tag", "x", "--tag", "y"]).await;
    assert!(done.status.success(), "{done:?}");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "purged 1 URL, 2 tags (sequence 1)\n");
    world.get("/a").await.assert_stored(200, "/a 2");
    let refused = run(&["--url", "http://no.example/a"]).await;
    assert!(!refused.status.success());
    assert!(
        String::from_utf8_lossy(&refused.stderr)
            .contains("--url http://no.example/a has a host that no site serves")
    );
}
