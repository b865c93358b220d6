//! Every command line that stands in a file of the repository works: the binary runs it, in a folder with the
//! configuration that README.md shows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod find;
mod world;

use std::path::Path;

use clap::CommandFactory;
use find::Found;
use world::World;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn seawall_commands() -> Vec<Found> {
    let command = seawall::cli::Arguments::command();
    let subcommands: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let files = find::files(Path::new(ROOT));
    let all = files.iter().filter(|(file, _)| !file.starts_with("tests/commands/"));
    all.flat_map(|(file, text)| find::in_text(file, text, "seawall", &subcommands)).collect()
}

#[test]
fn every_command_of_seawall_runs() {
    let found = seawall_commands();
    assert!(found.len() > 25, "only {}: {found:#?}", found.len());
    let world = World::start();
    let mut failed = Vec::new();
    for command in &found {
        if let Err(why) = world.run(command) {
            failed.push(format!("{}: seawall {}: {why}", command.place, command.arguments.join(" ")));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), found.len(), failed.join("\n"));
}

/// `examples/sign_url.py`, `tests/run`: programs of the repository that a document names are there.
#[test]
fn every_program_of_the_repository_is_there() {
    let mut missing = Vec::new();
    let mut seen = 0;
    for (file, text) in find::files(Path::new(ROOT)) {
        if !file.ends_with(".md") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for word in line.split([' ', '`', '(', ')']) {
                let word = word.trim_start_matches("./").trim_end_matches([',', ';', ':', '.']);
                let ours = ["tests/", "examples/", "benches/", "fuzz/", "deploy/"];
                let is_path = ours.iter().any(|folder| word.starts_with(folder))
                    && !word.contains(['*', '<', '[', ']', '{', '…', '#']);
                let is_made = word == "tests/.venv" || word.starts_with("fuzz/corpus/");
                if is_path && !is_made {
                    seen += 1;
                    if !Path::new(ROOT).join(word).exists() {
                        missing.push(format!("{file}:{}: {word}", number + 1));
                    }
                }
            }
        }
    }
    assert!(seen > 10 && missing.is_empty(), "of {seen}:\n{}", missing.join("\n"));
}

/// Without arguments, and with claims that are none, the signers say how they are used; no traceback.
#[test]
fn the_signers_explain_themselves() {
    for (program, file) in [("python3", "sign_url.py"), ("node", "sign_url.mjs")] {
        for arguments in [&[][..], &["{"]] {
            let mut command = std::process::Command::new(program);
            command.arg(Path::new(ROOT).join("examples").join(file)).args(arguments);
            // Who has no Node can still run the tests.
            let Ok(output) = command.env("SEAWALL_TOKEN_KEY", "a secret").output() else { continue };
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{file} {arguments:?}: {said}");
            let expected = if arguments.is_empty() { "usage: " } else { "the claims are not JSON" };
            assert!(said.starts_with(expected), "{file} {arguments:?}: {said}");
        }
    }
}

/// `cargo run --example demo`, `cargo test --test scenario`, `cargo bench --bench trace`: the targets are there.
#[test]
fn every_cargo_target_is_there() {
    let manifest = std::fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let kinds = [("--example", "example"), ("--test", "test"), ("--bench", "bench")];
    let mut seen = 0;
    for (file, text) in find::files(Path::new(ROOT)) {
        if !(file.ends_with(".md") || file.ends_with(".rs")) || file.starts_with("tests/commands/") {
            continue;
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains("cargo ")) {
            let words: Vec<&str> = line.split([' ', '`']).collect();
            for pair in words.windows(2) {
                let Some((_, kind)) = kinds.iter().find(|(option, _)| *option == pair[0]) else { continue };
                let name = pair[1].trim_matches(|c: char| !c.is_ascii_alphanumeric());
                let declared = manifest.contains(&format!("[[{kind}]]\nname = \"{name}\""));
                let found = declared || Path::new(ROOT).join(format!("{kind}s/{name}.rs")).exists();
                assert!(found, "{file}:{}: there is no {kind} {name}", number + 1);
                seen += 1;
            }
        }
    }
    assert!(seen > 5, "{seen}");
}
