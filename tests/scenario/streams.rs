//! Bodies that come bit by bit, both ways: server-sent events and gRPC.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::world::{Answer, Gate, World, within};

#[tokio::test]
async fn an_event_arrives_before_the_next_is_sent() {
    let world = World::start().await;
    let second = Gate::new("the second event may come");
    let events = Answer::ok("data: 1\n\n").header("Content-Type", "text/event-stream");
    let events = events.header("Cache-Control", "no-store").chunked().hold(&second).body("data: 2\n\n");
    world.origin().always("/events", events.clone());
    world.origin().always("/events-by-close", events.until_close());
    for target in ["/events", "/events-by-close"] {
        let mut client = world.client().get(target).begin().await;
        assert_eq!(client.read(9).await, "data: 1\n\n");
        second.open();
        assert_eq!(client.rest().await.unwrap(), "data: 2\n\n");
    }
}

/// A plain body that pauses for as long is cut, which is how the test knows that the time is over.
#[tokio::test]
async fn an_event_stream_may_be_silent_for_longer_than_other_bodies() {
    let world = World::new().pool("[pool.timeouts]\nidle = \"200ms\"").start().await;
    let more = Gate::new("more may come");
    let answer = |media: &str| {
        let answer =
            Answer::ok("data: 1\n\n").header("Content-Type", media).header("Cache-Control", "no-store");
        answer.chunked().hold(&more).body("data: 2\n\n")
    };
    let streams = ["text/event-stream", "Text/Event-Stream ; charset=utf-8"];
    for (n, media) in streams.iter().enumerate() {
        world.origin().always(&format!("/{n}"), answer(media));
    }
    world.origin().always("/plain", answer("text/plain"));
    let mut clients = Vec::new();
    for n in 0..streams.len() {
        let mut client = world.client().get(&format!("/{n}")).begin().await;
        assert_eq!(client.read(9).await, "data: 1\n\n");
        clients.push(client);
    }
    let mut plain = world.client().get("/plain").begin().await;
    assert_eq!(plain.read(9).await, "data: 1\n\n");
    plain.rest().await.expect_err("it paused for too long");
    more.open();
    for client in clients {
        assert_eq!(client.rest().await.unwrap(), "data: 2\n\n");
    }
}

/// A body that is sent as a test says.
struct Sent(mpsc::Receiver<Frame<Bytes>>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

fn body() -> (mpsc::Sender<Frame<Bytes>>, Sent) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Sent(receiver))
}

/// An HTTP/2 origin without TLS that sends each piece back as it comes, and as its trailers the request's.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let service = service_fn(|request: Request<Incoming>| async move {
            assert_eq!(request.headers()["te"], "trailers");
            let (sender, answer) = body();
            tokio::spawn(async move {
                let mut asked = request.into_body();
                while let Some(Ok(frame)) = asked.frame().await {
                    sender.send(frame).await.unwrap();
                }
            });
            Ok::<_, Infallible>(
                Response::builder().header("content-type", "application/grpc").body(answer).unwrap(),
            )
        });
        let _ =
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
    });
    address
}

#[tokio::test]
async fn grpc_talks_both_ways_and_ends_with_trailers() {
    let address = echo().await;
    let site = "methods = [\"GET\", \"POST\"]";
    let world = World::new().origins(0).member(address).pool("protocol = \"h2\"").site(site).start().await;
    let socket = TcpStream::connect(world.client().address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let (pieces, asked) = body();
    let request = Request::post("http://test.example/chat.Chat/Talk").header("te", "trailers");
    let request = request.header("content-type", "application/grpc").body(asked).unwrap();
    let answer = within("the head", sender.send_request(request)).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/grpc".parse().unwrap())
    );
    let mut said = answer.into_body();
    for piece in ["one", "two"] {
        pieces.send(Frame::data(Bytes::from(piece))).await.unwrap();
        let frame = within(piece, said.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece, "each is answered before the next is sent");
    }
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    pieces.send(Frame::trailers(trailers.clone())).await.unwrap();
    let frame = within("the trailers", said.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_trailers().unwrap(), trailers);
}

#[tokio::test]
async fn a_grpc_error_without_a_body_arrives_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let service = service_fn(|_: Request<Incoming>| async move {
            let answer = Response::builder().header("content-type", "application/grpc");
            let answer = answer.header("grpc-status", "5").header("grpc-message", "no such chat");
            Ok::<_, Infallible>(answer.body(http_body_util::Empty::<Bytes>::new()).unwrap())
        });
        let _ =
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
    });
    let site = "methods = [\"GET\", \"POST\"]";
    let world = World::new().origins(0).member(address).pool("protocol = \"h2\"").site(site).start().await;
    let socket = TcpStream::connect(world.client().address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://test.example/chat.Chat/Talk").header("te", "trailers");
    let body = http_body_util::Full::new(Bytes::from_static(b"\0\0\0\0\0"));
    let request = request.header("content-type", "application/grpc").body(body).unwrap();
    let answer = within("the answer", sender.send_request(request)).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"5".parse().unwrap()));
    assert_eq!(answer.headers()["grpc-message"], "no such chat");
    assert!(answer.body().is_end_stream(), "the status stands in the only head there is");
}

/// More than sockets, TLS and hyper hold between one end and the other.
const MORE_THAN_BUFFERS: usize = 64 << 20;

/// Bytes that `to` takes until it takes none for a while.
async fn until_it_stalls(to: &mut (impl AsyncWrite + Unpin)) -> usize {
    let (piece, mut sent) = (vec![b'x'; 256 << 10], 0);
    while sent < MORE_THAN_BUFFERS {
        match tokio::time::timeout(Duration::from_millis(500), to.write(&piece)).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => break,
        }
    }
    sent
}

#[tokio::test]
async fn an_upload_goes_no_faster_than_the_origin_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = "methods = [\"GET\", \"PUT\"]";
    let limits = "[server.limits]\nrequest_body = \"1GiB\"";
    let world = World::new()
        .origins(0)
        .member(listener.local_addr().unwrap())
        .server(limits)
        .site(site)
        .start()
        .await;
    let (read, mut asked) = (Gate::new("the origin reads"), Vec::new());
    let go = read.clone();
    let origin = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        go.passed().await;
        let end = b"the end\r\n0\r\n\r\n";
        while !asked.ends_with(end) {
            // The end may come in pieces.
            asked.drain(..asked.len().saturating_sub(end.len()));
            asked.reserve(1 << 20);
            assert_ne!(socket.read_buf(&mut asked).await.unwrap(), 0);
        }
        socket.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let mut client = TcpStream::connect(world.client().address()).await.unwrap();
    let head = "PUT /a HTTP/1.1\r\nHost: test.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(format!("{head}{MORE_THAN_BUFFERS:x}\r\n").as_bytes()).await.unwrap();
    let sent = until_it_stalls(&mut client).await;
    assert!(sent < MORE_THAN_BUFFERS / 2, "{sent} bytes went into an origin that reads none");
    read.open();
    let rest = [&vec![b'x'; MORE_THAN_BUFFERS - sent][..], b"\r\n7\r\nthe end\r\n0\r\n\r\n"].concat();
    within("the rest of the upload", client.write_all(&rest)).await.unwrap();
    let mut answer = [0; 12];
    within("the answer", client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
    within("the origin", origin).await.unwrap();
}

#[tokio::test]
async fn a_download_that_is_not_kept_goes_no_faster_than_the_client_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::new().origins(0).member(listener.local_addr().unwrap()).start().await;
    let origin = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        assert_ne!(socket.read(&mut [0; 4096]).await.unwrap(), 0);
        let head = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {MORE_THAN_BUFFERS}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let sent = until_it_stalls(&mut socket).await;
        let rest = vec![b'x'; MORE_THAN_BUFFERS - sent];
        (sent, within("the client to read", socket.write_all(&rest)).await.is_ok())
    });
    let mut client = TcpStream::connect(world.client().address()).await.unwrap();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: test.example\r\n\r\n").await.unwrap();
    // Three times as long as the origin waits for its next byte to be taken.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (mut piece, mut got) = (vec![0; 1 << 20], 0);
    while got < MORE_THAN_BUFFERS {
        let n = within("the body", client.read(&mut piece)).await.unwrap();
        assert_ne!(n, 0, "{got} bytes came");
        got += n;
    }
    let (sent, whole) = origin.await.unwrap();
    assert!(sent < MORE_THAN_BUFFERS / 2, "{sent} bytes went to a client that reads none");
    assert!(whole);
}

#[tokio::test]
async fn trailers_of_what_is_not_kept_reach_who_takes_them() {
    let world = World::start().await;
    let head =
        "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
    world.origin().always("/a", Answer::raw(format!("{head}5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")));
    for (te, expected) in [("TE: trailers\r\n", true), ("", false)] {
        let request = format!("GET /a HTTP/1.1\r\nHost: test.example\r\n{te}Connection: close\r\n\r\n");
        let mut socket = TcpStream::connect(world.client().address()).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut seen = String::new();
        within("the response", socket.read_to_string(&mut seen)).await.unwrap();
        let end = if expected { "0\r\nx-sum: 7\r\n\r\n" } else { "0\r\n\r\n" };
        assert!(seen.ends_with(end), "{te}: {seen}");
        assert_eq!(seen.contains("trailer: X-Sum"), expected, "{te}: {seen}");
    }
}
