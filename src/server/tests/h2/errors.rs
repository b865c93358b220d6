//! What RFC 9113 calls an error, sent frame by frame: which code the client is told, and that nobody else minds.

use super::*;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;

/// The connection, or one stream of it, ends with a code. Where RFC 9113 has a more telling code than PROTOCOL_ERROR
/// (frame sizes of settings and pings, header compression, a closed stream), h2 says that one all the same: it is as
/// much the end.
#[derive(Debug, PartialEq)]
enum Ends {
    Connection(u32),
    Stream(u32, u32),
}
use Ends::{Connection, Stream};

/// A field that is not put into the table.
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| vec![u8::try_from(text.len()).unwrap()];
    [vec![0], length(name), name.into(), length(value), value.into()].concat()
}

/// A request with these fields behind the usual ones.
fn with(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = fields.iter().flat_map(|(name, value)| field(name, value));
    let block: Vec<u8> = get("/a").into_iter().chain(fields).collect();
    frame(HEADERS, flags | END_HEADERS, stream, &block)
}

/// How the first thing that ends does.
async fn end(client: &mut (impl AsyncRead + Unpin)) -> Ends {
    loop {
        let frame = next(client).await.expect("an error, not just the end");
        match frame.kind {
            RESET => return Stream(frame.stream, frame.word(0)),
            GOAWAY => return Connection(frame.word(4)),
            _ => {}
        }
    }
}

fn window(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

#[tokio::test]
async fn each_error_has_its_code() {
    let up = Up::plain(limits());
    let slow = request(1, "/slow");
    let open = with(1, 0, &[]);
    let table: Vec<(&str, Vec<u8>, Ends)> = vec![
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x"), Connection(PROTOCOL_ERROR)),
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), Connection(PROTOCOL_ERROR)),
        ("HEADERS on stream 0", request(0, "/a"), Connection(PROTOCOL_ERROR)),
        ("an even stream", request(2, "/a"), Connection(PROTOCOL_ERROR)),
        ("RST_STREAM on an idle stream", frame(RESET, 0, 1, &[0; 4]), Connection(PROTOCOL_ERROR)),
        ("WINDOW_UPDATE on an idle stream", window(1, 1), Connection(PROTOCOL_ERROR)),
        ("PING on a stream", frame(PING, 0, 1, &[0; 8]), Connection(PROTOCOL_ERROR)),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), Connection(PROTOCOL_ERROR)),
        ("a PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]), Connection(PROTOCOL_ERROR)),
        ("a lone CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, &[]), Connection(PROTOCOL_ERROR)),
        (
            "another frame inside a header block",
            [frame(HEADERS, END_STREAM, 1, &get("/a")), frame(PING, 0, 0, &[0; 8])].concat(),
            Connection(PROTOCOL_ERROR),
        ),
        (
            "more padding than frame",
            frame(HEADERS, 8 | END_HEADERS, 1, &[9, 0x82]),
            Connection(PROTOCOL_ERROR),
        ),
        ("a window of more than 2^31-1", setting(4, 1 << 31), Connection(PROTOCOL_ERROR)),
        ("frames of fewer than 16 KiB", setting(5, 100), Connection(PROTOCOL_ERROR)),
        ("half a setting", frame(SETTINGS, 0, 0, &[0; 5]), Connection(PROTOCOL_ERROR)),
        ("an ACK of settings with settings", frame(SETTINGS, ACK, 0, &[0; 6]), Connection(PROTOCOL_ERROR)),
        ("a short PING", frame(PING, 0, 0, &[0; 7]), Connection(PROTOCOL_ERROR)),
        ("a short WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Connection(PROTOCOL_ERROR)),
        ("a frame above 16 KiB", frame(DATA, 0, 1, &[0; 16_385]), Connection(FRAME_SIZE_ERROR)),
        ("an increment of zero", window(0, 0), Connection(PROTOCOL_ERROR)),
        ("the connection's window overflows", window(0, i32::MAX as u32), Connection(FLOW_CONTROL_ERROR)),
        (
            "a stream's window overflows",
            [slow.clone(), window(1, i32::MAX as u32)].concat(),
            Stream(1, FLOW_CONTROL_ERROR),
        ),
        (
            "windows of open streams overflow by a setting",
            [slow.clone(), window(1, (i32::MAX as u32) - (1 << 30)), setting(4, i32::MAX as u32)].concat(),
            Connection(FLOW_CONTROL_ERROR),
        ),
        ("no such place in the table", frame(HEADERS, 5, 1, &[0xff, 0x80, 0x01]), Connection(PROTOCOL_ERROR)),
        ("a broken string", frame(HEADERS, 5, 1, &[0x82, 0x86, 0x04, 0x85]), Connection(PROTOCOL_ERROR)),
        ("DATA after the end", [slow.clone(), frame(DATA, 0, 1, b"x")].concat(), Connection(PROTOCOL_ERROR)),
        (
            "a stream that depends on itself",
            frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]),
            Stream(1, PROTOCOL_ERROR),
        ),
        ("upper case", with(1, END_STREAM, &[("X", "1")]), Connection(PROTOCOL_ERROR)),
        ("an unknown pseudo-field", with(1, END_STREAM, &[(":x", "1")]), Connection(PROTOCOL_ERROR)),
        ("a status", with(1, END_STREAM, &[(":status", "200")]), Stream(1, PROTOCOL_ERROR)),
        ("two paths", with(1, END_STREAM, &[(":path", "/b")]), Stream(1, PROTOCOL_ERROR)),
        (
            "a pseudo-field behind others",
            with(1, END_STREAM, &[("a", "b"), (":authority", "x")]),
            Stream(1, PROTOCOL_ERROR),
        ),
        ("no path", frame(HEADERS, 5, 1, &[0x82, 0x86, 0x41, 1, b'x']), Stream(1, PROTOCOL_ERROR)),
        ("no method", frame(HEADERS, 5, 1, &[0x84, 0x86]), Stream(1, PROTOCOL_ERROR)),
        ("an Upgrade", with(1, END_STREAM, &[("upgrade", "websocket")]), Stream(1, PROTOCOL_ERROR)),
        ("a Connection", with(1, END_STREAM, &[("connection", "upgrade")]), Stream(1, PROTOCOL_ERROR)),
        ("a Transfer-Encoding", with(1, 0, &[("transfer-encoding", "chunked")]), Stream(1, PROTOCOL_ERROR)),
        ("a TE that is not trailers", with(1, END_STREAM, &[("te", "gzip")]), Stream(1, PROTOCOL_ERROR)),
        (
            "a protocol without CONNECT",
            with(1, END_STREAM, &[(":protocol", "websocket")]),
            Stream(1, PROTOCOL_ERROR),
        ),
        ("a length and no body", with(1, END_STREAM, &[("content-length", "5")]), Stream(1, PROTOCOL_ERROR)),
        ("a length that is none", with(1, 0, &[("content-length", "x")]), Stream(1, PROTOCOL_ERROR)),
        (
            "less than the length",
            [with(1, 0, &[("content-length", "5")]), frame(DATA, END_STREAM, 1, b"abc")].concat(),
            Stream(1, PROTOCOL_ERROR),
        ),
        (
            "more than the length",
            [with(1, 0, &[("content-length", "5")]), frame(DATA, 0, 1, b"abcdef")].concat(),
            Stream(1, PROTOCOL_ERROR),
        ),
        (
            "trailers that do not end the stream",
            [open.clone(), frame(HEADERS, END_HEADERS, 1, &field("a", "b"))].concat(),
            Stream(1, PROTOCOL_ERROR),
        ),
    ];
    let mut wrong = Vec::new();
    for (what, bytes, expected) in table {
        let mut client = up.connect().await;
        client.write_all(&[hello(), bytes].concat()).await.unwrap();
        let ends = end(&mut client).await;
        let closed = matches!(ends, Stream(..)) || next(&mut client).await.is_none();
        if ends != expected || !closed {
            wrong.push((what, ends, expected));
        }
    }
    assert_eq!(wrong, [], "found and expected");
    // Whatever they did, another client is served.
    let mut client = up.connect().await;
    client.write_all(&[hello(), request(1, "/now")].concat()).await.unwrap();
    assert_eq!(next_of(DATA, &mut client).await.payload, b"now");
}

#[tokio::test]
async fn a_broken_preface_is_closed() {
    let (up, connect) = tls::up_with_h2(limits());
    let mut client = connect(&up).await;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").await.unwrap();
    while let Some(frame) = next(&mut client).await {
        assert!(matches!(frame.kind, SETTINGS | GOAWAY));
    }
}

#[tokio::test]
async fn more_bytes_than_the_window_are_an_error() {
    let up = Up::plain(limits());
    let mut client = up.connect().await;
    // Nobody reads the body of a request to /slow.
    let block = get("/slow");
    client.write_all(&[hello(), frame(HEADERS, END_HEADERS, 1, &block)].concat()).await.unwrap();
    up.seen.arrived.acquire().await.unwrap().forget();
    for _ in 0..80 {
        // 80 times 16 KiB is more than 256 KiB.
        let _ = client.write_all(&frame(DATA, 0, 1, &[0; 16_384])).await;
    }
    assert!(matches!(end(&mut client).await, Stream(1, FLOW_CONTROL_ERROR) | Connection(FLOW_CONTROL_ERROR)));
}

#[tokio::test]
async fn streams_above_the_limit_are_refused_and_can_be_asked_for_again() {
    let up = Up::plain(limits());
    let mut client = up.connect().await;
    let streams = (0..201).flat_map(|at| request(at * 2 + 1, "/slow"));
    client.write_all(&hello().into_iter().chain(streams).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(end(&mut client).await, Stream(401, REFUSED_STREAM));
    up.seen.go.add_permits(201);
    assert_eq!(next_of(DATA, &mut client).await.payload, b"slow");
    client.write_all(&request(403, "/now")).await.unwrap();
    while next_of(DATA, &mut client).await.stream != 403 {}
}

/// One field of 3,900 bytes goes into the table, and each further byte is that field again (HPACK bomb).
fn bomb(times: usize) -> Vec<u8> {
    let value = [&[0x7f, 0xbd, 0x1d][..], &[b'b'; 3900]].concat();
    let block = [get("/a"), vec![0x40, 1, b'a'], value, vec![0xbe; times]].concat();
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)
}

#[tokio::test]
async fn a_header_bomb_is_a_431_and_a_large_one_the_end() {
    let up = Up::plain(limits());
    let mut client = up.connect().await;
    client.write_all(&[hello(), bomb(8)].concat()).await.unwrap();
    let head = next_of(HEADERS, &mut client).await;
    // "431", as it is or in Huffman's code.
    let status = |part: &[u8]| part == b"431" || part == [0x69, 0x90, 0xff];
    assert!(head.payload.windows(3).any(status), "{:x?}", head.payload);
    let mut client = up.connect().await;
    client.write_all(&[hello(), bomb(4000)].concat()).await.unwrap();
    assert_eq!(error(&mut client).await, Some(ENHANCE_YOUR_CALM));
    assert!(up.seen.peers.lock().is_empty());
}

/// Frames that each want an answer, from a client that takes none: not kept without bound, nor for ever.
#[tokio::test]
async fn floods_of_what_wants_an_answer_are_pressed_back_on() {
    let up = Up::plain(Limits { write_timeout: Duration::from_millis(300), ..limits() });
    for (what, one) in [("PING", frame(PING, 0, 0, &[0; 8])), ("SETTINGS", frame(SETTINGS, 0, 0, &[]))] {
        let mut client = up.connect().await;
        client.write_all(&[hello(), request(1, "/slow")].concat()).await.unwrap();
        up.seen.arrived.acquire().await.unwrap().forget();
        let flood = one.repeat(64 * 1024);
        let mut sent = 0;
        while client.write_all(&flood).await.is_ok() {
            sent += flood.len();
            assert!(sent < 256 << 20, "{what}: the server takes everything");
        }
        tokio::time::timeout(Duration::from_secs(5), up.seen.gone.acquire())
            .await
            .expect(what)
            .unwrap()
            .forget();
    }
}
