//! A client that takes a dying server for what it is.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A whole response.
pub struct Seen {
    pub status: u16,
    /// The edge answered from its cache.
    pub hit: bool,
    pub body: Vec<u8>,
}

/// One request on a connection of its own.
///
/// # Errors
/// There is no connection, or no whole response.
pub fn ask(address: SocketAddr, method: &str, path: &str) -> io::Result<Seen> {
    let framing = if method == "PUT" { "Content-Length: 0\r\n\r\n" } else { "\r\n" };
    send(address, method, path, framing)
}

/// A POST with a body.
///
/// # Errors
/// As [`ask`].
pub fn post(address: SocketAddr, path: &str, body: &str) -> io::Result<Seen> {
    send(address, "POST", path, &format!("Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn send(address: SocketAddr, method: &str, path: &str, rest: &str) -> io::Result<Seen> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n");
    stream.write_all((head + rest).as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn parse(bytes: &[u8]) -> Option<Seen> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = &bytes[end + 4..];
    let field = |name: &str| {
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).last()
    };
    let status = head.get(9..12)?.parse().ok()?;
    let body = match field("content-length") {
        Some(length) if length.parse() == Ok(body.len()) => body.to_vec(),
        Some(_) => return None,
        None if field("transfer-encoding").is_some() => unchunked(body)?,
        None => body.to_vec(),
    };
    let hit = field("cache-status").is_some_and(|status| status.contains("; hit"));
    Some(Seen { status, hit, body })
}

fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(end + 2..end + 2 + size)?);
        bytes = bytes.get(end + 2 + size + 2..)?;
    }
}
