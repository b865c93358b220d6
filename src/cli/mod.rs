//! The command line.

pub mod check;

/// Parses the arguments and runs a command.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
