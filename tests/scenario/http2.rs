//! What only HTTP/2 has for a client of the edge: interim responses that browsers take, and WebSocket on a stream.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use http::{Method, Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Answer, Expect, Gate, World, within};

const HINTS: &str =
    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";

async fn connect(world: &World) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(world.client().address()).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    within("settings", client.ready()).await.unwrap()
}

fn get(client: &mut SendRequest<Bytes>, target: &str) -> ResponseFuture {
    let request = Request::get(format!("http://test.example{target}")).body(()).unwrap();
    client.send_request(request, true).unwrap().0
}

/// The next interim response, with its Link; none if the final one is next.
async fn interim(response: &mut ResponseFuture) -> Option<(u16, Option<String>)> {
    let head = within("an interim response", poll_fn(|cx| response.poll_informational(cx))).await?.unwrap();
    let link = head.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
    Some((head.status().as_u16(), link))
}

#[tokio::test]
async fn whoever_asks_the_origin_gets_its_hints_and_who_follows_or_hits_does_not() {
    let (world, gate) = (World::start().await, Gate::new("the final response"));
    let fresh = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello";
    world.origin().always("/a", Answer::raw(HINTS).hold(&gate).body(fresh));
    let mut client = connect(&world).await;
    let mut leader = get(&mut client, "/a");
    assert_eq!(interim(&mut leader).await, Some((102, None)));
    assert_eq!(interim(&mut leader).await, Some((103, Some("</a.css>; rel=preload".into()))));
    let mut follower = get(&mut client, "/a");
    gate.open();
    assert_eq!(interim(&mut follower).await, None, "the fill is not its own");
    for response in [leader, follower] {
        let response = within("a response", response).await.unwrap();
        assert_eq!((response.status(), response.headers().get("link")), (StatusCode::OK, None));
        assert_eq!(response.headers()["content-length"], "5");
    }
    let mut hit = get(&mut client, "/a");
    assert_eq!(interim(&mut hit).await, None);
    let hit = within("a hit", hit).await.unwrap();
    assert!(hit.headers()["cache-status"].to_str().unwrap().contains("hit"));
    assert_eq!(world.origin().count(), 1);
}

/// The head of what comes, and nothing behind it.
async fn head(stream: &mut TcpStream) -> String {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a whole head"));
        }
        String::from_utf8(head).unwrap()
    };
    within("a head", read).await
}

/// What RFC 6455 §4.2.2 makes of a key.
fn accept(key: &str) -> String {
    use base64::Engine;
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(hash)
}

/// An HTTP/1.1 origin that agrees, says "hello" with the same write, and sends everything back.
async fn echo() -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = head(&mut stream).await;
        let key = asked.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).expect("a key");
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: chat\r\n\r\nhello",
            accept(key)
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
        asked
    });
    (address, served)
}

fn websocket(target: &str) -> Request<()> {
    let request = Request::builder().method(Method::CONNECT).uri(format!("http://test.example{target}"));
    let request = request.extension(Protocol::from_static("websocket")).header("sec-websocket-version", "13");
    request.header("sec-websocket-protocol", "chat").body(()).unwrap()
}

#[tokio::test]
async fn a_websocket_on_a_stream_is_an_upgrade_for_the_origin() {
    let (address, served) = echo().await;
    let world = World::new().origins(0).member(address).start().await;
    let mut client = connect(&world).await;
    let announced = async {
        while !client.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
    };
    within("SETTINGS_ENABLE_CONNECT_PROTOCOL", announced).await;
    let (response, mut send) = client.send_request(websocket("/chat"), false).unwrap();
    let mut response = within("the answer", response).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["sec-websocket-protocol"]),
        (StatusCode::OK, &"chat".parse().unwrap())
    );
    for name in ["sec-websocket-accept", "upgrade", "connection", "content-length"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    send.send_data("GET / HTTP/1.1\r\n\r\n\0".into(), true).unwrap();
    let mut came = Vec::new();
    while let Some(data) = within("bytes", response.body_mut().data()).await {
        came.extend_from_slice(&data.unwrap());
    }
    assert_eq!(came, b"helloGET / HTTP/1.1\r\n\r\n\0", "and the end is an end");
    let asked = within("the origin to see the end", served).await.unwrap().to_lowercase();
    assert!(asked.starts_with("get /chat http/1.1\r\n"), "{asked}");
    for field in
        ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "host: test.example"]
    {
        assert!(asked.contains(&format!("\r\n{field}\r\n")), "{field}: {asked}");
    }
    world.metrics_when("the tunnel is gone", |m| m.sum("seawall_origin_tunnels", &[]) == 0.0).await;
}

#[tokio::test]
async fn an_origin_that_will_not_is_never_taken_for_one_that_will() {
    let world = World::start().await;
    let upgrade = || Expect::get("/chat").has("upgrade", "websocket");
    let lie = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Accept: bGllcw==\r\n\r\n";
    world.origin().then(upgrade(), Answer::status(403).body("no"));
    world.origin().then(upgrade(), Answer::ok("a page"));
    world.origin().then(upgrade(), Answer::raw(lie));
    let mut client = connect(&world).await;
    // Passed on, the 200 would say that the tunnel is open.
    for status in [403, 502, 502] {
        let (response, _send) = client.send_request(websocket("/chat"), false).unwrap();
        assert_eq!(within("an answer", response).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn no_other_connect_and_no_unsigned_one_gets_through() {
    let site = "[[site.signed]]\nscheme = \"token\"\npaths = [\"/chat\"]\n\
                keys = [{ id = \"k\", secret = \"0123456789abcdef0123456789abcdef\" }]";
    let world = World::with_site(site).await;
    let mut client = connect(&world).await;
    let mut udp = websocket("/a");
    udp.extensions_mut().insert(Protocol::from_static("connect-udp"));
    let plain = Request::connect("test.example:443").body(()).unwrap();
    for (request, status) in [(websocket("/chat"), 403), (udp, 400), (plain, 400)] {
        let (response, _send) = client.send_request(request, false).unwrap();
        assert_eq!(within("a refusal", response).await.unwrap().status(), status);
    }
    assert_eq!(world.origin().count(), 0);
}
