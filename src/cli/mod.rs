//! The command line.

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
  SIGTERM, SIGINT  stop accepting, finish requests in flight within server.shutdown_timeout; twice: at once
  SIGUSR1          reopen the access log after rotating it

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
        let _ = writeln!(std::io::stderr(), "seawall: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
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
