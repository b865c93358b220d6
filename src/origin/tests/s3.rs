//! A bucket behind a server that checks signatures itself (s3s), and pages of a scripted one.

use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

use super::*;
use crate::config::{S3, S3Credentials, S3Style, Secret};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// An S3 server over a folder, with one bucket, `photos`.
async fn bucket(files: &[(&str, &str)]) -> (tempfile::TempDir, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    for (key, body) in files {
        let path = folder.path().join("photos").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
    let service = {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ID, SECRET));
        builder.build()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (folder, address)
}

fn s3_pool(address: SocketAddr, secret: &str) -> Pool {
    let mut pool = pool(&[address]);
    pool.s3 = Some(S3 {
        bucket: Some("photos".into()),
        region: "us-east-1".into(),
        style: S3Style::Path,
        prefix: String::new(),
        index: None,
        credentials: S3Credentials::Static {
            access_key_id: ID.into(),
            secret_access_key: Secret::new(secret),
            session_token: None,
        },
        not_found: 404,
    });
    pool
}

#[tokio::test]
async fn objects_are_read_with_our_signature() {
    let files = [
        ("a.txt", "plain"),
        ("a b+c%(1).txt", "awkward"),
        ("für/ü.txt", "unicode"),
        ("dir/index.html", "index"),
    ];
    let (_folder, address) = bucket(&files).await;
    let mut pool = s3_pool(address, SECRET);
    pool.s3.as_mut().unwrap().index = Some("index.html".into());
    let world = World::new(pool);
    for (path, body) in [
        ("/a.txt", "plain"),
        ("/a.txt?list-type=2&acl", "plain"),
        ("/a%20b+c%25(1).txt", "awkward"),
        ("/a%20b%2Bc%25%281%29.txt", "awkward"),
        ("/f%C3%BCr/%C3%BC.txt", "unicode"),
        ("/dir/", "index"),
    ] {
        assert_eq!(world.get(path).await.unwrap(), (200, body.into()), "{path}");
    }
    let mut range = get("/a.txt");
    range.headers.insert("range", HeaderValue::from_static("bytes=1-2"));
    range.headers.insert("authorization", HeaderValue::from_static("Bearer of the client"));
    range.headers.insert("x-amz-acl", HeaderValue::from_static("public-read"));
    let response = world.fetch(range).await.unwrap();
    assert_eq!(response.status, 206);
    assert!(response.headers.keys().all(|name| !name.as_str().starts_with("x-amz-")));
    assert_eq!(text(response).await.unwrap(), "la");
}

#[tokio::test]
async fn a_missing_key_is_not_found_and_nothing_of_s3_shows() {
    let (_folder, address) = bucket(&[("a.txt", "plain")]).await;
    let world = World::new(s3_pool(address, SECRET));
    for method in [Method::GET, Method::HEAD] {
        let response = world.fetch(request(method, "/missing", RequestBody::Empty)).await.unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.headers.get("content-length").unwrap(), "30");
        assert_eq!(response.headers.get("content-type").unwrap(), "text/plain; charset=utf-8");
        assert_eq!(text(response).await.unwrap(), "404 Not Found: no_such_object\n");
    }
}

#[tokio::test]
async fn a_wrong_key_is_the_edges_fault() {
    let (_folder, address) = bucket(&[("a.txt", "plain")]).await;
    let error = World::new(s3_pool(address, "wrong")).get("/a.txt").await.unwrap_err();
    assert_eq!(error, FetchError::Refused { code: "SignatureDoesNotMatch".into() });
    assert_eq!(error.refusal().as_str(), "origin_refused");
}

/// S3 says nothing with the answer to a HEAD, and is asked by GET what is the matter.
#[tokio::test]
async fn a_head_is_answered_as_its_get_would_be() {
    let status_of = async |method: Method, world: &World| {
        let asked = world.fetch(request(method, "/a.txt", RequestBody::Empty)).await;
        asked.map(|response| response.status.as_u16()).map_err(|failed| failed.as_str())
    };
    let refused = Err("refused");
    for (status, code, expected) in [
        (403, "SignatureDoesNotMatch", refused),
        (403, "InvalidAccessKeyId", refused),
        (400, "ExpiredToken", refused),
        (404, "NoSuchBucket", refused),
        (404, "NoSuchKey", Ok(404)),
        (403, "AccessDenied", Ok(404)),
        (403, "InvalidObjectState", Ok(403)),
    ] {
        let server = Server::start(move |_, _, head| match head.starts_with("HEAD ") {
            true => Act::Reply(format!("HTTP/1.1 {status} X\r\n\r\n")),
            false => page(status, "", &format!("<Code>{code}</Code>")),
        })
        .await;
        let world = World::new(s3_pool(server.address, SECRET));
        for method in [Method::HEAD, Method::GET] {
            assert_eq!(status_of(method.clone(), &world).await, expected, "{method} {code}");
        }
        assert_eq!(server.requests(), 3, "{code}");
        let asked = server.seen.lock()[1].head.to_lowercase();
        assert!(asked.starts_with("get /photos/a.txt ") && asked.contains("range: bytes=0-0"), "{asked}");
    }
}

#[tokio::test]
async fn nothing_but_objects_can_be_asked_for() {
    let server = Server::start(|_, _, _| ok("a listing")).await;
    let world = World::new(s3_pool(server.address, SECRET));
    for path in ["/", "/?list-type=2", "/?acl", "//", "/x%2F..%2F"] {
        let response = world.fetch(get(path)).await.unwrap();
        assert_eq!((response.status.as_u16(), response.trip.attempts), (404, 0), "{path}");
    }
    let error =
        world.fetch(request(Method::PUT, "/a", RequestBody::Empty)).await.map(|r| r.status).unwrap_err();
    assert_eq!(error.refusal().as_str(), "method_not_allowed");
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn pages_of_s3_stay_here() {
    let page = |code: u16, name: &str| {
        let xml = format!("<?xml version=\"1.0\"?><Error><Code>{name}</Code><HostId>h</HostId></Error>");
        Act::Reply(format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/xml\r\nx-amz-request-id: 1\r\nContent-Length: {}\r\n\r\n{xml}",
            xml.len()
        ))
    };
    let server = Server::start(move |_, _, head| match head.split(' ').nth(1) {
        Some("/photos/denied") => page(403, "AccessDenied"),
        Some("/photos/busy") => page(503, "SlowDown"),
        _ => page(412, "PreconditionFailed"),
    })
    .await;
    let mut pool = s3_pool(server.address, SECRET);
    pool.retry.attempts = 2;
    pool.s3.as_mut().unwrap().not_found = 410;
    let world = World::new(pool);
    for (path, status, attempts, line) in [
        ("/denied", 410, 1, "410 Gone: no_such_object\n"),
        ("/busy", 503, 2, "503 Service Unavailable: origin_busy\n"),
        ("/other", 412, 1, "412 Precondition Failed: precondition_failed\n"),
    ] {
        let response = world.fetch(get(path)).await.unwrap();
        assert_eq!((response.status.as_u16(), response.trip.attempts), (status, attempts), "{path}");
        let names: Vec<_> = response.headers.keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["content-type", "content-length"], "{path}");
        assert_eq!(text(response).await.unwrap(), line);
    }
}

#[tokio::test]
async fn a_redirect_to_another_endpoint_is_followed_and_remembered() {
    let (_folder, address) = bucket(&[("a.txt", "plain"), ("b.txt", "other")]).await;
    let first = Server::start(move |_, _, head| {
        let path = head.split(' ').nth(1).unwrap();
        status(307, &format!("Location: http://{address}{path}\r\n"))
    })
    .await;
    let world = World::new(s3_pool(first.address, SECRET));
    for (path, body) in [("/a.txt", "plain"), ("/b.txt", "other"), ("/a.txt", "plain")] {
        let response = world.fetch(get(path)).await.unwrap();
        assert_eq!(response.trip.member.as_ref(), address.to_string());
        assert_eq!((response.status.as_u16(), response.trip.attempts), (200, 1), "{path}");
        assert_eq!(text(response).await.unwrap(), body);
    }
    assert_eq!(first.requests(), 1, "it was asked once for all");
}

#[tokio::test]
async fn a_redirect_that_leads_round_or_away_is_refused() {
    let round = Server::start(|_, _, head| {
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        status(307, &format!("Location: http://{host}/photos/a.txt\r\n"))
    })
    .await;
    let away = Server::start(|_, _, _| status(307, "Location: http://store.example/photos/a.txt\r\n")).await;
    for (server, requests) in [(round, 3), (away, 1)] {
        let error = World::new(s3_pool(server.address, SECRET)).get("/a.txt").await.unwrap_err();
        assert_eq!(error, FetchError::Refused { code: "redirect".into() });
        assert_eq!(server.requests(), requests);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_forgotten() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let first = Server::start(move |_, request, _| match request {
        0 => status(307, &format!("Location: http://{gone}/photos/a.txt\r\n")),
        _ => ok("here again"),
    })
    .await;
    let mut pool = s3_pool(first.address, SECRET);
    pool.retry.attempts = 2;
    let world = World::new(pool);
    assert_eq!(world.get("/a.txt").await.unwrap(), (200, "here again".into()));
}

#[tokio::test]
async fn what_s3_asks_to_be_retried_is_retried() {
    let page = |code: u16, name: &str| {
        let xml = format!("<Error><Code>{name}</Code></Error>");
        Act::Reply(format!("HTTP/1.1 {code} X\r\nContent-Length: {}\r\n\r\n{xml}", xml.len()))
    };
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server =
        Server::start(move |_, _, _| match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => page(503, "SlowDown"),
            1 => page(500, "InternalError"),
            _ => ok("at last"),
        })
        .await;
    let mut pool = s3_pool(server.address, SECRET);
    pool.retry.attempts = 3;
    pool.breaker.consecutive_failures = 1;
    let world = World::new(pool);
    let response = world.fetch(get("/a.txt")).await.unwrap();
    assert_eq!((response.status.as_u16(), response.trip.attempts), (200, 3));
    assert_eq!(world.metric("seawall_origin_member_up"), 1.0, "a throttled prefix is no dead server");
}

#[tokio::test]
async fn a_preflight_is_passed_without_a_signature() {
    let server = Server::start(|_, _, _| status(200, "Access-Control-Allow-Origin: *\r\n")).await;
    let world = World::new(s3_pool(server.address, SECRET));
    let mut preflight = request(Method::OPTIONS, "/a.txt", RequestBody::Empty);
    preflight.headers.insert("origin", HeaderValue::from_static("https://app.example"));
    preflight.headers.insert("access-control-request-method", HeaderValue::from_static("GET"));
    let response = world.fetch(preflight).await.unwrap();
    assert_eq!(response.headers["access-control-allow-origin"], "*");
    let head = server.seen.lock()[0].head.to_lowercase();
    assert!(
        head.starts_with("options /photos/a.txt ") && head.contains("origin: https://app.example"),
        "{head}"
    );
    assert!(!head.contains("authorization") && !head.contains("x-amz-"), "{head}");
}

/// S3's error page, chunked as S3 sends it, with these fields before it.
fn page(code: u16, fields: &str, xml: &str) -> Act {
    let xml = format!("<?xml version=\"1.0\"?><Error>{xml}</Error>");
    Act::Reply(format!(
        "HTTP/1.1 {code} X\r\n{fields}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{xml}\r\n0\r\n\r\n",
        xml.len()
    ))
}

fn signed_for(head: &str, region: &str) -> bool {
    head.contains(&format!("/{region}/s3/aws4_request"))
}

#[tokio::test]
async fn a_permanent_redirect_without_a_location_is_followed_and_remembered() {
    let second =
        Server::start(|_, _, head| if signed_for(head, "eu-west-1") { ok("there") } else { status(403, "") })
            .await;
    let address = second.address;
    let first = Server::start(move |_, _, _| {
        let xml =
            format!("<Code>PermanentRedirect</Code><Endpoint>{address}</Endpoint><Bucket>photos</Bucket>");
        page(301, "x-amz-bucket-region: eu-west-1\r\n", &xml)
    })
    .await;
    let world = World::new(s3_pool(first.address, SECRET));
    for path in ["/a.txt", "/b.txt"] {
        assert_eq!(world.get(path).await.unwrap(), (200, "there".into()), "{path}");
    }
    assert_eq!((first.requests(), second.requests()), (1, 2));
    assert!(second.seen.lock()[0].head.starts_with("GET /photos/a.txt "), "its style is kept");
}

#[tokio::test]
async fn a_wrong_region_is_corrected_once_for_all() {
    let head_only = "x-amz-bucket-region: eu-west-1\r\n";
    let xml = "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>";
    for (method, fields, xml) in [(Method::GET, "", xml), (Method::HEAD, head_only, "")] {
        let server = Server::start(move |_, _, head| match head {
            head if signed_for(head, "eu-west-1") => status(204, ""),
            _ if xml.is_empty() => status(400, fields),
            _ => page(400, fields, xml),
        })
        .await;
        let world = World::new(s3_pool(server.address, SECRET));
        for _ in 0..2 {
            let response = world.fetch(request(method.clone(), "/a.txt", RequestBody::Empty)).await.unwrap();
            assert_eq!((response.status.as_u16(), response.trip.attempts), (204, 1), "{method}");
        }
        assert_eq!(server.requests(), 3, "{method}: the first one twice");
    }
}

#[tokio::test]
async fn a_region_that_is_no_better_is_not_tried_for_ever() {
    let server = Server::start(|_, _, head| {
        let other = if signed_for(head, "eu-west-1") { "us-east-1" } else { "eu-west-1" };
        page(400, "", &format!("<Code>AuthorizationHeaderMalformed</Code><Region>{other}</Region>"))
    })
    .await;
    let world = World::new(s3_pool(server.address, SECRET));
    let refused = FetchError::Refused { code: "AuthorizationHeaderMalformed".into() };
    for requests in [3, 6] {
        assert_eq!(world.get("/a.txt").await.unwrap_err(), refused);
        assert_eq!(server.requests(), requests);
    }
    let same = Server::start(|_, _, _| {
        page(400, "", "<Code>AuthorizationHeaderMalformed</Code><Region>us-east-1</Region>")
    })
    .await;
    assert_eq!(World::new(s3_pool(same.address, SECRET)).get("/a.txt").await.unwrap_err(), refused);
    assert_eq!(same.requests(), 1);
}

#[tokio::test]
async fn s3s_id_of_a_request_is_for_the_log_only() {
    let server = Server::start(|_, _, _| status(200, "x-amz-request-id: 4442587FB7D0A2F9\r\n")).await;
    let response = World::new(s3_pool(server.address, SECRET)).fetch(get("/a.txt")).await.unwrap();
    assert_eq!(response.trip.request_id.as_deref(), Some("4442587FB7D0A2F9"));
    assert!(!response.headers.contains_key("x-amz-request-id"));
}
