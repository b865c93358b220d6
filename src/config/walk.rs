//! Holds the tree against the schema: unknown keys, wrong types, missed bounds, missing keys, what is not built yet.
//!
//! It also puts in place what `${NAME}` and `file:PATH` stand for. What it finds wrong it marks [`Value::Broken`], so
//! that one mistake is said once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Place, nearest};
use super::node::{Node, Value};
use super::not_yet::{Refused, refused};
use super::schema::{Default, Key, Kind, Table};
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
        self.errors.push(ConfigError {
            place: node.place.clone(),
            key: node.path.clone(),
            message: format!("unknown key {}", super::node::quoted(&node.path)),
            expected: None,
            nearest: nearest(name, table.keys.iter().map(|key| key.name)),
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

    fn key(&mut self, node: &mut Node, key: &'static Key) {
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
    fn refused_by_default(&mut self, key: &'static Key, path: &str, place: &Place) {
        let path = join(path, key.name);
        if let Some(refused @ Refused::Words(_)) = refused(self.not_yet, &path)
            && let Some(default) = default_of(key, place, &path)
            && refused.refuses(&default, None)
        {
            self.error(&default, refused.message(&default, &path));
        }
    }

    fn kind(&mut self, node: &mut Node, kind: &'static Kind) {
        if !kind.accepts(node) {
            let shown = match kind {
                Kind::Secret => "something else".to_owned(),
                _ => node.shown(),
            };
            let expected = match refused(self.not_yet, &node.path) {
                Some(Refused::Words(words)) => kind.expected_without(words),
                _ => kind.expected(),
            };
            self.errors.push(ConfigError {
                place: node.place.clone(),
                key: node.path.clone(),
                message: format!("\"{}\" must be {expected}, not {shown}", node.path),
                expected: Some(expected),
                nearest: None,
            });
            node.value = Value::Broken;
            return;
        }
        self.inside(node, kind);
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
                        let message =
                            format!("\"{}\" must be a list of tables, not hold {}", item.path, item.shown());
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

    /// Replaces `${NAME}` and `file:PATH` by what they stand for. False when they stand for nothing.
    fn taken(&mut self, node: &mut Node, kind: &Kind) -> bool {
        let Some(text) = node.text().map(str::to_owned) else { return true };
        let taken = if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            match self.env.get(name) {
                Some(value) => Ok(value.clone()),
                None => {
                    Err(format!("\"{}\" is taken from {text}, which the environment does not set", node.path))
                }
            }
        } else if let Some(path) = text.strip_prefix("file:").filter(|_| !matches!(kind, Kind::Path)) {
            read_text(&self.folder.join(path))
                .map_err(|why| format!("\"{}\" is taken from {text}: {why}", node.path))
        } else {
            return true;
        };
        match taken {
            // An empty secret would quietly be none at all.
            Ok(value) if value.is_empty() && matches!(kind, Kind::Secret) => {
                self.error(node, format!("\"{}\" is taken from {text}, which is empty", node.path));
                false
            }
            Ok(value) => {
                node.value = Value::Text(value);
                node.taken_from = Some(text);
                true
            }
            Err(message) => {
                self.error(node, message);
                false
            }
        }
    }
}

fn read_text(path: &PathBuf) -> Result<String, String> {
    use std::io::Read;

    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(LARGEST_TEXT + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST_TEXT {
        return Err("larger than 64KiB".to_owned());
    }
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

/// What holds when the key is not written, if anything does.
pub(super) fn default_of(key: &Key, place: &Place, path: &str) -> Option<Node> {
    match key.default {
        Default::Is(text) => literal(text, place, path),
        Default::Required | Default::Filled | Default::Absent => None,
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
