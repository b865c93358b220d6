//! What stands in the access log of requests that never were any: refused, or cut off.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{H2, World, within};

struct Logged {
    world: World,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Logged {
    /// A world whose log has only what must be in it.
    async fn start(server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = format!("[log]\nformat = \"json\"\nsample = 0\naccess = \"{}\"", path.display());
        Self { world: World::new().server(server).more(&log).start().await, path, _folder: folder }
    }

    async fn line(&self, number: usize) -> serde_json::Value {
        let wait = async {
            loop {
                match lines(&self.path).into_iter().nth(number) {
                    Some(line) => return line,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        within(format!("line {number} of the log"), wait).await
    }

    async fn counted(&self, requests: f64) {
        let all = |metrics: &crate::world::Metrics| metrics.sum("seawall_requests_total", &[]) == requests;
        self.world.metrics_when("every request is counted", all).await;
    }
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn every_refused_head_has_a_line_and_is_counted() {
    let logged = Logged::start("").await;
    let get = |fields: &str| format!("GET /a?token=secret HTTP/1.1\r\nHost: test.example\r\n{fields}\r\n");
    let table = [
        (get(&format!("Cookie: {}\r\n", "c".repeat(40 << 10))), 431, "head_too_large", "/a"),
        (get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400, "ambiguous_framing", "/a"),
        (get("a b\r\n"), 400, "malformed_head", "/a"),
        (
            format!("GET /{} HTTP/1.1\r\nHost: test.example\r\n\r\n", "t".repeat(9 << 10)),
            414,
            "uri_too_long",
            "/ttt",
        ),
        (get("Content-Length: 99999999999\r\n"), 413, "body_too_large", "/a"),
    ];
    for (number, (request, status, reason, path)) in table.iter().enumerate() {
        let seen = logged.world.client().raw(request).await.unwrap();
        assert_eq!(seen.status, *status);
        let line = logged.line(number).await;
        assert_eq!((&line["status"], &line["refusal"]), (&(*status).into(), &(*reason).into()), "{line}");
        assert_eq!((&line["method"], &line["client"]), (&"GET".into(), &"127.0.0.1".into()), "{line}");
        // What is refused for its first line is refused before its Host came.
        assert!(*status == 414 || line["host"] == "test.example", "{line}");
        assert!(line["path"].as_str().unwrap().starts_with(path) && line.to_string().len() < 6000, "{line}");
        assert!(!line.to_string().contains("secret"), "{line}");
    }
    let h2 = H2::connect(&logged.world.tls_client()).await;
    let cookie = "c".repeat(40 << 10);
    let seen = h2.request("GET", "/h2", &[("cookie", cookie.as_str())]).await.unwrap();
    assert_eq!(seen.status, 431);
    let line = logged.line(table.len()).await;
    assert_eq!((&line["status"], &line["path"]), (&431.into(), &"/h2".into()), "{line}");
    assert_eq!(line["protocol"], "HTTP/2", "{line}");
    logged.world.tls_client().without_tls().raw("GET /plain HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let line = logged.line(table.len() + 1).await;
    assert_eq!((&line["refusal"], &line["path"]), (&"plain_http_on_tls".into(), &"/plain".into()), "{line}");
    logged.counted(table.len() as f64 + 2.0).await;
}

#[tokio::test]
async fn a_head_that_never_ends_has_a_line_whether_the_client_waits_or_leaves() {
    let logged = Logged::start("[server.limits]\nheader_timeout = \"300ms\"").await;
    let half = b"GET /half HTTP/1.1\r\nHost: test.example\r\nX: ";
    let mut socket = TcpStream::connect(logged.world.client().address()).await.unwrap();
    socket.write_all(half).await.unwrap();
    let mut text = String::new();
    within("a 408", socket.read_to_string(&mut text)).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    let line = logged.line(0).await;
    assert_eq!((&line["status"], &line["path"]), (&408.into(), &"/half".into()), "{line}");
    let mut socket = TcpStream::connect(logged.world.client().address()).await.unwrap();
    socket.write_all(half).await.unwrap();
    drop(socket);
    let line = logged.line(1).await;
    assert_eq!((&line["status"], &line["complete"]), (&0.into(), &false.into()), "{line}");
    assert_eq!((&line["path"], &line["host"]), (&"/half".into(), &"test.example".into()), "{line}");
    logged.counted(2.0).await;
}

#[tokio::test]
async fn a_tls_handshake_that_fails_is_counted_by_its_reason() {
    let world = World::start().await;
    for (hello, reason) in [(&b"\x16\x03\x01\x00\x05nonsense"[..], "malformed"), (b"\x16", "closed")] {
        let mut socket = TcpStream::connect(world.tls_client().address()).await.unwrap();
        socket.write_all(hello).await.unwrap();
        socket.shutdown().await.unwrap();
        let of = |metrics: &crate::world::Metrics| {
            metrics.sum("seawall_tls_handshake_failures_total", &[("reason", reason)]) == 1.0
        };
        world.metrics_when(reason, of).await;
    }
}

#[tokio::test]
async fn an_expired_certificate_impairs() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["test.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let (cert, private) = (folder.path().join("a.pem"), folder.path().join("a.key"));
    std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let listener = format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\ntls.certificates = [{{ cert = {cert:?}, key = {private:?} }}]"
    );
    let world = World::new().more(&listener).start().await;
    let seen = world.readiness_when("\"certificates\"").await;
    assert_eq!(seen.status, 200, "it serves whoever takes it: {}", seen.text());
}
