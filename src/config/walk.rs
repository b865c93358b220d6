//! Holds the tree against the schema: unknown keys, wrong types, missed bounds, missing keys, what is not built yet.
//!
//! It also puts in place what `${NAME}` and `file:PATH` stand for. What it finds wrong it marks [`Value::Broken`], so
//! that one mistake is said once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Place, nearest};
use super::foreign;
use super::node::{Node, Value};
use super::not_yet::{Refused, refused};
use super::schema::{Default, Definition, Kind, Table};
use super::source::literal;

/// What a secret or any other text taken from a file may have: configuration, not content.
const LARGEST_TEXT: u64 = 64 * 1024;

/// The walk and what it gathers.
pub(super) struct Walk<'a> {
    pub env: &'a BTreeMap<String, String>,
    /// What relative paths start from.
    pub folder: &'a Path,
    pub not_yet: &'a [(&'static str, Refused)],
    pub errors: Vec<ConfigError>,
    /// Tables of the file that an unknown key was probably meant for: that they are missing is no second mistake.
    pub misnamed: BTreeSet<String>,
    /// Secrets that stand in the file itself: their key paths and places.
    pub literal_secrets: Vec<(String, Place)>,
}

impl Walk<'_> {
    /// Checks a table and everything in it.
    pub fn table(&mut self, node: &mut Node, table: &'static Table) {
        let path = node.path.clone();
        let place = node.place.clone();
        let Value::Table(entries) = &mut node.value else { return };
        for (name, entry) in entries.iter_mut() {
            match table.key(name) {
                Some(key) => self.key(entry, key),
                None => self.unknown(entry, table, name),
            }
        }
        for key in table.keys.iter().filter(|key| !entries.contains_key(key.name)) {
            self.refused_by_default(key, &path, &place);
        }
        // Last, when it is known what a `${NAME}` stands for.
        self.missing(node, table);
    }

    fn error(&mut self, node: &Node, message: String) {
        let (place, key) = (node.place.clone(), node.path.clone());
        self.errors.push(ConfigError { place, key, message, expected: None, nearest: None });
    }

    fn unknown(&mut self, node: &Node, table: &Table, name: &str) {
        let nearest =
            foreign::our_word(name, table).or_else(|| nearest(name, table.keys.iter().map(|key| key.name)));
        if !node.path.contains('.') {
            self.misnamed.extend(nearest.clone());
        }
        self.errors.push(ConfigError {
            place: node.place.clone(),
            key: node.path.clone(),
            message: format!("unknown key {}", super::node::quoted(&node.path)),
            expected: None,
            nearest,
        });
    }

    fn missing(&mut self, node: &Node, table: &'static Table) {
        for key in table.keys.iter().filter(|key| matches!(key.default, Default::Required)) {
            let absent = match node.get(key.name).map(|entry| &entry.value) {
                None => true,
                Some(Value::Text(text)) => text.is_empty(),
                Some(Value::List(items)) => items.is_empty(),
                Some(_) => false,
            };
            if absent {
                let place = node.get(key.name).map_or(&node.place, |entry| &entry.place).clone();
                self.errors.push(ConfigError {
                    place,
                    key: join(&node.path, key.name),
                    message: format!("{} has no {}", table.name_of(node), key.name),
                    expected: Some(key.kind.expected()),
                    nearest: None,
                });
            }
        }
    }

    fn key(&mut self, node: &mut Node, key: &'static Definition) {
        // First, so that no `${NAME}` hides a word that is refused.
        if !self.taken(node, &key.kind) {
            node.value = Value::Broken;
            return;
        }
        if let Some(refused) = refused(self.not_yet, &node.path) {
            let default = default_of(key, &node.place, &node.path);
            if refused.refuses(node, default.as_ref()) {
                self.error(node, refused.message(node, &node.path));
                node.value = Value::Broken;
                return;
            }
        }
        self.kind(node, &key.kind);
    }

    /// An entry of a list or of a table with free keys.
    fn entry(&mut self, node: &mut Node, kind: &'static Kind) {
        match self.taken(node, kind) {
            true => self.kind(node, kind),
            false => node.value = Value::Broken,
        }
    }

    /// A default may itself be something that is not built yet.
    fn refused_by_default(&mut self, key: &'static Definition, path: &str, place: &Place) {
        let path = join(path, key.name);
        if let Some(refused @ Refused::Words(_)) = refused(self.not_yet, &path)
            && let Some(default) = default_of(key, place, &path)
            && refused.refuses(&default, None)
        {
            self.error(&default, refused.message(&default, &path));
        }
    }

    fn kind(&mut self, node: &mut Node, kind: &'static Kind) {
        if kind.accepts(node) {
            self.inside(node, kind);
            return;
        }
        let expected = match refused(self.not_yet, &node.path) {
            Some(Refused::Words(words)) => kind.expected_without(words),
            _ => kind.expected(),
        };
        let path = &node.path;
        let message = match kind {
            Kind::Secret => format!("\"{path}\" must be {expected}"),
            Kind::Tables(table) => not_tables(node, table),
            _ => format!("\"{path}\" must be {expected}, not {}", node.shown()),
        };
        // What was taken from elsewhere is not repeated, nor is what it may have meant.
        let nearest = kind.meant(node).filter(|_| node.taken_from.is_none());
        let (place, key) = (node.place.clone(), path.clone());
        self.errors.push(ConfigError { place, key, message, expected: Some(expected), nearest });
        node.value = Value::Broken;
    }

    fn inside(&mut self, node: &mut Node, kind: &'static Kind) {
        match (kind, &mut node.value) {
            (Kind::Or(_, other), Value::Table(_) | Value::List(_)) => self.inside(node, other),
            (Kind::Table(table), Value::Table(_)) => self.table(node, table),
            (Kind::Map(inner), Value::Table(entries)) => {
                entries.values_mut().for_each(|entry| self.entry(entry, inner));
            }
            (Kind::List(inner), Value::List(items)) => {
                items.iter_mut().for_each(|item| self.entry(item, inner));
            }
            (Kind::Tables(table), Value::List(items)) => {
                for item in items {
                    if item.table().is_none() {
                        let message = not_tables(item, table);
                        self.error(item, message);
                        item.value = Value::Broken;
                    } else {
                        self.table(item, table);
                    }
                }
            }
            (Kind::Secret, Value::Text(text))
                if !text.is_empty() && node.taken_from.is_none() && node.place.line().is_some() =>
            {
                self.literal_secrets.push((node.path.clone(), node.place.clone()));
            }
            _ => {}
        }
    }

    /// Replaces `${NAME}`, wherever it is in the text, and `file:PATH` by what they stand for. False when they stand for
    /// nothing.
    fn taken(&mut self, node: &mut Node, kind: &Kind) -> bool {
        let Some(text) = node.text().map(str::to_owned) else { return true };
        let taken = match text.strip_prefix("file:").filter(|_| !matches!(kind, Kind::Path)) {
            Some(path) => self.replaced(path).and_then(|path| read_text(&self.folder.join(path))),
            None if text.contains("${") => self.replaced(&text),
            None => return true,
        };
        match taken {
            // An empty secret would quietly be none at all.
            Ok(value) if value.is_empty() && matches!(kind, Kind::Secret) => {
                self.error(node, format!("\"{}\" takes its value from {text}, which is empty", node.path));
                false
            }
            Ok(value) => {
                node.value = Value::Text(value);
                node.taken_from = Some(text);
                true
            }
            Err(why) => {
                // The text may be part of a secret, so only a name or a path is repeated.
                self.error(node, format!("\"{}\" {why}", node.path));
                false
            }
        }
    }

    /// A text with each `${NAME}` replaced; `$${` is a plain `${`.
    fn replaced(&self, text: &str) -> Result<String, String> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            let inner = &from["${".len()..];
            if let Some(before) = before.strip_suffix('$') {
                whole.push_str(before);
                whole.push_str("${");
                rest = inner;
                continue;
            }
            let name = inner.split_once('}').filter(|(name, _)| is_variable_name(name));
            let Some((name, after)) = name else {
                return Err(
                    "has a \"${\" that no name and no \"}\" follow; a plain \"${\" is written \"$${\""
                        .to_owned(),
                );
            };
            let value = self.env.get(name).ok_or_else(|| {
                format!("takes its value from ${{{name}}}, which is not set in the environment")
            })?;
            whole.push_str(before);
            whole.push_str(value);
            rest = after;
        }
        whole.push_str(rest);
        Ok(whole)
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What is said of something that stands where a list of tables should.
fn not_tables(node: &Node, table: &Table) -> String {
    let (path, name) = (&node.path, node.path.rsplit('.').next().unwrap_or_default());
    // A text is most likely the value of the key that each table must have.
    let inline = table.inline(node.text().filter(|_| node.taken_from.is_none()));
    match &node.value {
        Value::Table(_) if !path.contains('.') => {
            format!("\"{path}\" is a list of tables: write [[{path}]], not [{path}]")
        }
        Value::Table(_) => {
            format!("\"{path}\" is a list of tables: write [[{path}]], or {name} = [{inline}]")
        }
        _ => format!("\"{path}\" is a list of tables: write {name} = [{inline}]"),
    }
}

fn read_text(path: &PathBuf) -> Result<String, String> {
    use std::io::Read;

    let failed = |why: &dyn std::fmt::Display| {
        format!("takes its value from {}: {why}", super::node::quoted(&path.to_string_lossy()))
    };
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(LARGEST_TEXT + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > LARGEST_TEXT {
        return Err(failed(&"larger than 64KiB"));
    }
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

/// What holds when the key is not written, if anything does.
pub(super) fn default_of(key: &Definition, place: &Place, path: &str) -> Option<Node> {
    match key.default {
        Default::Is(text) => literal(text, place, path),
        Default::Required | Default::Filled | Default::Absent => None,
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
