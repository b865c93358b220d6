//! An origin that fails in every way an origin can, on demand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Bytes of each body.
pub const BODY: usize = 1024;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Well,
    /// Its process is gone: connections are reset, new ones refused.
    Dead,
    /// It takes requests and says nothing.
    Hanging,
    /// It takes requests and closes.
    HangingUp,
    /// It answers 500 to everything.
    Failing,
    /// Each answer takes 300 ms.
    Slow,
    /// Half of each body is missing.
    ClosingMidway,
    /// What it says is no HTTP.
    Garbage,
}

/// A running origin.
pub struct Origin {
    /// Where it listens.
    pub address: SocketAddr,
    mood: Arc<watch::Sender<Mood>>,
    requests: Arc<AtomicU64>,
}

impl Origin {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into());
        let address = listener.local_addr().unwrap();
        let (mood, requests) = (Arc::new(watch::Sender::new(Mood::Well)), Arc::new(AtomicU64::new(0)));
        tokio::spawn(run(listener, address, mood.clone(), requests.clone()));
        Self { address, mood, requests }
    }

    /// Changes its behaviour, also of what is under way.
    pub async fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
        if mood == Mood::Dead {
            while TcpStream::connect(self.address).await.is_ok() {}
        }
    }

    /// Requests of clients it has read.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Its place among all.
    pub fn index(&self, all: &[Origin]) -> usize {
        all.iter().position(|other| other.address == self.address).unwrap()
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1024).unwrap()
}

async fn run(
    listener: TcpListener,
    address: SocketAddr,
    mood: Arc<watch::Sender<Mood>>,
    requests: Arc<AtomicU64>,
) {
    let mut moods = mood.subscribe();
    let mut listener = Some(listener);
    loop {
        let Some(open) = &listener else {
            let _ = moods.wait_for(|mood| *mood != Mood::Dead).await;
            listener = Some(listen(address));
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (mut moods, requests) = (mood.subscribe(), requests.clone());
                tokio::spawn(async move {
                    let mut dying = moods.clone();
                    tokio::select! {
                        _ = dying.wait_for(|mood| *mood == Mood::Dead) => {}
                        () = serve(stream, &mut moods, &requests) => {}
                    }
                });
            }
            _ = moods.wait_for(|mood| *mood == Mood::Dead) => listener = None,
        }
    }
}

fn mood_of(moods: &watch::Receiver<Mood>) -> Mood {
    *moods.borrow()
}

async fn serve(mut stream: TcpStream, moods: &mut watch::Receiver<Mood>, requests: &AtomicU64) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let path = head.split(' ').nth(1).unwrap_or("/");
        if path != "/health" {
            requests.fetch_add(1, Ordering::Relaxed);
        }
        let control = if path.starts_with("/c/") { "max-age=1, stale-if-error=600" } else { "no-store" };
        let good = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\nCache-Control: {control}\r\n\r\n{}",
            "x".repeat(BODY)
        );
        let (answer, open) = match mood_of(moods) {
            Mood::Well | Mood::Dead => (good, true),
            Mood::Hanging => {
                let _ = moods.wait_for(|mood| *mood != Mood::Hanging).await;
                return;
            }
            Mood::HangingUp => return,
            Mood::Failing => ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(), true),
            Mood::Slow => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                (good, true)
            }
            Mood::ClosingMidway => (good[..good.len() - BODY / 2].to_owned(), false),
            Mood::Garbage => ("\0\x01\x02 this is no HTTP\r\n\r\n".to_owned(), false),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || !open {
            return;
        }
    }
}
