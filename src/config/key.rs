//! A key as the builders read it: one definition says its name, its bounds, its default and the type of its values.
//!
//! [`define_tables!`] makes a struct of each table, with a field for each key: a key that is not there does not compile, nor does
//! one that is asked of another table, or taken for a value of another type.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Secret;
use super::node::Node;
use super::schema::{Default, Definition, Kind, Table, size_of};
use super::units::parse_duration;

/// The keys of one table of `edge.toml`.
pub(super) trait Keys: 'static {
    const TABLE: &'static Table;
}

/// A key of the table `T` whose values are read as `V`.
#[derive(Debug)]
pub(super) struct Key<T, V> {
    pub definition: Definition,
    values: Values<V>,
    of: PhantomData<fn() -> T>,
}

/// Which values a key has, and how they are read.
#[derive(Debug)]
pub(super) struct Values<V> {
    kind: Kind,
    /// Reads what the walk let through. The path is the folder that relative paths start from.
    read: fn(&Node, &Path) -> Option<V>,
    /// What a builder gets while the value is broken: the configuration is thrown away then.
    stand_in: fn() -> V,
}

/// The value of a key that is a table of its own.
#[derive(Debug)]
pub(super) struct One<T>(PhantomData<fn() -> T>);

/// The value of a key that is a list of tables.
#[derive(Debug)]
pub(super) struct Many<T>(PhantomData<fn() -> T>);

/// The value of a key that is a word or a table.
#[derive(Debug)]
pub(super) struct WordOr<T>(PhantomData<fn() -> T>);

/// The texts of a list, each where it was written.
pub(super) type Texts = Vec<Node>;

/// The entries of a table with free keys.
pub(super) type Entries = Vec<(String, Node)>;

impl<T, V> Key<T, V> {
    pub const fn new(name: &'static str, values: Values<V>, default: Default, about: &'static str) -> Self {
        Self { definition: Definition { name, kind: values.kind, default, about }, values, of: PhantomData }
    }

    pub fn name(&self) -> &'static str {
        self.definition.name
    }

    /// What a value is, or a stand-in when it is missing or broken.
    pub fn read(&self, value: Option<&Node>, folder: &Path) -> V {
        value.and_then(|node| (self.values.read)(node, folder)).unwrap_or_else(self.values.stand_in)
    }
}

impl<V> Values<V> {
    pub const fn new(kind: Kind, read: fn(&Node, &Path) -> Option<V>, stand_in: fn() -> V) -> Self {
        Self { kind, read, stand_in }
    }
}

pub(super) const fn flag() -> Values<bool> {
    Values::new(Kind::Flag, |node, _| node.flag(), bool::default)
}

pub(super) const fn text() -> Values<String> {
    Values::new(Kind::Text, |node, _| node.text().map(str::to_owned), String::new)
}

/// `""` is none.
pub(super) const fn filled_text() -> Values<Option<String>> {
    Values::new(Kind::Text, |node, _| filled(node).map(|text| Some(text.to_owned())), none)
}

/// `""` is none.
pub(super) const fn secret() -> Values<Option<Secret>> {
    Values::new(Kind::Secret, |node, _| filled(node).map(|text| Some(Secret::new(text))), none)
}

/// From the folder of the configuration file; `""` is none.
pub(super) const fn path() -> Values<Option<PathBuf>> {
    Values::new(Kind::Path, |node, folder| filled(node).map(|path| Some(folder.join(path))), none)
}

/// A path as it was written, or one of the words that the builder knows.
pub(super) const fn written_path() -> Values<String> {
    Values::new(Kind::Path, |node, _| node.text().map(str::to_owned), String::new)
}

/// In milliseconds.
pub(super) const fn duration(min: u64, max: u64) -> Values<Duration> {
    Values::new(Kind::Duration(min, max), |node, _| parse_duration(node.text()?), || Duration::ZERO)
}

/// In milliseconds; `""` is none.
pub(super) const fn optional_duration<const MIN: u64, const MAX: u64>() -> Values<Option<Duration>> {
    let kind = Kind::Or(&[""], const { &Kind::Duration(MIN, MAX) });
    Values::new(kind, |node, _| parse_duration(node.text()?).map(Some), none)
}

/// In bytes.
pub(super) const fn size<V: TryFrom<u64> + std::default::Default>(min: u64, max: u64) -> Values<V> {
    Values::new(Kind::Size(min, max), |node, _| size_of(node)?.try_into().ok(), V::default)
}

/// A whole number, with bounds that `V` can hold.
pub(super) const fn count<V: TryFrom<i64> + std::default::Default>(min: i64, max: i64) -> Values<V> {
    Values::new(Kind::Count(min, max), |node, _| node.int()?.try_into().ok(), V::default)
}

/// A whole number; one of the words is none.
pub(super) const fn count_or<const MIN: i64, const MAX: i64>(
    words: &'static [&'static str],
) -> Values<Option<usize>> {
    let kind = Kind::Or(words, const { &Kind::Count(MIN, MAX) });
    Values::new(kind, |node, _| node.int()?.try_into().ok().map(Some), none)
}

pub(super) const fn number(min: f64, max: f64) -> Values<f64> {
    Values::new(Kind::Number(min, max), |node, _| node.number(), f64::default)
}

/// Texts of this kind.
pub(super) const fn list(kind: &'static Kind) -> Values<Texts> {
    Values::new(Kind::List(kind), |node, _| texts_of(node), Vec::new)
}

pub(super) const fn texts() -> Values<Texts> {
    list(&Kind::Text)
}

/// A list of texts; one of the words is none.
pub(super) const fn texts_or(words: &'static [&'static str]) -> Values<Option<Texts>> {
    Values::new(Kind::Or(words, &Kind::List(&Kind::Text)), |node, _| texts_of(node).map(Some), none)
}

/// Whole numbers within bounds that `u16` can hold.
pub(super) const fn counts<const MIN: i64, const MAX: i64>() -> Values<Vec<u16>> {
    let kind = Kind::List(const { &Kind::Count(MIN, MAX) });
    let read = |node: &Node, _: &Path| {
        Some(node.list()?.iter().filter_map(|item| item.int()?.try_into().ok()).collect())
    };
    Values::new(kind, read, Vec::new)
}

/// Texts of this kind under free keys.
pub(super) const fn map(kind: &'static Kind) -> Values<Entries> {
    let read = |node: &Node, _: &Path| {
        let entries = node.table()?.iter().filter(|(_, node)| node.text().is_some());
        Some(entries.map(|(name, node)| (name.clone(), node.clone())).collect())
    };
    Values::new(Kind::Map(kind), read, Vec::new)
}

pub(super) const fn table<T: Keys>() -> Values<One<T>> {
    Values::new(Kind::Table(T::TABLE), |_, _| None, || One(PhantomData))
}

pub(super) const fn tables<T: Keys>() -> Values<Many<T>> {
    Values::new(Kind::Tables(T::TABLE), |_, _| None, || Many(PhantomData))
}

pub(super) const fn table_or<T: Keys>(words: &'static [&'static str]) -> Values<WordOr<T>> {
    Values::new(Kind::Or(words, const { &Kind::Table(T::TABLE) }), |_, _| None, || WordOr(PhantomData))
}

/// Text that is not empty.
fn filled(node: &Node) -> Option<&str> {
    node.text().filter(|text| !text.is_empty())
}

fn texts_of(node: &Node) -> Option<Texts> {
    Some(node.list()?.iter().filter(|item| item.text().is_some()).cloned().collect())
}

fn none<V>() -> Option<V> {
    None
}

/// Words, each with the value it stands for.
macro_rules! words {
    [$first:literal => $value:expr $(, $word:literal => $other:expr)*] => {
        $crate::config::key::Values::new(
            $crate::config::schema::Kind::Word(&[$first $(, $word)*]),
            |node, _| match node.text()? {
                $first => Some($value),
                $($word => Some($other),)*
                _ => None,
            },
            || $value,
        )
    };
}

/// Tables, a key a line: `key: type of its values = the values it may have, its default, its meaning;`. After `by` is the
/// key whose value tells one table from another.
macro_rules! define_tables {
    ($($keys:ident: $table:ident, $noun:literal $(, by $label:ident)? {
        $($name:ident: $type:ty = $values:expr, $default:expr, $about:literal;)*
    })*) => {$(
        #[derive(Debug)]
        pub(super) struct $table {
            $(pub $name: $crate::config::key::Key<$table, $type>,)*
        }

        pub(super) static $keys: $table = $table {
            $($name: $crate::config::key::Key::new(stringify!($name), $values, $default, $about),)*
        };

        impl $crate::config::key::Keys for $table {
            const TABLE: &'static $crate::config::schema::Table = &$crate::config::schema::Table {
                noun: $noun,
                label: define_tables!(@label $keys $($label)?),
                keys: &[$($keys.$name.definition,)*],
            };
        }
    )*};
    (@label $keys:ident) => { None };
    (@label $keys:ident $label:ident) => { Some($keys.$label.definition.name) };
}

pub(super) use {define_tables, words};
