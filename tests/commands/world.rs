//! What the commands of the documents need: a folder with README.md's configuration, and an edge that runs by it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use clap::Parser;

use super::ROOT;
use super::find::Found;

const SECRET: &str = "it is the wave that breaks, not the wall";

/// A folder, and an edge that has been started in it.
pub struct World {
    folder: tempfile::TempDir,
    /// Where the pool's member is.
    origin: SocketAddr,
    edge: Edge,
}

struct Edge {
    process: Child,
    admin: String,
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl World {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["tls", "secrets", "log"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let pair = rcgen::generate_simple_self_signed(vec!["photos.example.com".to_owned()]).unwrap();
        std::fs::write(at("tls/fullchain.pem"), pair.cert.pem()).unwrap();
        std::fs::write(at("tls/privkey.pem"), pair.signing_key.serialize_pem()).unwrap();
        std::fs::write(at("secrets/token-key"), SECRET).unwrap();
        std::fs::write(at("edge.toml"), configuration()).unwrap();
        std::fs::write(at("urls.txt"), "https://photos.example.com/a.jpg\n").unwrap();
        let origin = origin();
        let edge = Edge::start(command(folder.path(), origin).args(["serve", "edge.toml"]));
        Self { folder, origin, edge }
    }

    /// Runs a command, or says what is wrong with it.
    pub fn run(&self, found: &Found) -> Result<(), String> {
        let mut arguments = found.arguments.clone();
        if found.mention {
            return self.known(&arguments[0]);
        }
        // First by the parser alone: its message is the shorter one.
        let parsed = std::iter::once("seawall").chain(arguments.iter().map(String::as_str));
        if let Err(error) = seawall::cli::Arguments::try_parse_from(parsed)
            && error.use_stderr()
        {
            return Err(error.to_string());
        }
        for argument in &mut arguments {
            if argument == "/etc/seawall/edge.toml" {
                "edge.toml".clone_into(argument);
            }
        }
        self.towards_the_edge(&mut arguments);
        let mut process = self.command();
        process.args(&arguments).envs(found.env.iter().cloned());
        if arguments[0] == "serve" {
            return Edge::start(&mut process).stop();
        }
        let output = process.output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn command(&self) -> Command {
        command(self.folder.path(), self.origin)
    }

    fn known(&self, subcommand: &str) -> Result<(), String> {
        let help = self.command().args([subcommand, "--help"]).output();
        match help.is_ok_and(|output| output.status.success()) {
            true => Ok(()),
            false => Err("there is no such subcommand".to_owned()),
        }
    }

    /// What talks to a running edge talks to ours, whichever it names.
    fn towards_the_edge(&self, arguments: &mut Vec<String>) {
        let help = self.command().args([&arguments[0], "--help"]).output().unwrap();
        if !String::from_utf8_lossy(&help.stdout).contains("--admin") {
            return;
        }
        match arguments.iter().position(|argument| argument == "--admin") {
            Some(at) => self.edge.admin.clone_into(&mut arguments[at + 1]),
            None => arguments.extend(["--admin".to_owned(), self.edge.admin.clone()]),
        }
    }
}

impl Edge {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = process.stderr.take().unwrap();
        let (admin, rest) = admin_address(log);
        // Nobody reads on, and a full pipe would stop the log.
        std::thread::spawn(move || rest.lines().for_each(drop));
        Self { process, admin: format!("http://{admin}") }
    }

    fn stop(mut self) -> Result<(), String> {
        let pid = self.process.id().to_string();
        Command::new("kill").arg(&pid).status().map_err(|error| error.to_string())?;
        let status = self.process.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
    }
}

/// Reads the log until the admin listener is there.
fn admin_address(log: ChildStderr) -> (String, BufReader<ChildStderr>) {
    let mut log = BufReader::new(log);
    let mut said = String::new();
    loop {
        let mut line = String::new();
        if log.read_line(&mut line).unwrap() == 0 {
            panic!("the edge ended before it listened:\n{said}");
        }
        if line.contains("admin listening") {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            return (line["address"].as_str().unwrap().to_owned(), log);
        }
        said.push_str(&line);
    }
}

/// The binary, in the folder, with free ports and nobody else's network.
fn command(folder: &Path, origin: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.current_dir(folder).envs([
        ("SEAWALL_LISTENER__0__ADDRESS", "127.0.0.1:0"),
        ("SEAWALL_LISTENER__1__ADDRESS", "127.0.0.1:0"),
        ("SEAWALL_ADMIN__ADDRESS", "127.0.0.1:0"),
        ("SEAWALL_SITE__0__HOSTS", r#"["photos.example.com", "*"]"#),
        ("SEAWALL_POOL__0__S3__CREDENTIALS", "anonymous"),
        ("SEAWALL_LOG__FORMAT", "json"),
        ("SEAWALL_TOKEN_KEY", SECRET),
        ("SEAWALL_ADMIN_TOKEN", SECRET),
    ]);
    command.env("SEAWALL_POOL__0__MEMBERS", format!("[{{ url = \"http://{origin}\" }}]"));
    command
}

/// An S3 server that has whatever it is asked for.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut head = reader.by_ref().lines().map_while(Result::ok);
            if head.any(|line| line.is_empty()) {
                let answer =
                    "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                let _ = reader.into_inner().write_all(answer.as_bytes());
            }
        }
    });
    address
}

/// The first block of README.md that is a whole configuration.
fn configuration() -> String {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let mut blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains("[[listener]]")).unwrap().to_owned()
}
