//! Which fields pass, and what becomes of those that say who asked.

use crate::world::{Answer, World};

#[tokio::test]
async fn hop_by_hop_fields_do_not_reach_the_origin() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let request = world.client().get("/a").header("Connection", "keep-alive, X-Hop").header("X-Hop", "1");
    let request = request.header("Keep-Alive", "timeout=5").header("Proxy-Connection", "keep-alive");
    let request = request.header("TE", "trailers").header("Upgrade", "websocket").header("X-End", "2");
    request.send().await.assert(200, "hello");
    let received = world.origin().last();
    for name in ["x-hop", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert_eq!(received.header(name), None, "{name} in {}", received.head);
    }
    assert_eq!(received.header("x-end").as_deref(), Some("2"));
}

#[tokio::test]
async fn a_client_cannot_have_end_to_end_fields_dropped() {
    let world = World::start().await;
    world.origin().always("/a", Answer::ok("hello").header("Cache-Control", "no-store"));
    let request =
        world.client().get("/a").header("Connection", "close, Host, Authorization, X-Forwarded-For");
    request.header("Authorization", "Basic dTpw").send().await.assert(200, "hello");
    let received = world.origin().last();
    assert_eq!(received.header("host").as_deref(), Some("test.example"));
    assert_eq!(received.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn hop_by_hop_fields_do_not_reach_the_client_or_the_cache() {
    let world = World::start().await;
    let answer = Answer::fresh("hello", 60).header("Connection", "X-Hop").header("X-Hop", "1");
    let answer = answer.header("Keep-Alive", "timeout=5").header("Proxy-Authenticate", "Basic");
    world.origin().always("/a", answer.header("X-End", "2"));
    for hit in [false, true] {
        let seen = world.get("/a").await;
        assert_eq!(seen.is_hit(), hit);
        seen.assert_lacks("x-hop").assert_lacks("keep-alive").assert_lacks("proxy-authenticate");
        seen.assert_header("x-end", "2");
    }
}

#[tokio::test]
async fn an_origin_advertises_no_endpoint_of_its_own() {
    let world = World::with_site(
        "[[site.rule]]\npath = \"/own/*\"\nheaders.response = { Alt-Svc = \"h3=\\\":443\\\"\" }",
    )
    .await;
    let answer = |fresh: u32| {
        let answer = Answer::fresh("hello", fresh).header("Alt-Svc", "h3=\"origin.internal:8443\"");
        answer.header("Server", "Apache").header("Strict-Transport-Security", "max-age=1")
    };
    world.origin().on("*", move |request| answer(if request.target == "/pass" { 0 } else { 60 }));
    for target in ["/a", "/a", "/pass"] {
        let seen = world.get(target).await;
        seen.assert_lacks("alt-svc").assert_header("server", "Apache");
        seen.assert_header("strict-transport-security", "max-age=1");
    }
    world.get("/own/a").await.assert_header("alt-svc", "h3=\":443\"");
}

#[tokio::test]
async fn forwarding_fields_of_a_stranger_are_replaced() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let request = world.client().get("/a").header("X-Forwarded-For", "6.6.6.6");
    let request = request.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "evil.example");
    request.header("Forwarded", "for=6.6.6.6").header("X-Forwarded-Port", "666").send().await;
    let received = world.origin().last();
    assert_eq!(received.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto").as_deref(), Some("http"));
    assert!(!received.head.contains("6.6.6.6"), "{}", received.head);
    assert!(!received.head.contains("evil.example"), "{}", received.head);
    assert!(!received.head.contains("666"), "{}", received.head);
}

#[tokio::test]
async fn forwarding_fields_of_a_trusted_proxy_are_continued() {
    let world = World::new().server("trusted_proxies = [\"127.0.0.0/8\"]").start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let request = world.client().get("/a").header("X-Forwarded-For", "203.0.113.7");
    request.header("X-Forwarded-Proto", "https").send().await;
    let received = world.origin().last();
    assert_eq!(received.header("x-forwarded-for").as_deref(), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto").as_deref(), Some("https"));
}

#[tokio::test]
async fn over_tls_the_origin_is_told_https() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    world.tls_client().get("/a").send().await;
    assert_eq!(world.origin().last().header("x-forwarded-proto").as_deref(), Some("https"));
}

/// Fields that frameworks let override the path, the method or the host: outside the key, so a way to poison it.
#[tokio::test]
async fn fields_that_would_change_the_request_behind_the_key_do_not_pass() {
    let names = ["X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Host"];
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let request = names.iter().fold(world.client().get("/a"), |request, name| request.header(name, "/admin"));
    request.send().await.assert(200, "hello");
    let received = world.origin().last();
    for name in names {
        assert_eq!(received.header(name), None, "{name} in {}", received.head);
    }
}

#[tokio::test]
async fn via_names_the_edge_on_both_ways() {
    let world = World::new().server("server_name = \"edge-7\"").start().await;
    world.origin().always("/a", Answer::fresh("hello", 60).header("Via", "1.1 inner"));
    let seen = world.client().get("/a").header("Via", "1.0 outer").send().await;
    seen.assert_header("via", "1.1 inner, 1.1 edge-7");
    world.get("/a").await.assert_header("via", "1.1 inner, 1.1 edge-7");
    assert_eq!(world.origin().last().header("via").as_deref(), Some("1.0 outer, 1.1 edge-7"));
    assert_eq!(seen.cache_status().node, "edge-7");
}

#[tokio::test]
async fn the_cache_status_of_caches_behind_is_kept_in_front_of_ours() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60).header("Cache-Status", "inner; hit; ttl=5"));
    world.get("/a").await.assert_header("cache-status", "inner; hit; ttl=5, seawall; fwd=uri-miss; stored");
    world.get("/a").await.assert_header("cache-status", "inner; hit; ttl=5, seawall; hit; ttl=60");
}

#[tokio::test]
async fn the_clients_host_is_forwarded_unless_the_pool_has_its_own() {
    for (pool, host) in [("", "test.example"), ("host = \"inner.example\"", "inner.example")] {
        let world = World::new().pool(pool).start().await;
        world.origin().always("/a", Answer::fresh("hello", 60));
        world.get("/a").await.assert(200, "hello");
        assert_eq!(world.origin().last().header("host").as_deref(), Some(host));
    }
}

#[tokio::test]
async fn the_site_sets_and_removes_fields_both_ways() {
    let site = "[site.headers]\nrequest = { X-To-Origin = \"yes\", Cookie = \"\" }\n\
                response = { X-To-Client = \"yes\", Server = \"\" }";
    let world = World::with_site(site).await;
    world.origin().always("/a", Answer::fresh("hello", 60).header("Server", "inner/1.0"));
    for _ in 0..2 {
        let seen = world.client().get("/a").header("Cookie", "a=1").header("X-To-Origin", "no").send().await;
        seen.assert(200, "hello").assert_header("x-to-client", "yes").assert_lacks("server");
    }
    assert_eq!(world.origin().count(), 1);
    assert_eq!(world.origin().last().header("x-to-origin").as_deref(), Some("yes"));
    assert_eq!(world.origin().last().header("cookie"), None);
}

#[tokio::test]
async fn repeated_fields_of_the_origin_stay_repeated() {
    let world = World::start().await;
    let answer =
        Answer::fresh("hello", 60).header("Link", "</1>; rel=preload").header("Link", "</2>; rel=preload");
    world.origin().always("/a", answer);
    for _ in 0..2 {
        let seen = world.get("/a").await;
        assert_eq!(seen.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link")).count(), 2);
    }
}
