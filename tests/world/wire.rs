//! A strict reader of HTTP/1.1 responses: what a careful client would call broken is an error here.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::seen::Seen;

/// A plain or a TLS connection.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Why a response could not be read to its end.
#[derive(Debug)]
pub enum Broken {
    /// The connection ended where a response should begin.
    NoResponse,
    /// It ended or was reset inside a response; the head's status and what of the body had come, if any.
    Cut {
        /// The body's bytes that arrived.
        body: Bytes,
    },
    /// It is no HTTP/1.1, or can be read in two ways.
    Malformed(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::NoResponse => f.write_str("the connection ended without a response"),
            Broken::Cut { body } => write!(f, "the response broke off after {} body bytes", body.len()),
            Broken::Malformed(what) => write!(f, "the response is malformed: {what}"),
        }
    }
}

/// How much of the body is to come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rest {
    Nothing,
    Length(usize),
    /// Bytes left in this chunk; 0 is before a chunk's size line.
    Chunk(usize),
    UntilClose,
}

/// Reads the responses of one connection, in order.
pub struct Reader {
    wire: Box<dyn Wire>,
    buffer: BytesMut,
    rest: Rest,
}

/// Fields that may stand once in a response.
const SINGLE: &[&str] =
    &["age", "content-length", "content-range", "content-type", "date", "etag", "last-modified"];

impl Reader {
    pub fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, buffer: BytesMut::new(), rest: Rest::Nothing }
    }

    pub fn wire(&mut self) -> &mut dyn Wire {
        &mut *self.wire
    }

    async fn more(&mut self) -> bool {
        matches!(self.wire.read_buf(&mut self.buffer).await, Ok(n) if n > 0)
    }

    /// Whether the peer closed with nothing left unread.
    pub async fn ended(&mut self) -> bool {
        self.buffer.is_empty() && !self.more().await
    }

    /// The next final head, after any interim ones. The body of the one before must have been read.
    pub async fn head(&mut self, method: &str) -> Result<Seen, Broken> {
        assert_eq!(self.rest, Rest::Nothing, "the body before was not read to its end");
        let mut seen = self.any_head().await?;
        while (100..200).contains(&seen.status) {
            seen = self.any_head().await?;
        }
        self.rest = framing(&seen, method).map_err(Broken::Malformed)?;
        Ok(seen)
    }

    /// The next head, interim or final.
    pub async fn any_head(&mut self) -> Result<Seen, Broken> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                let empty = self.buffer.is_empty();
                return Err(if empty { Broken::NoResponse } else { Broken::Cut { body: Bytes::new() } });
            }
        };
        parse_head(&self.buffer.split_to(end)).map_err(Broken::Malformed)
    }

    /// The next bytes of the body; none at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let take = match self.rest {
                Rest::Nothing => return Ok(None),
                Rest::Chunk(0) => {
                    self.next_chunk().await?;
                    continue;
                }
                Rest::Length(n) | Rest::Chunk(n) => n.min(self.buffer.len()),
                Rest::UntilClose => self.buffer.len(),
            };
            if take == 0 {
                if self.more().await {
                    continue;
                }
                if self.rest == Rest::UntilClose {
                    self.rest = Rest::Nothing;
                    return Ok(None);
                }
                return Err(Broken::Cut { body: Bytes::new() });
            }
            let piece = self.buffer.split_to(take).freeze();
            self.rest = match self.rest {
                Rest::Length(n) if n == take => Rest::Nothing,
                Rest::Length(n) => Rest::Length(n - take),
                Rest::Chunk(n) => {
                    if n == take {
                        self.chunk_end().await?;
                    }
                    Rest::Chunk(n - take)
                }
                other => other,
            };
            return Ok(Some(piece));
        }
    }

    /// The body to its end.
    pub async fn body(&mut self) -> Result<Bytes, Broken> {
        let mut body = BytesMut::new();
        loop {
            match self.piece().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return Ok(body.freeze()),
                Err(Broken::Cut { .. }) => return Err(Broken::Cut { body: body.freeze() }),
                Err(other) => return Err(other),
            }
        }
    }

    async fn line(&mut self) -> Result<String, Broken> {
        let end = loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                break at;
            }
            if !self.more().await {
                return Err(Broken::Cut { body: Bytes::new() });
            }
        };
        let line = String::from_utf8_lossy(&self.buffer.split_to(end)).into_owned();
        self.buffer.advance(2);
        Ok(line)
    }

    async fn next_chunk(&mut self) -> Result<(), Broken> {
        let line = self.line().await?;
        let digits = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16);
        let size = size.map_err(|_| Broken::Malformed(format!("chunk size {line:?}")))?;
        self.rest = Rest::Chunk(size);
        if size == 0 {
            while !self.line().await?.is_empty() {}
            self.rest = Rest::Nothing;
        }
        Ok(())
    }

    async fn chunk_end(&mut self) -> Result<(), Broken> {
        match self.line().await? {
            line if line.is_empty() => Ok(()),
            line => Err(Broken::Malformed(format!("{line:?} where a chunk should end"))),
        }
    }
}

fn parse_head(head: &[u8]) -> Result<Seen, String> {
    let text = std::str::from_utf8(head).map_err(|_| "a head that is not UTF-8".to_owned())?;
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let start = lines.next().unwrap_or_default();
    let status = start.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| format!("status line {start:?}"))?;
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("field line {line:?}"))?;
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) || value.bytes().any(|b| b < b' ' && b != b'\t') {
            return Err(format!("field line {line:?}"));
        }
        let single = SINGLE.iter().any(|single| name.eq_ignore_ascii_case(single));
        if single && fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
            return Err(format!("{name} twice in {text:?}"));
        }
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    Ok(Seen { status, fields, body: Bytes::new() })
}

/// RFC 9112 §6.3, without the leniencies.
fn framing(seen: &Seen, method: &str) -> Result<Rest, String> {
    let coding = seen.header("transfer-encoding");
    let length = seen.header("content-length");
    let bodiless = method == "HEAD" || seen.status == 204 || seen.status == 304;
    match (coding, length) {
        (Some(_), Some(_)) => Err(format!("both lengths: {seen:?}")),
        (Some(_), None) if seen.status == 204 => Err(format!("a 204 with Transfer-Encoding: {seen:?}")),
        (Some(coding), None) if !coding.eq_ignore_ascii_case("chunked") => Err(format!("coding {coding:?}")),
        _ if bodiless => Ok(Rest::Nothing),
        (Some(_), None) => Ok(Rest::Chunk(0)),
        (None, Some(length)) => match length.parse() {
            Ok(0) => Ok(Rest::Nothing),
            Ok(n) => Ok(Rest::Length(n)),
            Err(_) => Err(format!("Content-Length {length:?}")),
        },
        (None, None) if seen.header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close")) => {
            Ok(Rest::UntilClose)
        }
        (None, None) => Err(format!("a body without framing: {seen:?}")),
    }
}
