//! The command line.

/// Parses the arguments and runs a command.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
