//! Each limit on time, size and number.

use super::*;

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_head_that_does_not_arrive_is_408_on_a_first_and_on_a_later_request() {
    let up = Up::plain(Limits { header_timeout: SHORT, ..limits() });
    assert_eq!(up.ask("GET / HTTP/1.1\r\nhost:").await, refused(Refusal::RequestTimeout));
    assert_eq!(up.ask("PR").await, refused(Refusal::RequestTimeout), "the preface's first letters");
    let text = up.ask("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nhost:").await;
    assert_eq!(text, ok("/a") + &refused(Refusal::RequestTimeout));
    assert_eq!(up.refusals(), [Refusal::RequestTimeout; 3]);
    assert_eq!(up.ask("").await, "", "nothing was begun, so nothing is said");
}

#[tokio::test]
async fn a_trickle_of_bytes_does_not_extend_the_head() {
    let up = Up::plain(Limits { header_timeout: Duration::from_millis(200), ..limits() });
    let stream = up.connect().await;
    let (mut read, mut write) = stream.into_split();
    let trickle = tokio::spawn(async move {
        write.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        while write.write_all(b"a: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut text = [0; 12];
    read.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"HTTP/1.1 408");
    trickle.abort();
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let up = Up::plain(Limits { idle_timeout: SHORT, ..limits() });
    let mut idle = up.connect().await;
    idle.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
    let mut busy = up.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut idle).await, ok("/a"));
    up.seen.go.add_permits(1);
    assert_eq!(one(&mut busy).await, ok("slow"));
    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn an_idle_h2_connection_gets_goaway() {
    let up = Up::plain(Limits { idle_timeout: SHORT, header_timeout: SHORT, ..limits() });
    let io = hyper_util::rt::TokioIo::new(up.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (_client, connection) =
        hyper::client::conn::http2::handshake::<_, _, TestBody>(executor, io).await.unwrap();
    tokio::time::timeout(Duration::from_secs(3), connection).await.expect("closed").unwrap();
}

#[tokio::test]
async fn request_bodies_are_limited_in_size_and_pause() {
    let up = Up::plain(Limits { body_timeout: SHORT, ..limits() });
    let too_large = up.ask("POST /echo HTTP/1.1\r\ncontent-length: 1025\r\n\r\n").await;
    assert!(too_large.starts_with("HTTP/1.1 413 ") && too_large.contains("connection: close"), "{too_large}");
    assert!(too_large.ends_with("413 Payload Too Large: body_too_large\n"));
    assert!(up.seen.peers.lock().is_empty(), "the handler was not asked");
    let chunked = format!("{:x}\r\n{}\r\n", 1025, "a".repeat(1025));
    let text = up.ask(format!("POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{chunked}")).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    let text = up.ask("POST /echo HTTP/1.1\r\ncontent-length: 5\r\n\r\nab").await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
}

#[tokio::test]
async fn an_answer_to_an_unread_body_arrives_although_the_client_still_sends() {
    let up = Up::plain(limits());
    let mut stream = up.connect().await;
    stream.write_all(b"POST /a HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n").await.unwrap();
    stream.write_all(&[b'x'; 1 << 20]).await.unwrap();
    let text = rest(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_reset() {
    let up = Up::plain(Limits { write_timeout: SHORT, ..limits() });
    let mut stream = up.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\n\r\n").await.unwrap();
    // The gauge falls when the server has given up; only then is a byte taken.
    tokio::time::timeout(Duration::from_secs(5), async {
        while up.seen.peers.lock().is_empty() || up.metric("seawall_connections") > 0.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("given up");
    let mut waste = Vec::new();
    let error = stream.read_to_end(&mut waste).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_h2_client_that_takes_nothing_is_dropped() {
    let up = Up::plain(Limits { write_timeout: SHORT, ..limits() });
    let io = hyper_util::rt::TokioIo::new(up.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://x/endless").body(full("")).unwrap();
    // Never read: the stream's window closes while the connection itself lives on.
    let _response = client.send_request(request).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), connection).await.expect("dropped");
    assert!(ended.unwrap().is_err());
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_their_turn() {
    let up = Up::plain(Limits { connections: 1, ..limits() });
    let mut first = up.connect().await;
    first.write_all(b"GET /slow HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    up.seen.arrived.acquire().await.unwrap().forget();
    let mut second = up.connect().await;
    second.write_all(b"GET /a HTTP/1.0\r\n\r\n").await.unwrap();
    let waited = tokio::time::timeout(SHORT, second.read_u8()).await;
    assert!(waited.is_err(), "not its turn");
    up.seen.go.add_permits(1);
    assert!(rest(&mut first).await.ends_with("slow"));
    assert!(rest(&mut second).await.ends_with("/a"));
}

#[tokio::test]
async fn one_address_may_not_have_more_than_its_share() {
    let up = Up::plain(Limits { connections_per_ip: 1, ..limits() });
    let mut first = up.connect().await;
    first.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
    one(&mut first).await;
    let mut second = up.connect().await;
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0, "closed at once");
    assert_eq!(up.metric("seawall_connections_refused_total"), 1.0);
    first.write_all(b"GET /b HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(&mut first).await.ends_with("/b"));
}
