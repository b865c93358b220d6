//! HTTP/2 frame by frame: what a well-behaved client library cannot be made to do.

mod errors;
mod interim;
mod messages;
mod websocket;

use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block: a GET of `path` (RFC 7541 appendix A for the numbers).
fn get(path: &str) -> Vec<u8> {
    let path_length = u8::try_from(path.len()).unwrap();
    [&[0x82, 0x86, 0x41, 1, b'x', 0x04, path_length], path.as_bytes()].concat()
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(path))
}

/// The preface and settings with windows that are never in the way.
fn hello() -> Vec<u8> {
    let window = [&[0, 4][..], &(1u32 << 30).to_be_bytes()].concat();
    let more = frame(WINDOW_UPDATE, 0, 0, &(1u32 << 30).to_be_bytes());
    [PREFACE, &frame(SETTINGS, 0, 0, &window), &more].concat()
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// The next frame; none at the end.
async fn next(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let read = async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.ok()?;
        let number = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream: number, payload })
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("a frame, or the end")
}

/// Reads on to a frame of this kind.
async fn next_of(kind: u8, stream: &mut (impl AsyncRead + Unpin)) -> Frame {
    loop {
        let frame = next(stream).await.expect("no end yet");
        if frame.kind == kind {
            return frame;
        }
    }
}

/// Reads to the GOAWAY with an error, or to the end: the error's code.
async fn error(stream: &mut (impl AsyncRead + Unpin)) -> Option<u32> {
    loop {
        let frame = next(stream).await?;
        if frame.kind == GOAWAY && frame.word(4) != 0 {
            return Some(frame.word(4));
        }
    }
}

#[tokio::test]
async fn a_small_response_waits_for_nothing() {
    let up = Up::plain(limits());
    let mut client = up.connect().await;
    client.write_all(&[hello(), request(1, "/a")].concat()).await.unwrap();
    let head = next_of(HEADERS, &mut client).await;
    assert_eq!((head.stream, head.flags & END_STREAM), (1, 0));
    let body = next_of(DATA, &mut client).await;
    assert_eq!((body.payload, body.flags & END_STREAM), (b"/a".to_vec(), END_STREAM));
}

#[tokio::test]
async fn settings_are_sent_before_the_client_has_said_anything() {
    let (up, connect) = tls::up_with_h2(limits());
    let mut client = connect(&up).await;
    assert_eq!(next(&mut client).await.unwrap().kind, SETTINGS);
}

/// Asks for more than any socket buffer holds, reads nothing until the server has taken it all in, then everything.
async fn stops_reading(up: &Up, mut client: impl AsyncRead + AsyncWrite + Unpin) {
    const STREAMS: u32 = 100;
    let requests = (0..STREAMS).flat_map(|at| request(at * 2 + 1, "/large"));
    let bytes: Vec<u8> = hello().into_iter().chain(requests).collect();
    client.write_all(&bytes).await.unwrap();
    client.flush().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), async {
        while up.seen.peers.lock().len() < STREAMS as usize {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("all requests arrive");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (mut ended, mut bytes) = (0, 0);
    while ended < STREAMS {
        let frame = next(&mut client).await.expect("no end yet");
        if frame.kind == DATA {
            assert!(frame.payload.iter().all(|&byte| byte == b'x'));
            bytes += frame.payload.len();
            ended += u32::from(frame.flags & END_STREAM != 0);
        }
    }
    assert_eq!(bytes, STREAMS as usize * LARGE);
}

#[tokio::test]
async fn a_client_that_stopped_reading_gets_everything_in_the_end() {
    let up = Up::plain(limits());
    stops_reading(&up, up.connect().await).await;
}

#[tokio::test]
async fn over_tls_as_well() {
    let (up, connect) = tls::up_with_h2(limits());
    let client = connect(&up).await;
    stops_reading(&up, client).await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_dropped_with_what_was_gathered() {
    let limits = Limits { write_timeout: Duration::from_millis(100), ..limits() };
    let plain = Up::plain(limits.clone());
    let (tls, connect) = tls::up_with_h2(limits);
    let mut clients: [(&Up, Box<dyn AsyncWrite + Unpin>); 2] =
        [(&plain, Box::new(plain.connect().await)), (&tls, Box::new(connect(&tls).await))];
    for (up, client) in &mut clients {
        client.write_all(&[hello(), request(1, "/endless")].concat()).await.unwrap();
        client.flush().await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), async {
            while up.seen.peers.lock().is_empty() || up.metric("seawall_connections") > 0.0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("given up");
    }
}

#[tokio::test]
async fn a_drain_says_goodbye_and_finishes_what_is_in_flight() {
    let up = Up::plain(limits());
    let seen = up.seen.clone();
    let mut client = up.connect().await;
    client.write_all(&[hello(), request(1, "/a"), request(3, "/slow")].concat()).await.unwrap();
    assert_eq!(next_of(DATA, &mut client).await.stream, 1);
    seen.arrived.acquire().await.unwrap().forget();
    let running = up.running;
    let drained = tokio::task::spawn_blocking(move || running.drain(Duration::from_secs(10)));
    let goodbye = next_of(GOAWAY, &mut client).await;
    assert_eq!((goodbye.word(0), goodbye.word(4)), (i32::MAX as u32, 0), "no new requests, no error");
    let ping = next_of(PING, &mut client).await;
    client.write_all(&frame(PING, ACK, 0, &ping.payload)).await.unwrap();
    assert_eq!(next_of(GOAWAY, &mut client).await.word(0), 3, "the last request it will answer");
    seen.go.add_permits(1);
    assert_eq!(next_of(DATA, &mut client).await.payload, b"slow");
    while next(&mut client).await.is_some() {}
    assert!(drained.await.unwrap(), "nothing was dropped");
}

#[tokio::test]
async fn a_preface_and_nothing_more_is_closed_in_time() {
    let up = Up::plain(Limits { header_timeout: Duration::from_millis(100), ..limits() });
    let mut client = up.connect().await;
    client.write_all(PREFACE).await.unwrap();
    let goodbye = next_of(GOAWAY, &mut client).await;
    assert_eq!(goodbye.word(4), 0);
    let mut half = up.connect().await;
    half.write_all(&PREFACE[..10]).await.unwrap();
    assert_eq!(rest(&mut half).await, refused(Refusal::RequestTimeout));
}

#[tokio::test]
async fn a_flood_of_continuations_is_an_error() {
    let up = Up::plain(limits());
    let mut client = up.connect().await;
    let mut bytes = [hello(), frame(HEADERS, END_STREAM, 1, &get("/a"))].concat();
    for _ in 0..64 {
        // Each adds a field, and the block never ends (VU#421644).
        bytes.extend(frame(CONTINUATION, 0, 1, &[0x00, 1, b'y', 1, b'z']));
    }
    client.write_all(&bytes).await.unwrap();
    assert_eq!(error(&mut client).await, Some(ENHANCE_YOUR_CALM));
    assert!(up.seen.peers.lock().is_empty());
}

#[tokio::test]
async fn a_flood_of_resets_is_an_error() {
    let up = Up::plain(limits());
    let mut client = up.connect().await;
    let cancel = 8u32.to_be_bytes();
    let pairs = (0..2000)
        .map(|at| at * 2 + 1)
        .flat_map(|stream| [request(stream, "/slow"), frame(RESET, 0, stream, &cancel)].concat());
    let bytes: Vec<u8> = hello().into_iter().chain(pairs).collect();
    // CVE-2023-44487. The server may hang up before it has all.
    let _ = client.write_all(&bytes).await;
    assert_eq!(error(&mut client).await, Some(ENHANCE_YOUR_CALM));
    assert!(up.seen.peers.lock().len() < 200, "and few of them became requests");
}
