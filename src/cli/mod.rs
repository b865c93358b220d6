//! The command line.

mod descriptors; // the limit on open files
mod signals; // what an operator's signals ask for

pub mod check; // explain a configuration, or everything that is wrong with it
pub mod purge; // make a running edge let go of what it has cached
pub mod serve; // run the edge
pub mod sign; // make a signed URL

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config;
use crate::http::time::Time;

/// A caching CDN edge in one binary: TLS, a RAM cache, an origin ring, signed URLs.
#[derive(Debug, Parser)]
#[command(name = "seawall", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  seawall check --config edge.toml
  seawall serve --config edge.toml
  seawall sign  --config edge.toml --url https://photos.example.com/private/a.jpg --expires-in 15m
  seawall purge --url https://photos.example.com/a.jpg
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
  SEAWALL_CACHE__MEMORY__CAPACITY=2GiB seawall serve --config edge.toml")]
    Serve(FileArguments),
    /// Check a configuration and explain it; exit 1 and every error at once if it is wrong.
    #[command(after_help = "Example:
  seawall check --config edge.toml")]
    Check(FileArguments),
    /// Make a signed URL.
    Sign(Box<sign::SignArgs>),
    /// Make a running edge let go of what it has cached.
    Purge(Box<purge::PurgeArgs>),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:
  seawall completions zsh > ~/.zfunc/_seawall")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
struct FileArguments {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "edge.toml")]
    config: PathBuf,
}

/// Parses the arguments and runs a command.
pub fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let result = match Arguments::parse().command {
        Command::Serve(file) => {
            drop(out);
            serve::run(&file.config)
        }
        Command::Check(file) => {
            drop(out);
            check::run(&file.config)
        }
        Command::Sign(arguments) => {
            let load = |path: &std::path::Path| Ok(config::load(path)?);
            sign::run(&arguments, load, Time::system(), &mut out).map(|()| ExitCode::SUCCESS)
        }
        Command::Purge(arguments) => purge::run(&arguments, &mut out).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "seawall", &mut out);
            out.flush().map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
    };
    result.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "seawall: {}", told(&error));
        ExitCode::FAILURE
    })
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
}
