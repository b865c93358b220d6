//! A table as the builders read it: typed values by key, defaults filled in, a rule's table on top of its site's.
//!
//! The walk has checked types and bounds, so a getter that finds something broken gives a stand-in and says nothing:
//! the configuration is thrown away as soon as there is an error.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Secret;
use super::error::{ConfigError, Place};
use super::node::{Node, Value};
use super::schema::{Kind, Table, size_of};
use super::units::parse_duration;
use super::walk::{default_of, join};

/// What the builders share.
pub(super) struct Context<'a> {
    pub folder: &'a Path,
    pub errors: RefCell<Vec<ConfigError>>,
    /// What is allowed and yet seldom meant.
    pub remarks: RefCell<Vec<(Place, String)>>,
    /// Tables of the file that somebody has probably misnamed.
    pub misnamed: BTreeSet<String>,
}

impl Context<'_> {
    pub fn error(&self, place: &Place, key: &str, message: impl Into<String>) {
        self.nearest(place, key, message, None);
    }

    pub fn nearest(&self, place: &Place, key: &str, message: impl Into<String>, nearest: Option<String>) {
        let (place, key, message) = (place.clone(), key.to_owned(), message.into());
        self.errors.borrow_mut().push(ConfigError { place, key, message, expected: None, nearest });
    }

    /// Whether the pools could be read: else each site would name an unknown one.
    pub fn pools_are_known(&self) -> bool {
        let broken = self.errors.borrow().iter().any(|error| error.key == "pool");
        !broken && !self.misnamed.contains("pool")
    }

    /// A path as written, from the configuration file's folder.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// A table, and what lies under it: a rule's `cache` lies on its site's.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub cx: &'a Context<'a>,
    table: &'static Table,
    top: Option<&'a Node>,
    under: Option<&'a Node>,
    /// Where the nearest thing that was written stands.
    anchor: &'a Node,
}

impl<'a> Section<'a> {
    pub fn new(cx: &'a Context<'a>, table: &'static Table, node: &'a Node) -> Self {
        Self { cx, table, top: Some(node), under: None, anchor: node }
    }

    /// The same with `under`'s keys where this one has none.
    pub fn over(self, under: Section<'a>) -> Self {
        Self { under: under.top, ..self }
    }

    /// Whether the table itself was written.
    pub fn written(&self) -> bool {
        self.top.is_some()
    }

    /// Whether the key is written in this table, not only in what lies under it.
    pub fn owns(&self, key: &str) -> bool {
        self.top.is_some_and(|node| node.get(key).is_some())
    }

    /// How messages call it: `pool "photos"`.
    pub fn name(&self) -> String {
        self.table.name_of(self.anchor)
    }

    /// The node of a key as written.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.top.and_then(|node| node.get(key)).or_else(|| self.under.and_then(|node| node.get(key)))
    }

    /// Says that something is wrong with a key, or with the table when the key is not written.
    pub fn error(&self, key: &str, message: impl Into<String>) {
        self.nearest(key, message, None);
    }

    pub fn nearest(&self, key: &str, message: impl Into<String>, nearest: Option<String>) {
        match self.node(key) {
            Some(node) => self.cx.nearest(&node.place, &node.path, message, nearest),
            None => self.cx.nearest(&self.anchor.place, &join(&self.anchor.path, key), message, nearest),
        }
    }

    /// Remarks on a key, or on the table when the key is not written.
    pub fn remark(&self, key: &str, message: impl Into<String>) {
        let place = self.node(key).map_or(&self.anchor.place, |node| &node.place);
        self.cx.remarks.borrow_mut().push((place.clone(), message.into()));
    }

    /// How a message shows the value of a key that was written.
    pub fn shown(&self, key: &str) -> String {
        self.node(key).map(Node::shown).unwrap_or_default()
    }

    /// False when something was wrong with the key, and that was said.
    pub fn is_sound(&self, key: &str) -> bool {
        self.node(key).is_none_or(|node| !matches!(node.value, Value::Broken))
    }

    /// Whether a list of tables has an entry, or was wrong and said so.
    pub fn written_list(&self, key: &str) -> bool {
        !self.is_sound(key) || self.node(key).and_then(Node::list).is_some_and(|items| !items.is_empty())
    }

    fn value(&self, key: &str) -> Option<Node> {
        match self.node(key) {
            Some(node) if matches!(node.value, Value::Broken) => None,
            Some(node) => Some(node.clone()),
            None => default_of(self.table.key(key)?, &self.anchor.place, &join(&self.anchor.path, key)),
        }
    }

    pub fn flag(&self, key: &str) -> bool {
        self.value(key).and_then(|node| node.flag()).unwrap_or_default()
    }

    /// `None` when absent or broken; what is empty is there.
    pub fn text(&self, key: &str) -> Option<String> {
        self.value(key).and_then(|node| node.text().map(str::to_owned))
    }

    /// `None` also for `""`.
    pub fn filled(&self, key: &str) -> Option<String> {
        self.text(key).filter(|text| !text.is_empty())
    }

    pub fn secret(&self, key: &str) -> Option<Secret> {
        self.filled(key).map(Secret::new)
    }

    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.filled(key).map(|path| self.cx.resolve(&path))
    }

    pub fn duration(&self, key: &str) -> Duration {
        self.maybe_duration(key).unwrap_or_default()
    }

    /// `None` for `""`.
    pub fn maybe_duration(&self, key: &str) -> Option<Duration> {
        self.value(key).and_then(|node| parse_duration(node.text()?))
    }

    pub fn size(&self, key: &str) -> u64 {
        self.value(key).and_then(|node| size_of(&node)).unwrap_or_default()
    }

    /// A whole number that the schema bounds to what `T` holds.
    pub fn count<T: TryFrom<i64> + Default>(&self, key: &str) -> T {
        self.value(key).and_then(|node| node.int()?.try_into().ok()).unwrap_or_default()
    }

    pub fn number(&self, key: &str) -> f64 {
        self.value(key).and_then(|node| node.number()).unwrap_or_default()
    }

    /// The value that goes with the word; the first one when it is broken.
    pub fn choice<T: Copy>(&self, key: &str, words: &[(&str, T); 2]) -> T {
        let text = self.text(key);
        words.iter().find(|(word, _)| text.as_deref() == Some(word)).unwrap_or(&words[0]).1
    }

    /// The texts of a list, each with its node.
    pub fn texts(&self, key: &str) -> Vec<Node> {
        match self.value(key).map(|node| node.value) {
            Some(Value::List(items)) => items.into_iter().filter(|item| item.text().is_some()).collect(),
            _ => Vec::new(),
        }
    }

    /// The whole numbers of a list.
    pub fn numbers<T: TryFrom<i64>>(&self, key: &str) -> Vec<T> {
        match self.value(key).map(|node| node.value) {
            Some(Value::List(items)) => items.iter().filter_map(|item| item.int()?.try_into().ok()).collect(),
            _ => Vec::new(),
        }
    }

    /// The entries of a table with free keys.
    pub fn entries(&self, key: &str) -> Vec<(String, Node)> {
        match self.value(key).map(|node| node.value) {
            Some(Value::Table(entries)) => {
                entries.into_iter().filter(|(_, node)| node.text().is_some()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// As [`Section::entries`], without what lies under this table.
    pub fn own_entries(&self, key: &str) -> Vec<(String, Node)> {
        Section { under: None, ..*self }.entries(key)
    }

    /// A table in this one; without its keys when it is not written.
    pub fn section(&self, key: &str) -> Section<'a> {
        let tables = |node: Option<&'a Node>| node.and_then(|n| n.get(key)).filter(|n| n.table().is_some());
        let top = tables(self.top);
        let table = self.table.key(key).and_then(|key| table_of(&key.kind)).unwrap_or(self.table);
        Section { cx: self.cx, table, top, under: None, anchor: top.unwrap_or(self.anchor) }
    }

    /// The tables of a list.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let Some(table) = self.table.key(key).and_then(|key| table_of(&key.kind)) else { return Vec::new() };
        let items = self.node(key).and_then(Node::list).unwrap_or_default();
        let tables = items.iter().filter(|item| item.table().is_some());
        tables.map(|node| Section::new(self.cx, table, node)).collect()
    }
}

fn table_of(kind: &'static Kind) -> Option<&'static Table> {
    match kind {
        Kind::Table(table) | Kind::Tables(table) => Some(table),
        Kind::Or(_, other) => table_of(other),
        _ => None,
    }
}
