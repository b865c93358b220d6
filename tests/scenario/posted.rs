//! Responses to POST that answer later GETs (RFC 9110 §9.3.3), and those that must not.

use crate::world::{Answer, Broken, Gate, Seen, World};

const SITE: &str = "methods = [\"GET\", \"HEAD\", \"POST\"]";

/// What may be stored: it is fresh by its own word, and is what a GET of the same URL would get.
fn posted(body: &str) -> Answer {
    Answer::fresh(body, 60).header("Content-Location", "/a")
}

async fn post(world: &World, target: &str) -> Seen {
    world.client().request("POST", target).body("change").send().await
}

/// A world whose origin answers a POST of `/a` so, and a GET with "got".
async fn world_of(site: &str, answer: Answer) -> World {
    let world = World::new().threads(1).pool("[pool.retry]\nattempts = 1").site(&format!("{SITE}\n{site}"));
    let world = world.start().await;
    world.origin().on("/a", move |request| match request.method.as_str() {
        "POST" => answer.clone(),
        _ => Answer::fresh("got", 60),
    });
    world
}

#[tokio::test]
async fn a_get_and_a_head_are_answered_by_what_was_posted() {
    for answer in [posted("posted"), posted("posted").chunked(), posted("posted").until_close()] {
        let world = world_of("", answer).await;
        let seen = post(&world, "/a").await;
        seen.assert_stored(200, "posted").assert_lacks("age");
        assert_eq!(seen.cache_status().fwd(), Some("method"));
        world.get("/a").await.assert_hit(200, "posted").assert_header("content-length", "6");
        world.client().request("HEAD", "/a").send().await.assert_hit(200, "");
        post(&world, "/a").await.assert_stored(200, "posted");
        assert_eq!(world.origin().count(), 2, "a POST is never answered from the cache");
        world.advance(61);
        world.get("/a").await.assert_stored(200, "got");
    }
}

#[tokio::test]
async fn its_name_may_have_the_port_by_which_the_client_came() {
    for (named, kept) in [("http://test.example:8080/a", true), ("http://test.example:8081/a", false)] {
        let world = world_of("", Answer::fresh("posted", 60).header("Content-Location", named)).await;
        let client = world.client().host("test.example:8080");
        assert_eq!(client.request("POST", "/a").body("change").send().await.status, 200);
        let got = world.get("/a").await;
        assert_eq!(got.text(), if kept { "posted" } else { "got" }, "{named}");
    }
}

#[tokio::test]
async fn an_empty_one_is_one_too() {
    let world = world_of("", posted("")).await;
    post(&world, "/a").await.assert_stored(200, "");
    world.get("/a").await.assert_hit(200, "");
}

#[tokio::test]
async fn it_takes_the_place_of_what_was_stored() {
    let world = world_of("", posted("posted")).await;
    world.get("/a").await.assert_stored(200, "got");
    post(&world, "/a").await.assert_stored(200, "posted");
    world.get("/a").await.assert_hit(200, "posted");
}

#[tokio::test]
async fn what_does_not_say_that_it_may_be_is_not_stored() {
    let ok = || Answer::ok("posted");
    let fresh = || Answer::fresh("posted", 60);
    let rules = "[site.cache]\ndefault_ttl = \"1h\"\nmin_ttl = \"1h\"\noverride_ttl = \"1h\"\nstatus_ttl = { 200 = \"1h\" }";
    for (what, site, answer) in [
        ("no Content-Location", "", fresh()),
        ("another URL's", "", fresh().header("Content-Location", "/b")),
        ("another query's", "", fresh().header("Content-Location", "/a?x=1")),
        ("another host's", "", fresh().header("Content-Location", "http://other.example/a")),
        ("two of them", "", fresh().header("Content-Location", "/a").header("Content-Location", "/b")),
        (
            "another status",
            "",
            Answer::status(201)
                .body("posted")
                .header("Cache-Control", "max-age=60")
                .header("Content-Location", "/a"),
        ),
        (
            "only a heuristic",
            "",
            ok().header("Content-Location", "/a").header("Last-Modified", "{now-1000000s}"),
        ),
        ("only rules", rules, ok().header("Content-Location", "/a")),
        (
            "only rules that prolong",
            rules,
            ok().header("Content-Location", "/a")
                .header("Cache-Control", "max-age=0")
                .header("ETag", "\"a\""),
        ),
        (
            "no-store",
            "",
            ok().header("Content-Location", "/a").header("Cache-Control", "no-store, max-age=60"),
        ),
        ("private", "", ok().header("Content-Location", "/a").header("Cache-Control", "private, max-age=60")),
        ("a cache that is off", "[site.cache]\nenabled = false", posted("posted")),
    ] {
        let world = world_of(site, answer).await;
        let seen = post(&world, "/a").await;
        assert_eq!(seen.text(), "posted", "{what}: {seen:?}");
        let after = world.get("/a").await;
        assert_eq!(after.text(), "got", "{what}: {after:?}");
    }
}

#[tokio::test]
async fn credentials_keep_it_private_unless_the_origin_says_otherwise() {
    for (control, stored) in [("max-age=60", false), ("max-age=60, public", true)] {
        let answer = Answer::ok("posted").header("Cache-Control", control).header("Content-Location", "/a");
        let world = world_of("", answer).await;
        let request = world.client().request("POST", "/a").header("Authorization", "Bearer x").body("change");
        request.send().await.assert(200, "posted");
        assert_eq!(world.get("/a").await.is_hit(), stored, "{control}");
    }
}

/// A parameter outside the key reaches the origin of a POST: it must not choose what all others get.
#[tokio::test]
async fn a_query_that_the_key_leaves_out_is_not_stored() {
    let world = World::with_site(&format!("{SITE}\n[site.cache]\nquery = {{ include = [\"page\"] }}")).await;
    world.origin().on("/a", |request| {
        Answer::fresh(request.method.clone(), 60).header("Content-Location", request.target.clone())
    });
    post(&world, "/a?page=1&evil=1").await.assert_not_stored(200, "POST");
    world.get("/a?page=1").await.assert_stored(200, "GET");
    post(&world, "/a?page=2").await.assert_stored(200, "POST");
    world.get("/a?page=2&evil=1").await.assert_hit(200, "POST");
}

#[tokio::test]
async fn it_varies_like_any_other() {
    let world = world_of("", posted("posted").header("Vary", "Accept-Language")).await;
    let in_german = |method| world.client().request(method, "/a").header("Accept-Language", "de");
    in_german("POST").body("change").send().await.assert_stored(200, "posted");
    in_german("GET").send().await.assert_hit(200, "posted");
    assert!(!world.get("/a").await.is_hit());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    for broken in [
        posted("posted").cut_short_by(5),
        posted("posted").reset_short_by(5),
        posted("posted").chunked().cut_short_by(0),
    ] {
        let world = world_of("", broken).await;
        let seen = world.client().request("POST", "/a").body("change").try_send().await;
        assert!(matches!(seen, Err(Broken::Cut { .. } | Broken::NoResponse)), "{seen:?}");
        world.get("/a").await.assert_stored(200, "got");
    }
}

#[tokio::test]
async fn one_too_large_to_keep_only_passes() {
    let large = "x".repeat(200_000);
    for answer in [posted(&large), posted(&large).chunked()] {
        let world = World::new().site(SITE).more("[cache.memory]\nmax_object = \"100KiB\"").start().await;
        world.origin().on("/a", move |request| match request.method.as_str() {
            "POST" => answer.clone(),
            _ => Answer::fresh("got", 60),
        });
        post(&world, "/a").await.assert(200, &large);
        world.get("/a").await.assert_stored(200, "got");
    }
}

/// The client reads while the origin still sends, and nothing is stored before the end.
#[tokio::test]
async fn it_streams_and_is_stored_at_its_end() {
    let rest = Gate::new("the rest may come");
    let world = world_of("", posted("one").chunked().hold(&rest).body("two")).await;
    let mut client = world.client().request("POST", "/a").body("change").begin().await;
    client.read(3).await;
    rest.open();
    assert_eq!(client.rest().await.unwrap(), "two");
    world.get("/a").await.assert_hit(200, "onetwo");
}

#[tokio::test]
async fn what_a_get_has_fetched_meanwhile_is_newer() {
    let rest = Gate::new("the rest may come");
    let world = world_of("", posted("one").chunked().hold(&rest).body("two")).await;
    let mut client = world.client().request("POST", "/a").body("change").begin().await;
    client.read(3).await;
    world.get("/a").await.assert_stored(200, "got");
    rest.open();
    client.rest().await.unwrap();
    world.get("/a").await.assert_hit(200, "got");
}

#[tokio::test]
async fn what_a_later_post_changes_is_not_stored_after_it() {
    let rest = Gate::new("the rest may come");
    let (mut posts, held) = (0, rest.clone());
    let world = World::with_site(SITE).await;
    world.origin().on("/a", move |request| match request.method.as_str() {
        "POST" => {
            posts += 1;
            if posts > 1 { Answer::status(204) } else { posted("one").chunked().hold(&held).body("two") }
        }
        _ => Answer::fresh("got", 60),
    });
    let mut client = world.client().request("POST", "/a").body("change").begin().await;
    client.read(3).await;
    post(&world, "/a").await.assert(204, "");
    rest.open();
    client.rest().await.unwrap();
    world.get("/a").await.assert_stored(200, "got");
}

/// The same for what a GET fetches: asked for before the change, stored after it, it would hide the change.
#[tokio::test]
async fn a_fill_that_a_post_has_overtaken_is_not_stored_nor_followed() {
    let rest = Gate::new("the rest may come");
    let (mut gets, held) = (0, rest.clone());
    let world = World::with_site(SITE).await;
    world.origin().on("/a", move |request| match request.method.as_str() {
        "POST" => Answer::status(204),
        _ => {
            gets += 1;
            match gets {
                1 => Answer::fresh("old", 60).chunked().hold(&held).body("old"),
                _ => Answer::fresh("new", 60),
            }
        }
    });
    let mut client = world.client().get("/a").begin().await;
    client.read(3).await;
    post(&world, "/a").await.assert(204, "");
    world.get("/a").await.assert_stored(200, "new");
    rest.open();
    client.rest().await.unwrap();
    world.get("/a").await.assert_hit(200, "new");
}

#[tokio::test]
async fn a_purge_while_it_comes_is_heeded() {
    let rest = Gate::new("the rest may come");
    let admin = "[admin]
address = \"127.0.0.1:0\"
purge_from = [\"127.0.0.1/32\"]";
    let world = World::new().site(SITE).admin(admin).start().await;
    let answer = posted("one").chunked().hold(&rest).body("two");
    world.origin().on("/a", move |request| match request.method.as_str() {
        "POST" => answer.clone(),
        _ => Answer::fresh("got", 60),
    });
    let mut client = world.client().request("POST", "/a").body("change").begin().await;
    client.read(3).await;
    assert_eq!(world.client().request("PURGE", "/a").send().await.status, 200);
    rest.open();
    client.rest().await.unwrap();
    world.get("/a").await.assert_stored(200, "got");
}
