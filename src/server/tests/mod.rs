//! The server over loopback, with a handler that does what the path says.

mod drain;
mod framing;
mod gather;
mod h2;
mod limits;
mod listeners;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::body::{ClientBody, LimitedBody};
use super::*;
use crate::config::*;
use crate::http::protocol::Protocol;
use crate::http::refusal::Refusal;

/// Bytes of `/large`.
const LARGE: usize = 256 * 1024;

/// Limits that no test meets by accident.
pub(super) fn limits() -> Limits {
    Limits {
        connections: 64,
        connections_per_ip: 0,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(10),
        header_bytes: 8192,
        headers: 20,
        uri_bytes: 1024,
        request_body: 1024,
    }
}

fn listener(tls: Option<ListenerTls>) -> Listener {
    Listener { address: ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()), redirect_https: None, tls }
}

fn config(limits: Limits, listeners: Vec<Listener>) -> Config {
    Config {
        server: Server {
            threads: 1,
            drain_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(1),
            server_name: "seawall".into(),
            trusted_proxies: vec![],
            limits,
        },
        listeners,
        cache: Cache { memory: Memory { capacity: 1 << 20, max_object: 1 << 16 }, disk: None },
        pools: vec![],
        sites: vec![],
        admin: Admin {
            address: None,
            token: None,
            read_token: None,
            guarded_metrics: false,
            purge_from: vec![],
        },
        log: Log { level: "info".into(), format: LogFormat::Text, access: AccessLog::Off, sample: 1.0 },
    }
}

/// Answers by path; tells what it saw.
#[derive(Clone)]
struct Doer {
    limits: Arc<Limits>,
    seen: Arc<Seen>,
}

struct Seen {
    refusals: Mutex<Vec<Refusal>>,
    glimpses: Mutex<Vec<Glimpse>>,
    /// Path and status.
    answers: Mutex<Vec<(String, u16)>>,
    peers: Mutex<Vec<Peer>>,
    /// A permit for each request to `/slow` that has arrived.
    arrived: Semaphore,
    /// A permit lets one `/slow` go on.
    go: Semaphore,
    /// A permit for each `/slow` and each body of `/endless` that is gone.
    gone: Semaphore,
}

/// Tells when it is dropped.
struct Told(Arc<Seen>);
impl Drop for Told {
    fn drop(&mut self) {
        self.0.gone.add_permits(1);
    }
}

type TestBody = BoxBody<Bytes, BoxError>;

fn full(text: impl Into<Bytes>) -> TestBody {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// Never ends, always has more.
struct Endless(#[allow(dead_code)] Told);
impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BoxError;
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))))
    }
}

impl Handler for Doer {
    type Body = TestBody;

    fn handle(&self, request: Request<ClientBody>, peer: &Arc<Peer>) -> Handled<TestBody> {
        self.seen.peers.lock().push((**peer).clone());
        if request.uri().path() == "/panic-at-once" {
            panic!("as asked");
        }
        let doer = self.clone();
        if request.uri().path() == "/now" {
            return Handled::Now(Response::new(full("now")));
        }
        let peer = peer.clone();
        Handled::Later(Box::pin(async move { doer.answer(request, &peer).await }))
    }

    fn answered(&self, request: &Request<ClientBody>, status: StatusCode, _: &Arc<Peer>) {
        self.seen.answers.lock().push((request.uri().path().to_string(), status.as_u16()));
    }

    fn refuse(&self, refusal: Refusal, seen: &Glimpse, _: &Arc<Peer>) {
        self.seen.refusals.lock().push(refusal);
        self.seen.glimpses.lock().push(seen.clone());
    }

    fn cut_off(&self, seen: &Glimpse, _: &Arc<Peer>) {
        self.seen.glimpses.lock().push(seen.clone());
    }

    fn replaced(&self, refusal: Refusal, _: &Arc<Peer>) {
        self.seen.refusals.lock().push(refusal);
    }
}

impl Doer {
    async fn answer(&self, request: Request<ClientBody>, peer: &Peer) -> Response<TestBody> {
        let path = request.uri().path().to_string();
        match path.as_str() {
            "/panic" => panic!("as asked"),
            "/slow" => {
                let _told = Told(self.seen.clone());
                self.seen.arrived.add_permits(1);
                self.seen.go.acquire().await.unwrap().forget();
                Response::new(full("slow"))
            }
            "/echo" => match LimitedBody::new(request.into_body(), &self.limits).collect().await {
                Ok(body) => Response::new(full(body.to_bytes())),
                Err(error) => {
                    let refusal = error.refusal();
                    Response::builder().status(refusal.status()).body(full(refusal.body())).unwrap()
                }
            },
            "/held" => {
                let (send, held) = tokio::sync::mpsc::channel(1);
                let seen = self.seen.clone();
                tokio::spawn(async move {
                    seen.go.acquire().await.unwrap().forget();
                    send.send(Bytes::from("held")).await.unwrap();
                });
                Response::builder().header("content-length", "4").body(Held(held).boxed()).unwrap()
            }
            "/large" => Response::new(full(vec![b'x'; LARGE])),
            "/endless" => Response::new(Endless(Told(self.seen.clone())).boxed()),
            "/hints" => {
                let hints = peer.interim.hints().expect("HTTP/2, or HTTP/1.1 without a body");
                let link = |to: &str| [(http::header::LINK, to.parse().unwrap())].into_iter().collect();
                hints.send(StatusCode::EARLY_HINTS, &link("</a>"));
                self.seen.arrived.add_permits(1);
                self.seen.go.acquire().await.unwrap().forget();
                hints.send(StatusCode::EARLY_HINTS, &link("</b>"));
                let body = full("hinted");
                tokio::spawn(async move { hints.send(StatusCode::EARLY_HINTS, &HeaderMap::new()) });
                Response::new(body)
            }
            "/broken-body" => {
                let mut body = request.into_body();
                assert!(body.frame().await.unwrap().is_ok());
                self.seen.arrived.add_permits(1);
                if let Some(Err(_)) = body.frame().await {
                    self.seen.answers.lock().push(("broken".into(), 0));
                }
                Response::new(full(""))
            }
            "/upgrade" => upgrade(&request),
            _ if path.starts_with("/as/") => special(&path[4..]),
            _ => Response::new(full(path)),
        }
    }
}

/// Responses with something about them.
fn special(what: &str) -> Response<TestBody> {
    let data = |text: &'static str| Ok(Frame::data(Bytes::from(text)));
    let frames = |frames: Vec<Result<Frame<Bytes>, BoxError>>| Frames(frames.into()).boxed();
    let with = |status: u16| Response::builder().status(status);
    let response = match what {
        "204" | "304" | "100" | "101" => with(what.parse().unwrap()).body(full("no")),
        "hop-by-hop" => with(200)
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("keep-alive", "1")
            .header("transfer-encoding", "chunked")
            .body(full("a")),
        "trailers" => {
            let trailers = [("x-sum".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
            with(200).body(frames(vec![data("a"), Ok(Frame::trailers(trailers))]))
        }
        "pieces" => with(200).body(frames(vec![data(""), data("a"), data(""), data("b"), data("")])),
        "broken" => {
            with(200).header("content-length", "2").body(frames(vec![data("a"), Err("as asked".into())]))
        }
        "panic" => with(200).body(frames(vec![data("a"), Err("panic".into())])),
        _ => with(404).body(full("")),
    };
    response.unwrap()
}

/// What a channel brings.
struct Held(tokio::sync::mpsc::Receiver<Bytes>);
impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BoxError;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Frames in a row; an error that says so is a panic.
struct Frames(std::collections::VecDeque<Result<Frame<Bytes>, BoxError>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let next = self.0.pop_front();
        assert!(!matches!(&next, Some(Err(error)) if error.to_string() == "panic"), "as asked");
        Poll::Ready(next)
    }
}

/// Agrees to a WebSocket, as the query says, and sends everything back.
fn upgrade(request: &Request<ClientBody>) -> Response<TestBody> {
    let asked = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!((request.method().as_str(), asked("upgrade")), ("GET", "websocket"));
    if let Some(status) = request.uri().query() {
        return Response::builder().status(status.parse::<u16>().unwrap()).body(full("no")).unwrap();
    }
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", asked("sec-websocket-key")).as_bytes());
    use base64::Engine;
    let accept = base64::engine::general_purpose::STANDARD.encode(hash.finish());
    let accept = if asked("x-lie").is_empty() { accept } else { "bGllcw==".into() };
    let takeover = Takeover::new(|mut client| {
        Box::pin(async move {
            let (mut read, mut write) = tokio::io::split(&mut client);
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
        })
    });
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept)
        .header("sec-websocket-protocol", "chat")
        .extension(takeover)
        .body(full(""))
        .unwrap()
}

/// A running server.
struct Up {
    running: Running,
    seen: Arc<Seen>,
    registry: prometheus::Registry,
}

impl Up {
    fn new(config: Config) -> Self {
        let registry = prometheus::Registry::new();
        let metrics = ServerMetrics::register(&registry).unwrap();
        let limits = Arc::new(config.server.limits.clone());
        let bound = bind(&config, metrics).unwrap();
        let seen = Arc::new(Seen {
            refusals: Mutex::default(),
            glimpses: Mutex::default(),
            answers: Mutex::default(),
            peers: Mutex::default(),
            arrived: Semaphore::new(0),
            go: Semaphore::new(0),
            gone: Semaphore::new(0),
        });
        let doer = Doer { limits, seen: seen.clone() };
        let running = bound.serve(move |_| doer.clone()).unwrap();
        Self { running, seen, registry }
    }

    fn plain(limits: Limits) -> Self {
        Self::new(config(limits, vec![listener(None)]))
    }

    fn addr(&self, listener: usize) -> SocketAddr {
        self.running.addresses()[listener].to.tcp().unwrap()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr(0)).await.unwrap()
    }

    /// Sends `text` and reads until the server closes.
    async fn ask(&self, text: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_ref()).await.unwrap();
        rest(&mut stream).await
    }

    fn refusals(&self) -> Vec<Refusal> {
        self.seen.refusals.lock().clone()
    }

    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        family.map_or(0.0, |family| {
            let value = |metric: &prometheus::proto::Metric| {
                metric.get_counter().get_value() + metric.get_gauge().get_value()
            };
            family.get_metric().iter().map(value).sum()
        })
    }
}

/// Reads to the end, Date left out.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await;
    read.expect("the server closes").unwrap();
    without_date(&String::from_utf8(bytes).unwrap())
}

fn without_date(text: &str) -> String {
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
}

/// Reads one response that has a Content-Length.
async fn one(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "closed after {text:?}");
        text.push(byte[0] as char);
    }
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|n| n.parse().unwrap());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    without_date(&text) + std::str::from_utf8(&body).unwrap()
}

/// What the connection layer answers.
fn refused(refusal: Refusal) -> String {
    let body = refusal.body();
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\ncache-status: seawall; detail={}\r\nconnection: close\r\n\r\n{body}",
        refusal.status().as_u16(),
        refusal.status().canonical_reason().unwrap(),
        body.len(),
        refusal.as_str(),
    )
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn keeps_connections_and_answers_pipelined_requests_in_order() {
    let up = Up::plain(limits());
    let mut stream = up.connect().await;
    stream.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(one(&mut stream).await, ok("/a"));
    let pipelined = "POST /echo HTTP/1.1\r\ncontent-length: 2\r\n\r\nhiGET /b HTTP/1.1\r\n\r\n\
        POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyou\r\n0\r\n\r\nGET /c HTTP/1.1\r\n\r\n";
    stream.write_all(pipelined.as_bytes()).await.unwrap();
    for body in ["hi", "/b", "you", "/c"] {
        assert_eq!(one(&mut stream).await, ok(body));
    }
    let peer = up.seen.peers.lock()[0].clone();
    assert_eq!(peer.addr, PeerAddr::Tcp(stream.local_addr().unwrap()));
    assert!(peer.tls.is_none() && peer.protocol == Protocol::Http1 && peer.local == Some(up.addr(0)));
}

#[tokio::test]
async fn a_panic_is_one_500() {
    let up = Up::plain(limits());
    let text = up.ask("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 500 ") && text.ends_with(&Refusal::Internal.body()), "{text}");
    assert_eq!(up.refusals(), [Refusal::Internal]);
    assert!(up.ask("GET /a HTTP/1.0\r\n\r\n").await.ends_with("/a"));
}

#[tokio::test]
async fn speaks_h2c_with_prior_knowledge() {
    let up = Up::plain(limits());
    let io = hyper_util::rt::TokioIo::new(up.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| Request::get(format!("http://x{path}")).body(full("")).unwrap();
    for path in ["/a", "/b"] {
        let response = client.send_request(get(path)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), path);
    }
    assert_eq!(up.seen.peers.lock()[0].protocol, Protocol::Http2);
    let response = client.send_request(get(&format!("/{}", "a".repeat(1024)))).await.unwrap();
    assert_eq!(response.status(), 414);
    let mut large = get("/");
    large.headers_mut().insert("x", "a".repeat(8192).parse().unwrap());
    let response = client.send_request(large).await.unwrap();
    assert_eq!(response.status(), 431);
    for panic in ["/panic", "/panic-at-once"] {
        let response = client.send_request(get(panic)).await.unwrap();
        assert_eq!(response.status(), 500);
    }
    let body = Request::post("http://x/echo").body(full(vec![b'a'; 2000])).unwrap();
    assert_eq!(client.send_request(body).await.unwrap().status(), 413);
    assert_eq!(
        up.refusals(),
        [
            Refusal::UriTooLong,
            Refusal::HeadTooLarge,
            Refusal::Internal,
            Refusal::Internal,
            Refusal::BodyTooLarge
        ]
    );
}
