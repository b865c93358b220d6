//! What a client sees of S3 when there is no object to be had: a typed line, and nothing that tells who is behind.

use crate::world::{Answer, Received, Seen, World};

const BUCKET: &str = "[pool.s3]\nbucket = \"photos\"\ncredentials = \"anonymous\"";

fn page(status: u16, code: &str) -> Answer {
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><HostId>h</HostId></Error>");
    Answer::status(status)
        .header("Content-Type", "application/xml")
        .header("Server", "AmazonS3")
        .header("x-amz-request-id", "1")
        .header("x-minio-error-code", code)
        .body(xml)
}

/// A bucket where every key is missing, as S3 says it to each method.
fn missing(request: &Received, status: u16, code: &str) -> Answer {
    match request.method.as_str() {
        "HEAD" => Answer::status(status).header("Server", "AmazonS3"),
        _ => page(status, code),
    }
}

async fn world(status: u16, code: &'static str) -> World {
    let world = World::new().pool(BUCKET).start().await;
    world.origin().on("*", move |request| missing(request, status, code));
    world
}

#[track_caller]
fn says(seen: &Seen, status: u16, line: &str) {
    seen.assert(status, line).assert_header("content-type", "text/plain; charset=utf-8");
    for name in ["server", "x-amz-request-id", "x-minio-error-code", "etag", "content-encoding"] {
        assert_eq!(seen.header(name), None, "{name} in {seen:?}");
    }
}

#[tokio::test]
async fn a_missing_key_has_a_typed_body_that_is_cached_like_any() {
    let world = world(404, "NoSuchKey").await;
    let line = "404 Not Found: no_such_object\n";
    let seen = world.get("/a").await;
    seen.assert_stored(404, line);
    says(&seen, 404, line);
    let seen = world.get("/a").await;
    seen.assert_hit(404, line);
    says(&seen, 404, line);
    let part = world.client().get("/a").header("Range", "bytes=0-2").send().await;
    says(&part, 404, line);
    let conditional = world.client().get("/a").header("If-None-Match", "*").send().await;
    says(&conditional, 404, line);
    let head = world.client().request("HEAD", "/a").send().await;
    says(&head, 404, "");
    head.assert_header("content-length", &line.len().to_string());
    world.advance(11);
    says(&world.get("/a").await, 404, line);
    assert_eq!(world.origin().count(), 2);
}

#[tokio::test]
async fn head_and_get_of_what_is_not_there_say_the_same() {
    let world = world(404, "NoSuchKey").await;
    let line = "404 Not Found: no_such_object\n";
    let head = world.client().request("HEAD", "/a").send().await;
    says(&head, 404, "");
    head.assert_header("content-length", &line.len().to_string());
    let part = world.client().get("/b").header("Range", "bytes=0-2").send().await;
    says(&part, 404, line);
    says(&world.get("/").await, 404, line);
    says(&world.client().request("HEAD", "/").send().await, 404, "");
}

#[tokio::test]
async fn a_failing_bucket_has_a_typed_body_too() {
    for (status, code, line) in [
        (500, "InternalError", "500 Internal Server Error: origin_error\n"),
        (503, "SlowDown", "503 Service Unavailable: origin_busy\n"),
        (403, "InvalidObjectState", "403 Forbidden: origin_refused_request\n"),
    ] {
        let world = World::new().pool("[pool.retry]\nattempts = 1").pool(BUCKET).start().await;
        world.origin().on("*", move |request| missing(request, status, code));
        says(&world.get("/images/").await, status, line);
    }
}

#[tokio::test]
async fn a_refusal_of_the_edge_itself_is_a_502_that_is_not_kept() {
    for (status, code) in [
        (404, "NoSuchBucket"),
        (403, "InvalidAccessKeyId"),
        (400, "ExpiredToken"),
        (403, "AllAccessDisabled"),
    ] {
        let world = world(status, code).await;
        world.get("/a").await.assert_refused(502, "origin_refused");
        world.get("/a").await.assert_refused(502, "origin_refused");
        assert_eq!(world.origin().count(), 2, "{code} is not kept");
        assert_eq!(world.client().request("HEAD", "/a").send().await.status, 502, "{code}");
        world.origin().on("*", |_| Answer::fresh("here", 60));
        world.get("/a").await.assert_stored(200, "here");
    }
}

#[tokio::test]
async fn an_object_shows_its_own_metadata_and_not_its_server() {
    let world = World::new().pool(BUCKET).start().await;
    world.origin().on("*", |_| {
        Answer::fresh("object", 60)
            .header("Server", "MinIO")
            .header("x-amz-id-2", "1")
            .header("x-goog-hash", "1")
            .header("x-amz-meta-author", "ada")
            .header("Strict-Transport-Security", "max-age=60")
    });
    for _ in 0..2 {
        let seen = world.get("/a").await;
        seen.assert(200, "object").assert_header("x-amz-meta-author", "ada");
        seen.assert_header("strict-transport-security", "max-age=60");
        for name in ["server", "x-amz-id-2", "x-goog-hash"] {
            assert_eq!(seen.header(name), None, "{name} in {seen:?}");
        }
    }
}
