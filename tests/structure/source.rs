//! The sources as modules: what each one says it uses, tests left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A module's path, without `crate`.
pub type Module = Vec<String>;

/// All modules that are files, with their text.
pub struct Sources(pub BTreeMap<Module, String>);

/// A path that a module names, and whether the module hands it on under its own name.
pub struct Named {
    /// As it is written: `super::key::Key`.
    pub path: Vec<String>,
    /// `pub use`
    pub exported: bool,
}

impl Sources {
    /// All below a folder, but for tests and what only fuzzers compile.
    pub fn read(folder: &str) -> Self {
        let mut sources = BTreeMap::new();
        collect(Path::new(folder), &mut Vec::new(), &mut sources);
        assert!(sources.len() > 100, "{} files in {folder}", sources.len());
        Self(sources)
    }
}

fn collect(folder: &Path, module: &mut Module, sources: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if name.ends_with("tests") || name == "fuzzing" || name == "main" {
            continue;
        }
        if path.is_dir() {
            module.push(name);
            collect(&path, module, sources);
            module.pop();
            continue;
        }
        let mut module = module.clone();
        if !matches!(&*name, "mod" | "lib") {
            module.push(name);
        }
        sources.insert(module, code(&fs::read_to_string(&path).expect("a text")));
    }
}

/// Without comments, and without the tests at the end.
fn code(text: &str) -> String {
    let tests = [
        "#[cfg(test)]\nmod tests {",
        "#[cfg(test)]\npub(crate) mod testing",
        "#[cfg(test)]\npub(super) mod testing",
    ];
    let end = tests.iter().filter_map(|tests| text.find(tests)).min().unwrap_or(text.len());
    let lines = text[..end].lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// All paths in a text: those of its `use` items, and others that begin with `crate` or `super`.
pub fn named(text: &str) -> Vec<Named> {
    let mut all = Vec::new();
    let mut rest = String::new();
    let mut parts = text.split("use ");
    let mut before = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_item = before.trim_end_matches(' ').ends_with(['\n', ')', '}', ';'])
            || before.ends_with("pub ")
            || before.is_empty();
        let Some((tree, after)) = part.split_once(';').filter(|_| is_item) else {
            before.push_str("use ");
            before.push_str(part);
            continue;
        };
        let line = before.rsplit('\n').next().unwrap_or_default();
        let exported = line.trim_start().starts_with("pub");
        all.extend(leaves(tree).into_iter().map(|path| Named { path, exported }));
        rest.push_str(&before);
        before = after.to_owned();
    }
    rest.push_str(&before);
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for path in rest.split(|c: char| !word(c)) {
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        if path.len() > 1 && matches!(&*path[0], "crate" | "super") {
            all.push(Named { path, exported: false });
        }
    }
    all
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn leaves(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((before, inside)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        return if name.is_empty() {
            Vec::new()
        } else {
            vec![name.split("::").map(str::to_owned).collect()]
        };
    };
    let inside = inside.trim_end().strip_suffix('}').unwrap_or(inside);
    let prefix: Vec<String> =
        before.split("::").filter(|name| !name.is_empty()).map(|n| n.trim().to_owned()).collect();
    let (mut depth, mut start, mut all) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                all.extend(
                    leaves(&inside[start..at]).into_iter().map(|leaf| [prefix.clone(), leaf].concat()),
                );
                start = (at + 1).min(inside.len());
            }
            _ => {}
        }
    }
    all
}

#[test]
fn paths_are_found_as_people_write_them() {
    let text = "use a::{b, c::{self, D as E}};\npub use super::f::G;\nfn h() { crate::i::J::k(); }\n";
    let found: Vec<_> =
        named(text).into_iter().map(|named| (named.path.join("::"), named.exported)).collect();
    let expected = [
        ("a::b", false),
        ("a::c::self", false),
        ("a::c::D", false),
        ("super::f::G", true),
        ("crate::i::J::k", false),
    ];
    assert_eq!(found, expected.map(|(path, exported)| (path.to_owned(), exported)));
}
