//! Requests that can be read in two ways, or in none.

use super::*;

#[tokio::test]
async fn what_is_ambiguous_or_malformed_is_answered_with_a_reason() {
    let up = Up::plain(limits());
    let fields = |fields: &str| format!("POST /echo HTTP/1.1\r\nhost: x\r\n{fields}\r\n\r\n0\r\n\r\n");
    let table = [
        (fields("content-length: 5\r\ntransfer-encoding: chunked"), Refusal::AmbiguousFraming),
        (fields("transfer-encoding: chunked\r\ncontent-length: 5"), Refusal::AmbiguousFraming),
        (fields("content-length: 5\r\ncontent-length: 5"), Refusal::AmbiguousFraming),
        (fields("transfer-encoding: gzip"), Refusal::AmbiguousFraming),
        (fields("content-length : 5"), Refusal::MalformedHead),
        (fields("a: b\rc"), Refusal::MalformedHead),
        (fields("a: b\r\n c: d"), Refusal::MalformedHead),
        (fields("a: b\0"), Refusal::MalformedHead),
        ("nonsense\r\n\r\n".into(), Refusal::MalformedHead),
        ("GET / HTTP/3.0\r\n\r\n".into(), Refusal::MalformedHead),
        ("G<T / HTTP/1.1\r\n\r\n".into(), Refusal::MalformedHead),
        ("\u{16}\u{3}\u{1}\u{2}\0 a TLS hello on a plain port".into(), Refusal::MalformedHead),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1024)), Refusal::UriTooLong),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(21)), Refusal::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(8192)), Refusal::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\na: {}", "b".repeat(1 << 18)), Refusal::HeadTooLarge),
    ];
    for (text, refusal) in &table {
        assert_eq!(up.ask(text).await, refused(*refusal), "{:?}", &text[..text.len().min(100)]);
    }
    let expected: Vec<_> = table.iter().map(|(_, refusal)| *refusal).collect();
    assert_eq!(up.refusals(), expected);
    assert!(up.seen.peers.lock().is_empty(), "none of it reached the handler");
}

#[tokio::test]
async fn a_refusal_waits_for_the_requests_before_it() {
    let up = Up::plain(limits());
    for bad in ["POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", "nonsense\r\n\r\n"] {
        let text = format!("GET /slow HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n{bad}");
        let (text, _) = tokio::join!(up.ask(text), async {
            up.seen.arrived.acquire().await.unwrap().forget();
            up.seen.go.add_permits(1);
        });
        let refusal = *up.refusals().last().unwrap();
        assert_eq!(text, ok("slow") + &ok("/b") + &refused(refusal));
    }
    assert_eq!(up.refusals(), [Refusal::AmbiguousFraming, Refusal::MalformedHead]);
}

#[tokio::test]
async fn a_broken_chunk_is_a_broken_body_and_hides_no_request() {
    let up = Up::plain(limits());
    let head = "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in
        ["zz\r\n", "1\r\nabGET /smuggled HTTP/1.1\r\n\r\n", "0\r\na: b\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"]
    {
        let text = up.ask(format!("{head}{body}")).await;
        assert!(!text.contains("smuggled"), "{text}");
    }
    assert_eq!(up.seen.peers.lock().len(), 3);
}

#[tokio::test]
async fn what_the_grammar_of_chunks_has_no_place_for_is_a_broken_body() {
    let up = Up::plain(limits());
    let head = "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    for body in [
        "5;a=\0\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\0\"\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0;a=\0\r\n\r\n",
        "5\r\nhello\r\n0\r\na: \0\r\n\r\n",
        "5\r\nhello\r\n0\r\n:path: /\r\n\r\n",
    ] {
        let text = up.ask(format!("{head}{body}")).await;
        assert!(text.starts_with("HTTP/1.1 400 "), "{body:?}: {text}");
    }
    let text = up.ask(format!("{head}5;a=b;c=\"d\"\r\nhello\r\n0\r\ne: f\r\n\r\n")).await;
    assert!(text.ends_with("hello"), "{text}");
}

#[tokio::test]
async fn what_was_seen_of_a_refused_request_is_told() {
    let up = Up::plain(limits());
    let large = "b".repeat(9000);
    let table = [
        (format!("PUT /a?secret HTTP/1.1\r\nHost: h.example\r\nCookie: {large}\r\n\r\n"), "PUT /a h.example"),
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "c".repeat(1024)), "GET /ccc"),
        (
            "POST /d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            "POST /d h",
        ),
        ("GET /e HTTP/1.1\r\nHost: h\r\na b\r\n\r\n".into(), "GET /e h"),
        ("GET /f HTTP/1.0\r\nHost: h\r\nContent-Length: 9999\r\n\r\n".into(), "GET /f h"),
    ];
    for (text, expected) in &table {
        up.ask(text).await;
        let seen = up.seen.glimpses.lock().last().cloned().unwrap();
        let seen = format!("{} {} {}", seen.method, seen.path, seen.host);
        assert!(seen.starts_with(expected) && !seen.contains("secret"), "{seen}, not {expected}");
    }
    assert_eq!(up.seen.glimpses.lock().len(), table.len());
    let mut client = up.connect().await;
    client.write_all(b"GET /half HTTP/1.1\r\nHost: ").await.unwrap();
    drop(client);
    tokio::time::timeout(Duration::from_secs(10), async {
        while up.seen.glimpses.lock().last().unwrap().path != "/half" {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a head that broke off is told too");
}
