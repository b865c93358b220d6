//! The built edge as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::client::ask;
use super::origin::Origin;

/// A running edge; killed when dropped.
pub struct Edge {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// From its start until it listened.
    pub ready_after: Duration,
}

impl Edge {
    /// Starts it with its cache in `folder`, and waits until it listens.
    pub fn start(folder: &Path, origin: &Origin, capacity: &str) -> Self {
        Self::start_with(folder, origin, "capacity = \"2MiB\"", capacity)
    }

    /// The same, with other settings in `[cache.memory]`.
    pub fn start_with(folder: &Path, origin: &Origin, memory: &str, capacity: &str) -> Self {
        let toml = folder.join("edge.toml");
        let text = format!(
            "[server]\nthreads = 2\n[[listener]]\naddress = \"127.0.0.1:0\"\n\
             [cache.memory]\n{memory}\n\
             [cache.disk]\npath = \"cache\"\ncapacity = \"{capacity}\"\nadmission = \"all\"\n\
             [[pool]]\nname = \"origin\"\nmembers = [{{ url = \"http://{}\" }}]\n\
             [[site]]\nhosts = [\"test.example\"]\npool = \"origin\"\nmethods = [\"GET\", \"PUT\"]\n\
             [admin]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n",
            origin.address()
        );
        fs::write(&toml, text).unwrap();
        let began = Instant::now();
        let (child, address, admin) = serve(&toml);
        Self { child, address, admin, ready_after: began.elapsed() }
    }

    /// The sum of a metric's samples.
    pub fn metric(&self, name: &str) -> f64 {
        let seen = ask(self.admin, "GET", "/metrics").unwrap();
        let text = String::from_utf8(seen.body).unwrap();
        let samples = text.lines().filter(|line| line.starts_with(name));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until the index of its cache is read.
    pub fn recovered(&self) {
        let began = Instant::now();
        while self.metric("seawall_disk_recovery_seconds") == 0.0 {
            assert!(began.elapsed() < Duration::from_secs(20), "recovery does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A value of `/proc/<pid>/status`, in bytes.
    pub fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Starts the binary with this file and waits until it listens: the process, its listener, its admin listener.
pub fn serve(toml: &Path) -> (Child, SocketAddr, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_seawall"))
        .args(["serve", "--config"])
        .arg(toml)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            assert!(!line.contains("panicked"), "the edge: {line}");
            let _ = sender.send(line);
        }
    });
    let address = |message: &str| loop {
        let line = receiver.recv_timeout(Duration::from_secs(20)).expect("the edge listens");
        if line.contains(&format!("\"message\":\"{message}\"")) {
            let from = line.find("127.0.0.1:").unwrap();
            let end = line[from..].find(['"', ')']).unwrap();
            return line[from..from + end].parse().unwrap();
        }
    };
    let (address, admin) = (address("listening"), address("admin listening"));
    (child, address, admin)
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
