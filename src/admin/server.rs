//! The admin listener's socket: few connections, small heads, short lives, and a thread of its own, so that it
//! answers when the workers do not.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{AdminState, routes};

/// Connections at once; more wait in the accept queue.
const CONNECTIONS: usize = 64;
/// Bytes of a request head.
const HEAD: usize = 16 * 1024;
/// Fields of a request head.
const FIELDS: usize = 64;
/// A head must be there by then; also how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How old a connection may become: who does not read frees its place then.
const LIFETIME: Duration = Duration::from_secs(120);
/// After that, or at shutdown, how long an answer under way may take.
const GRACE: Duration = Duration::from_secs(2);
/// After an accept that failed because descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the admin socket. Port 0 asks the system for one: `local_addr` of the result tells.
///
/// # Errors
/// What the system says.
pub fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers on `listener` until `shutdown` is ready; then lets answers under way finish, for two seconds.
pub async fn serve(listener: TcpListener, state: Arc<AdminState>, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (state, stopping) = (state.clone(), stopping.clone());
                connections.spawn(async move {
                    connection(stream, peer.ip(), state, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin listener cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(stop);
    // Each ends within its grace; dropping the set would break off answers.
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    state: Arc<AdminState>,
    mut stopping: watch::Receiver<()>,
) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            let (head, body) = request.into_parts();
            let now = state.clock.now();
            Ok::<_, Infallible>(routes::answer(&head, body, peer, &state, now).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        result = connection.as_mut() => return log(result),
        // An error is the sender gone: the listener stops.
        _ = timeout(LIFETIME, stopping.changed()) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(result) = timeout(GRACE, connection).await {
        log(result);
    }
}

fn log(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "admin connection");
    }
}

/// The admin listener on a thread and runtime of its own.
pub struct AdminServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl AdminServer {
    /// Serves a socket that [`bind`] opened.
    ///
    /// # Errors
    /// If the runtime or the thread cannot be made.
    pub fn start(listener: StdListener, state: Arc<AdminState>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("admin".into()).spawn(move || {
            runtime.block_on(serve(listener, state, async {
                let _ = stopped.await;
            }));
        })?;
        Ok(Self { address, stop, thread })
    }

    /// Where it listens, port 0 resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets answers under way finish, ends the thread. Blocks for at most about two seconds.
    pub fn stop(self) {
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the admin thread panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Access, Readiness};
    use crate::config;
    use crate::edge::clock::Clock;
    use crate::edge::operate::prefetch::Prefetcher;
    use crate::telemetry::{HotKeys, Metrics, Record};
    use std::io::{Read, Write};
    use std::net::TcpStream as StdStream;

    struct Admin {
        server: AdminServer,
        state: Arc<AdminState>,
    }

    fn admin() -> Admin {
        admin_for(Access::default())
    }

    fn admin_for(access: Access) -> Admin {
        let built = crate::edge::build::testing::built();
        let state = Arc::new(AdminState {
            metrics: Arc::new(Metrics::new(&["a.example".into()]).unwrap()),
            hot: Arc::new(HotKeys::new()),
            edge: Arc::clone(&built.edge),
            prefetcher: Arc::new(Prefetcher::start(move || built.worker()).unwrap()),
            clock: Clock::system(),
            readiness: Arc::new(Readiness::new()),
            access,
            server_name: "edge-1".into(),
        });
        let server =
            AdminServer::start(bind("127.0.0.1:0".parse().unwrap()).unwrap(), state.clone()).unwrap();
        Admin { server, state }
    }

    impl Admin {
        fn connect(&self) -> StdStream {
            let stream = StdStream::connect(self.server.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream
        }

        /// Sends bytes, gives the status line's code, the head in lower case, and the body.
        fn send(&self, request: &[u8]) -> (u16, String, String) {
            let mut stream = self.connect();
            // A server that refuses early may close before all is written.
            let _ = stream.write_all(request);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8(answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
        }

        fn ask(&self, method: &str, target: &str) -> (u16, String, String) {
            self.send(
                format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
            )
        }
    }

    #[test]
    fn each_path_answers() {
        let admin = admin();
        for (method, target, status, kind, body) in [
            ("GET", "/", 200, "text/html", "<h1>edge-1</h1>"),
            ("GET", "/healthz", 200, "text/plain", "ok\n"),
            ("GET", "/healthz?verbose", 200, "text/plain", "ok\n"),
            ("GET", "/metrics", 200, "text/plain; version=0.0.4", "seawall_build_info{"),
            ("GET", "/hot", 200, "application/json", "{\"keys\":[]}\n"),
            ("GET", "/hot?n=x", 400, "text/plain", "400 Bad Request: bad_query\n"),
            ("GET", "/openapi.yaml", 200, "application/yaml", "openapi: 3.1.0"),
            ("GET", "/objects?url=http%3A%2F%2Fa.example%2Fx", 200, "application/json", "\"objects\":[]"),
            ("GET", "/objects", 400, "application/json", "\"field\":\"url\""),
            ("GET", "/objects?url=%ff", 400, "application/json", "UTF-8"),
            ("GET", "/prefetch/1", 404, "application/json", "no job has this number"),
            ("GET", "/prefetch/x", 404, "text/plain", "no_such_path"),
            ("GET", "/nothing", 404, "text/plain", "404 Not Found: no_such_path\n"),
            ("GET", "/healthz/", 404, "text/plain", "no_such_path"),
            ("POST", "/healthz", 405, "text/plain", "405 Method Not Allowed: method_not_allowed\n"),
            ("DELETE", "/nothing", 404, "text/plain", "no_such_path"),
        ] {
            let (code, head, content) = admin.ask(method, target);
            assert_eq!(code, status, "{method} {target}");
            assert!(head.contains(&format!("content-type: {kind}")), "{target}: {head}");
            assert!(head.contains("cache-control: no-store"), "{target}: {head}");
            assert!(content.contains(body), "{target}: {content}");
            assert_eq!(head.contains("allow: get, head"), status == 405, "{target}: {head}");
        }
        admin.server.stop();
    }

    #[test]
    fn what_shows_keys_asks_for_a_token() {
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[pool]]\nname = \"p\"\nmembers = [{ url = \"http://a\" }]\n[[site]]\nhosts = [\"a\"]\npool = \"p\"\n[admin]\ntoken = \"admin\"\nread_token = \"reader\"\nmetrics = \"token\"";
        let config = config::load_from(text, "e.toml", std::iter::empty::<(String, String)>()).unwrap();
        let admin = admin_for(Access::new(&config.admin));
        let ask = |method: &str, target: &str, token: &str| {
            let authorization = format!("authorization: Bearer {token}\r\n");
            let authorization = if token.is_empty() { "" } else { &authorization };
            let head =
                format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{authorization}\r\n");
            admin.send(head.as_bytes())
        };
        for (method, target, statuses) in [
            // with no token, the read token, the admin token
            ("GET", "/", [200, 200, 200]),
            ("GET", "/healthz", [200, 200, 200]),
            ("GET", "/readyz", [503, 503, 503]),
            ("GET", "/openapi.yaml", [200, 200, 200]),
            ("GET", "/metrics", [401, 200, 200]),
            ("HEAD", "/metrics", [401, 200, 200]),
            ("GET", "/hot", [401, 200, 200]),
            ("GET", "/objects?url=http%3A%2F%2Fa.example%2Fx", [401, 200, 200]),
            ("GET", "/prefetch/1", [401, 404, 404]),
            ("POST", "/purge", [401, 401, 400]),
            ("POST", "/prefetch", [401, 401, 400]),
        ] {
            let found = ["", "reader", "admin"].map(|token| ask(method, target, token).0);
            assert_eq!(found, statuses, "{method} {target}");
        }
        let (_, head, body) = ask("GET", "/hot", "wrong");
        assert!(head.contains("www-authenticate: bearer"), "{head}");
        assert!(body.contains("admin.read_token or admin.token"), "{body}");
    }

    impl Admin {
        fn post(&self, target: &str, body: &str) -> (u16, String, String) {
            let length = body.len();
            let head = format!("POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
            self.send(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())
        }
    }

    #[test]
    fn what_changes_state_takes_post_and_json() {
        let admin = admin();
        let (status, head, _) = admin.ask("GET", "/purge");
        assert_eq!((status, head.contains("allow: post")), (405, true));
        let (status, _, body) = admin.post("/purge", r#"{"tags":["a","b"],"urls":["http://a.example/x"]}"#);
        assert_eq!((status, body.as_str()), (200, "{\"sequence\":1,\"purged\":3}\n"));
        let (status, _, body) = admin.post("/purge", r#"{"tags":["a"],"urls":["http://b.example/x"]}"#);
        assert_eq!(status, 400);
        assert_eq!(
            body,
            "{\"error\":\"\\\"urls[0]\\\" has a host that no site serves\",\"field\":\"urls[0]\"}\n"
        );
        assert_eq!(admin.state.edge.store.purge_head(), 1, "all or nothing");
        let (status, _, body) = admin.post("/purge", &format!("{{\"tags\":[\"{}\"]}}", "x".repeat(1 << 20)));
        assert_eq!((status, body.as_str()), (413, "413 Payload Too Large: body_too_large\n"));
        let page = b"POST /purge HTTP/1.1\r\nhost: x\r\nconnection: close\r\norigin: http://evil\r\ncontent-length: 0\r\n\r\n";
        let (status, head, _) = admin.send(page);
        assert_eq!((status, head.contains("www-authenticate: bearer")), (401, true));
    }

    #[test]
    fn a_prefetch_job_tells_how_far_it_is() {
        let admin = admin();
        let (status, head, _) =
            admin.post("/prefetch", r#"{"urls":["http://a.example/x","https://a.example/y"]}"#);
        assert_eq!((status, head.contains("location: /prefetch/1")), (202, true));
        let finished = (0..2000).find_map(|_| {
            let (_, _, body) = admin.ask("GET", "/prefetch/1");
            let progress: serde_json::Value = serde_json::from_str(&body).unwrap();
            (progress["state"] == "finished").then_some(progress)
        });
        let progress = finished.unwrap();
        assert_eq!(
            (&progress["total"], &progress["done"], &progress["failed"]),
            (&2.into(), &2.into(), &2.into())
        );
        assert_eq!(progress["failures"][0]["reason"], "status 502");
        admin.state.prefetcher.stop();
    }

    #[test]
    fn head_has_the_length_and_no_body() {
        let admin = admin();
        let (_, _, body) = admin.ask("GET", "/");
        let (code, head, none) = admin.ask("HEAD", "/");
        assert_eq!((code, none.as_str()), (200, ""));
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    }

    #[test]
    fn ready_says_why_not() {
        let admin = admin();
        let not = (503, "{\"ready\":false,\"reasons\":[\"starting\"],\"impaired\":[]}\n".to_owned());
        let ask = || {
            let (code, _, body) = admin.ask("GET", "/readyz");
            (code, body)
        };
        assert_eq!(ask(), not);
        admin.state.readiness.set(Readiness::STARTING, false);
        admin.state.readiness.impair(Readiness::DISK_CACHE, true);
        assert_eq!(
            ask(),
            (200, "{\"ready\":true,\"reasons\":[],\"impaired\":[\"disk_cache\"]}\n".to_owned())
        );
        admin.state.readiness.impair(Readiness::DISK_CACHE, false);
        admin.state.readiness.set(Readiness::DRAINING, true);
        assert_eq!(ask(), (503, "{\"ready\":false,\"reasons\":[\"draining\"],\"impaired\":[]}\n".to_owned()));
        assert_eq!(admin.ask("GET", "/healthz").0, 200);
    }

    #[test]
    fn what_happened_is_shown() {
        let admin = admin();
        let record = Record {
            site: Some(admin.state.metrics.site("a.example")),
            status: 200,
            ..Record::new(admin.state.clock.now(), quanta::Instant::now())
        };
        admin.state.metrics.shard().record(&record);
        let now = admin.state.clock.now();
        let shard = admin.state.hot.shard(now);
        for key in ["/b", "/a\"\n", "/a\"\n"] {
            shard.touch(now, key.len() as u64, 10, || key);
        }
        let (_, _, metrics) = admin.ask("GET", "/metrics");
        let samples = crate::telemetry::exposition::parse(&metrics).unwrap();
        assert!(samples.iter().any(|s| s.name == "seawall_requests_total" && s.has("site", "a.example")));
        let (_, _, hot) = admin.ask("GET", "/hot?n=1");
        let hot: serde_json::Value = serde_json::from_str(&hot).unwrap();
        assert_eq!(hot["keys"].as_array().unwrap().len(), 1);
        let first = &hot["keys"][0];
        assert_eq!(
            (&first["key"], &first["hits"], &first["bytes"]),
            (&"/a\"\n".into(), &2.into(), &20.into())
        );
        assert!(first["rate"].as_f64().unwrap() > 0.0);
    }

    #[test]
    fn heads_are_bounded() {
        let admin = admin();
        let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(2 * HEAD));
        assert_eq!(admin.send(long.as_bytes()).0, 431);
        let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(FIELDS + 1));
        assert_eq!(admin.send(many.as_bytes()).0, 431);
        assert_eq!(admin.send(b"\x16\x03\x01 no HTTP\r\n\r\n").0, 400);
        assert_eq!(admin.ask("GET", "/healthz").0, 200);
    }

    #[test]
    fn stopping_ends_idle_connections_and_frees_the_port() {
        let admin = admin();
        let mut idle = admin.connect();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut first = [0; 12];
        idle.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        let address = admin.server.address();
        admin.server.stop();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(b"ok\n"));
        assert!(StdStream::connect(address).is_err());
    }

    #[test]
    fn more_connections_than_places_wait_their_turn() {
        let admin = admin();
        let idle: Vec<_> = (0..CONNECTIONS).map(|_| admin.connect()).collect();
        let mut late = admin.connect();
        late.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        late.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut byte = [0];
        assert!(late.read(&mut byte).is_err(), "answered although all places are taken");
        drop(idle);
        late.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(late.read(&mut byte).unwrap(), 1);
    }
}
