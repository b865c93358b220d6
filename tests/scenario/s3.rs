//! A pool that is a bucket: a key is one resource, however the client spells it.

use std::time::Duration;

use seawall::config::Secret;
use seawall::signed::{Claims, Scope, token};

use crate::world::{Answer, Client, Seen, World};

const BUCKET: &str = "[pool.s3]\nbucket = \"photos\"\ncredentials = \"anonymous\"";

/// Every character that is reserved in a path, or that clients differ about, as it stands and encoded.
const SPELLINGS: [(&str, &str); 18] = [
    ("!", "%21"),
    ("$", "%24"),
    ("&", "%26"),
    ("'", "%27"),
    ("(", "%28"),
    (")", "%29"),
    ("*", "%2A"),
    ("+", "%2B"),
    (",", "%2C"),
    ("-", "%2D"),
    (".", "%2E"),
    ("/", "%2F"),
    (":", "%3A"),
    (";", "%3b"),
    ("=", "%3D"),
    ("@", "%40"),
    ("_", "%5f"),
    ("~", "%7e"),
];

async fn counting(site: &str) -> World {
    let world = World::new().pool(BUCKET).site(site).start().await;
    let mut count = 0;
    world.origin().on("*", move |request| {
        count += 1;
        Answer::fresh(format!("{} {count}", request.target), 600)
    });
    world
}

async fn post(world: &World, target: &str, body: &str) -> Seen {
    Client::of(world.admin_address(), "localhost").request("POST", target).body(body).send().await
}

#[tokio::test]
async fn a_key_is_stored_once_and_purged_once_by_any_spelling() {
    let world = counting("methods = [\"GET\", \"HEAD\", \"PURGE\"]").await;
    for (number, (plain, encoded)) in SPELLINGS.iter().enumerate() {
        let (one, other) = (format!("/{number}x{plain}x"), format!("/{number}x{encoded}x"));
        let first = world.get(&one).await;
        assert!(!first.is_hit(), "{one}");
        world.get(&other).await.assert_hit(200, &first.text());
        // In a purge a bare `*` is a wildcard: the key that has one is written with %2A.
        let one = if *plain == "*" { other.clone() } else { one };
        for (purge, url) in [("urls", &one), ("urls", &other), ("prefixes", &one), ("prefixes", &other)] {
            let body = format!("{{\"{purge}\":[\"http://test.example{url}\"]}}");
            let seen = post(&world, "/purge", &body).await;
            assert_eq!((seen.status, seen.text().contains("\"purged\":1")), (200, true), "{seen:?}");
            let again = world.get(&other).await;
            assert!(!again.is_hit(), "{purge} {url}: {again:?}");
            world.get(&one).await.assert_hit(200, &again.text());
        }
    }
}

#[tokio::test]
async fn the_purge_method_takes_any_spelling() {
    let admin = "[admin]\naddress = \"127.0.0.1:0\"\npurge_from = [\"127.0.0.0/8\"]";
    let world = World::new().pool(BUCKET).admin(admin).start().await;
    let mut count = 0;
    world.origin().on("*", move |_| {
        count += 1;
        Answer::fresh(format!("{count}"), 600)
    });
    world.get("/l++.rpm").await.assert_stored(200, "1");
    world.client().request("PURGE", "/l%2B+.rpm").send().await.assert_lacks("age");
    world.get("/l%2b%2B.rpm").await.assert_stored(200, "2");
}

#[tokio::test]
async fn an_unsafe_request_invalidates_the_key_that_it_names() {
    let world = World::new()
        .other_pool("http")
        .pool(BUCKET)
        .site("methods = [\"GET\", \"POST\"]\n[[site.rule]]\npath = \"/api\"\npool = \"http\"")
        .start()
        .await;
    let mut count = 0;
    world.origin().on("*", move |_| {
        count += 1;
        Answer::fresh(format!("{count}"), 600)
    });
    world.other("http").on("*", |_| Answer::status(201).header("Location", "/l%2B+.rpm"));
    world.get("/l++.rpm").await.assert_stored(200, "1");
    assert_eq!(world.client().request("POST", "/api").body("x").send().await.status, 201);
    world.get("/l++.rpm").await.assert_stored(200, "2");
}

#[tokio::test]
async fn inspection_and_prefetch_read_a_url_as_requests_are_read() {
    let world = counting("").await;
    let seen = post(&world, "/prefetch", r#"{"urls":["http://test.example/l%2B%2B.rpm"]}"#).await;
    assert_eq!(seen.status, 202, "{seen:?}");
    world.origin().got(1).await;
    world.get("/l++.rpm").await.assert(200, "/photos/l%2B%2B.rpm 1");
    for url in ["http://test.example/l++.rpm", "http://test.example/l%252B%252B.rpm"] {
        let target = format!("/objects?url={url}");
        let seen = Client::of(world.admin_address(), "localhost").get(&target).send().await;
        assert!(seen.text().contains("\"key\":\"test.example/l++.rpm\""), "{seen:?}");
        assert!(seen.text().contains("\"state\":\"fresh\""), "{seen:?}");
    }
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_slash_is_a_slash_however_it_is_spelled() {
    let world = counting("").await;
    world.get("/dir%2Fx").await.assert_stored(200, "/photos/dir/x 1");
    world.get("/dir/x").await.assert_hit(200, "/photos/dir/x 1");
    for bad in ["/dir%2F..%2Fx", "/dir%2f%2e%2e%2fx", "/..%2Fx", "/dir%2F.", "/dir%2F%00", "/dir%2F%0a"] {
        world.get(bad).await.assert_refused(400, "bad_path");
    }
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_rule_of_the_other_kind_keeps_its_own_spelling() {
    let world = World::new()
        .other_pool("http")
        .pool(BUCKET)
        .site("[[site.rule]]\npath = \"/app+/*\"\npool = \"http\"")
        .start()
        .await;
    world.origin().on("*", |request| Answer::fresh(&request.target, 600));
    world.other("http").on("*", |request| Answer::fresh(&request.target, 600));
    world.get("/app+/a").await.assert_stored(200, "/app+/a");
    world.get("/app%2B/a").await.assert_stored(200, "/app%2B/a");
    world.get("/a+/a").await.assert_stored(200, "/photos/a%2B/a");
    let all = "{\"prefixes\":[\"http://test.example/a%70p%2B/\",\"http://test.example/a%2b\"]}";
    assert_eq!(post(&world, "/purge", all).await.status, 200);
    world.get("/app%2B/a").await.assert_stored(200, "/app%2B/a");
    world.get("/app+/a").await;
    world.get("/a+/a").await.assert_stored(200, "/photos/a%2B/a");
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn guard(paths: &str) -> String {
    format!(
        "[[site.signed]]\nscheme = \"token\"\npaths = [{paths}]\nkeys = [{{ id = \"k\", secret = \"{SECRET}\" }}]"
    )
}

fn token(world: &World, scope: Scope<'_>) -> String {
    let expires = world.now().plus(Duration::from_secs(60)).secs();
    let claims =
        Claims { key_id: "k", expires, scope, client: None, host: None, not_before: None, issued_at: None };
    token::sign(&claims, &Secret::new(SECRET)).expect("claims that can be verified")
}

#[tokio::test]
async fn a_token_for_one_spelling_is_good_for_all() {
    let world = counting(&guard("\"/*\"")).await;
    for (plain, encoded) in SPELLINGS {
        let (one, other) = (format!("/p/{plain}x"), format!("/p/{encoded}x"));
        for (signed, asked) in [(&one, &other), (&other, &one)] {
            let exact = token(&world, Scope::Path(signed));
            assert_eq!(world.get(&format!("{asked}?token={exact}")).await.status, 200, "{signed} {asked}");
            let folder = format!("{signed}/");
            let below = token(&world, Scope::Prefix(&folder));
            assert_eq!(world.get(&format!("{asked}/y?token={below}")).await.status, 200, "{signed} {asked}");
            let path = token(&world, Scope::Path("/p/other"));
            world.get(&format!("{asked}?token={path}")).await.assert_refused(403, "denied");
        }
    }
}

#[tokio::test]
async fn no_guard_is_passed_by_a_spelling() {
    let world = counting(&guard("\"/private/*\", \"/a+b/*\"")).await;
    for path in [
        "/private%2Fx",
        "/private%2f%2Fx",
        "//private%2Fx",
        "/%2Fprivate/x",
        "/a%2Bb/x",
        "/a%2Bb%2Fx",
        "/a+b%2fx",
    ] {
        world.get(path).await.assert_refused(403, "denied");
    }
    assert_eq!(world.origin().count(), 0);
}

#[tokio::test]
async fn a_clients_authorization_and_cookie_are_not_what_s3_answers() {
    let world = counting("").await;
    let ask = async |token: &str| {
        let client = world.client().get("/a").header("Authorization", token);
        client.header("Cookie", token).send().await
    };
    ask("Bearer one").await.assert_stored(200, "/photos/a 1");
    let got = world.origin().last();
    assert_eq!((got.header("authorization"), got.header("cookie")), (None, None));
    ask("Bearer two").await.assert_hit(200, "/photos/a 1");
    world.get("/a").await.assert_hit(200, "/photos/a 1");
}

#[tokio::test]
async fn what_s3_is_not_sent_makes_no_variants() {
    let world = World::new().pool(BUCKET).start().await;
    let vary = "Cookie, Authorization, x-amz-acl";
    world.origin().on("*", move |_| Answer::fresh("one", 600).header("Vary", vary));
    for who in ["a=1", "a=2"] {
        let request = world.client().get("/a").header("Cookie", who).header("Authorization", who);
        request.header("x-amz-acl", who).send().await.assert(200, "one");
    }
    assert_eq!(world.origin().count(), 1);
}
