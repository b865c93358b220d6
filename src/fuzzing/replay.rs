//! Every target over its seeds and pseudo-random mutations of them: in each `cargo test`, the same bytes each time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::TARGETS;

/// Inputs made of the seeds of one target.
const MUTATIONS: u64 = 1000;
/// What parsers stumble over.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b",",
    b";",
    b"=",
    b"\"",
    b"\\",
    b"%00",
    b"%2e",
    b"%2F",
    b"..",
    b"/",
    b"W/",
    b"*",
    b":",
    b"-",
    b"+",
    b"0",
    b"18446744073709551615",
    b"4294967296",
    b"\xff",
    b"\xc3\xa4",
    b"\x7f",
    b"no-store",
    b"private",
    b"chunked",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
];

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(of)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files =
        std::fs::read_dir(folder("seeds").join(target)).unwrap_or_else(|e| panic!("seeds of {target}: {e}"));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Xorshift: the same numbers everywhere, so that a failure is one everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }

    fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(5) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(12)).min(bytes.len());
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let again = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, again));
                }
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => drop(bytes.splice(at..at, TOKENS[self.below(TOKENS.len())].iter().copied())),
            }
        }
        bytes.truncate(4096);
        bytes
    }
}

#[test]
fn seeds_and_what_mutates_from_them_break_nothing() {
    let broken: Vec<String> =
        TARGETS.iter().filter_map(|(name, target)| first_broken(name, *target)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Tells the input, which may be kept as a seed of its own once it is mended.
fn first_broken(name: &str, target: super::Target) -> Option<String> {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mutations = (0..MUTATIONS).map(|_| random.mutated(&seeds)).collect::<Vec<_>>();
    seeds.iter().chain(&mutations).find_map(|input| {
        let run = std::panic::catch_unwind(|| target(input));
        run.is_err().then(|| format!("{name}: {:?}", input.escape_ascii().to_string()))
    })
}

#[test]
fn each_target_is_listed_once_and_has_its_file_and_its_seeds() {
    let listed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), TARGETS.len());
    let names = |folder: PathBuf| -> BTreeSet<String> {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(folder("fuzz_targets")), listed);
    assert_eq!(names(folder("seeds")), listed);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in listed {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "fuzz/Cargo.toml does not build {name}");
        let file = std::fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(file.contains(&format!("run(\"{name}\"")), "{name}.rs runs another target");
    }
}
