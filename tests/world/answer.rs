//! What a scripted origin says: a response built piece by piece, well-formed or broken on purpose.

use bytes::{Bytes, BytesMut};
use seawall::http::time::Time;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::date::fill_in;
use super::gate::Gate;

/// One response. Built like a sentence: `Answer::ok("hello").header("cache-control", "max-age=60")`.
#[derive(Clone)]
pub struct Answer {
    before_head: Vec<Gate>,
    head: Head,
    framing: Framing,
    pieces: Vec<Piece>,
}

#[derive(Clone)]
enum Head {
    Response {
        status: u16,
        fields: Vec<(String, String)>,
    },
    /// Sent as it stands, with dates filled in; nothing is added.
    Raw(Bytes),
    /// The connection stays open and says nothing.
    Silence,
}

#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
}

#[derive(Clone)]
enum Piece {
    Data(Bytes),
    /// Counted in Content-Length, never sent: what a truncated body lacks.
    Withheld(usize),
    Wait(Gate),
    Close,
    Reset,
}

impl Answer {
    /// A response without a body, dated by the world's clock.
    pub fn status(status: u16) -> Self {
        let fields = vec![("Date".to_owned(), "{now}".to_owned())];
        Self {
            before_head: Vec::new(),
            head: Head::Response { status, fields },
            framing: Framing::Length,
            pieces: Vec::new(),
        }
    }

    /// 200 with a body and its Content-Length.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::status(200).body(body)
    }

    /// 200 that may be cached for `seconds`.
    pub fn fresh(body: impl AsRef<[u8]>, seconds: u32) -> Self {
        Self::ok(body).header("Cache-Control", format!("max-age={seconds}"))
    }

    /// Exactly these bytes, then the connection closes.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        let head = Head::Raw(Bytes::copy_from_slice(bytes.as_ref()));
        Self { head, framing: Framing::UntilClose, ..Self::status(200) }
    }

    /// The connection stays open behind an answer of exactly these bytes.
    pub fn kept_open(mut self) -> Self {
        self.framing = Framing::Length;
        self
    }

    /// Accepts the request and never says a word.
    pub fn silence() -> Self {
        Self { head: Head::Silence, ..Self::status(200) }
    }

    /// Closes the connection instead of answering.
    pub fn hang_up() -> Self {
        Self::raw("")
    }

    /// Adds a field; `{now-10s}` and the like in `value` become dates.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields().push((name.to_owned(), value.into()));
        self
    }

    /// Replaces the Date that every answer has.
    pub fn dated(self, date: &str) -> Self {
        self.without("Date").header("Date", date)
    }

    /// Takes a field away again.
    pub fn without(mut self, name: &str) -> Self {
        self.fields().retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// Appends to the body. In a chunked answer each call is one chunk.
    pub fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.pieces.push(Piece::Data(Bytes::copy_from_slice(bytes.as_ref())));
        self
    }

    /// Frames the body in chunks.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Frames the body by the end of the connection.
    pub fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// The head is not sent before `gate` is open.
    pub fn head_after(mut self, gate: &Gate) -> Self {
        self.before_head.push(gate.clone());
        self
    }

    /// The rest of the body is not sent before `gate` is open.
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.pieces.push(Piece::Wait(gate.clone()));
        self
    }

    /// Closes here, `missing` bytes short of the announced length (or without the last chunk).
    pub fn cut_short_by(mut self, missing: usize) -> Self {
        self.pieces.extend([Piece::Withheld(missing), Piece::Close]);
        self
    }

    /// Resets the connection here, `missing` bytes short of the announced length.
    pub fn reset_short_by(mut self, missing: usize) -> Self {
        self.pieces.extend([Piece::Withheld(missing), Piece::Reset]);
        self
    }

    fn fields(&mut self) -> &mut Vec<(String, String)> {
        match &mut self.head {
            Head::Response { fields, .. } => fields,
            Head::Raw(_) | Head::Silence => panic!("a raw answer has no fields to change"),
        }
    }

    fn head_bytes(&self, now: Time) -> Bytes {
        let (status, fields) = match &self.head {
            Head::Response { status, fields } => (*status, fields),
            Head::Raw(bytes) => return bytes.clone(),
            Head::Silence => return Bytes::new(),
        };
        let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or("Scripted"));
        for (name, value) in fields {
            head.push_str(&format!("{name}: {}\r\n", fill_in(value, now)));
        }
        match self.framing {
            Framing::Length if status == 204 || status == 304 => {}
            Framing::Length => head.push_str(&format!("Content-Length: {}\r\n", self.length())),
            Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            Framing::UntilClose => head.push_str("Connection: close\r\n"),
        }
        head.push_str("\r\n");
        head.into()
    }

    fn length(&self) -> usize {
        let sizes = self.pieces.iter().map(|piece| match piece {
            Piece::Data(data) => data.len(),
            Piece::Withheld(n) => *n,
            Piece::Wait(_) | Piece::Close | Piece::Reset => 0,
        });
        sizes.sum()
    }

    /// Plays the answer to a request; says whether the connection can take another one.
    pub(super) async fn play(self, stream: &mut TcpStream, is_head: bool, now: Time) -> bool {
        for gate in &self.before_head {
            gate.passed().await;
        }
        if matches!(self.head, Head::Silence) {
            std::future::pending::<()>().await;
        }
        if stream.write_all(&self.head_bytes(now)).await.is_err() {
            return false;
        }
        if is_head {
            return self.framing != Framing::UntilClose;
        }
        for piece in &self.pieces {
            match piece {
                Piece::Data(data) if stream.write_all(&self.framed(data)).await.is_err() => return false,
                Piece::Data(_) | Piece::Withheld(_) => {}
                Piece::Wait(gate) => gate.passed().await,
                Piece::Close => return false,
                Piece::Reset => {
                    // With a linger of zero the kernel sends RST instead of FIN.
                    let _ = stream.set_zero_linger();
                    return false;
                }
            }
        }
        match self.framing {
            Framing::Length => true,
            Framing::Chunked => stream.write_all(b"0\r\n\r\n").await.is_ok(),
            Framing::UntilClose => false,
        }
    }

    fn framed(&self, data: &Bytes) -> Bytes {
        if self.framing != Framing::Chunked {
            return data.clone();
        }
        let mut chunk = BytesMut::from(format!("{:x}\r\n", data.len()).as_bytes());
        chunk.extend_from_slice(data);
        chunk.extend_from_slice(b"\r\n");
        chunk.freeze()
    }
}
