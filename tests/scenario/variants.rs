//! Several responses under one key, told apart by Vary (RFC 9111 §4.1).

use crate::world::{Answer, Seen, World};

async fn in_language(world: &World, language: &str) -> Seen {
    world.client().get("/a").header("Accept-Language", language).send().await
}

#[tokio::test]
async fn each_variant_is_stored_and_hit_on_its_own() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let language = request.header("accept-language").unwrap_or_default();
        Answer::fresh(format!("in {language}"), 60).header("Vary", "Accept-Language")
    });
    in_language(&world, "de").await.assert_stored(200, "in de");
    let other = in_language(&world, "fr").await;
    other.assert_stored(200, "in fr");
    assert_eq!(other.cache_status().fwd(), Some("vary-miss"));
    in_language(&world, "de").await.assert_hit(200, "in de");
    in_language(&world, "fr").await.assert_hit(200, "in fr");
    assert_eq!(world.origin().count(), 2);
}

#[tokio::test]
async fn a_request_without_the_field_is_a_variant_too() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let language = request.header("accept-language").unwrap_or("any".to_owned());
        Answer::fresh(format!("in {language}"), 60).header("Vary", "Accept-Language")
    });
    world.get("/a").await.assert_stored(200, "in any");
    in_language(&world, "de").await.assert_stored(200, "in de");
    world.get("/a").await.assert_hit(200, "in any");
}

#[tokio::test]
async fn fields_that_vary_does_not_name_do_not_split() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("same", 60).header("Vary", "Accept-Encoding"));
    in_language(&world, "de").await.assert_stored(200, "same");
    in_language(&world, "fr").await.assert_hit(200, "same");
}

#[tokio::test]
async fn vary_star_matches_nothing() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("mine", 60).header("Vary", "*"));
    assert!(!world.get("/a").await.is_hit());
    assert!(!world.get("/a").await.is_hit());
    assert_eq!(world.origin().count(), 2);
}

#[tokio::test]
async fn a_vary_that_names_no_field_matches_nothing() {
    for vary in ["Foo Bar", "Foo; q=1", "\"Foo\"", "Foo, *"] {
        let world = World::start().await;
        world.origin().always("/a", Answer::fresh("mine", 60).header("Vary", vary));
        assert!(!world.get("/a").await.is_hit());
        assert!(!world.get("/a").await.is_hit(), "{vary}");
    }
}

#[tokio::test]
async fn fields_that_origins_get_otherwise_than_from_the_client_select_as_they_get_them() {
    for (vary, site, field) in [
        ("Host", "", ("X", "1")),
        ("X-Forwarded-Proto", "", ("X", "1")),
        ("X-Forwarded-For", "", ("X-Forwarded-For", "9.9.9.9")),
        ("Range", "", ("Range", "bytes=0-")),
        ("If-None-Match", "", ("If-None-Match", "\"x\"")),
        ("X-Set", "[site.headers]\nrequest = { X-Set = \"ours\" }", ("X-Set", "theirs")),
    ] {
        let world = World::with_site(site).await;
        world.origin().always("/a", Answer::fresh("hello", 60).header("Vary", vary));
        world.get("/a").await.assert_stored(200, "hello");
        world.get("/a").await.assert_hit(200, "hello");
        let seen = world.client().get("/a").header(field.0, field.1).send().await;
        assert!(seen.is_hit(), "{vary}: {seen:?}");
        assert_eq!(world.origin().count(), 1, "{vary}");
    }
}

#[tokio::test]
async fn what_varies_by_scheme_is_not_given_to_the_other() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let scheme = request.header("x-forwarded-proto").unwrap_or_default();
        Answer::fresh(scheme, 60).header("Vary", "X-Forwarded-Proto")
    });
    world.get("/a").await.assert_stored(200, "http");
    world.tls_client().get("/a").send().await.assert_stored(200, "https");
    world.get("/a").await.assert_hit(200, "http");
}

#[tokio::test]
async fn an_error_that_does_not_say_how_it_varies_is_for_who_met_it() {
    let world = World::start().await;
    world.origin().on("/a", |request| match request.header("accept-language").as_deref() {
        Some("de") => Answer::fresh("in de", 60).header("Vary", "Accept-Language"),
        _ => Answer::status(404).body("none").header("Cache-Control", "max-age=60"),
    });
    in_language(&world, "de").await.assert_stored(200, "in de");
    in_language(&world, "tlh").await.assert_stored(404, "none");
    in_language(&world, "de").await.assert_hit(200, "in de");
    in_language(&world, "tlh").await.assert_hit(404, "none");
}

/// RFC 9110 §12.5.4: only weights say what is liked better.
#[tokio::test]
async fn the_order_of_languages_liked_alike_does_not_split() {
    let world = World::start().await;
    world.origin().on("/a", |request| {
        let language = request.header("accept-language").unwrap_or_default();
        Answer::fresh(format!("in {language}"), 60).header("Vary", "Accept-Language")
    });
    in_language(&world, "de, en").await.assert_stored(200, "in de, en");
    in_language(&world, "EN,de;q=1.0").await.assert_hit(200, "in de, en");
    in_language(&world, "en, de;q=0.9").await.assert_stored(200, "in en, de;q=0.9");
    in_language(&world, "de;q=0.90, en").await.assert_hit(200, "in en, de;q=0.9");
    assert_eq!(world.origin().count(), 2);
}
