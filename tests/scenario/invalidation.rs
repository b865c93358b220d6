//! What an unsafe request that succeeds does to what is stored (RFC 9111 §4.4).

use crate::world::{Answer, Expect, Gate, World};

const METHODS: &str = "methods = [\"GET\", \"HEAD\", \"POST\", \"PUT\", \"DELETE\", \"PATCH\", \"M-SEARCH\"]";

/// GETs of these are kept for a minute; each unsafe request is answered with `answer`.
async fn world(site: &str, answer: impl Fn() -> Answer + Send + Clone + 'static, paths: &[&str]) -> World {
    let world = World::with_site(&format!("{METHODS}\n{site}")).await;
    for path in paths {
        let (mut version, answer) = (0, answer.clone());
        world.origin().on(path, move |request| match request.method.as_str() {
            "GET" => {
                version += 1;
                Answer::fresh(format!("version {version}"), 60)
            }
            _ => answer(),
        });
    }
    world
}

async fn change(world: &World, method: &str, target: &str) {
    world.client().request(method, target).body("change").send().await;
}

#[tokio::test]
async fn any_method_but_the_safe_ones_counts_and_any_status_but_an_error() {
    for (method, status, drops) in [
        ("PUT", 201, true),
        ("DELETE", 204, true),
        ("PATCH", 200, true),
        ("M-SEARCH", 200, true),
        ("POST", 303, true),
        ("POST", 308, true),
        ("POST", 400, false),
        ("DELETE", 404, false),
        ("PUT", 503, false),
    ] {
        let world = world("", move || Answer::status(status), &["/a"]).await;
        world.get("/a").await.assert_stored(200, "version 1");
        change(&world, method, "/a").await;
        let again = world.get("/a").await;
        assert_eq!(again.is_hit(), !drops, "{method} {status}");
    }
}

/// The Location or Content-Location of a POST to `/new`, a target, and whether a stored response to it is dropped.
const NAMED: &[(&str, &str, bool)] = &[
    ("/~a/b", "/~a/b", true),
    ("/%7Ea/b", "/~a/b", true),
    ("b/./../~a/b", "/~a/b", true),
    ("/~a/%2e%2E/~a/b", "/~a/b", true),
    ("/~a/b?", "/~a/b", true),
    ("/~a/b#part", "/~a/b", true),
    ("//test.example/~a/b", "/~a/b", true),
    ("http://TEST.example:80/~a/b", "/~a/b", true),
    ("/q?x=%3a&y=2", "/q?x=%3A&y=2", true),
    ("/q?y=2&x=1", "/q?x=1&y=2", true),
    ("/%2f", "/%2F", true),
    ("http://other.example/~a/b", "/~a/b", false),
    ("https://test.example/~a/b", "/~a/b", false),
    ("http://test.example:81/~a/b", "/~a/b", false),
    ("/~a/b?x", "/~a/b", false),
    ("/%zz", "/~a/b", false),
];

#[tokio::test]
async fn what_the_response_names_is_dropped_in_whatever_spelling() {
    for field in ["Location", "Content-Location"] {
        for (named, target, drops) in NAMED {
            let (name, value) = (field, *named);
            let answer = move || Answer::status(201).header(name, value);
            let path = target.split('?').next().unwrap();
            let world = world("", answer, &["/new", path]).await;
            world.get(target).await.assert_stored(200, "version 1");
            change(&world, "POST", "/new").await;
            let again = world.get(target).await;
            assert_eq!(again.is_hit(), !drops, "{field}: {named}");
        }
    }
}

#[tokio::test]
async fn the_port_by_which_the_client_came_is_its_origin_too() {
    for (named, drops) in [
        ("http://test.example:8080/a", true),
        ("http://test.example/a", true),
        ("http://test.example:8081/a", false),
    ] {
        let world = world("", move || Answer::ok("").header("Location", named), &["/new", "/a"]).await;
        world.get("/a").await;
        let client = world.client().host("test.example:8080");
        client.request("POST", "/new").body("change").send().await;
        let again = world.get("/a").await;
        assert_eq!(again.is_hit(), !drops, "{named}");
    }
}

/// A key is made by the rule for its own path, not by that of the path which was posted to.
#[tokio::test]
async fn what_is_named_has_the_key_its_own_rule_gives_it() {
    let rule = "[[site.rule]]\npath = \"/plain/*\"\ncache = { query = \"none\" }";
    let answer = || Answer::ok("").header("Content-Location", "/plain/a?utm=2");
    let world = world(rule, answer, &["/new", "/plain/a"]).await;
    world.get("/plain/a?utm=1").await.assert_stored(200, "version 1");
    world.get("/plain/a").await.assert_hit(200, "version 1");
    change(&world, "POST", "/new").await;
    world.get("/plain/a").await.assert_stored(200, "version 2");
}

#[tokio::test]
async fn all_variants_and_all_slices_go() {
    let world = World::with_site(METHODS).await;
    world.origin().on("/v", |request| match request.method.as_str() {
        "GET" => Answer::fresh(request.header("foo").unwrap_or_default(), 60).header("Vary", "Foo"),
        _ => Answer::status(204),
    });
    let variant = |value: &'static str| world.client().get("/v").header("Foo", value);
    for value in ["1", "2"] {
        variant(value).send().await.assert_stored(200, value);
        variant(value).send().await.assert_hit(200, value);
    }
    change(&world, "PUT", "/v").await;
    for value in ["1", "2"] {
        variant(value).send().await.assert_stored(200, value);
    }
}

#[tokio::test]
async fn what_safe_requests_name_stays() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    world.origin().always("/b", Answer::fresh("other", 60).header("Content-Location", "/a"));
    world.get("/a").await.assert_stored(200, "hello");
    world.get("/b").await.assert_stored(200, "other");
    world.client().request("OPTIONS", "/a").send().await;
    world.get("/a").await.assert_hit(200, "hello");
}

/// What was asked before the change shows the resource as it was, however late it comes.
#[tokio::test]
async fn an_answer_from_before_the_change_is_not_kept() {
    for what in ["whole", "confirmed"] {
        let world = World::with_site(METHODS).await;
        let slow = Gate::new("the old answer");
        let fresh = |body: &str| Answer::fresh(body, 60).header("ETag", "\"1\"");
        let origin = world.origin();
        if what == "confirmed" {
            origin.then(Expect::get("/a"), fresh("old"));
            world.get("/a").await.assert_stored(200, "old");
            world.advance(60);
            let not_modified =
                Answer::status(304).header("ETag", "\"1\"").header("Cache-Control", "max-age=60");
            origin.then(Expect::get("/a").has("if-none-match", "\"1\""), not_modified.head_after(&slow));
        } else {
            origin.then(Expect::get("/a"), fresh("old").head_after(&slow));
        }
        origin.then(Expect::method("PUT", "/a"), Answer::status(204));
        origin.then(Expect::get("/a").lacks("if-none-match"), fresh("new"));
        let asked = origin.count();
        let early = tokio::spawn(world.client().get("/a").send());
        origin.got(asked + 1).await;
        world.advance(1);
        change(&world, "PUT", "/a").await;
        slow.open();
        early.await.unwrap().assert(200, "old");
        world.get("/a").await.assert_stored(200, "new");
        world.get("/a").await.assert_hit(200, "new");
    }
}

#[tokio::test]
async fn who_comes_after_the_change_does_not_wait_for_what_came_before() {
    let world = World::with_site(METHODS).await;
    let slow = Gate::new("the old answer");
    world.origin().then(Expect::get("/a"), Answer::fresh("old", 60).head_after(&slow));
    world.origin().then(Expect::method("PUT", "/a"), Answer::status(204));
    world.origin().then(Expect::get("/a"), Answer::fresh("new", 60));
    let early = tokio::spawn(world.client().get("/a").send());
    world.origin().got(1).await;
    world.advance(1);
    change(&world, "PUT", "/a").await;
    world.get("/a").await.assert_stored(200, "new");
    slow.open();
    early.await.unwrap().assert(200, "old");
}
