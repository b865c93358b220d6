//! Stopping.

use super::*;

async fn drain(up: Up, timeout: Duration) -> tokio::task::JoinHandle<bool> {
    let draining = up.running;
    tokio::task::spawn_blocking(move || draining.drain(timeout))
}

#[tokio::test]
async fn idle_connections_close_at_once_and_requests_in_flight_finish() {
    let up = Up::plain(limits());
    let (addr, seen) = (up.addr(0), up.seen.clone());
    let mut idle = up.connect().await;
    idle.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
    one(&mut idle).await;
    let mut silent = up.connect().await;
    let mut busy = up.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
    seen.arrived.acquire().await.unwrap().forget();
    let drained = drain(up, Duration::from_secs(10)).await;
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    while TcpStream::connect(addr).await.is_ok() {}
    assert!(!drained.is_finished());
    seen.go.add_permits(1);
    let text = rest(&mut busy).await;
    assert!(text.contains("connection: close\r\n") && text.ends_with("slow"), "{text}");
    assert!(drained.await.unwrap(), "all finished");
}

#[tokio::test]
async fn an_h2_request_in_flight_finishes() {
    let up = Up::plain(limits());
    let seen = up.seen.clone();
    let io = hyper_util::rt::TokioIo::new(up.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = client.send_request(Request::get("http://x/slow").body(full("")).unwrap());
    let answer =
        tokio::spawn(async { answer.await.unwrap().into_body().collect().await.unwrap().to_bytes() });
    seen.arrived.acquire().await.unwrap().forget();
    let drained = drain(up, Duration::from_secs(10)).await;
    seen.go.add_permits(1);
    assert_eq!(answer.await.unwrap(), "slow");
    assert!(drained.await.unwrap());
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_next_server_has_the_unix_socket_while_the_last_one_drains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let unix = || {
        let address = ListenAddress::Unix(path.clone());
        Up::new(config(limits(), vec![Listener { address, redirect_https: None, tls: None }]))
    };
    let ask = async |target: &str| {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        stream
    };
    let last = unix();
    let seen = last.seen.clone();
    let mut busy = ask("/slow").await;
    seen.arrived.acquire().await.unwrap().forget();
    let drained = drain(last, Duration::from_secs(10)).await;
    let gone = async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the file goes when the drain begins");
    let _next = unix();
    seen.go.add_permits(1);
    let mut text = String::new();
    busy.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("slow") && drained.await.unwrap());
    let mut text = String::new();
    ask("/a").await.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("/a"), "{text}");
}

#[tokio::test]
async fn what_takes_too_long_is_dropped() {
    let up = Up::plain(limits());
    let seen = up.seen.clone();
    let mut busy = up.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
    seen.arrived.acquire().await.unwrap().forget();
    let drained = drain(up, Duration::from_millis(50)).await;
    assert!(!drained.await.unwrap(), "something was dropped");
    assert_eq!(busy.read(&mut [0]).await.unwrap_or(0), 0);
}
