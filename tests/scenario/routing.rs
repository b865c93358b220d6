//! Which site, rule and pool a request belongs to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Answer, Expect, Metrics, World, within};

#[tokio::test]
async fn the_first_rule_that_matches_wins() {
    let site = "[[site.rule]]\npath = \"/api/cached/*\"\ncache = { default_ttl = \"60s\" }\n\
                [[site.rule]]\npath = \"/api/*\"\ncache = { enabled = false }\n\
                [[site.rule]]\npath = \"*\"\ncache = { default_ttl = \"10s\" }";
    let world = World::with_site(site).await;
    world.origin().always("*", Answer::ok("hello"));
    for (target, after, hit) in
        [("/api/cached/a", 59, true), ("/api/b", 0, false), ("/c", 9, true), ("/d", 11, false)]
    {
        world.get(target).await.assert(200, "hello");
        world.advance(after);
        assert_eq!(world.get(target).await.is_hit(), hit, "{target} after {after}s");
    }
}

#[tokio::test]
async fn where_the_cache_is_off_everything_passes() {
    let world = World::with_site("[[site.rule]]\npath = \"/api/*\"\ncache = { enabled = false }").await;
    world.origin().always("*", Answer::fresh("hello", 60));
    for _ in 0..2 {
        let seen = world.get("/api/a").await;
        seen.assert_not_stored(200, "hello");
        assert_eq!(seen.cache_status().fwd(), Some("bypass"));
    }
    world.get("/other").await.assert_stored(200, "hello");
    // The path is matched as it is keyed: an escape is no way around a rule.
    world.get("/%61pi/a").await.assert_not_stored(200, "hello");
    world.get("/x/../api/a").await.assert_not_stored(200, "hello");
}

#[tokio::test]
async fn a_rule_can_send_its_paths_to_another_pool() {
    let rule = "[[site.rule]]\npath = \"/api/*\"\npool = \"api\"";
    let world = World::new().other_pool("api").site(rule).start().await;
    world.origin().then(Expect::get("/a"), Answer::fresh("from the origin", 60));
    world.other("api").then(Expect::get("/api/a"), Answer::fresh("from the api", 60));
    world.get("/a").await.assert(200, "from the origin");
    world.get("/api/a").await.assert(200, "from the api");
}

#[tokio::test]
async fn a_listener_can_send_everybody_to_https() {
    let world = World::new().plain_listener("redirect_https = true").start().await;
    world.origin().always("*", Answer::fresh("hello", 60));
    let seen = world.get("/a?b=1").await;
    assert_eq!(seen.status, 308);
    let location = seen.header("location").expect("a redirect has a Location");
    assert_eq!(location, "https://test.example/a?b=1", "the world's port is 443, whatever ours is");
    assert_eq!(seen.header("cache-control").as_deref(), Some("no-store"));
    let own = seen.header("cache-status").expect("every response has one");
    assert!(own.ends_with("; detail=redirect_https"), "{own}");
    let redirects = |metrics: &Metrics| {
        metrics.sum("seawall_requests_total", &[("outcome", "edge"), ("status", "3xx"), ("method", "GET")])
            == 1.0
    };
    world.metrics_when("the redirect is counted", redirects).await;
    world.tls_client().get("/a").send().await.assert(200, "hello");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_redirect_names_the_port_that_the_world_knows() {
    let listener = "redirect_https = true\nredirect_port = 8443";
    let world = World::new().plain_listener(listener).start().await;
    let seen = world.client().get("/a").header("X", "y").send().await;
    seen.assert_header("location", "https://test.example:8443/a");
}

/// RFC 9112 §3.2 asks for a Host from HTTP/1.1 on: load balancers' checks have none.
#[tokio::test]
async fn an_old_request_without_a_host_is_for_the_site_of_any_host() {
    let any = "[[site]]\nhosts = [\"*\", \"127.0.0.1\"]\npool = \"origin\"";
    let world = World::new().more(any).start().await;
    world.origin().on("/check", |request| {
        assert_eq!(request.header("host").as_deref(), Some("127.0.0.1"), "where it came in");
        Answer::fresh("well", 60)
    });
    for (outcome, fields) in [("fwd=uri-miss", ""), ("hit", ""), ("hit", "X: y\r\n")] {
        let text = old(&world, &format!("GET /check HTTP/1.0\r\n{fields}\r\n")).await;
        assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && text.ends_with("\r\n\r\nwell"), "{text}");
        assert!(text.contains(&format!("cache-status: seawall; {outcome}")), "{text}");
    }
    let text = old(&world, "GET /check HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("bad_host"), "HTTP/1.1 needs one: {text}");
}

#[tokio::test]
async fn an_old_request_without_a_host_is_for_no_other_site() {
    let named = "[[site]]\nhosts = [\"127.0.0.1\"]\npool = \"origin\"";
    let world = World::new().more(named).start().await;
    for head in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost:\r\n\r\n"] {
        let text = old(&world, head).await;
        assert!(text.starts_with("HTTP/1.0 400 ") && text.contains("bad_host"), "{text}");
    }
    assert_eq!(world.origin().count(), 0);
}

/// All that is answered to these bytes, to the end of the connection.
async fn old(world: &World, request: &str) -> String {
    let mut socket = TcpStream::connect(world.client().address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    within("the answer", socket.read_to_string(&mut text)).await.unwrap();
    text
}

#[tokio::test]
async fn a_host_that_no_site_has_is_404() {
    let world = World::start().await;
    for host in ["other.example", "test.example.evil", "xtest.example", "a.test.example", "127.0.0.1"] {
        world.client().host(host).get("/a").send().await.assert_refused(404, "unknown_host");
    }
    assert_eq!(world.origin().count(), 0);
}

#[tokio::test]
async fn over_tls_a_host_that_the_connection_is_not_for_is_421() {
    let world = World::start().await;
    let other = world.tls_client().get("/a").header("Host", "other.example");
    other.send().await.assert_refused(421, "misdirected");
}

#[tokio::test]
async fn a_wildcard_site_has_the_hosts_under_it_and_not_its_own_name() {
    let world = World::new().more("[[site]]\nhosts = [\"*.wild.example\"]\npool = \"origin\"").start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    for host in ["a.wild.example", "a.b.wild.example", "A.Wild.Example"] {
        world.client().host(host).get("/a").send().await.assert(200, "hello");
    }
    for host in ["wild.example", "awild.example"] {
        world.client().host(host).get("/a").send().await.assert_refused(404, "unknown_host");
    }
}

#[tokio::test]
async fn an_exact_host_wins_over_a_wildcard() {
    let site = "[[site]]\nhosts = [\"*\"]\npool = \"any\"";
    let world = World::new().other_pool("any").more(site).start().await;
    world.origin().always("/a", Answer::fresh("exact", 60));
    world.other("any").always("/a", Answer::fresh("any", 60));
    world.get("/a").await.assert(200, "exact");
    world.client().host("whatever.example").get("/a").send().await.assert(200, "any");
}

#[tokio::test]
async fn a_rule_holds_for_every_spelling_of_its_path() {
    for pattern in ["/api$/*", "/api%24/*"] {
        let rule = format!("[[site.rule]]\npath = \"{pattern}\"\n[site.rule.cache]\nenabled = false");
        let world = World::with_site(&rule).await;
        world.origin().on("*", |_| Answer::fresh("a", 60));
        for path in ["/api$/a", "/api%24/a", "/api%24%2Fa"] {
            for _ in 0..2 {
                world.get(path).await.assert(200, "a");
            }
            assert_eq!(world.origin().last().target, path, "the origin gets what the client sent");
        }
        assert_eq!(world.origin().count(), 6, "{pattern}: nothing of it is cached");
        world.get("/apis/a").await;
        world.get("/apis/a").await.assert_hit(200, "a");
    }
}
