//! Which file imports from which.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Module, Named, Sources, named};

/// Imports between files. What a folder's `mod.rs` only hands on is imported from the file that has it.
pub struct Graph(BTreeMap<Module, BTreeSet<Module>>);

impl Graph {
    /// Of all sources.
    pub fn of(sources: &Sources) -> Self {
        let uses: BTreeMap<&Module, Vec<Named>> =
            sources.0.iter().map(|(module, text)| (module, named(text))).collect();
        let mut exports: BTreeMap<(&Module, &str), Module> = BTreeMap::new();
        let mut globs: BTreeMap<&Module, Vec<Module>> = BTreeMap::new();
        for (module, uses) in &uses {
            for named in uses.iter().filter(|named| named.exported) {
                let Some(path) = absolute(sources, module, &named.path) else { continue };
                match named.path.last().map(String::as_str) {
                    Some("*") => globs.entry(module).or_default().push(path[..path.len() - 1].to_vec()),
                    Some(name) => drop(exports.insert((module, name), path)),
                    None => {}
                }
            }
        }
        let resolver = Resolver { sources, exports: &exports, globs: &globs };
        let edges = uses.iter().map(|(module, uses)| {
            let paths = uses.iter().filter(|named| !named.exported);
            let to = paths.filter_map(|named| resolver.file_of(absolute(sources, module, &named.path)?, 0));
            ((*module).clone(), to.filter(|to| to != *module).collect())
        });
        Self(edges.collect())
    }

    /// Files that import each other, whether directly or by way of others.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.0.keys().map(|from| (from, self.reachable(from))).collect();
        let mut circles = BTreeSet::new();
        for (from, reach) in &reached {
            if reach.contains(*from) {
                let same = reach.iter().filter(|to| reached[**to].contains(*from));
                circles.insert(same.map(|module| module.join("/")).collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }

    fn reachable<'a>(&'a self, from: &Module) -> BTreeSet<&'a Module> {
        let mut seen = BTreeSet::new();
        let mut left: Vec<&Module> = self.0.get(from).into_iter().flatten().collect();
        while let Some(module) = left.pop() {
            if seen.insert(module) {
                left.extend(self.0.get(module).into_iter().flatten());
            }
        }
        seen
    }

    /// Imports between groups of files, with the files that do it.
    pub fn between(
        &self,
        group: impl Fn(&[String]) -> Option<String>,
    ) -> BTreeMap<(String, String), Vec<String>> {
        let mut all: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (from, to) in self.0.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
            let (Some(a), Some(b)) = (group(from), group(to)) else { continue };
            if a != b {
                all.entry((a, b)).or_default().push(from.join("/"));
            }
        }
        all
    }
}

struct Resolver<'a> {
    sources: &'a Sources,
    exports: &'a BTreeMap<(&'a Module, &'a str), Module>,
    globs: &'a BTreeMap<&'a Module, Vec<Module>>,
}

impl Resolver<'_> {
    /// The file that has what a path names.
    fn file_of(&self, path: Module, depth: usize) -> Option<Module> {
        let file =
            (0..=path.len()).rev().map(|n| path[..n].to_vec()).find(|m| self.sources.0.contains_key(m))?;
        let Some(name) = path.get(file.len()).filter(|_| depth < 5) else { return Some(file) };
        if let Some(export) = self.exports.get(&(&file, name.as_str())) {
            let further = path[file.len() + 1..].iter().cloned();
            return self.file_of(export.iter().cloned().chain(further).collect(), depth + 1);
        }
        let defines = |module: &&Module| {
            let kinds = ["struct", "enum", "fn", "trait", "type", "const", "static"];
            let text = &self.sources.0[*module];
            kinds.iter().any(|kind| text.contains(&format!("pub {kind} {name}")))
        };
        let from_glob = self.globs.get(&file).and_then(|globs| globs.iter().find(defines));
        Some(from_glob.cloned().unwrap_or(file))
    }
}

/// A path from the crate's root; `None` if it is another crate's.
fn absolute(sources: &Sources, module: &Module, path: &[String]) -> Option<Module> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let path = match path.first()?.as_str() {
        "crate" => path[1..].to_vec(),
        "self" => [module.as_slice(), &path[1..]].concat(),
        "super" => [&module[..module.len().checked_sub(ups)?], &path[ups..]].concat(),
        first => {
            let child = [module.as_slice(), &[first.to_owned()]].concat();
            sources.0.contains_key(&child).then(|| [module.as_slice(), path].concat())?
        }
    };
    Some(path.into_iter().filter(|name| name != "self").collect())
}
