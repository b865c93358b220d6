//! `edge.toml`: any text is a configuration or a list of errors that name a place; no panic, no secret repeated.

use crate::config::load_from;

/// Not a word that a configuration or an error message has by chance.
const SECRET: &str = "qVuT5ZbXhW3kLm9sPz";

pub(super) fn run(data: &[u8]) {
    // What grows with the square of a file is found below that size too.
    let Ok(text) = std::str::from_utf8(data.get(..8 * 1024).unwrap_or(data)) else { return };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    // `#env NAME=value` in the first line is an environment variable.
    let variable = first.strip_prefix("#env ").and_then(|pair| pair.split_once('='));
    let variable = variable.map(|(name, value)| (format!("SEAWALL_{name}"), value.to_owned()));
    let secret = ("FUZZ_SECRET".to_owned(), SECRET.to_owned());
    match load_from(text, "edge.toml", variable.into_iter().chain([secret])) {
        Ok(config) => {
            let shown = format!("{config:?}");
            assert!(
                !shown.contains(SECRET) || config.server.server_name.contains(SECRET) || uses_elsewhere(rest)
            );
        }
        Err(errors) => {
            assert!(errors.iter().next().is_some(), "an error without a word");
            let said = errors.to_string();
            assert!(
                said.len() <= 4096 + text.len() * 64,
                "{} bytes of errors for {}",
                said.len(),
                text.len()
            );
        }
    }
}

/// Whether the secret's variable is named in another place than a secret's.
fn uses_elsewhere(text: &str) -> bool {
    text.lines().any(|line| line.contains("FUZZ_SECRET") && !line.trim_start().starts_with("token"))
}
