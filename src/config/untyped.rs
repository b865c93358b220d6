//! What is left of reading keys by their names: the `signed` tables.

use std::time::Duration;

use super::Secret;
use super::key::Keys;
use super::node::{Node, Value};
use super::schema::{Kind, Table};
use super::section::{self, Context};
use super::units::parse_duration;
use super::walk::{default_of, join};

/// A table, and where it was written.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub cx: &'a Context<'a>,
    table: &'static Table,
    node: &'a Node,
}

impl<'a> Section<'a> {
    pub fn of<T: Keys>(section: section::Section<'a, T>) -> Self {
        Self { cx: section.cx, table: T::TABLE, node: section.anchor() }
    }

    pub fn name(&self) -> String {
        self.table.name_of(self.node)
    }

    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key)
    }

    pub fn error(&self, key: &str, message: impl Into<String>) {
        match self.node(key) {
            Some(node) => self.cx.error(&node.place, &node.path, message),
            None => self.cx.error(&self.node.place, &join(&self.node.path, key), message),
        }
    }

    pub fn shown(&self, key: &str) -> String {
        self.node(key).map(Node::shown).unwrap_or_default()
    }

    pub fn is_sound(&self, key: &str) -> bool {
        self.node(key).is_none_or(|node| !matches!(node.value, Value::Broken))
    }

    fn value(&self, key: &str) -> Option<Node> {
        match self.node(key) {
            Some(node) if matches!(node.value, Value::Broken) => None,
            Some(node) => Some(node.clone()),
            None => default_of(self.table.key(key)?, &self.node.place, &join(&self.node.path, key)),
        }
    }

    pub fn text(&self, key: &str) -> Option<String> {
        self.value(key).and_then(|node| node.text().map(str::to_owned))
    }

    pub fn secret(&self, key: &str) -> Option<Secret> {
        self.text(key).filter(|text| !text.is_empty()).map(Secret::new)
    }

    pub fn duration(&self, key: &str) -> Duration {
        self.maybe_duration(key).unwrap_or_default()
    }

    pub fn maybe_duration(&self, key: &str) -> Option<Duration> {
        self.value(key).and_then(|node| parse_duration(node.text()?))
    }

    pub fn texts(&self, key: &str) -> Vec<Node> {
        match self.value(key).map(|node| node.value) {
            Some(Value::List(items)) => items.into_iter().filter(|item| item.text().is_some()).collect(),
            _ => Vec::new(),
        }
    }

    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let Some(Kind::Tables(table)) = self.table.key(key).map(|key| key.kind) else { return Vec::new() };
        let items = self.node(key).and_then(Node::list).unwrap_or_default();
        let tables = items.iter().filter(|item| item.table().is_some());
        tables.map(|node| Self { cx: self.cx, table, node }).collect()
    }
}
