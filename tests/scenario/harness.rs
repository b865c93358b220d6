//! The harness itself: a test that trusts a broken ruler proves nothing.

use crate::world::{Answer, Broken, Expect, Gate, World, http_date};

#[tokio::test]
async fn smoke() {
    let world = World::start().await;
    world.origin().then(Expect::get("/a"), Answer::fresh("hello", 60));
    let seen = world.get("/a").await;
    seen.assert(200, "hello");
    world.origin().always("/b", Answer::ok("hello").chunked().body("x"));
    assert_eq!(world.tls_client().get("/b").send().await.text(), "hellox");
    assert_eq!(world.h2().await.get("/b").await.text(), "hellox");
    world.origin().always("/c", Answer::ok("hello").cut_short_by(3));
    assert!(matches!(world.client().get("/c").try_send().await, Err(Broken::Cut { .. })));
    let gate = Gate::new("x");
    world.origin().always("/d", Answer::ok("hello").hold(&gate).body("more"));
    let mut s = world.client().get("/d").begin().await;
    assert_eq!(s.read(5).await, "hello");
    gate.open();
    assert_eq!(s.rest().await.unwrap(), "more");
    assert_eq!(world.date("{now-0s}"), http_date(world.now()));
}
