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
