//! The harness itself, without an edge between its client and its origin: a ruler that bends measures nothing.

use seawall::edge::clock::Clock;

use crate::world::{Answer, Broken, Client, Expect, Gate, Origin, START, Seen};

async fn client_and_origin() -> (Client, Origin) {
    let origin = Origin::start(Clock::manual(START)).await;
    (Client::of(origin.address(), "test.example"), origin)
}

async fn reads(answer: Answer) -> Result<Seen, Broken> {
    let (client, origin) = client_and_origin().await;
    origin.always("/", answer);
    client.get("/").try_send().await
}

#[tokio::test]
async fn the_client_reads_every_framing_the_origin_writes() {
    for answer in
        [Answer::ok("onetwo"), Answer::ok("one").body("two").chunked(), Answer::ok("onetwo").until_close()]
    {
        reads(answer.header("X-A", "1")).await.unwrap().assert(200, "onetwo").assert_header("x-a", "1");
    }
    reads(Answer::status(204)).await.unwrap().assert(204, "");
    reads(Answer::status(304).header("Content-Length", "5")).await.unwrap().assert(304, "");
}

#[tokio::test]
async fn the_client_sees_every_way_to_break_off() {
    for answer in [
        Answer::ok("hello").cut_short_by(1),
        Answer::ok("hello").chunked().cut_short_by(0),
        Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 5"),
    ] {
        let read = reads(answer).await;
        assert!(matches!(read, Err(Broken::Cut { .. })), "{read:?}");
    }
    let read = reads(Answer::hang_up()).await;
    assert!(matches!(read, Err(Broken::NoResponse)), "{read:?}");
    let (client, origin) = client_and_origin().await;
    let reset = Gate::new("the reset");
    origin.always("/", Answer::ok("hello").hold(&reset).reset_short_by(1));
    let mut streaming = client.get("/").begin().await;
    assert_eq!(streaming.read(5).await, "hello");
    reset.open();
    assert!(matches!(streaming.rest().await, Err(Broken::Cut { .. })));
}

#[tokio::test]
async fn the_client_takes_nothing_that_can_be_read_in_two_ways() {
    for raw in [
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nno framing",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Space : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"a\"\r\nETag: \"b\"\r\n\r\n",
    ] {
        let read = reads(Answer::raw(raw)).await;
        assert!(matches!(read, Err(Broken::Malformed(_))), "{raw:?}: {read:?}");
    }
}

#[tokio::test]
async fn the_origin_complains_of_what_nobody_scripted() {
    let (client, origin) = client_and_origin().await;
    origin.then(Expect::get("/a").has("x-a", "1").lacks("x-b"), Answer::ok("hello"));
    client.get("/a").header("X-A", "1").send().await.assert(200, "hello");
    assert_eq!(origin.complaints(), Vec::<String>::new());

    assert_eq!(client.get("/b").send().await.status, 599);
    origin.then(Expect::get("/c"), Answer::ok("hello"));
    assert_eq!(client.get("/d").send().await.status, 599);
    origin.then(Expect::get("/e").lacks("x-b"), Answer::ok("hello"));
    assert_eq!(client.get("/e").header("X-B", "1").send().await.status, 599);
    origin.then(Expect::get("/f"), Answer::ok("hello"));
    assert_eq!(origin.complaints().len(), 4, "{:?}", origin.complaints());
}

#[tokio::test]
async fn the_origin_keeps_what_it_got() {
    let (client, origin) = client_and_origin().await;
    origin.always("*", Answer::ok("hello"));
    client.request("POST", "/a?b=c").header("X-A", "1").header("x-a", "2").body("body").send().await;
    let received = origin.last();
    assert_eq!(
        (received.method.as_str(), received.path(), received.target.as_str()),
        ("POST", "/a", "/a?b=c")
    );
    assert_eq!(received.header("X-a").as_deref(), Some("1, 2"));
    assert_eq!(received.body, "body");
    assert_eq!((origin.count(), origin.connections()), (1, 1));
}

#[tokio::test]
async fn dates_are_relative_to_the_worlds_clock() {
    let (client, origin) = client_and_origin().await;
    origin.always("/", Answer::ok("").header("X-Past", "{now-10s}").header("X-Future", "{now+60s}"));
    let seen = client.get("/").send().await;
    seen.assert_header("date", "Thu, 01 Jan 2026 00:00:00 GMT");
    seen.assert_header("x-past", "Wed, 31 Dec 2025 23:59:50 GMT");
    seen.assert_header("x-future", "Thu, 01 Jan 2026 00:01:00 GMT");
}

#[tokio::test]
async fn a_dead_origin_refuses() {
    let (client, origin) = client_and_origin().await;
    let mut kept = client.connect().await;
    origin.die().await;
    kept.closed().await;
    client.refused().await;
}
