//! Tests of the origin: it serves who signs, and nobody else.

use aws_lc_rs::{digest, hmac};
use http_body_util::{BodyExt, Empty};

use super::*;

const BUCKET: &str = "photos";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn keys() -> Keys {
    Keys { access_key: "an-access-key".into(), secret_key: "a secret key".into() }
}

fn start() -> Origin {
    let object = |key: &str, body: &'static str| Object {
        key: key.into(),
        content_type: "text/plain",
        cache_control: "public, max-age=60",
        body: Bytes::from_static(body.as_bytes()),
    };
    let objects = [object("a.txt", "0123456789"), object("b/c d.txt", "other")];
    Origin::start(TcpListener::bind("127.0.0.1:0").unwrap(), BUCKET, &keys(), objects).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A signed GET, written from AWS's description of SigV4 and sharing no code with the edge.
fn signed(origin: &Origin, path: &str, secret: &str) -> Request<Empty<Bytes>> {
    let now = time::OffsetDateTime::now_utc();
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let at = now.format(&format).unwrap();
    let (date, host) = (&at[..8], origin.address().to_string());
    let names = "host;x-amz-content-sha256;x-amz-date";
    let canonical = format!(
        "GET\n{path}\n\nhost:{host}\nx-amz-content-sha256:{EMPTY_SHA256}\nx-amz-date:{at}\n\n{names}\n{EMPTY_SHA256}"
    );
    let scope = format!("{date}/eu-central-1/s3/aws4_request");
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{hash}");
    let mac = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &to_sign));
    let credential = format!("{}/{scope}", keys().access_key);
    Request::get(path)
        .header("host", host)
        .header("x-amz-content-sha256", EMPTY_SHA256)
        .header("x-amz-date", at)
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"),
        )
        .body(Empty::new())
        .unwrap()
}

fn send(origin: &Origin, request: Request<Empty<Bytes>>) -> (StatusCode, HeaderMap, Bytes) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(origin.address()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    })
}

#[test]
fn a_signed_request_is_served_with_type_and_tag() {
    let origin = start();
    let (status, headers, body) = send(&origin, signed(&origin, "/photos/a.txt", &keys().secret_key));
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"0123456789"[..]));
    assert_eq!(
        (&headers["content-type"], &headers["cache-control"]),
        (&"text/plain".parse().unwrap(), &"public, max-age=60".parse().unwrap())
    );
    assert_eq!(origin.etag("a.txt"), Some(headers["etag"].to_str().unwrap()));
    let (status, _, body) = send(&origin, signed(&origin, "/photos/b/c%20d.txt", &keys().secret_key));
    assert_eq!((status, &body[..], origin.requests()), (StatusCode::OK, &b"other"[..], 2));
}

#[test]
fn anonymous_and_altered_requests_are_refused() {
    let origin = start();
    let refused = |request| {
        let (status, _, body) = send(&origin, request);
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(!body.windows(10).any(|window| window == b"0123456789"));
    };
    let path = "/photos/a.txt";
    let secret = keys().secret_key;
    let host = origin.address().to_string();
    refused(Request::get(path).header("host", host).body(Empty::new()).unwrap());
    refused(signed(&origin, path, "another secret"));

    let mut other_path = signed(&origin, "/photos/b/c%20d.txt", &secret);
    *other_path.uri_mut() = path.parse().unwrap();
    refused(other_path);

    let mut other_query = signed(&origin, path, &secret);
    *other_query.uri_mut() = "/photos/a.txt?versionId=1".parse().unwrap();
    refused(other_query);

    let mut other_method = signed(&origin, path, &secret);
    *other_method.method_mut() = http::Method::DELETE;
    refused(other_method);

    let mut other_signature = signed(&origin, path, &secret);
    let field = other_signature.headers()["authorization"].to_str().unwrap();
    let (rest, last) = field.split_at(field.len() - 1);
    let altered = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    other_signature.headers_mut().insert("authorization", altered.parse().unwrap());
    refused(other_signature);
}

#[test]
fn ranges_and_preconditions_are_answered() {
    let origin = start();
    let ask = |name: &'static str, value: &str| {
        let mut request = signed(&origin, "/photos/a.txt", &keys().secret_key);
        request.headers_mut().insert(name, value.parse().unwrap());
        let (status, headers, body) = send(&origin, request);
        (status.as_u16(), headers.contains_key("etag"), String::from_utf8(body.to_vec()).unwrap())
    };
    let etag = origin.etag("a.txt").unwrap();
    assert_eq!(ask("range", "bytes=2-4"), (206, true, "234".into()));
    assert_eq!(ask("if-none-match", etag), (304, true, String::new()));
    assert_eq!(ask("if-none-match", "\"other\""), (200, true, "0123456789".into()));
    assert_eq!(ask("if-match", etag), (200, true, "0123456789".into()));
    assert_eq!(ask("if-match", "\"other\""), (412, false, String::new()));
}

#[test]
fn its_folder_goes_with_it() {
    let origin = start();
    let folder = origin._folder.path().to_owned();
    assert!(folder.join(BUCKET).join("a.txt").exists());
    drop(origin);
    assert!(!folder.exists());
}
