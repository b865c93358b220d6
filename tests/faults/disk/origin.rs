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
            } else {
                body(path, self.versions.lock().unwrap().get(path).copied().unwrap_or(0))
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nCache-Control: max-age=86400\r\n\r\n",
                body.len()
            );
            let mut writer = stream;
            writer.write_all(head.as_bytes())?;
            writer.write_all(&body)?;
        }
    }
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
