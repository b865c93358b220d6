//! The command line.

pub mod check;
pub mod sign; // make a signed URL

/// Parses the arguments and runs a command.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
