//! Connections that change to another protocol (WebSocket).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Answer, Expect, World, within};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: test.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The head of what comes, and nothing behind it.
async fn head(stream: &mut TcpStream) -> String {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a whole head"));
        }
        String::from_utf8(head).unwrap().to_lowercase()
    };
    within("a head", read).await
}

async fn text(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    within("bytes of a tunnel", stream.read_exact(&mut bytes)).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// An origin that agrees, says "hello" with the same write, and sends everything back.
async fn echo() -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = head(&mut stream).await;
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
        asked
    });
    (address, served)
}

#[tokio::test]
async fn a_websocket_is_carried_both_ways_until_it_ends() {
    let (address, served) = echo().await;
    let world = World::new().origins(0).member(address).start().await;
    let mut client = TcpStream::connect(world.client().address()).await.unwrap();
    client.write_all(ASK.as_bytes()).await.unwrap();
    let answer = head(&mut client).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    for field in
        ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="]
    {
        assert!(answer.contains(&format!("\r\n{field}\r\n")), "{field}: {answer}");
    }
    assert_eq!(text(&mut client, 5).await, "hello", "what came with the head is not lost");
    // What looks like a request, and a malformed one, is none any more.
    let large = "GET / HTTP/1.1\r\n\r\n\0".repeat(20_000);
    let (mut from, mut to) = client.split();
    let sending = async { to.write_all(large.as_bytes()).await.unwrap() };
    let mut back = vec![0; large.len()];
    let (got, ()) = within("an echo", async { tokio::join!(from.read_exact(&mut back), sending) }).await;
    got.unwrap();
    assert!(back == large.as_bytes());
    let metrics = world.metrics().await;
    assert_eq!(metrics.sum("seawall_origin_tunnels", &[]), 1.0);
    assert_eq!(
        metrics.sum("seawall_origin_tunnel_bytes_total", &[("direction", "sent")]),
        large.len() as f64
    );
    drop(client);
    let asked = within("the origin to see the end", served).await.unwrap();
    for field in ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: dghlihnhbxbszsbub25jzq=="]
    {
        assert!(asked.contains(&format!("\r\n{field}\r\n")), "{field}: {asked}");
    }
    world.metrics_when("the tunnel is gone", |m| m.sum("seawall_origin_tunnels", &[]) == 0.0).await;
}

#[tokio::test]
async fn a_silent_tunnel_is_closed() {
    let (address, _served) = echo().await;
    let world = World::new()
        .origins(0)
        .member(address)
        .server("[server.limits]\nidle_timeout = \"100ms\"")
        .start()
        .await;
    let mut client = TcpStream::connect(world.client().address()).await.unwrap();
    client.write_all(ASK.as_bytes()).await.unwrap();
    head(&mut client).await;
    let mut rest = Vec::new();
    within("the tunnel to be closed", client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"hello");
}

#[tokio::test]
async fn an_origin_that_will_not_change_answers_as_usual() {
    let world = World::start().await;
    let asked = Expect::get("/chat").has("upgrade", "websocket").has("connection", "upgrade");
    world.origin().then(asked, Answer::status(403).body("no"));
    let mut connection = world.client().connect().await;
    connection.send(ASK).await;
    connection.read("GET").await.assert(403, "no");
    world.origin().always("/a", Answer::ok("a"));
    connection.send("GET /a HTTP/1.1\r\nHost: test.example\r\n\r\n").await;
    connection.read("GET").await.assert(200, "a");
}

#[tokio::test]
async fn no_tunnel_leads_into_http_or_past_the_cache() {
    let world = World::start().await;
    world.origin().then(Expect::get("/a").lacks("upgrade").lacks("http2-settings"), Answer::fresh("a", 60));
    world.get("/a").await;
    for protocol in ["h2c", "websocket, h2c", "HTTP/2.0", "tls/1.0", "something"] {
        let request = world.client().get("/a").header("Connection", "Upgrade, HTTP2-Settings");
        let seen = request.header("Upgrade", protocol).header("HTTP2-Settings", "AAMAAABk").send().await;
        seen.assert_hit(200, "a");
    }
}

#[tokio::test]
async fn a_guarded_path_has_no_tunnel_without_a_signature() {
    let site = "[[site.signed]]\nscheme = \"token\"\npaths = [\"/chat\"]\n\
                keys = [{ id = \"k\", secret = \"0123456789abcdef0123456789abcdef\" }]";
    let world = World::with_site(site).await;
    let mut connection = world.client().connect().await;
    connection.send(ASK).await;
    connection.read("GET").await.assert_refused(403, "denied");
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_refused() {
    let world = World::new().pool("[pool.retry]\nattempts = 1").start().await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    world.origin().always("/a", Answer::raw(switch));
    let seen = world.get("/a").await;
    assert_eq!(seen.status, 502, "{seen:?}");
}

/// An origin that agrees to every request, and then does as `then` says with the connection.
async fn agreeing<F: Future<Output = ()> + Send + 'static>(
    then: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            let answer =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            tokio::spawn(then(stream));
        }
    });
    address
}

async fn tunnel(world: &World) -> TcpStream {
    let mut client = TcpStream::connect(world.client().address()).await.unwrap();
    client.write_all(ASK.as_bytes()).await.unwrap();
    let answer = head(&mut client).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    client
}

#[tokio::test]
async fn one_side_may_end_before_the_other() {
    let address = agreeing(|mut stream| async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(format!("{} bytes, bye", all.len()).as_bytes()).await.unwrap();
    })
    .await;
    let world = World::new().origins(0).member(address).start().await;
    let mut client = tunnel(&world).await;
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    within("what comes after our end", client.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "5 bytes, bye");
    world.metrics_when("the tunnel is gone", |m| m.sum("seawall_origin_tunnels", &[]) == 0.0).await;
}

#[tokio::test]
async fn a_tunnel_holds_no_more_than_the_other_side_takes() {
    const MUCH: usize = 64 << 20;
    let address = agreeing(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let world = World::new().origins(0).member(address).start().await;
    let mut client = tunnel(&world).await;
    let (piece, mut sent) = (vec![b'x'; 256 << 10], 0);
    while sent < MUCH {
        match tokio::time::timeout(Duration::from_millis(500), client.write(&piece)).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => break,
        }
    }
    assert!(sent < MUCH / 2, "{sent} bytes went to an origin that reads none");
}

#[tokio::test]
async fn many_tunnels_live_beside_each_other_and_end_with_the_edge() {
    const MANY: usize = 100;
    let address = agreeing(|mut stream| async move {
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let mut world = World::new().origins(0).member(address).start().await;
    let mut clients = Vec::new();
    for _ in 0..MANY {
        clients.push(tunnel(&world).await);
    }
    for (n, client) in clients.iter_mut().enumerate() {
        client.write_all(format!("{n:05}").as_bytes()).await.unwrap();
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(text(client, 5).await, format!("{n:05}"));
    }
    assert_eq!(world.metrics().await.sum("seawall_origin_tunnels", &[]), MANY as f64);
    drop(clients.split_off(10));
    world.metrics_when("most are gone", |m| m.sum("seawall_origin_tunnels", &[]) == 10.0).await;
    let stopping = world.stop();
    // What is open may go on for `shutdown_timeout`.
    clients[0].write_all(b"still").await.unwrap();
    assert_eq!(text(&mut clients[0], 5).await, "still");
    within("the edge to stop", stopping).await.unwrap();
    let mut rest = Vec::new();
    let ended = within("the end of a tunnel", clients[1].read_to_end(&mut rest)).await;
    assert!(ended.is_err() || rest.is_empty());
}
