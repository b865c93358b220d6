//! An origin whose bodies say what they are: any byte of another path or version is noticed.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running origin. A PUT makes a new version of its path.
#[derive(Clone)]
pub struct Origin {
    address: SocketAddr,
    versions: Arc<Mutex<HashMap<String, u64>>>,
}

impl Origin {
    /// Listens on loopback as long as the process lives.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), versions: Arc::default() };
        let serving = origin.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let origin = serving.clone();
                std::thread::spawn(move || origin.serve(&stream));
            }
        });
        origin
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a new version of a path.
    pub fn change(&self, path: &str) {
        *self.versions.lock().unwrap().entry(path.to_owned()).or_default() += 1;
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut request = String::new();
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
            let mut line = String::new();
            while reader.read_line(&mut line)? > 2 {
                line.clear();
            }
            let mut words = request.split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let body = if method == "PUT" {
                self.change(path);
                Vec::new()
            } else if let Some(len) = sized(path) {
                vec![b'x'; len]
            } else {
                body(path, self.versions.lock().unwrap().get(path).copied().unwrap_or(0))
            };
            let fields = match path {
                path if path.starts_with("/private/") => "Cache-Control: private",
                path if path.starts_with("/vary/") => "Cache-Control: max-age=86400\r\nVary: Accept-Language",
                path if path.starts_with("/tagged/") => {
                    "Cache-Control: max-age=86400\r\nCache-Tag: all, of, them"
                }
                _ => "Cache-Control: max-age=86400\r\nETag: \"1\"",
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n\r\n", body.len());
            // In one piece: else the acknowledgement of the first is waited for.
            let all = [head.as_bytes(), &body].concat();
            let (most, last) = all.split_at(all.len() / 4 * 3);
            let mut writer = stream;
            if path.starts_with("/stall/") {
                writer.write_all(most)?;
                std::thread::sleep(std::time::Duration::from_secs(2));
                writer.write_all(last)?;
            } else {
                writer.write_all(&all)?;
            }
        }
    }
}

/// The length of a body that is named by its path: `/any/<length>/any`.
fn sized(path: &str) -> Option<usize> {
    path.split('/').nth(2).filter(|_| path.split('/').count() == 4)?.strip_suffix('B')?.parse().ok()
}

/// The body of a version of a path: its length and each of its bytes follow from both.
pub fn body(path: &str, version: u64) -> Vec<u8> {
    let seed =
        path.bytes().fold(version, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let len = match seed % 16 {
        0 => 50_000 + seed % 350_000,
        1..=4 => 4_000 + seed % 40_000,
        _ => 100 + seed % 3_000,
    };
    let line = format!("{path} version {version}\n");
    line.bytes().cycle().take(len as usize).collect()
}

/// The version a body is of, if it is one of this path at all.
pub fn version(path: &str, seen: &[u8]) -> Option<u64> {
    let line = seen.split(|byte| *byte == b'\n').next()?;
    let version = std::str::from_utf8(line).ok()?.rsplit(' ').next()?.parse().ok()?;
    (body(path, version) == seen).then_some(version)
}
