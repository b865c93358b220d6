//! Stopping.

use super::*;

async fn drain(up: Up, timeout: Duration) -> tokio::task::JoinHandle<bool> {
    let draining = up.running;
    tokio::task::spawn_blocking(move || draining.drain(timeout))
}

/// Ends when nobody listens any more: from then on the server drains for certain.
async fn closed(addr: SocketAddr) {
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

fn closing(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn idle_connections_close_after_a_moment_and_requests_in_flight_finish() {
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
    closed(addr).await;
    assert!(!drained.is_finished());
    seen.go.add_permits(1);
    assert_eq!(rest(&mut busy).await, closing("slow"));
    assert!(drained.await.unwrap(), "all finished");
}

#[tokio::test]
async fn a_request_that_was_on_its_way_is_answered_and_is_the_last() {
    let up = Up::plain(limits());
    let (addr, seen) = (up.addr(0), up.seen.clone());
    let mut idle = up.connect().await;
    idle.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(one(&mut idle).await, ok("/a"));
    let mut silent = up.connect().await;
    let mut half = up.connect().await;
    half.write_all(b"GET /c HT").await.unwrap();
    let mut held = up.connect().await;
    held.write_all(b"GET /held HTTP/1.1\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    held.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let drained = drain(up, Duration::from_secs(10)).await;
    closed(addr).await;
    idle.write_all(b"GET /now HTTP/1.1\r\n\r\nGET /too-late HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut idle).await, closing("now"), "and no reset, though more was sent");
    silent.write_all(b"GET /b HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut silent).await, closing("/b"));
    half.write_all(b"TP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut half).await, closing("/c"));
    seen.go.add_permits(1);
    assert!(one(&mut held).await.ends_with("held"), "its head could not say close any more");
    held.write_all(b"GET /d HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(rest(&mut held).await, closing("/d"));
    drop((idle, silent, half, held));
    assert!(drained.await.unwrap(), "all finished");
}

/// Asks again and again until the server says `close`; how many it got.
async fn ask_until_told(mut stream: TcpStream, n: usize, answered: Arc<Semaphore>) -> Result<usize, String> {
    let paths = ["/a", "/now", "/large"];
    for asked in 0.. {
        let path = paths[(n + asked) % paths.len()];
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        let lost = |error| format!("request {asked} of client {n} for {path}: {error}");
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        let (head, body) = response(&mut stream).await.map_err(lost)?;
        assert_eq!(body, if path == "/large" { LARGE } else { path.len() - usize::from(path == "/now") });
        answered.add_permits(1);
        if head.contains("connection: close\r\n") {
            return Ok(asked + 1);
        }
    }
    unreachable!()
}

/// A response's head, and its body's length.
async fn response(stream: &mut TcpStream) -> std::io::Result<(String, usize)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let head = format!("{head}\r\n");
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let have = bytes.len() - head.len() - 2;
        let mut rest = vec![0; length - have];
        stream.read_exact(&mut rest).await?;
        return Ok((head, length));
    }
}

/// How often something that hangs on timing is tried: 100 times is a proof, a few are a test.
fn rounds() -> usize {
    std::env::var("SEAWALL_DRAIN_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap())
}

#[tokio::test]
async fn no_busy_client_loses_a_request() {
    for round in 0..rounds() {
        let mut config = config(limits(), vec![listener(None)]);
        config.server.threads = 2;
        let up = Up::new(config);
        let answered = Arc::new(Semaphore::new(0));
        let mut clients = Vec::new();
        for n in 0..16 {
            // All have been served: a connection that nobody has accepted yet is another story.
            let mut stream = up.connect().await;
            stream.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
            assert_eq!(one(&mut stream).await, ok("/a"));
            clients.push(tokio::spawn(ask_until_told(stream, n, answered.clone())));
        }
        answered.acquire_many(100 + 7 * round as u32).await.unwrap().forget();
        let drained = drain(up, Duration::from_secs(10)).await;
        for client in clients {
            let told = client.await.unwrap();
            assert!(told.is_ok(), "round {round}: {told:?}");
        }
        assert!(drained.await.unwrap(), "all finished");
    }
}

#[tokio::test]
async fn no_busy_h2_client_loses_a_request() {
    for round in 0..rounds() {
        let up = Up::plain(limits());
        let answered = Arc::new(Semaphore::new(0));
        let mut clients = Vec::new();
        for _ in 0..4 {
            let io = hyper_util::rt::TokioIo::new(up.connect().await);
            let executor = hyper_util::rt::TokioExecutor::new();
            let (client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            for path in ["/now", "/large", "/a"] {
                let (mut client, answered) = (client.clone(), answered.clone());
                clients.push(tokio::spawn(async move {
                    while client.ready().await.is_ok() {
                        let request = Request::get(format!("http://x{path}")).body(full("")).unwrap();
                        match client.send_request(request).await {
                            Ok(response) => drop(response.into_body().collect().await.unwrap()),
                            // It was not sent: the client knows that it is to go elsewhere.
                            Err(error) if error.is_canceled() || goes_away(&error) => return,
                            Err(error) => panic!("{path}: {error:?}"),
                        }
                        answered.add_permits(1);
                    }
                }));
            }
        }
        answered.acquire_many(50 + 7 * round as u32).await.unwrap().forget();
        let drained = drain(up, Duration::from_secs(10)).await;
        for client in clients {
            client.await.unwrap();
        }
        assert!(drained.await.unwrap(), "all finished");
    }
}

/// The client was told before it sent its request that the server takes none.
fn goes_away(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<::h2::Error>());
    source.is_some_and(|error| error.is_go_away() && error.reason() == Some(::h2::Reason::NO_ERROR))
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
