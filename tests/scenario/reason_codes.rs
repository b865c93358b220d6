//! docs/reason-codes.md has every code of the tree, and no other.

use std::collections::BTreeMap;

use seawall::http::refusal::Refusal;
use seawall::policy::storable::NoStore;
use seawall::signed::DenyReason;

const PAGE: &str = include_str!("../../docs/reason-codes.md");

/// The rows of a section's table: the code in the first cell, and the text of the last and second one.
fn rows(heading: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.iter().skip(1).all(|cell| !cell.is_empty()), "{line}");
        (cells[0].trim_matches('`'), cells)
    });
    let rows: Vec<_> = rows.collect();
    let map: BTreeMap<_, _> = rows.iter().cloned().collect();
    assert_eq!(map.len(), rows.len(), "a code stands twice under {heading:?}");
    map
}

#[test]
fn every_refusal_has_a_row_with_its_status() {
    let sections = ["The client's request", "Host, path and method", "The edge and the origin"];
    let documented: BTreeMap<_, _> =
        sections.into_iter().flat_map(rows).map(|(code, cells)| (code, cells[1].to_owned())).collect();
    let known: BTreeMap<_, _> = Refusal::ALL
        .iter()
        .map(|refusal| (refusal.as_str(), refusal.status().as_u16().to_string()))
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn every_deny_reason_has_a_row_in_the_order_of_the_checks() {
    let known: Vec<_> = DenyReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(rows("Why a signed URL is denied").len(), known.len());
    let (_, section) = PAGE.split_once("\n## Why a signed URL is denied\n").unwrap();
    let places: Vec<_> = known.iter().map(|word| section.find(&format!("\n| `{word}` |"))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{known:?} {places:?}");
}

#[test]
fn every_reason_not_to_store_has_a_row() {
    let documented = rows("Why a response is not stored");
    for reason in NoStore::ALL {
        assert!(documented.contains_key(reason.as_str()), "{reason:?}");
    }
}

/// The words of origin errors are in several enums, not all of them public: they are read from the source.
#[test]
fn every_origin_error_has_a_row_with_its_refusal() {
    const SOURCE: &str = include_str!("../../src/origin/error.rs");
    let words = SOURCE.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut known: Vec<_> = words.chain(["outrun"]).collect();
    known.sort_unstable();
    let documented = rows("Why an attempt at the origin failed");
    assert_eq!(documented.keys().copied().collect::<Vec<_>>(), known);
    for (word, cells) in documented {
        let refusal = cells[2].trim_matches(['|', ' ', '`']);
        let named = Refusal::ALL.iter().any(|known| known.as_str() == refusal);
        assert!(named || refusal.starts_with("none, "), "{word}: {refusal}");
    }
}

#[test]
fn every_reason_of_readyz_has_a_row() {
    const SOURCE: &str = include_str!("../../src/admin/readiness.rs");
    let words = SOURCE.lines().filter(|line| line.trim_start().starts_with("pub const "));
    let mut known: Vec<_> = words.map(|line| line.split('"').nth(1).unwrap()).collect();
    known.sort_unstable();
    let documented = rows("Why the edge is not ready or impaired");
    assert_eq!(documented.keys().copied().collect::<Vec<_>>(), known);
}
