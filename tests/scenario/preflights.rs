//! CORS preflights of guarded paths: Fetch sends them without credentials, so the guard lets them past, and only them.

use seawall::config::Secret;
use seawall::signed::{Claims, Scope, token};

use crate::world::{Answer, Request, World};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PAGE: &str = "https://app.example";

async fn guarded_with(site: &str) -> World {
    let world = World::with_site(&format!(
        "{site}\n[[site.signed]]\nscheme = \"token\"\npaths = [\"/private/*\"]\n\
         keys = [{{ id = \"k\", secret = \"{SECRET}\" }}]"
    ))
    .await;
    world.origin().on("*", |request| match request.method.as_str() {
        "OPTIONS" => Answer::status(204)
            .header("Access-Control-Allow-Origin", request.header("origin").unwrap_or_default())
            .header("Access-Control-Allow-Headers", "range")
            .header("Access-Control-Max-Age", "600")
            .header("Vary", "Origin"),
        _ => Answer::fresh("guarded", 600),
    });
    world
}

async fn guarded() -> World {
    guarded_with("").await
}

fn preflight(world: &World, target: &str) -> Request {
    let request = world.client().request("OPTIONS", target).header("Origin", PAGE);
    request.header("Access-Control-Request-Method", "GET").header("Access-Control-Request-Headers", "range")
}

fn token(scope: Scope<'_>) -> String {
    let expires = crate::world::START.secs() + 60;
    let claims =
        Claims { key_id: "k", expires, scope, client: None, host: None, not_before: None, issued_at: None };
    token::sign(&claims, &Secret::new(SECRET)).expect("claims that can be verified")
}

#[tokio::test]
async fn a_preflight_without_credentials_reaches_the_origin() {
    let world = guarded().await;
    for (target, asked) in [
        ("/private/a", "/private/a"),
        ("/private/a?w=1", "/private/a?w=1"),
        ("/private/%61", "/private/a"),
        ("/private/a?token=v1.expired.x&w=1", "/private/a?w=1"),
        ("/_t/v1.expired.x/private/a", "/private/a"),
    ] {
        let seen = preflight(&world, target).send().await;
        seen.assert(204, "").assert_header("access-control-allow-origin", PAGE);
        seen.assert_header("access-control-allow-headers", "range").assert_lacks("content-length");
        let last = world.origin().last();
        assert_eq!((last.method.as_str(), last.target.as_str()), ("OPTIONS", asked));
        assert_eq!(last.header("access-control-request-headers").as_deref(), Some("range"));
    }
}

#[tokio::test]
async fn a_preflight_of_http2_reaches_the_origin() {
    let world = guarded().await;
    let h2 = world.h2().await;
    let fields = [("origin", PAGE), ("access-control-request-method", "GET")];
    h2.request("OPTIONS", "/private/a", &fields).await.expect("an answer").assert(204, "");
}

#[tokio::test]
async fn what_is_not_quite_a_preflight_is_denied() {
    let world = guarded().await;
    let client = world.client();
    let from_page = |method: &str| {
        let request = client.request(method, "/private/a").header("Origin", PAGE);
        request.header("Access-Control-Request-Method", "GET")
    };
    let options = || client.request("OPTIONS", "/private/a");
    for request in [
        from_page("GET"),
        options(),
        options().header("Origin", PAGE),
        options().header("Access-Control-Request-Method", "GET"),
        options().header("Origin", PAGE).header("Access-Control-Request-Method", ""),
        options().header("Origin", PAGE).header("Access-Control-Request-Method", "GET, PUT"),
        from_page("OPTIONS").header("Origin", PAGE),
        from_page("OPTIONS").header("Cookie", "a=1"),
        from_page("OPTIONS").header("Cookie", "token=v1.x.y"),
        from_page("OPTIONS").header("Authorization", "Bearer x"),
        from_page("OPTIONS").body("something"),
        from_page("OPTIONS").header("X-HTTP-Method-Override", "GET").body("x"),
    ] {
        request.send().await.assert_refused(403, "denied");
    }
    from_page("HEAD").send().await.assert(403, "");
    let mut connection = client.connect().await;
    let chunked = format!(
        "OPTIONS /private/a HTTP/1.1\r\nHost: test.example\r\nOrigin: {PAGE}\r\n\
         Access-Control-Request-Method: GET\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    );
    connection.send(chunked).await;
    connection.read("OPTIONS").await.assert_refused(403, "denied");
    assert_eq!(world.origin().count(), 0, "none of them got past the guard");
}

#[tokio::test]
async fn an_origin_that_answers_options_like_get_gives_nothing_away() {
    let world = guarded().await;
    world.origin().on("/private/a", |request| {
        let answer = Answer::fresh("guarded", 600).header("ETag", "\"guarded\"").header("Set-Cookie", "a=1");
        let answer = answer.header("Cache-Tag", "guarded").header("X-Secret", "guarded");
        answer.header("Access-Control-Allow-Origin", request.header("origin").unwrap_or_default())
    });
    let seen =
        preflight(&world, "/private/a").header("X-HTTP-Method", "GET").header("X-Do", "it").send().await;
    seen.assert_not_stored(200, "").assert_header("access-control-allow-origin", PAGE);
    seen.assert_header("content-length", "0").assert_lacks("etag").assert_lacks("set-cookie");
    assert!(!format!("{seen:?}").contains("guarded"), "{seen:?}");
    let asked = world.origin().last();
    assert_eq!((asked.header("x-http-method"), asked.header("x-do")), (None, None));
    // Nor is it stored for anybody.
    let target = format!("/private/a?token={}", token(Scope::Path("/private/a")));
    world.get(&target).await.assert_stored(200, "guarded");
    preflight(&world, "/private/a").send().await.assert_not_stored(200, "");
    world.get("/private/a").await.assert_refused(403, "denied");
}

#[tokio::test]
async fn a_preflight_with_a_good_token_is_a_request_like_any_other() {
    let world = guarded().await;
    world.origin().always("/private/a", Answer::ok("options of a"));
    let target = format!("/private/a?token={}", token(Scope::Path("/private/a")));
    preflight(&world, &target).send().await.assert(200, "options of a");
}

#[tokio::test]
async fn a_site_without_options_takes_no_preflight() {
    let world = guarded_with("methods = [\"GET\"]").await;
    for target in ["/private/a", "/public"] {
        preflight(&world, target).send().await.assert_refused(405, "method_not_allowed");
    }
    assert_eq!(world.origin().count(), 0);
}

#[tokio::test]
async fn a_page_that_has_its_preflight_answered_still_needs_a_token() {
    let world = guarded().await;
    preflight(&world, "/private/a").send().await.assert(204, "");
    let get = world.client().get("/private/a").header("Origin", PAGE);
    get.send().await.assert_refused(403, "denied");
    assert_eq!(world.origin().count(), 1);
}
