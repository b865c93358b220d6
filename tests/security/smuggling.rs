//! Request smuggling: bytes of one request that a server behind might take for another one.

use crate::world::{Answer, World};

/// What the attacker would like the origin to see.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: test.example\r\nX-Hidden: 1\r\n\r\n";

async fn with_post() -> World {
    let world = World::with_site("methods = [\"GET\", \"POST\"]").await;
    world.origin().on("*", |request| Answer::ok(&request.target).header("Cache-Control", "no-store"));
    world
}

#[tokio::test]
async fn a_request_hidden_behind_doubtful_framing_never_comes_out() {
    let framings = [
        "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n",
        "Content-Length: 0\r\nContent-Length: {n}\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: {n}\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "X: X\nTransfer-Encoding: chunked\r\nContent-Length: {n}\r\n",
        "Content-Length : {n}\r\n",
        "Content_Length: {n}\r\nContent-Length: +{n}\r\n",
    ];
    for framing in framings {
        let world = with_post().await;
        let body = format!("0\r\n\r\n{HIDDEN}");
        let fields = framing.replace("{n}", &body.len().to_string());
        let request = format!("POST /seen HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n{body}");
        let mut connection = world.client().connect().await;
        connection.send(request).await;
        let seen = connection.read("POST").await;
        assert_eq!(seen.status, 400, "{framing:?}: {seen:?}");
        connection.closed().await;
        world.get("/after").await.assert(200, "/after");
        let targets: Vec<String> = world.origin().received().into_iter().map(|got| got.target).collect();
        assert_eq!(targets, ["/after"], "{framing:?}");
    }
}

#[tokio::test]
async fn a_body_that_looks_like_a_request_stays_a_body() {
    let world = with_post().await;
    let length = HIDDEN.len();
    let head = format!("POST /seen HTTP/1.1\r\nHost: test.example\r\nContent-Length: {length}\r\n\r\n");
    let mut connection = world.client().connect().await;
    connection.send(format!("{head}{HIDDEN}")).await;
    connection.read("POST").await.assert(200, "/seen");
    connection.send("GET /after HTTP/1.1\r\nHost: test.example\r\n\r\n").await;
    connection.read("GET").await.assert(200, "/after");
    let received = world.origin().received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, HIDDEN.as_bytes());
}

/// A GET with a body to a server that does not expect one: the classic way to leave bytes on a kept connection.
#[tokio::test]
async fn a_body_of_a_get_is_not_left_on_the_origins_connection() {
    let world = World::new().threads(1).start().await;
    world.origin().on("*", |request| Answer::ok(&request.target).header("Cache-Control", "no-store"));
    let length = HIDDEN.len();
    let head = format!("GET /seen HTTP/1.1\r\nHost: test.example\r\nContent-Length: {length}\r\n\r\n");
    let mut connection = world.client().connect().await;
    connection.send(format!("{head}{HIDDEN}")).await;
    let _ = connection.try_read("GET").await;
    world.get("/after").await.assert(200, "/after");
    let targets: Vec<String> = world.origin().received().into_iter().map(|got| got.target).collect();
    assert!(!targets.contains(&"/hidden".to_owned()), "{targets:?}");
}

/// An origin that sends more than it announced must not have the rest taken for the next answer.
#[tokio::test]
async fn bytes_after_a_response_are_no_response() {
    let world = World::new().threads(1).start().await;
    let poison = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\npoison";
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello{poison}");
    world.origin().always("/a", Answer::raw(answer));
    world.origin().always("/b", Answer::fresh("fine", 60));
    world.get("/a").await.assert(200, "hello");
    world.get("/b").await.assert(200, "fine");
}

#[tokio::test]
async fn h2_fields_that_would_frame_an_http1_request_do_not_pass() {
    let world = with_post().await;
    let h2 = world.h2().await;
    for (name, value) in [("transfer-encoding", "chunked"), ("connection", "x-a"), ("x-a", "1\tok")] {
        // hyper's client refuses to send some of these itself; what gets out is refused or cleaned.
        let _ = h2.request("GET", "/seen", &[(name, value)]).await;
    }
    for received in world.origin().received() {
        assert_eq!(received.header("transfer-encoding"), None, "{}", received.head);
        assert!(received.body.is_empty(), "{}", received.head);
    }
}

/// RFC 9113 §8.3.1: a Host beside `:authority` must say the same, or the origin might believe the other one.
#[tokio::test]
async fn an_h2_host_that_differs_from_the_authority_is_refused() {
    let world = with_post().await;
    let h2 = world.h2().await;
    for other in ["other.example", "test.example:1", "test.example, other.example", "test.example/x", ""] {
        // A stream that is reset is refused as well.
        if let Ok(seen) = h2.request("GET", "/seen", &[("host", other)]).await {
            seen.assert_refused(400, "bad_host");
        }
    }
    assert_eq!(world.origin().count(), 0);
    h2.request("GET", "/seen", &[("host", "TEST.example")]).await.unwrap().assert(200, "/seen");
}
