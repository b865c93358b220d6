//! Origins that are dead, slow, or lie about their bodies.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{Answer, Broken, DeadMember, Expect, Gate, World, within};

const NO_RETRY: &str = "[pool.retry]\nattempts = 1";

async fn without_retries() -> World {
    World::new().pool(NO_RETRY).start().await
}

/// The client sees the break, as a refusal if the head was not yet on its way, and the next one gets the whole from
/// the origin: the part was not stored.
async fn breaks_and_is_not_stored(broken: Answer) {
    let world = without_retries().await;
    world.origin().then(Expect::get("/a"), broken);
    world.origin().then(Expect::get("/a"), Answer::fresh("hello world", 60));
    let seen = world.client().get("/a").try_send().await;
    match seen {
        Err(Broken::Cut { body }) => assert!(b"hello".starts_with(&body), "{body:?}"),
        Err(Broken::NoResponse) => {}
        Ok(refused) if refused.status == 502 => drop(refused.assert_refused(502, "origin_broken")),
        other => panic!("the client should see the response break: {other:?}"),
    }
    world.get("/a").await.assert_stored(200, "hello world");
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_never_stored() {
    breaks_and_is_not_stored(Answer::fresh("hello", 60).cut_short_by(6)).await;
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_is_never_stored() {
    breaks_and_is_not_stored(Answer::fresh("hello", 60).chunked().cut_short_by(0)).await;
}

#[tokio::test]
async fn a_body_reset_midway_is_never_stored() {
    let world = without_retries().await;
    let reset = Gate::new("the origin may reset");
    world.origin().then(Expect::get("/a"), Answer::fresh("hello", 60).hold(&reset).reset_short_by(6));
    world.origin().then(Expect::get("/a"), Answer::fresh("hello world", 60));
    let mut client = world.client().get("/a").begin().await;
    client.read(5).await;
    reset.open();
    assert!(matches!(client.rest().await, Err(Broken::Cut { .. })));
    world.get("/a").await.assert_stored(200, "hello world");
}

#[tokio::test]
async fn a_body_with_a_broken_chunk_is_never_stored() {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n";
    breaks_and_is_not_stored(Answer::raw(format!("{head}5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n"))).await;
}

#[tokio::test]
async fn over_h2_a_broken_body_is_a_reset_stream() {
    let world = without_retries().await;
    let large = "x".repeat(100_000);
    world.origin().always("/a", Answer::fresh(large, 60).cut_short_by(6));
    world.origin().always("/b", Answer::fresh("fine", 60));
    let h2 = world.h2().await;
    assert!(h2.request("GET", "/a", &[]).await.is_err());
    h2.get("/b").await.assert(200, "fine");
}

#[tokio::test]
async fn a_pause_in_the_body_longer_than_idle_breaks_it() {
    let world = World::new().pool(&format!("[pool.timeouts]\nidle = \"200ms\"\n{NO_RETRY}")).start().await;
    let never = Gate::new("never opened");
    world.origin().always("/a", Answer::fresh("hello", 60).hold(&never).body("more"));
    let mut client = world.client().get("/a").begin().await;
    client.read(5).await;
    assert!(matches!(client.rest().await, Err(Broken::Cut { .. })));
}

#[tokio::test]
async fn an_origin_that_refuses_connections_is_502() {
    let dead = DeadMember::new();
    let world = World::new().origins(0).member(dead.address()).start().await;
    world.get("/a").await.assert_refused(502, "origin_unreachable");
}

#[tokio::test]
async fn an_origin_that_does_not_answer_is_504() {
    let pool = format!("[pool.timeouts]\nfirst_byte = \"200ms\"\n{NO_RETRY}");
    let world = World::new().pool(&pool).start().await;
    world.origin().always("/a", Answer::silence());
    world.get("/a").await.assert_refused(504, "origin_timeout");
}

#[tokio::test]
async fn an_origin_that_speaks_no_http_is_502() {
    let world = without_retries().await;
    for (target, garbage) in [("/1", "220 mail.example ESMTP\r\n"), ("/2", "\0\x01\x02\r\n\r\n"), ("/3", "")]
    {
        world.origin().always(target, Answer::raw(garbage));
        world.get(target).await.assert_refused(502, "origin_broken");
    }
}

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_is_502_and_not_stored() {
    let fresh = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
    let heads = [
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "Content-Length: 5, 6\r\n\r\nhello!",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Content-Length: -5\r\n\r\nhello",
        "Content-Length: +5\r\n\r\nhello",
        "Transfer-Encoding: gzip\r\n\r\nhello",
    ];
    for head in heads {
        let world = without_retries().await;
        world.origin().then(Expect::get("/a"), Answer::raw(format!("{fresh}{head}")));
        world.origin().then(Expect::get("/a"), Answer::fresh("fine", 60));
        let seen = world.get("/a").await;
        assert_eq!(seen.status, 502, "{head:?}: {seen:?}");
        let reason = seen.text();
        assert!(
            reason.contains("origin_ambiguous") || reason.contains("origin_broken"),
            "{head:?}: {seen:?}"
        );
        world.get("/a").await.assert_stored(200, "fine");
    }
}

#[tokio::test]
async fn a_refusal_for_the_origins_sake_is_not_stored() {
    let world = without_retries().await;
    world.origin().then(Expect::get("/a"), Answer::hang_up());
    world.origin().then(Expect::get("/a"), Answer::fresh("fine", 60));
    world.get("/a").await.assert_refused(502, "origin_broken");
    world.get("/a").await.assert_stored(200, "fine");
}

#[tokio::test]
async fn when_one_member_is_dead_the_next_one_answers() {
    let dead = DeadMember::new();
    let world = World::new().member(dead.address()).pool("[pool.retry]\nbudget = 1.0").start().await;
    world.origin().always("*", Answer::fresh("alive", 60));
    for n in 0..20 {
        world.get(&format!("/{n}")).await.assert(200, "alive");
    }
}

#[tokio::test]
async fn a_member_that_hangs_up_is_followed_by_the_next() {
    let world = World::new().origins(2).pool("[pool.retry]\nbudget = 1.0").start().await;
    world.origins()[0].always("*", Answer::hang_up());
    world.origins()[1].always("*", Answer::fresh("alive", 60));
    for n in 0..10 {
        world.get(&format!("/{n}")).await.assert(200, "alive");
    }
}

#[tokio::test]
async fn a_post_that_may_have_been_heard_is_not_sent_twice() {
    let site = "methods = [\"GET\", \"POST\"]";
    let world = World::new().origins(2).pool("[pool.retry]\nbudget = 1.0").site(site).start().await;
    world.origins().iter().for_each(|origin| {
        origin.always("/order", Answer::hang_up());
    });
    let seen = world.client().request("POST", "/order").body("one").send().await;
    seen.assert_refused(502, "origin_broken");
    assert_eq!(world.origins().iter().map(|origin| origin.count()).sum::<usize>(), 1);
}

#[tokio::test]
async fn a_small_body_that_breaks_off_is_asked_for_again_before_the_client_hears_of_it() {
    let world = World::start().await;
    for cut in [Answer::fresh("hello", 60).cut_short_by(6), Answer::fresh("hello", 60).reset_short_by(6)] {
        world.origin().then(Expect::get("/a"), cut);
    }
    world.origin().then(Expect::get("/a"), Answer::fresh("hello world", 60));
    world.get("/a").await.assert_stored(200, "hello world");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_take_the_place_of_a_stale_one() {
    let world = without_retries().await;
    let lasting = "max-age=10, stale-if-error=60";
    let (more, broken) = (Gate::new("more of the body"), "x".repeat(1000));
    let short = Answer::ok(broken).header("Cache-Control", lasting).hold(&more).cut_short_by(6);
    world.origin().then(Expect::get("/a"), Answer::ok("old").header("Cache-Control", lasting));
    world.origin().then(Expect::get("/a"), short);
    world.get("/a").await;
    world.advance(15);
    let client = world.client();
    let waiting = tokio::spawn(async move { client.get("/a").send().await });
    world.origin().got(2).await;
    more.open();
    waiting.await.unwrap().assert(200, "old");
}

#[tokio::test]
async fn a_member_that_says_500_is_followed_by_the_next() {
    let world = World::new().origins(2).pool("[pool.retry]\nbudget = 1.0").start().await;
    world.origins()[0].always("*", Answer::status(500));
    world.origins()[1].always("*", Answer::fresh("alive", 60));
    for n in 0..20 {
        world.get(&format!("/{n}")).await.assert(200, "alive");
    }
    assert!(world.origins()[0].count() <= 5, "five in a row eject it");
}

#[tokio::test]
async fn a_request_that_fails_everywhere_does_not_empty_the_pool() {
    let world = World::new().origins(2).pool("[pool.retry]\nattempts = 1").start().await;
    for origin in world.origins() {
        origin.always("/bad", Answer::status(500)).always("/good", Answer::ok("good"));
    }
    for _ in 0..40 {
        assert_eq!(world.get("/bad").await.status, 500);
    }
    world.get("/good").await.assert(200, "good");
    assert!(world.metrics().await.sum("seawall_origin_member_up", &[]) >= 1.0);
}

#[tokio::test]
async fn to_http_1_0_a_broken_body_is_a_reset_connection() {
    let world = without_retries().await;
    let broken = Answer::status(200).chunked().body("hel").cut_short_by(2);
    world.origin().always("/a", broken.header("Cache-Control", "max-age=60"));
    let request = String::from_utf8(world.client().get("/a").bytes().to_vec()).unwrap();
    let mut socket = TcpStream::connect(world.client().address()).await.unwrap();
    socket.write_all(request.replace("HTTP/1.1", "HTTP/1.0").as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let end = within("the end of the connection", socket.read_to_end(&mut seen)).await;
    assert_eq!(end.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset), "{seen:?}");
}
