//! HTTP/1 as bytes: how they are cut changes nothing, and what hyper makes of what passed is what the scan saw.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken assertion is what is looked for"
)]

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use parking_lot::Mutex;

use super::scan::{HeadLimits, Scan};

const LIMITS: HeadLimits = HeadLimits { head: 2048, fields: 16, target: 128 };

/// The verdict on a stream in one piece, byte by byte, and in pieces of changing size.
pub(crate) fn scan(data: &[u8]) {
    let whole = fed(data, |_| usize::MAX);
    assert_eq!(fed(data, |_| 1), whole, "byte by byte");
    let seed = xxhash_rust::xxh3::xxh3_64(data);
    assert_eq!(fed(data, |at| 1 + (seed.rotate_left(at as u32 * 7) % 23) as usize), whole, "in pieces");
}

fn fed(data: &[u8], size: impl Fn(usize) -> usize) -> (Scanned, usize) {
    let mut scan = Scan::new(LIMITS);
    let mut at = 0;
    while at < data.len() {
        let end = data.len().min(at.saturating_add(size(at)));
        let passed = scan.feed(&data[at..end]);
        assert!(passed <= end - at);
        if passed < end - at {
            break;
        }
        at = end;
    }
    (Scanned::of(&scan), 0)
}

/// What a scan says in the end.
#[derive(Debug, PartialEq)]
struct Scanned {
    refused: Option<crate::http::refusal::Refusal>,
    heads: u32,
    in_head: bool,
    lost: bool,
    owes: bool,
}

impl Scanned {
    fn of(scan: &Scan) -> Self {
        let (refused, heads) = (scan.refused(), scan.heads());
        Self { refused, heads, in_head: scan.in_head(), lost: scan.lost(), owes: scan.owes() }
    }
}

/// What hyper reads behind a scan, against a reader of a few lines.
pub(crate) fn http1(data: &[u8]) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let wire = Wire { left: data, step: 1 + data.len() % 97, scan: Scan::new(LIMITS), passed: Vec::new() };
    let wire = Arc::new(Mutex::new(wire));
    let service = service_fn(|request| listen(request, Arc::clone(&heard)));
    let mut http1 = hyper::server::conn::http1::Builder::new();
    // As `connection` sets it, but that a client may close its half: its requests are to be read to the end.
    http1.half_close(true).max_headers(LIMITS.fields);
    let io = Io(Arc::clone(&wire));
    let mut connection = pin!(http1.serve_connection(io, service));
    let mut cx = Context::from_waker(Waker::noop());
    // Nothing here ever waits: a connection that is not done has only yielded.
    let done = (0..100_000).any(|_| connection.as_mut().poll(&mut cx).is_ready());
    assert!(done, "hyper waits for nothing");

    let wire = wire.lock();
    let heard = heard.lock();
    assert!(heard.len() <= wire.scan.heads() as usize, "hyper heard a request that the scan did not see");
    let mut rest = wire.passed.as_slice();
    for heard in heard.iter() {
        let seen = Seen::take(&mut rest).expect("a head where hyper saw one");
        assert_eq!(heard.method.as_bytes(), seen.method);
        if seen.target.starts_with(b"/") {
            let target = seen.target.split(|&byte| byte == b'#').next().unwrap_or_default();
            assert_eq!(heard.uri.to_string().as_bytes(), target);
        }
        assert_eq!(heard.headers.len(), seen.fields);
        if let Some(body) = &heard.body {
            assert_eq!(Some(body), seen.body.as_ref(), "hyper read another body");
        }
    }
}

/// A request as hyper tells it; no body if that was broken.
struct Heard {
    method: String,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

async fn listen(
    request: Request<Incoming>,
    heard: Arc<Mutex<Vec<Heard>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let at = {
        let mut heard = heard.lock();
        let method = parts.method.to_string();
        heard.push(Heard { method, uri: parts.uri, headers: parts.headers, body: None });
        heard.len() - 1
    };
    if let Ok(body) = body.collect().await {
        heard.lock()[at].body = Some(body.to_bytes().to_vec());
    }
    Ok(Response::new(Empty::new()))
}

/// A client that has sent all it will, behind a scan.
struct Wire<'a> {
    left: &'a [u8],
    step: usize,
    scan: Scan,
    /// What got through.
    passed: Vec<u8>,
}

struct Io<'a>(Arc<Mutex<Wire<'a>>>);

impl Read for Io<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut wire = self.0.lock();
        let (now, later) = wire.left.split_at(wire.left.len().min(wire.step).min(buf.remaining()));
        let passed = wire.scan.feed(now);
        wire.left = if passed < now.len() { &[] } else { later };
        wire.passed.extend_from_slice(&now[..passed]);
        buf.put_slice(&now[..passed]);
        Poll::Ready(Ok(()))
    }
}

impl Write for Io<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A request as a reader of a few lines sees it.
struct Seen<'a> {
    method: &'a [u8],
    target: &'a [u8],
    fields: usize,
    body: Option<Vec<u8>>,
}

impl<'a> Seen<'a> {
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let mut line = next_line(rest)?;
        while line.is_empty() {
            line = next_line(rest)?;
        }
        let mut words = line.split(|&byte| byte == b' ');
        let (method, target) = (words.next()?, words.next()?);
        let (mut fields, mut length, mut chunked) = (0, 0usize, false);
        loop {
            let line = next_line(rest)?;
            if line.is_empty() {
                break;
            }
            fields += 1;
            let colon = memchr::memchr(b':', line)?;
            let value = line[colon + 1..].trim_ascii();
            match line[..colon].to_ascii_lowercase().as_slice() {
                b"content-length" => length = std::str::from_utf8(value).ok()?.parse().ok()?,
                b"transfer-encoding" => chunked = true,
                _ => {}
            }
        }
        let body = if chunked {
            chunks(rest)
        } else {
            let body = rest.get(..length).map(<[u8]>::to_vec);
            *rest = rest.get(length..).unwrap_or_default();
            body
        };
        Some(Self { method, target, fields, body })
    }
}

fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(b'\n', rest)?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn chunks(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = next_line(rest)?;
        let size = line.split(|byte| b"; \t".contains(byte)).next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            while !next_line(rest)?.is_empty() {}
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        *rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}
