//! Keep-alive, timeouts, and bodies that end as they should not.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame};
use http_body_util::Full;

use super::*;

#[test]
fn what_the_edge_holds_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Origins>();
    shared::<Client>();
    shared::<OriginBody>();
}

#[tokio::test]
async fn what_the_origin_gets() {
    let server = Server::start(|_, _, _| ok("hello")).await;
    let world = World::new(pool(&[server.address]));
    let mut request = get("/a%20b//c?x=1&y=%2F");
    request.headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    request.headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
    let response = world.fetch(request).await.unwrap();
    assert_eq!((response.trip.attempts, response.trip.pool.as_ref()), (1, "photos"));
    assert_eq!(response.trip.member.as_ref(), server.address.to_string());
    assert_eq!(response.body.size_hint().exact(), Some(5));
    assert_eq!(text(response).await.unwrap(), "hello");
    let head = server.seen.lock()[0].head.to_ascii_lowercase();
    assert!(head.starts_with("get /a%20b//c?x=1&y=%2f http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: photos.example\r\n") && head.contains("x-forwarded-for"), "{head}");
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = Server::start(|_, n, _| match n {
        0 => ok("a"),
        1 => Act::Reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".into()),
        2 => status(304, ""),
        _ => ok("a"),
    })
    .await;
    let world = World::new(pool(&[server.address]));
    for _ in 0..5 {
        world.get("/").await.unwrap();
        world.until(|world| world.client.connections().idle_count() == 1).await;
    }
    assert_eq!((server.requests(), server.connections()), (5, 1));
    assert_eq!(world.metric("seawall_origin_connects_total"), 1.0);
    assert_eq!(world.metric("seawall_origin_requests_total"), 5.0);
    assert_eq!(world.metric("seawall_origin_bytes_total"), 4.0);
}

#[tokio::test]
async fn a_connection_the_origin_closed_costs_a_new_one_and_no_attempt() {
    // Closed right after the answer, and closed upon the next request.
    for late in [false, true] {
        let server = Server::start(move |connection, n, _| match (connection, n, late) {
            (0, 0, false) => Act::ReplyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na".into()),
            (0, 1, _) => CLOSE(),
            _ => ok("a"),
        })
        .await;
        let world = World::new(pool(&[server.address]));
        assert_eq!(world.get("/").await.unwrap().1, "a");
        if late {
            world.until(|world| world.client.connections().idle_count() == 1).await;
        }
        let response = world.fetch(get("/")).await.unwrap();
        assert_eq!(response.trip.attempts, 1);
        assert_eq!(server.connections(), 2);
        assert_eq!(world.metric("seawall_origin_errors_total"), 0.0);
    }
}

#[tokio::test]
async fn a_pools_host_takes_the_clients_place() {
    let server = Server::start(|_, _, _| ok("")).await;
    let mut pool = pool(&[server.address]);
    pool.host = Some(HeaderValue::from_static("origin.internal"));
    World::new(pool).get("/").await.unwrap();
    assert!(server.seen.lock()[0].head.to_ascii_lowercase().contains("\r\nhost: origin.internal\r\n"));
}

#[tokio::test]
async fn the_last_byte_frees_the_connection() {
    let server = Server::start(|_, _, _| ok("a")).await;
    let world = World::new(pool(&[server.address]));
    let mut response = world.fetch(get("/")).await.unwrap();
    let frame = response.body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "a");
    assert!(response.body.is_end_stream());
    // The body is still held, and was not asked for its end.
    world.until(|world| world.client.connections().idle_count() == 1).await;
    drop(response);
    assert_eq!(world.client.connections().idle_count(), 1);
}

#[tokio::test]
async fn trailers_come_through() {
    let server = Server::start(|_, _, _| {
        let body = "1\r\na\r\n0\r\nX-Checksum: 7\r\n\r\n";
        Act::Reply(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-checksum\r\n\r\n{body}"
        ))
    })
    .await;
    let world = World::new(pool(&[server.address]));
    let body = world.fetch(get("/")).await.unwrap().body.collect().await.unwrap();
    assert_eq!(body.trailers().unwrap().get("x-checksum").unwrap(), "7");
}

#[tokio::test]
async fn a_connection_that_waits_too_long_is_closed() {
    let server = Server::start(|_, _, _| ok("a")).await;
    let world = World::new(pool(&[server.address]));
    world.get("/").await.unwrap();
    world.until(|world| world.client.connections().idle_count() == 1).await;
    let later = |seconds| std::time::Instant::now() + Duration::from_secs(seconds);
    world.client.connections().sweep(later(25));
    assert_eq!(world.client.connections().idle_count(), 1);
    world.client.connections().sweep(later(31));
    let mut closed = server.closed.clone();
    closed.wait_for(|closed| *closed == 1).await.unwrap();
    assert_eq!(world.metric("seawall_origin_connections"), 0.0);
}

#[tokio::test]
async fn a_post_is_not_sent_twice() {
    let server =
        Server::start(|connection, n, _| if (connection, n) == (0, 1) { CLOSE() } else { ok("a") }).await;
    let world = World::new(pool(&[server.address]));
    world.get("/").await.unwrap();
    world.until(|world| world.client.connections().idle_count() == 1).await;
    let body = RequestBody::Stream(Full::new(Bytes::from_static(b"x")).map_err(|e| match e {}).boxed());
    let error = world.fetch(request(Method::POST, "/", body)).await.map(|r| r.status).unwrap_err();
    assert!(matches!(error, FetchError::Broken { .. }), "{error}");
    assert!(error.may_have_reached_origin());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_body_is_sent_and_framed() {
    let server =
        Server::start(|_, _, _| Act::ReplyAndClose("HTTP/1.1 201 X\r\ncontent-length: 0\r\n\r\n".into()))
            .await;
    let world = World::new(pool(&[server.address]));
    let known = Full::new(Bytes::from_static(b"hello")).map_err(|e| match e {}).boxed();
    let unknown = Frames([Ok("x")].into()).boxed();
    for (body, framing) in [(known, "content-length: 5"), (unknown, "transfer-encoding: chunked")] {
        let response = world.fetch(request(Method::POST, "/up", RequestBody::Stream(body))).await.unwrap();
        assert_eq!(response.status, 201);
        let head = server.seen.lock().last().unwrap().head.to_ascii_lowercase();
        assert!(head.contains(framing), "{head}");
    }
}

/// A body of frames that are there already, of a length nobody announced.
struct Frames(VecDeque<Result<&'static str, BoxError>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(
            self.0.pop_front().map(|next| next.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))),
        )
    }
}

#[tokio::test]
async fn a_silent_origin_is_given_up() {
    let server = Server::start(|_, _, _| SILENT()).await;
    let mut pool = pool(&[server.address]);
    pool.timeouts.first_byte = Duration::from_millis(50);
    let world = World::new(pool);
    let error = world.fetch(get("/")).await.map(|r| r.status).unwrap_err();
    assert_eq!((error.as_str(), error.refusal().as_str()), ("first_byte_timeout", "origin_timeout"));
    let mut closed = server.closed.clone();
    closed.wait_for(|closed| *closed == 1).await.unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_end_well_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\n";
    for (rest, stalls, expected) in [
        ("Content-Length: 100000\r\n\r\nabc", false, BodyError::Truncated),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", false, BodyError::Truncated),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nabc", false, BodyError::Truncated),
        ("Content-Length: 10\r\n\r\nabc", true, BodyError::Idle),
    ] {
        let server = Server::start(move |_, _, _| {
            let text = format!("{head}{rest}");
            if stalls { Act::ReplyAndStall(text) } else { Act::ReplyAndClose(text) }
        })
        .await;
        let mut pool = pool(&[server.address]);
        if stalls {
            pool.timeouts.idle = Duration::from_millis(50);
        }
        let world = World::new(pool);
        let response = world.fetch(get("/")).await.unwrap();
        assert_eq!(text(response).await, Err(expected), "{rest:?}");
        assert_eq!(world.metric("seawall_origin_errors_total"), 1.0);
        world.until(|world| world.metric("seawall_origin_connections") == 0.0).await;
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_closes_its_connection() {
    let server = Server::start(|_, _, _| {
        Act::ReplyAndStall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".into())
    })
    .await;
    let world = World::new(pool(&[server.address]));
    let response = world.fetch(get("/")).await.unwrap();
    assert_eq!(world.metric("seawall_origin_connections"), 1.0);
    drop(response);
    let mut closed = server.closed.clone();
    closed.wait_for(|closed| *closed == 1).await.unwrap();
    assert_eq!(world.metric("seawall_origin_connections"), 0.0);
    assert_eq!(world.client.connections().idle_count(), 0);
}

#[tokio::test]
async fn heads_that_can_be_read_in_two_ways_are_refused() {
    for fields in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\na",
        "Content-Length: 1\r\nTransfer-Encoding: identity\r\n\r\na",
    ] {
        let server = Server::start(move |_, _, _| Act::Reply(format!("HTTP/1.1 200 OK\r\n{fields}"))).await;
        let world = World::new(pool(&[server.address]));
        let error = world.fetch(get("/")).await.map(|r| r.status).unwrap_err();
        assert_eq!(error.refusal().as_str(), "origin_ambiguous", "{fields:?}: {error}");
    }
    for junk in ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", "SSH-2.0-x\r\n\r\n"] {
        let server = Server::start(move |_, _, _| Act::Reply(junk.into())).await;
        let error = World::new(pool(&[server.address])).get("/").await.unwrap_err();
        assert_eq!(error.refusal().as_str(), "origin_broken", "{junk:?}");
    }
}

/// Neither a length nor chunks: all that comes is one body, and the connection has served its turn.
#[tokio::test]
async fn a_body_until_close_is_the_last_on_its_connection() {
    let second = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    for coding in ["", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: foo\r\n"] {
        let server = Server::start(move |connection, _, _| match connection {
            0 => Act::ReplyAndClose(format!("HTTP/1.1 200 OK\r\n{coding}\r\na{second}")),
            _ => ok("b"),
        })
        .await;
        let world = World::new(pool(&[server.address]));
        assert_eq!(world.get("/").await.unwrap().1, format!("a{second}"), "{coding:?}");
        assert_eq!(world.client.connections().idle_count(), 0, "{coding:?}");
        assert_eq!(world.get("/").await.unwrap().1, "b", "{coding:?}");
        assert_eq!((server.requests(), server.connections()), (2, 2), "{coding:?}");
    }
}

#[tokio::test]
async fn early_hints_are_passed_on() {
    let server = Server::start(|_, _, _| {
        let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
        Act::Reply(format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    })
    .await;
    let world = World::new(pool(&[server.address]));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let mut request = get("/");
    request.on_informational = Some(Arc::new(move |status, headers| {
        log.lock().push((status.as_u16(), headers.get("link").cloned()));
    }));
    assert_eq!(world.fetch(request).await.unwrap().status, 200);
    assert_eq!(*heard.lock(), [(103, Some(HeaderValue::from_static("</a.css>")))]);
}

#[tokio::test]
async fn a_request_body_that_breaks_is_not_the_origins_fault() {
    let server = Server::start(|_, _, _| SILENT()).await;
    let world = World::new(pool(&[server.address]));
    let body = Frames([Ok("x"), Err("client left".into())].into()).boxed();
    let error = world
        .fetch(request(Method::POST, "/", RequestBody::Stream(body)))
        .await
        .map(|r| r.status)
        .unwrap_err();
    assert_eq!(error, FetchError::RequestBody("client left".into()));
}

#[tokio::test]
async fn a_member_can_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        serve(socket, 0, &|_, _, _| ok("by socket"), &log).await;
    });
    let mut pool = pool(&[]);
    pool.members = vec![config::Member { socket: Some(path.clone()), ..member("localhost", 80) }];
    let world = World::new(pool);
    for _ in 0..2 {
        let response = world.fetch(get("/a")).await.unwrap();
        assert_eq!(response.trip.member.as_ref(), format!("unix:{}", path.display()));
        assert_eq!(text(response).await.unwrap(), "by socket");
    }
    assert!(seen.lock()[1].head.contains("host: photos.example"), "the client's Host");
    assert_eq!(world.metric("seawall_origin_connects_total"), 1.0);
}
