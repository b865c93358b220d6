//! What a scripted origin received, kept raw so that a test can look at every byte of it.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// One request as it came off the wire.
#[derive(Clone, Debug)]
pub struct Received {
    /// `GET`
    pub method: String,
    /// As sent: path and query.
    pub target: String,
    /// Fields in order, names as sent.
    pub fields: Vec<(String, String)>,
    /// The whole head, with its line ends.
    pub head: String,
    /// Decoded from chunks if it came in chunks.
    pub body: Bytes,
}

impl Received {
    /// The only value of a field; joined with `, ` if it came several times.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The target up to the `?`.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The next request of a connection; none at its end.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(super) async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Option<Self>, Fault> {
        let end = loop {
            if let Some(at) = find(buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if !more(stream, buffer).await {
                return if buffer.is_empty() { Ok(None) } else { Err(Fault::BrokenOff) };
            }
        };
        let head = buffer.split_to(end);
        let head = String::from_utf8(head.to_vec()).map_err(|_| no_request(format!("head {head:?}")))?;
        let mut received = Self::parse(head)?;
        if received.header("expect").is_some() {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        received.body = match (received.header("transfer-encoding"), received.header("content-length")) {
            (Some(_), Some(_)) => return Err(no_request(received.head)),
            (Some(_), None) => chunked(stream, buffer).await?,
            (None, Some(n)) => {
                let n = n.parse().map_err(|_| no_request(format!("Content-Length {n:?}")))?;
                exactly(stream, buffer, n).await?
            }
            (None, None) => Bytes::new(),
        };
        Ok(Some(received))
    }

    fn parse(head: String) -> Result<Self, Fault> {
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let start: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, "HTTP/1.1"] = start[..] else {
            return Err(no_request(head));
        };
        let fields = lines.map(|line| match line.split_once(':') {
            Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
            None => Err(no_request(line.to_owned())),
        });
        let fields = fields.collect::<Result<_, _>>()?;
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok(Self { method, target, fields, head, body: Bytes::new() })
    }
}

/// Why a request could not be read.
pub(super) enum Fault {
    /// The edge went away inside it, as it may when its client does.
    BrokenOff,
    /// It is no request, or can be read in two ways; what of it.
    NoRequest(String),
}

fn no_request(what: String) -> Fault {
    Fault::NoRequest(what)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> bool {
    matches!(stream.read_buf(buffer).await, Ok(n) if n > 0)
}

async fn exactly(stream: &mut TcpStream, buffer: &mut BytesMut, n: usize) -> Result<Bytes, Fault> {
    while buffer.len() < n {
        if !more(stream, buffer).await {
            return Err(Fault::BrokenOff);
        }
    }
    Ok(buffer.split_to(n).freeze())
}

async fn chunked(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        let end = loop {
            if let Some(at) = find(buffer, b"\r\n") {
                break at;
            }
            if !more(stream, buffer).await {
                return Err(Fault::BrokenOff);
            }
        };
        let line = String::from_utf8_lossy(&buffer.split_to(end)).into_owned();
        buffer.advance(2);
        let size = line.split(';').next().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.ok_or_else(|| no_request(format!("chunk size {line:?}")))?;
        body.extend_from_slice(&exactly(stream, buffer, size).await?);
        if exactly(stream, buffer, 2).await?.as_ref() != b"\r\n" {
            return Err(no_request("a chunk that is longer than its size".to_owned()));
        }
        if size == 0 {
            return Ok(body.freeze());
        }
    }
}
