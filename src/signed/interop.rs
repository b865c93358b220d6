//! The documented test vectors, against this implementation and against the signers in other languages.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::{Claims, Scope, token};
use crate::config::Secret;

const VECTORS: &str = include_str!("../../docs/signed-urls.vectors.json");
const DOCUMENT: &str = include_str!("../../docs/signed-urls.md");

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    claims: serde_json::Value,
    token: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(VECTORS).unwrap()
}

fn claims(value: &serde_json::Value) -> Claims<'_> {
    let text = |name: &str| value.get(name).map(|value| value.as_str().unwrap());
    let number = |name: &str| value.get(name).map(|value| value.as_u64().unwrap());
    let scope = text("path").map(Scope::Path).or(text("prefix").map(Scope::Prefix));
    let network =
        |ip: &str| ip.parse().unwrap_or_else(|_| ipnet::IpNet::from(ip.parse::<std::net::IpAddr>().unwrap()));
    Claims {
        key_id: text("key").unwrap(),
        expires: number("exp").unwrap(),
        scope: scope.unwrap(),
        client: text("ip").map(network),
        host: text("host"),
        not_before: number("nbf"),
        issued_at: number("iat"),
    }
}

#[test]
fn this_implementation_makes_the_vectors() {
    for vector in vectors() {
        let token = token::sign(&claims(&vector.claims), &Secret::new(vector.secret)).unwrap();
        assert_eq!(token, vector.token, "{}", vector.name);
    }
}

#[test]
fn the_document_shows_the_vectors_and_the_signers() {
    for vector in vectors() {
        assert!(DOCUMENT.contains(&vector.token), "{} is not in docs/signed-urls.md", vector.name);
    }
    for signer in [include_str!("../../examples/sign_url.py"), include_str!("../../examples/sign_url.mjs")] {
        let heart = signer.split("ORDER =").nth(1).unwrap().split("\nif ").next().unwrap().trim();
        assert!(DOCUMENT.contains(heart), "docs/signed-urls.md shows another version of:\n{heart}");
    }
}

#[test]
fn python_makes_the_vectors() {
    other_language("python3", "examples/sign_url.py");
}

#[test]
fn javascript_makes_the_vectors() {
    other_language("node", "examples/sign_url.mjs");
}

/// A machine without the interpreter says so and passes: the vectors themselves are tested above.
fn other_language(interpreter: &str, script: &str) {
    if Command::new(interpreter).arg("--version").output().is_err() {
        println!("skipped: no {interpreter} here");
        return;
    }
    for vector in vectors() {
        let output = Command::new(interpreter)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
            .arg(vector.claims.to_string())
            .env("SEAWALL_TOKEN_KEY", &vector.secret)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), vector.token, "{}: {errors}", vector.name);
    }
}
