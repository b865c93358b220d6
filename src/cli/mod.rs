//! The command line.

mod descriptors; // the limit on open files
mod signals; // what an operator's signals ask for

pub mod check; // explain a configuration, or everything that is wrong with it
mod client; // talks to the admin listener of a running edge
pub mod look; // what a running edge says of itself
pub mod prefetch; // fetch a list of URLs into a running edge's cache
pub mod purge; // make a running edge let go of what it has cached
pub mod serve; // run the edge
pub mod sign; // make a signed URL

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config;

/// A caching CDN edge in one binary: TLS, a RAM cache, an origin ring, signed URLs.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  seawall check edge.toml
  seawall serve edge.toml
  seawall sign edge.toml --url https://photos.example.com/private/a.jpg --expires-in 15m
  seawall purge --url https://photos.example.com/a.jpg
  seawall status
  seawall completions bash > /etc/bash_completion.d/seawall";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the edge until SIGTERM or Ctrl-C, then finish what is in flight.
    #[command(after_help = "Signals:
  SIGTERM, SIGINT, SIGQUIT  not ready for server.drain_delay, then finish what is in flight within
                            server.shutdown_timeout; a second one ends the process at once
  SIGHUP                    look at certificate files now (the configuration is read at start only)
  SIGUSR1                   reopen the access log after rotating it
  SIGUSR2                   nothing yet

Example:
  SEAWALL_CACHE__MEMORY__CAPACITY=2GiB seawall serve edge.toml")]
    Serve(ConfigFile),
    /// Check a configuration and explain it; exit 1 and every error at once if it is wrong.
    #[command(after_help = "Example:
  seawall check edge.toml")]
    Check(ConfigFile),
    /// Make a signed URL.
    Sign(Box<sign::SignArgs>),
    /// Make a running edge let go of what it has cached.
    Purge(Box<purge::PurgeArgs>),
    /// Fetch URLs into the cache of a running edge.
    Prefetch(Box<prefetch::PrefetchArgs>),
    /// Say whether a running edge is well, and what it is doing.
    Status(look::StatusArgs),
    /// Show what a running edge has cached for a URL.
    Objects(look::ObjectsArgs),
    /// Show the busiest cache keys of the last minutes.
    Hot(look::HotArgs),
    /// Ask a running edge whether it lives, for a container's health check: exit code 0 or 1.
    Healthcheck(look::HealthcheckArgs),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:
  seawall completions zsh > ~/.zfunc/_seawall")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// The configuration file, named either way: `seawall check edge.toml`, `seawall check -c edge.toml`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigFile {
    /// The configuration file [default: edge.toml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The configuration file, named by an option
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// What is read when the command line names no file.
    const DEFAULT: &str = "edge.toml";

    fn path(&self) -> &Path {
        self.file.as_deref().or(self.config.as_deref()).unwrap_or(Path::new(Self::DEFAULT))
    }
}

/// Parses the arguments and runs a command.
pub fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = match Arguments::parse().command {
        Command::Serve(file) => {
            drop(out);
            serve::run(file.path())
        }
        Command::Check(file) => {
            drop(out);
            check::run(file.path())
        }
        Command::Sign(arguments) => {
            let load = |path: &Path| Ok(config::load(path)?);
            sign::run(&arguments, load, SystemTime::now().into(), &mut out).map(|()| ExitCode::SUCCESS)
        }
        Command::Purge(arguments) => purge::run(&arguments, &mut out).map(|()| ExitCode::SUCCESS),
        Command::Prefetch(arguments) => prefetch::run(&arguments, &mut out),
        Command::Status(arguments) => look::status(&arguments, &mut out),
        Command::Objects(arguments) => look::objects(&arguments, &mut out),
        Command::Hot(arguments) => look::hot(&arguments, &mut out),
        Command::Healthcheck(arguments) => look::healthcheck(&arguments, &mut out),
        Command::Completions { shell } => {
            // Into memory first: it panics where nobody reads.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "seawall", &mut script);
            out.write_all(&script).and_then(|()| out.flush()).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
    };
    result.unwrap_or_else(|error| {
        // `seawall check | head -1` has what it wanted.
        if is_broken_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        let _ = writeln!(std::io::stderr(), "seawall: {}", told(&error));
        ExitCode::FAILURE
    })
}

/// Whether nobody reads what is written: the reader went away early, which is no fault of the command.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// An error with its causes, each of them once: many errors say in their own words what caused them.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let denied = || std::io::Error::from_raw_os_error(13);
        let said = crate::server::BindError::Socket { address: "127.0.0.1:80".into(), source: denied() };
        assert_eq!(
            told(&said.into()),
            "cannot listen on 127.0.0.1:80: Permission denied (os error 13); a port below 1024 takes the capability CAP_NET_BIND_SERVICE"
        );
        let unsaid = anyhow::Error::new(denied()).context("admin.address 127.0.0.1:80");
        assert_eq!(told(&unsaid), "admin.address 127.0.0.1:80: Permission denied (os error 13)");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_configuration_is_named_by_position_or_by_option() {
        let path = |arguments: &[&str]| match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Check(file) | Command::Serve(file) => file.path().to_owned(),
            other => panic!("{other:?}"),
        };
        for command in ["check", "serve"] {
            for given in [&["a.toml"][..], &["-c", "a.toml"], &["--config", "a.toml"], &["--config=a.toml"]] {
                let arguments = [&["seawall", command], given].concat();
                assert_eq!(path(&arguments), Path::new("a.toml"), "{arguments:?}");
            }
            assert_eq!(path(&["seawall", command]), Path::new("edge.toml"));
            let both = ["seawall", command, "a.toml", "-c", "b.toml"];
            assert!(Arguments::try_parse_from(both).is_err(), "two files");
        }
    }

    /// docs/cli.md has a section for each command, with a row for each of its options and for no other.
    #[test]
    fn the_page_lists_every_command_and_option() {
        const PAGE: &str = include_str!("../../docs/cli.md");
        for command in Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let heading = format!("\n## seawall {}\n", command.get_name());
            let section = PAGE.split_once(&heading).map(|(_, rest)| rest.split("\n## ").next().unwrap());
            let section = section.unwrap_or_else(|| panic!("docs/cli.md has no {heading:?}"));
            let rows = section.lines().filter(|line| line.starts_with("| `-"));
            let mut documented: Vec<_> = rows
                .filter_map(|row| row.split("--").nth(1)?.split([' ', '`']).next().map(str::to_owned))
                .collect();
            let options = command.get_arguments().filter(|option| !option.is_hide_set());
            let mut known: Vec<_> =
                options.filter_map(|option| option.get_long().map(str::to_owned)).collect();
            documented.sort_unstable();
            known.sort_unstable();
            assert_eq!(documented, known, "{heading:?} of docs/cli.md");
        }
    }
}
