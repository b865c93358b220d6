//! What makes two requests the same: the cache key.

use crate::world::{Answer, World};

/// A world whose origin answers every path, each request with a number of its own.
async fn counting(site: &str) -> World {
    let world = World::with_site(site).await;
    let mut asked = 0;
    world.origin().on("*", move |_| {
        asked += 1;
        Answer::fresh(format!("answer {asked}"), 600)
    });
    world
}

/// Under this configuration, the second target is answered by what was stored for the first, or is not.
async fn shares(site: &str, first: &str, second: &str, same: bool) {
    let world = counting(site).await;
    world.get(first).await.assert_stored(200, "answer 1");
    let again = world.get(second).await;
    assert_eq!(again.is_hit(), same, "{first} and {second} under {site:?}: {again:?}");
}

#[tokio::test]
async fn all_of_the_query_is_in_the_key() {
    shares("", "/a?x=1", "/a?x=1", true).await;
    shares("", "/a?x=1", "/a?x=2", false).await;
    shares("", "/a?x=1", "/a", false).await;
    shares("", "/a?x=1", "/a?X=1", false).await;
    shares("", "/a?x=1&x=2", "/a?x=1", false).await;
}

#[tokio::test]
async fn parameters_are_sorted_unless_the_site_says_otherwise() {
    shares("", "/a?b=2&a=1", "/a?a=1&b=2", true).await;
    shares("[site.cache]\nsort_query = false", "/a?b=2&a=1", "/a?a=1&b=2", false).await;
    // The order among values of one name is part of what they say.
    shares("", "/a?x=1&x=2", "/a?x=2&x=1", false).await;
}

#[tokio::test]
async fn query_none_leaves_it_out() {
    let site = "[site.cache]\nquery = \"none\"";
    shares(site, "/a?x=1", "/a?y=2", true).await;
    shares(site, "/a?x=1", "/a", true).await;
    shares(site, "/a?x=1", "/b?x=1", false).await;
}

#[tokio::test]
async fn query_include_takes_only_those_named() {
    let site = "[site.cache]\nquery = { include = [\"w\", \"crop_*\"] }";
    shares(site, "/a?w=1&session=1", "/a?session=2&w=1", true).await;
    shares(site, "/a?w=1", "/a?w=2", false).await;
    shares(site, "/a?crop_x=1", "/a?crop_x=2", false).await;
}

#[tokio::test]
async fn query_exclude_leaves_those_named_out() {
    let site = "[site.cache]\nquery = { exclude = [\"utm_*\"] }";
    shares(site, "/a?w=1&utm_source=mail", "/a?w=1", true).await;
    shares(site, "/a?utm_source=mail", "/a?utm_campaign=x", true).await;
    shares(site, "/a?w=1&utm_source=mail", "/a?w=2&utm_source=mail", false).await;
}

#[tokio::test]
async fn what_the_key_leaves_out_does_not_reach_the_origin_of_a_shared_response() {
    let world = counting("[site.cache]\nquery = { exclude = [\"x\"] }").await;
    world.get("/a?x=1&y=2").await;
    assert_eq!(world.origin().last().target, "/a?y=2", "or x would choose what everybody gets");
    let world = counting("[site.cache]\nenabled = false\nquery = \"none\"").await;
    world.get("/a?x=1&y=2").await;
    assert_eq!(world.origin().last().target, "/a?x=1&y=2", "nothing is shared here");
}

#[tokio::test]
async fn headers_of_the_site_are_in_the_key() {
    let world = counting("[site.cache]\nheaders = [\"X-Country\"]").await;
    let from = |country| world.client().get("/a").header("X-Country", country);
    from("de").send().await.assert_stored(200, "answer 1");
    from("fr").send().await.assert_stored(200, "answer 2");
    from("de").header("X-Other", "x").send().await.assert_hit(200, "answer 1");
    world.get("/a").await.assert_stored(200, "answer 3");
}

#[tokio::test]
async fn cookies_of_the_site_are_in_the_key_and_others_are_not() {
    let world = counting("[site.cache]\ncookies = [\"lang\"]").await;
    let with = |cookies| world.client().get("/a").header("Cookie", cookies);
    with("lang=de; session=1").send().await.assert_stored(200, "answer 1");
    with("session=2; lang=de").send().await.assert_hit(200, "answer 1");
    with("lang=fr").send().await.assert_stored(200, "answer 2");
}

#[tokio::test]
async fn the_hosts_case_and_port_do_not_split() {
    let world = counting("").await;
    world.get("/a").await.assert_stored(200, "answer 1");
    for host in ["Test.EXAMPLE", "test.example:80", "test.example:8080"] {
        world.client().host(host).get("/a").send().await.assert_hit(200, "answer 1");
    }
}

#[tokio::test]
async fn http_and_https_share_what_is_stored() {
    let world = counting("").await;
    world.get("/a").await.assert_stored(200, "answer 1");
    world.tls_client().get("/a").send().await.assert_hit(200, "answer 1");
    world.h2().await.get("/a").await.assert_hit(200, "answer 1");
}

#[tokio::test]
async fn hosts_of_one_site_do_not_share() {
    let world = World::new().more("[[site]]\nhosts = [\"*.wild.example\"]\npool = \"origin\"").start().await;
    world.origin().on("/a", |request| Answer::fresh(request.header("host").unwrap_or_default(), 60));
    for host in ["one.wild.example", "two.wild.example"] {
        world.client().host(host).get("/a").send().await.assert_stored(200, host);
        world.client().host(host).get("/a").send().await.assert_hit(200, host);
    }
}

#[tokio::test]
async fn an_absolute_target_is_the_same_as_its_path() {
    let world = counting("").await;
    world.get("/a?x=1").await.assert_stored(200, "answer 1");
    world.get("http://test.example/a?x=1").await.assert_hit(200, "answer 1");
    assert_eq!(world.origin().last().target, "/a?x=1");
}

#[tokio::test]
async fn escapes_that_mean_the_same_do_not_split() {
    shares("", "/%7Euser", "/~user", true).await;
    shares("", "/%7euser", "/%7Euser", true).await;
    shares("", "/%c3%a4", "/%C3%A4", true).await;
}

#[tokio::test]
async fn escapes_that_mean_something_else_split() {
    shares("", "/a%2Fb", "/a/b", false).await;
    shares("", "/a%3Fb", "/a?b", false).await;
    shares("", "/a%2Bb", "/a+b", false).await;
}

#[tokio::test]
async fn dot_segments_are_walked() {
    shares("", "/a/./b/../c", "/a/c", true).await;
    shares("", "/a/%2e%2E/c", "/c", true).await;
    let world = counting("").await;
    world.get("/a/../b/./c").await;
    assert_eq!(world.origin().last().target, "/b/c");
}

#[tokio::test]
async fn repeated_slashes_are_another_path() {
    shares("", "/a//b", "/a/b", false).await;
    let world = counting("").await;
    world.get("/a//b").await;
    assert_eq!(world.origin().last().target, "/a//b");
}

#[tokio::test]
async fn a_fields_value_cannot_be_mistaken_for_another_part_of_the_key() {
    let world = counting("[site.cache]\nheaders = [\"X-A\", \"X-B\"]").await;
    let with = |a, b| world.client().get("/a").header("X-A", a).header("X-B", b);
    with("1 x-b: 2", "").send().await.assert_stored(200, "answer 1");
    with("1", "2").send().await.assert_stored(200, "answer 2");
    with("1\t2", "").send().await.assert_stored(200, "answer 3");
}

/// Which of two cookies of one name counts is the origin's to say, so neither may stand for both.
#[tokio::test]
async fn a_second_cookie_of_the_name_is_in_the_key() {
    let world = counting("[site.cache]\ncookies = [\"lang\"]").await;
    let ask = |cookie: &'static str| world.client().get("/a").header("Cookie", cookie);
    ask("lang=en").send().await.assert_stored(200, "answer 1");
    ask("a=b; lang=en; c=d").send().await.assert_hit(200, "answer 1");
    ask("lang=en; lang=xx").send().await.assert_stored(200, "answer 2");
    ask("lang =xx; lang=en").send().await.assert_stored(200, "answer 3");
    world.get("/a").await.assert_stored(200, "answer 4");
    ask("lang =en").send().await.assert_hit(200, "answer 1");
}
