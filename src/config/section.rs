//! A table as the builders read it: typed values by key, defaults filled in, a rule's table on top of its site's.
//!
//! The walk has checked types and bounds, so a getter that finds something broken gives a stand-in and says nothing:
//! the configuration is thrown away as soon as there is an error.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Place};
use super::key::{Key, Keys, Many, One, WordOr};
use super::node::{Node, Value};
use super::schema::Definition;
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

/// A table with the keys `T`, and what lies under it: a rule's `cache` lies on its site's.
pub(super) struct Section<'a, T> {
    pub cx: &'a Context<'a>,
    top: Option<&'a Node>,
    under: Option<&'a Node>,
    /// Where the nearest thing that was written stands.
    anchor: &'a Node,
    keys: PhantomData<fn() -> T>,
}

// Derived, both would ask the same of the keys.
impl<T> Clone for Section<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Section<'_, T> {}

/// The value of a key that is a word or a table.
pub(super) enum WordOrTable<'a, T> {
    /// Empty when the value is broken.
    Word(String),
    Table(Section<'a, T>),
}

impl<'a, T: Keys> Section<'a, T> {
    pub fn new(cx: &'a Context<'a>, node: &'a Node) -> Self {
        Self { cx, top: Some(node), under: None, anchor: node, keys: PhantomData }
    }

    /// The same with `under`'s keys where this one has none.
    pub fn over(self, under: Self) -> Self {
        Self { under: under.top, ..self }
    }

    /// Where the nearest thing that was written stands.
    pub fn anchor(&self) -> &'a Node {
        self.anchor
    }

    /// Whether the table itself was written.
    pub fn written(&self) -> bool {
        self.top.is_some()
    }

    /// Whether the key is written in this table, not only in what lies under it.
    pub fn owns<V>(&self, key: &Key<T, V>) -> bool {
        self.top.is_some_and(|node| node.get(key.name()).is_some())
    }

    /// How messages call it: `pool "photos"`.
    pub fn name(&self) -> String {
        T::TABLE.name_of(self.anchor)
    }

    /// The node of a key as written.
    pub fn node<V>(&self, key: &Key<T, V>) -> Option<&'a Node> {
        let written = |table: Option<&'a Node>| table.and_then(|node| node.get(key.name()));
        written(self.top).or_else(|| written(self.under))
    }

    /// Says that something is wrong with a key, or with the table when the key is not written.
    pub fn error<V>(&self, key: &Key<T, V>, message: impl Into<String>) {
        self.nearest(key, message, None);
    }

    pub fn nearest<V>(&self, key: &Key<T, V>, message: impl Into<String>, nearest: Option<String>) {
        match self.node(key) {
            Some(node) => self.cx.nearest(&node.place, &node.path, message, nearest),
            None => {
                let path = join(&self.anchor.path, key.name());
                self.cx.nearest(&self.anchor.place, &path, message, nearest);
            }
        }
    }

    /// Remarks on a key, or on the table when the key is not written.
    pub fn remark<V>(&self, key: &Key<T, V>, message: impl Into<String>) {
        let place = self.node(key).map_or(&self.anchor.place, |node| &node.place);
        self.cx.remarks.borrow_mut().push((place.clone(), message.into()));
    }

    /// How a message shows the value of a key that was written.
    pub fn shown<V>(&self, key: &Key<T, V>) -> String {
        self.node(key).map(Node::shown).unwrap_or_default()
    }

    /// False when something was wrong with the key, and that was said.
    pub fn is_sound<V>(&self, key: &Key<T, V>) -> bool {
        self.node(key).is_none_or(|node| !matches!(node.value, Value::Broken))
    }

    /// Whether a list of tables has an entry, or was wrong and said so.
    pub fn written_list<U>(&self, key: &Key<T, Many<U>>) -> bool {
        !self.is_sound(key) || self.node(key).and_then(Node::list).is_some_and(|items| !items.is_empty())
    }

    /// The value of a key: what was written, or else its default.
    pub fn get<V>(&self, key: &Key<T, V>) -> V {
        key.read(self.value(&key.definition).as_ref(), self.cx.folder)
    }

    /// As [`Section::get`], without what lies under this table.
    pub fn own<V>(&self, key: &Key<T, V>) -> V {
        Section { under: None, ..*self }.get(key)
    }

    fn value(&self, key: &Definition) -> Option<Node> {
        let written = |table: Option<&'a Node>| table.and_then(|node| node.get(key.name));
        match written(self.top).or_else(|| written(self.under)) {
            Some(node) if matches!(node.value, Value::Broken) => None,
            Some(node) => Some(node.clone()),
            None => default_of(key, &self.anchor.place, &join(&self.anchor.path, key.name)),
        }
    }

    /// A table in this one; without its keys when it is not written.
    pub fn table<U: Keys>(&self, key: &Key<T, One<U>>) -> Section<'a, U> {
        let top = self.top.and_then(|node| node.get(key.name())).filter(|node| node.table().is_some());
        Section { cx: self.cx, top, under: None, anchor: top.unwrap_or(self.anchor), keys: PhantomData }
    }

    /// The tables of a list.
    pub fn tables<U: Keys>(&self, key: &Key<T, Many<U>>) -> Vec<Section<'a, U>> {
        let items = self.node(key).and_then(Node::list).unwrap_or_default();
        let tables = items.iter().filter(|item| item.table().is_some());
        tables.map(|node| Section::new(self.cx, node)).collect()
    }

    /// A word or a table.
    pub fn word_or_table<U: Keys>(&self, key: &Key<T, WordOr<U>>) -> WordOrTable<'a, U> {
        match self.node(key).filter(|node| node.table().is_some()) {
            Some(node) => WordOrTable::Table(Section::new(self.cx, node)),
            None => {
                let word = self.value(&key.definition).and_then(|node| node.text().map(str::to_owned));
                WordOrTable::Word(word.unwrap_or_default())
            }
        }
    }
}
