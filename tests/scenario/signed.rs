//! Signed URLs are checked before the cache and leave no trace behind it.

use std::time::Duration;

use seawall::config::Secret;
use seawall::signed::{Claims, Scope, token};

use crate::world::{Answer, World};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn guarded() -> World {
    let site = format!(
        "[[site.signed]]\nscheme = \"token\"\npaths = [\"/private/*\"]\n\
         keys = [{{ id = \"new\", secret = \"another secret of 32 characters!\" }}, {{ id = \"k\", secret = \"{SECRET}\" }}]"
    );
    let world = World::with_site(&site).await;
    world.origin().on("*", |request| Answer::fresh(format!("this is {}", request.target), 600));
    world
}

/// A token of ours for a scope, from now on for a minute.
fn token(world: &World, scope: Scope<'_>, secret: &str) -> String {
    let expires = world.now().plus(Duration::from_secs(60)).secs();
    let claims =
        Claims { key_id: "k", expires, scope, client: None, host: None, not_before: None, issued_at: None };
    token::sign(&claims, &Secret::new(secret)).expect("claims that can be verified")
}

/// Denied with a body that tells nothing, and counted under the reason.
async fn is_denied(world: &World, target: &str, reason: &str) {
    world.get(target).await.assert_refused(403, "denied");
    let what = format!("one denial is counted as {reason}");
    world
        .metrics_when(&what, |metrics| metrics.sum("seawall_denied_total", &[("reason", reason)]) == 1.0)
        .await;
}

#[tokio::test]
async fn a_token_opens_its_path_and_the_origin_never_sees_it() {
    let world = guarded().await;
    let token = token(&world, Scope::Path("/private/a"), SECRET);
    let seen = world.get(&format!("/private/a?w=1&token={token}&h=2")).await;
    seen.assert_stored(200, "this is /private/a?w=1&h=2");
    assert!(!world.origin().last().head.contains(&token), "{}", world.origin().last().head);
}

#[tokio::test]
async fn two_links_share_one_object() {
    let world = guarded().await;
    let one = token(&world, Scope::Path("/private/a"), SECRET);
    world.get(&format!("/private/a?token={one}")).await.assert_stored(200, "this is /private/a");
    world.advance(1);
    let other = token(&world, Scope::Path("/private/a"), SECRET);
    assert_ne!(one, other);
    world.get(&format!("/private/a?token={other}")).await.assert_hit(200, "this is /private/a");
}

#[tokio::test]
async fn what_is_stored_is_not_open_to_those_without_a_token() {
    let world = guarded().await;
    let token = token(&world, Scope::Path("/private/a"), SECRET);
    world.get(&format!("/private/a?token={token}")).await.assert_stored(200, "this is /private/a");
    is_denied(&world, "/private/a", "missing").await;
    // Other spellings of the path are the same path.
    for target in ["/private/%61", "/x/../private/a", "/%70rivate/a", "/private//../a"] {
        world.get(target).await.assert_refused(403, "denied");
    }
    world.client().request("HEAD", "/private/a").send().await.assert(403, "");
    let ranged = world.client().get("/private/a").header("Range", "bytes=0-1");
    ranged.send().await.assert_refused(403, "denied");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_token_ends_at_its_second() {
    let world = guarded().await;
    let token = token(&world, Scope::Path("/private/a"), SECRET);
    let target = format!("/private/a?token={token}");
    world.advance(59);
    world.get(&target).await.assert(200, "this is /private/a");
    world.advance(1);
    is_denied(&world, &target, "expired").await;
}

#[tokio::test]
async fn a_token_for_another_path_opens_nothing() {
    let world = guarded().await;
    let token = token(&world, Scope::Path("/private/a"), SECRET);
    is_denied(&world, &format!("/private/b?token={token}"), "wrong_path").await;
    assert_eq!(world.origin().count(), 0);
}

#[tokio::test]
async fn a_prefix_opens_what_is_under_it_in_the_path_or_a_cookie() {
    let world = guarded().await;
    let token = token(&world, Scope::Prefix("/private/hls/"), SECRET);
    world.get(&format!("/_t/{token}/private/hls/1.ts")).await.assert_stored(200, "this is /private/hls/1.ts");
    let with_cookie = |target| world.client().get(target).header("Cookie", &format!("a=1; token={token}"));
    with_cookie("/private/hls/1.ts").send().await.assert_hit(200, "this is /private/hls/1.ts");
    with_cookie("/private/other").send().await.assert_refused(403, "denied");
    with_cookie("/private/hls/2.ts").send().await.assert_stored(200, "this is /private/hls/2.ts");
    assert_eq!(world.origin().last().header("cookie").as_deref(), Some("a=1"));
}

#[tokio::test]
async fn a_signature_that_is_not_ours_opens_nothing() {
    let world = guarded().await;
    let forged = token(&world, Scope::Path("/private/a"), "some other secret of 32 letters!");
    is_denied(&world, &format!("/private/a?token={forged}"), "bad_signature").await;
    let refused = world.get(&format!("/private/a?token={forged}")).await;
    assert_eq!(
        refused.text(),
        "403 Forbidden: denied (bad_signature)\n",
        "nothing about what would have been right"
    );
    let page = include_str!("../../docs/signed-urls.md");
    assert!(page.contains("`403 Forbidden: denied (expired)`"), "the page shows such a body");
    is_denied(&world, "/private/a?token=v1.x", "malformed").await;
}

#[tokio::test]
async fn paths_outside_the_table_are_open() {
    let world = guarded().await;
    world.get("/public?token=whatever").await.assert_stored(200, "this is /public?token=whatever");
}
