//! What is said of a body's length, on the way to an origin and on the way to a client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Answer, World, within};

/// What an origin got: its Content-Length, its Transfer-Encoding, its body.
fn told(length: Option<&str>, coding: Option<&str>, body: &str) -> String {
    format!("{} {} {body:?}", length.unwrap_or("-"), coding.unwrap_or("-"))
}

/// An HTTP/2 origin that tells what it got.
async fn h2_origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |request: Request<Incoming>| async move {
        let field = |head: &HeaderMap, name| head.get(name).map(|value| value.to_str().unwrap().to_owned());
        let (length, coding) =
            (field(request.headers(), "content-length"), field(request.headers(), "transfer-encoding"));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        let text = told(length.as_deref(), coding.as_deref(), &body);
        Ok::<_, Infallible>(
            Response::builder().header("cache-control", "no-store").body(Full::<Bytes>::from(text)).unwrap(),
        )
    };
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(socket), service_fn(answer)));
        }
    });
    address
}

type H2 = SendRequest<BoxBody<Bytes, Infallible>>;

async fn h2_client(world: &World) -> H2 {
    let socket = TcpStream::connect(world.client().address()).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request's body, and what is said of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    /// No body, no word.
    Nothing,
    /// `Content-Length: 0`
    Zero,
    /// Five bytes, announced.
    Five,
    /// Five bytes that nobody announced: in chunks, or in frames.
    Some,
}

async fn over_http1(world: &World, host: &str, method: &str, sent: Sent) -> String {
    let rest = match sent {
        Sent::Nothing => "\r\n",
        Sent::Zero => "Content-Length: 0\r\n\r\n",
        Sent::Five => "Content-Length: 5\r\n\r\nhello",
        Sent::Some => "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    };
    let mut connection = world.client().connect().await;
    connection.send(format!("{method} / HTTP/1.1\r\nHost: {host}\r\n{rest}")).await;
    connection.read(method).await.text()
}

async fn over_http2(sender: &mut H2, host: &str, method: &str, sent: Sent) -> String {
    let request = Request::builder().method(method).uri(format!("http://{host}/"));
    let request = if sent == Sent::Zero { request.header("content-length", "0") } else { request };
    let body = match sent {
        Sent::Nothing | Sent::Zero => BoxBody::new(http_body_util::Empty::new()),
        Sent::Five => BoxBody::new(Full::from("hello")),
        Sent::Some => BoxBody::new(Unannounced(Some(Bytes::from("hello")))),
    };
    let answer = within("an answer", sender.send_request(request.body(body).unwrap())).await.unwrap();
    let body = within("its body", answer.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// A body that does not say how long it is.
struct Unannounced(Option<Bytes>);

impl Body for Unannounced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// RFC 9110 §8.6: some origins answer 411 to a POST whose length is not said.
#[tokio::test]
async fn what_a_client_says_of_its_body_reaches_the_origin() {
    let methods = "methods = [\"GET\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\"]";
    let more = format!(
        "[[pool]]\nname = \"h2\"\nprotocol = \"h2\"\nmembers = [{{ url = \"http://{}\" }}]\n\
         [[site]]\nhosts = [\"h2.example\"]\npool = \"h2\"\n{methods}\n",
        h2_origin().await
    );
    let world = World::new().site(methods).more(&more).start().await;
    world.origin().on("*", |request| {
        let (length, coding) = (request.header("content-length"), request.header("transfer-encoding"));
        let text = told(length.as_deref(), coding.as_deref(), &String::from_utf8_lossy(&request.body));
        Answer::ok(text).header("Cache-Control", "no-store")
    });
    let mut h2 = h2_client(&world).await;
    for method in ["GET", "DELETE", "POST", "PUT", "PATCH"] {
        let is_usual = matches!(method, "POST" | "PUT" | "PATCH");
        for sent in [Sent::Nothing, Sent::Zero, Sent::Five, Sent::Some] {
            let body = if matches!(sent, Sent::Five | Sent::Some) { "hello" } else { "" };
            let length = match sent {
                Sent::Nothing => is_usual.then_some("0"),
                // What everybody may share is asked for without what one client said.
                Sent::Zero => (method != "GET").then_some("0"),
                Sent::Five => Some("5"),
                Sent::Some => None,
            };
            let chunked = (sent == Sent::Some).then_some("chunked");
            for (host, coding) in [("test.example", chunked), ("h2.example", None)] {
                let right = told(length, coding, body);
                let what = format!("{method} {sent:?} to {host}");
                assert_eq!(over_http1(&world, host, method, sent).await, right, "{what} over HTTP/1.1");
                assert_eq!(over_http2(&mut h2, host, method, sent).await, right, "{what} over HTTP/2");
            }
        }
    }
}

/// What may be said of the length of a response that has no content, over each protocol, to each method, passed,
/// stored and found: RFC 9110 §8.6 for 204, §15.4.5 for 304, §15.3.6 for 205.
#[tokio::test]
async fn a_status_without_content_has_no_length_and_a_205_has_none_of_it() {
    let world = World::start().await;
    let rows = [
        (204, None, ""),
        (204, Some("0"), ""),
        (205, Some("0"), ""),
        (205, Some("5"), "hello"),
        (205, None, ""),
        (304, Some("5"), ""),
        (304, None, ""),
    ];
    let store = [("pass", "no-store"), ("store", "max-age=60")];
    for (row, (status, length, body)) in rows.iter().enumerate() {
        for (word, cache_control) in store {
            let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
            let head =
                format!("HTTP/1.1 {status} X\r\nDate: {{now}}\r\nCache-Control: {cache_control}\r\n{length}");
            // Without a length, a 205 ends by chunks.
            let rest = if *status == 205 && length.is_empty() {
                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()
            } else {
                format!("\r\n{body}")
            };
            let whole = format!("{head}{rest}");
            let without = whole.strip_suffix(body).unwrap().to_owned();
            world.origin().on(&format!("/{row}/{word}"), move |request| {
                Answer::raw(if request.method == "HEAD" { &without } else { &whole })
            });
        }
    }
    let mut h2 = h2_client(&world).await;
    for (row, (status, ..)) in rows.iter().enumerate() {
        for (word, _) in store {
            for (protocol, method) in
                ["old", "h1", "h2", "old", "h1", "h2"].iter().flat_map(|p| [(*p, "GET"), (*p, "HEAD")])
            {
                let what = format!("{protocol} {method} /{row}/{word}");
                let target = format!("/{row}/{word}");
                let (seen, length, body) = match protocol {
                    "h2" => asked_h2(&mut h2, method, &target).await,
                    version => asked(&world, version, method, &target).await,
                };
                assert_eq!((seen, body.as_str()), (*status, ""), "{what}");
                let right = (*status == 205).then_some("0");
                assert_eq!(length.as_deref(), right, "{what}");
            }
        }
    }
}

async fn asked_h2(sender: &mut H2, method: &str, target: &str) -> (u16, Option<String>, String) {
    let request = Request::builder().method(method).uri(format!("http://test.example{target}"));
    let request = request.header("if-none-match", "\"x\"").body(BoxBody::new(http_body_util::Empty::new()));
    let answer = within("an answer", sender.send_request(request.unwrap())).await.unwrap();
    let length = answer.headers().get("content-length").map(|value| value.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = within("its body", answer.into_body().collect()).await.unwrap().to_bytes();
    (status, length, String::from_utf8_lossy(&body).into_owned())
}

async fn asked(world: &World, version: &str, method: &str, target: &str) -> (u16, Option<String>, String) {
    let version = if version == "old" { "1.0" } else { "1.1" };
    let mut socket = TcpStream::connect(world.client().address()).await.unwrap();
    let request = format!(
        "{method} {target} HTTP/{version}\r\nHost: test.example\r\nIf-None-Match: \"x\"\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    within("the answer", socket.read_to_string(&mut text)).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    (head[9..12].parse().unwrap(), length.map(str::to_owned), body.to_owned())
}
