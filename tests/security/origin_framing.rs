//! Origins whose heads say in an unusual way where their bodies end: either there is one reading, or there is a 502.

use crate::world::{Answer, Broken, Gate, World};

const FRESH: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
/// What a confused origin, or one that an attacker speaks through, would have the edge take for its next answer.
const POISON: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\npoison";

async fn one_worker() -> World {
    World::new().threads(1).pool("[pool.retry]\nattempts = 1").start().await
}

/// RFC 9112 §6.3, rule 4: without `chunked` at its end, a response lasts until the connection closes.
#[tokio::test]
async fn a_coding_that_nobody_knows_lasts_until_the_connection_closes() {
    for codings in
        ["Transfer-Encoding: identity\r\n", "Transfer-Encoding: Foo-1\r\nTransfer-Encoding: bar\r\n"]
    {
        let world = one_worker().await;
        world.origin().always("/a", Answer::raw(format!("{FRESH}{codings}\r\nhello")));
        let seen = world.get("/a").await;
        seen.assert_stored(200, "hello");
        let hit = world.get("/a").await;
        hit.assert_hit(200, "hello").assert_lacks("transfer-encoding");
        // The client's own framing is the edge's.
        assert_eq!(seen.header("transfer-encoding").as_deref(), Some("chunked"), "{codings:?}");
    }
}

#[tokio::test]
async fn over_h2_such_a_coding_leaves_no_trace() {
    let world = one_worker().await;
    world.origin().always("/a", Answer::raw(format!("{FRESH}Transfer-Encoding: foo\r\n\r\nhello")));
    let h2 = world.h2().await;
    h2.get("/a").await.assert(200, "hello").assert_lacks("transfer-encoding");
}

/// The origin holds its connection open and thinks it has finished; what it says next is still this body.
#[tokio::test]
async fn a_second_response_on_such_a_connection_is_never_believed() {
    let world = one_worker().await;
    let answer = format!("{FRESH}Transfer-Encoding: foo\r\n\r\nhello");
    world.origin().always("/a", Answer::raw(answer).body(POISON));
    world.origin().always("/b", Answer::fresh("fine", 60));
    world.get("/a").await.assert_stored(200, &format!("hello{POISON}"));
    world.get("/b").await.assert_stored(200, "fine");
    assert_eq!(world.origin().connections(), 2);
}

/// A HEAD's response ends with its head, but an origin that means to close may as well mean to send a body.
#[tokio::test]
async fn a_connection_is_not_kept_after_a_head_with_such_a_coding() {
    let world = one_worker().await;
    world.origin().always("/a", Answer::raw(format!("{FRESH}Transfer-Encoding: foo\r\n\r\n")).kept_open());
    world.origin().always("/b", Answer::fresh("fine", 60));
    world.client().request("HEAD", "/a").send().await.assert(200, "").assert_lacks("transfer-encoding");
    world.get("/b").await.assert_stored(200, "fine");
    assert_eq!(world.origin().connections(), 2);
}

#[tokio::test]
async fn a_reset_before_the_close_is_no_end() {
    let world = one_worker().await;
    let reset = Gate::new("the origin may reset");
    let answer = Answer::raw(format!("{FRESH}Transfer-Encoding: foo\r\n\r\nhello"));
    world.origin().always("/a", answer.hold(&reset).reset_short_by(0));
    let mut client = world.client().get("/a").begin().await;
    client.read(5).await;
    reset.open();
    assert!(matches!(client.rest().await, Err(Broken::Cut { .. })));
    world.origin().always("/a", Answer::fresh("hello world", 60));
    world.get("/a").await.assert_stored(200, "hello world");
}

#[tokio::test]
async fn any_other_coding_is_refused_and_its_connection_closed() {
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    let heads = [
        ("HTTP/1.1", "Transfer-Encoding: gzip"),
        ("HTTP/1.1", "Transfer-Encoding: gzip, chunked"),
        ("HTTP/1.1", "Transfer-Encoding: foo, chunked"),
        ("HTTP/1.1", "Transfer-Encoding: foo\r\nTransfer-Encoding: chunked"),
        ("HTTP/1.1", "Transfer-Encoding: chunked, foo"),
        ("HTTP/1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: foo"),
        ("HTTP/1.1", "Transfer-Encoding: chunked, chunked"),
        ("HTTP/1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("HTTP/1.1", "Transfer-Encoding: xchunked"),
        ("HTTP/1.1", "Transfer-Encoding: \x0bchunked"),
        ("HTTP/1.1", "Transfer-Encoding:\r\n chunked"),
        ("HTTP/1.1", "Transfer-Encoding: foo bar"),
        ("HTTP/1.1", "Transfer-Encoding: "),
        ("HTTP/1.1", "Transfer-Encoding: foo\r\nContent-Length: 5"),
        ("HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: identity"),
        ("HTTP/1.0", "Transfer-Encoding: foo"),
        ("HTTP/1.0", "Transfer-Encoding: chunked"),
    ];
    for (version, coding) in heads {
        let world = one_worker().await;
        let answer =
            format!("{version} 200 OK\r\nCache-Control: max-age=60\r\n{coding}\r\n\r\n{chunks}{POISON}");
        world.origin().always("/a", Answer::raw(answer).kept_open());
        world.origin().always("/b", Answer::fresh("fine", 60));
        let seen = world.get("/a").await;
        assert_eq!(seen.status, 502, "{version} {coding:?}: {seen:?}");
        world.get("/b").await.assert_stored(200, "fine");
        assert_eq!(world.origin().connections(), 2, "{version} {coding:?}");
        world.origin().always("/a", Answer::fresh("well", 60));
        world.get("/a").await.assert_stored(200, "well");
    }
}
