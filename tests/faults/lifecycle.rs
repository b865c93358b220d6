//! The built edge as an operator treats it: signals, drains, too few descriptors, no origin.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::disk::client::ask;
use super::disk::origin::Origin;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running edge and what it logs; killed when dropped.
struct Served {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    lines: Receiver<String>,
    seen: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Served {
    /// In front of `origin`, with further keys of `[server]`, started by a shell after `limits`.
    fn start(origin: SocketAddr, server: &str, limits: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let toml = folder.path().join("edge.toml");
        let access = folder.path().join("access.log");
        let text = format!(
            "[server]\nthreads = 2\n{server}\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
             [[pool]]\nname = \"photos\"\nmembers = [{{ url = \"http://{origin}\" }}]\n\
             [[site]]\nhosts = [\"test.example\"]\npool = \"photos\"\n\
             [admin]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\naccess = {access:?}\n"
        );
        std::fs::write(&toml, text).unwrap();
        let script = format!("{limits}\nexec \"$0\" serve --config \"$1\"");
        let mut child = Command::new("/bin/sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_seawall")])
            .arg(&toml)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served =
            Self { child, address: nowhere, admin: nowhere, lines, seen: Vec::new(), _folder: folder };
        let address = |line: String| {
            let from = line.find("\"address\":\"").unwrap() + 11;
            let length = line[from..].find('"').unwrap();
            line[from..from + length].parse().unwrap()
        };
        served.address = address(served.line("\"message\":\"listening\""));
        served.admin = address(served.line("\"message\":\"admin listening\""));
        served
    }

    /// The next line that holds `text`.
    fn line(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line.clone()),
                Err(_) => panic!("no line says {text:?}, but:\n{}", self.seen.join("\n")),
            }
            if self.seen.last().unwrap().contains(text) {
                return self.seen.last().unwrap().clone();
            }
        }
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > until => panic!("it does not end:\n{}", self.seen.join("\n")),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn ready(&self) -> (u16, String) {
        let seen = ask(self.admin, "GET", "/readyz").unwrap();
        (seen.status, String::from_utf8(seen.body).unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn no_signal_but_those_that_stop_it_ends_it() {
    let mut edge = Served::start(Origin::start().address(), "", "");
    edge.send(Signal::HUP);
    assert!(edge.line("SIGHUP").contains("reload does not exist yet"));
    edge.send(Signal::USR2);
    edge.line("SIGUSR2");
    edge.send(Signal::USR1);
    edge.line("access log reopened");
    assert_eq!(ask(edge.address, "GET", "/a").unwrap().status, 200);
    let start = edge.seen.iter().find(|line| line.contains("\"message\":\"starting\"")).unwrap();
    assert!(start.contains("\"version\":") && start.contains("edge.toml") && start.contains("\"threads\":2"));
}

#[test]
fn a_stop_drains_and_a_second_one_ends_it_at_once() {
    for (signal, name, code) in
        [(Signal::TERM, "SIGTERM", 143), (Signal::INT, "SIGINT", 130), (Signal::QUIT, "SIGQUIT", 131)]
    {
        let origin = Origin::start();
        let mut edge = Served::start(origin.address(), "", "");
        edge.send(signal);
        assert!(edge.line("\"message\":\"stopping\"").contains(name));
        edge.line("stopped: all requests were finished");
        assert_eq!(edge.ended().code(), Some(0), "{name}");

        let mut edge = Served::start(origin.address(), "drain_delay = \"1h\"", "");
        edge.send(signal);
        edge.line("\"message\":\"stopping\"");
        edge.send(Signal::HUP);
        edge.line("SIGHUP");
        edge.send(signal);
        edge.line("stopped at once by a second signal");
        assert_eq!(edge.ended().code(), Some(code), "{name}");
    }
}

#[test]
fn while_the_drain_is_delayed_it_is_not_ready_and_serves() {
    let mut edge = Served::start(Origin::start().address(), "drain_delay = \"2s\"", "");
    assert_eq!(edge.ready().0, 200);
    edge.send(Signal::TERM);
    edge.line("\"message\":\"stopping\"");
    let (mut status, mut body) = edge.ready();
    while status == 200 {
        (status, body) = edge.ready();
    }
    assert!(status == 503 && body.contains("draining"), "{body}");
    let mut stream = TcpStream::connect(edge.address).expect("it accepts");
    let head = request(&mut stream).unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && !head.contains("connection: close"), "{head}");
    edge.line("stopped: all requests were finished");
    assert_eq!(edge.ended().code(), Some(0));
    assert!(TcpStream::connect(edge.address).is_err());
}

/// One request on a connection that is kept; the response's head in lower case.
fn request(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /busy HTTP/1.1\r\nHost: test.example\r\n\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.lines().next().unwrap_or_default().to_owned();
    let head = status + "\r\n" + &head[head.find("\r\n").unwrap_or(0) + 2..].to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body)?;
    assert!(reader.buffer().is_empty());
    Ok(head)
}

#[test]
fn no_busy_client_loses_a_request_to_a_stop() {
    let rounds = std::env::var("SEAWALL_DRAIN_ROUNDS").map_or(2, |rounds| rounds.parse().unwrap());
    let origin = Origin::start();
    for round in 0..rounds {
        let mut edge = Served::start(origin.address(), "", "");
        let answered = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let mut stream = TcpStream::connect(edge.address).unwrap();
                request(&mut stream).unwrap();
                let answered = answered.clone();
                std::thread::spawn(move || {
                    loop {
                        let head = request(&mut stream)?;
                        answered.fetch_add(1, Ordering::Relaxed);
                        if head.contains("connection: close") {
                            return std::io::Result::Ok(());
                        }
                    }
                })
            })
            .collect();
        while answered.load(Ordering::Relaxed) < 200 {
            std::thread::yield_now();
        }
        edge.send(Signal::TERM);
        for client in clients {
            client.join().unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        assert_eq!(edge.ended().code(), Some(0));
    }
}

#[test]
fn too_few_descriptors_are_raised_said_and_do_not_flood_the_log() {
    let origin = Origin::start();
    let mut edge = Served::start(origin.address(), "", "ulimit -Sn 64");
    let said = |edge: &Served, text: &str| edge.seen.iter().filter(|line| line.contains(text)).count();
    assert_eq!(said(&edge, "raised to the hard limit"), 1);
    drop(edge);
    edge = Served::start(origin.address(), "", "ulimit -n 64");
    assert_eq!(said(&edge, "limit on open files is too low"), 1, "{:?}", edge.seen);
    let held: Vec<_> = (0..100).map(|_| TcpStream::connect(edge.address).unwrap()).collect();
    edge.line("cannot accept connections");
    // It goes on for this long, twenty times a second and worker.
    std::thread::sleep(Duration::from_secs(2));
    drop(held);
    edge.send(Signal::TERM);
    edge.line("\"message\":\"stopping\"");
    assert_eq!(said(&edge, "cannot accept connections"), 1, "{:?}", edge.seen);
}

#[test]
fn a_pool_that_nobody_answers_for_is_named() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut edge = Served::start(gone, "", "");
    assert_eq!(ask(edge.address, "GET", "/a").unwrap().status, 502);
    edge.line("no member of the pool can be reached");
    let (status, body) = edge.ready();
    assert!(status == 200 && body.contains("\"pool:photos\""), "{body}");
    let origin = TcpListener::bind(gone).unwrap();
    std::thread::spawn(move || {
        for stream in origin.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    assert_eq!(ask(edge.address, "GET", "/b").unwrap().status, 200);
    edge.line("has a member that can be reached again");
    assert!(!edge.ready().1.contains("pool:photos"));
}
