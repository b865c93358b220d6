//! Who imports whom: read from the sources, held against ARCHITECTURE.md's tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot read the sources fails"
)]

mod graph;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use graph::Graph;
use source::Sources;

const PAGE: &str = include_str!("../../ARCHITECTURE.md");

fn graph() -> Graph {
    Graph::of(&Sources::read(concat!(env!("CARGO_MANIFEST_DIR"), "/src")))
}

/// Circles that are still to be cut. None may be added.
const KNOWN: [&str; 2] = ["config", "origin/s3/"];

/// Two files may need each other, as a type and what it is made of do. Of three, none can be read first.
#[test]
fn no_circle_of_imports_is_larger_than_two_files() {
    let known =
        |circle: &[String]| KNOWN.iter().any(|prefix| circle.iter().all(|file| file.starts_with(prefix)));
    let circles = graph().circles().into_iter().filter(|circle| circle.len() > 2 && !known(circle));
    let circles: Vec<_> = circles.collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn modules_import_what_the_map_lets_them() {
    let allowed = table("## The map");
    let imports = graph().between(|module| module.first().cloned());
    breaches(&allowed, &imports);
}

#[test]
fn the_floors_of_edge_import_what_their_table_lets_them() {
    let allowed = table("### The floors of `edge`");
    let imports = graph().between(|module| match module {
        [edge, floor, ..] if edge == "edge" => Some(floor.clone()),
        _ => None,
    });
    breaches(&allowed, &imports);
}

fn breaches(allowed: &BTreeMap<String, BTreeSet<String>>, imports: &BTreeMap<(String, String), Vec<String>>) {
    let unlisted = |(from, _): &&(String, String)| !allowed.contains_key(from);
    let unlisted: BTreeSet<_> = imports.keys().filter(unlisted).map(|(from, _)| from).collect();
    assert!(unlisted.is_empty(), "not in ARCHITECTURE.md's table: {unlisted:?}");
    let wrong: Vec<_> = imports.iter().filter(|((from, to), _)| !allowed[from].contains(to)).collect();
    assert!(wrong.is_empty(), "imports that ARCHITECTURE.md's table does not allow: {wrong:#?}");
}

/// The first column of the table below a heading, and what the last column lets it import: names in backticks, `–`,
/// "all above", "all above but" some.
fn table(heading: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (_, section) = PAGE.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}"));
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let mut above: Vec<String> = Vec::new();
    let mut allowed = BTreeMap::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [names, .., may] = cells[..] else { panic!("{row}") };
        let listed: BTreeSet<String> = in_backticks(may).collect();
        let may = match may.split(" but ").next() {
            Some("all above") => above.iter().filter(|name| !listed.contains(*name)).cloned().collect(),
            _ => listed,
        };
        for name in in_backticks(names) {
            allowed.insert(name.clone(), may.clone());
            above.push(name);
        }
    }
    assert!(allowed.len() > 5, "{heading}: {allowed:?}");
    allowed
}

fn in_backticks(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn a_table_is_read_as_it_stands() {
    let map = table("## The map");
    assert!(map["http"].is_empty() && map["policy"].contains("http"), "{map:?}");
    assert!(map["edge"].contains("cache") && !map["edge"].contains("sigv4") && !map["edge"].contains("cli"));
}
