//! The words the tables of [`keys`](super::keys) are written in: kinds of values, their bounds, how both are named.

use std::time::Duration;

use super::error::nearest;
use super::node::Node;
use super::units::{meant_duration, meant_size, parse_duration, parse_size, show_duration, show_size};

/// A table of `edge.toml`.
#[derive(Debug)]
pub(super) struct Table {
    /// What a message calls one of them: `pool`.
    pub noun: &'static str,
    /// The key whose value tells one from another.
    pub label: Option<&'static str>,
    pub keys: &'static [Definition],
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    /// One sentence for docs/configuration.md.
    pub about: &'static str,
}

/// What holds when a key is not written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Default {
    /// An error.
    Required,
    /// This value, as TOML.
    Is(&'static str),
    /// A table with all of its defaults.
    Filled,
    /// Nothing of the sort.
    Absent,
}

/// What may stand behind a key. Durations are bounded in milliseconds, sizes in bytes, both inclusive.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Flag,
    Text,
    /// Text that no message shows.
    Secret,
    /// Relative to the folder of the configuration file; `file:` is not followed.
    Path,
    Duration(u64, u64),
    Size(u64, u64),
    Count(i64, i64),
    Number(f64, f64),
    Word(&'static [&'static str]),
    /// One of the words, or the other kind.
    Or(&'static [&'static str], &'static Kind),
    List(&'static Kind),
    Table(&'static Table),
    Tables(&'static Table),
    /// A table whose keys are free.
    Map(&'static Kind),
}

impl Table {
    pub fn key(&self, name: &str) -> Option<&'static Definition> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// How one of them is written inline: `{ url = "…" }`, with the keys it must have, the first of them with this text.
    pub fn inline(&self, text: Option<&str>) -> String {
        let mut text = text.map_or_else(|| "\"…\"".to_owned(), super::node::quoted);
        let required = self.keys.iter().filter(|key| matches!(key.default, Default::Required));
        let entries: Vec<String> = required
            .map(|key| format!("{} = {}", key.name, std::mem::replace(&mut text, "\"…\"".to_owned())))
            .collect();
        format!("{{ {} }}", entries.join(", "))
    }

    /// `pool "photos"`, or `pool` when it has no name.
    pub fn name_of(&self, node: &Node) -> String {
        let label = self.label.and_then(|key| node.get(key));
        let first = label.and_then(|label| label.list().map_or(Some(label), |items| items.first()));
        match first.map(|node| (node.text(), &node.taken_from)) {
            Some((_, Some(source))) => format!("{} {source}", self.noun),
            Some((Some(text), None)) if !text.is_empty() => {
                format!("{} {}", self.noun, super::node::quoted(text))
            }
            _ => self.noun.to_owned(),
        }
    }
}

impl Kind {
    /// Whether a scalar is of this kind and within its bounds. Containers are walked by their own rules.
    pub fn accepts(&self, node: &Node) -> bool {
        match self {
            Kind::Flag => node.flag().is_some(),
            Kind::Text | Kind::Secret | Kind::Path => node.text().is_some(),
            Kind::Duration(min, max) => node
                .text()
                .and_then(parse_duration)
                .is_some_and(|d| d >= Duration::from_millis(*min) && d <= Duration::from_millis(*max)),
            Kind::Size(min, max) => size_of(node).is_some_and(|bytes| bytes >= *min && bytes <= *max),
            Kind::Count(min, max) => node.int().is_some_and(|n| n >= *min && n <= *max),
            Kind::Number(min, max) => node.number().is_some_and(|n| n >= *min && n <= *max),
            Kind::Word(words) => node.text().is_some_and(|text| words.contains(&text)),
            Kind::Or(words, other) => {
                node.text().is_some_and(|text| words.contains(&text)) || other.accepts(node)
            }
            Kind::List(_) | Kind::Tables(_) => node.list().is_some(),
            Kind::Table(_) | Kind::Map(_) => node.table().is_some(),
        }
    }

    /// The value of this kind that was probably meant by one that is none, as it is to be written.
    pub fn meant(&self, node: &Node) -> Option<String> {
        let text = match node.int() {
            Some(number) => number.to_string(),
            None => node.text()?.to_owned(),
        };
        match self {
            Kind::Duration(min, max) => {
                let meant = meant_duration(&text)?;
                let fits = meant >= Duration::from_millis(*min) && meant <= Duration::from_millis(*max);
                fits.then(|| show_duration(meant))
            }
            Kind::Size(min, max) => {
                let meant = meant_size(&text)?;
                (meant >= *min && meant <= *max && parse_size(&text) != Some(meant)).then(|| show_size(meant))
            }
            // Of a short word each other one is near.
            Kind::Word(words) => nearest(&text, words.iter().copied()).filter(|_| text.len() > 3),
            Kind::Or(words, other) => nearest(&text, words.iter().copied()).or_else(|| other.meant(node)),
            _ => None,
        }
    }

    /// What a message says was expected.
    pub fn expected(&self) -> String {
        self.expected_without(&[])
    }

    /// The same without words that would be refused in their turn.
    pub fn expected_without(&self, refused: &[&str]) -> String {
        let kept = |words: &[&'static str]| -> Vec<&'static str> {
            words.iter().copied().filter(|word| !refused.contains(word)).collect()
        };
        match self {
            Kind::Flag => "true or false".to_owned(),
            Kind::Text | Kind::Secret => "text".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Duration(min, max) => {
                let show = |ms| show_duration(Duration::from_millis(ms));
                format!("a duration from {} to {}", show(*min), show(*max))
            }
            Kind::Size(min, max) => format!("a size from {} to {}", show_size(*min), show_size(*max)),
            Kind::Count(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Number(min, max) => format!("a number from {min} to {max}"),
            Kind::Word(words) => alternatives(&kept(words), None),
            Kind::Or(words, other) => alternatives(&kept(words), Some(&other.expected())),
            Kind::List(_) => "a list".to_owned(),
            Kind::Table(_) | Kind::Map(_) => "a table".to_owned(),
            Kind::Tables(_) => "a list of tables".to_owned(),
        }
    }

    /// Whether the values of this kind are lists; what the environment may address by number.
    pub fn is_list(&self) -> bool {
        match self {
            Kind::List(_) | Kind::Tables(_) => true,
            Kind::Or(_, other) => other.is_list(),
            _ => false,
        }
    }

    /// Whether the environment may write the value as a TOML list or inline table.
    pub fn is_container(&self) -> bool {
        match self {
            Kind::List(_) | Kind::Tables(_) | Kind::Table(_) | Kind::Map(_) => true,
            Kind::Or(_, other) => other.is_container(),
            _ => false,
        }
    }

    /// The kind behind one more step of a path: a key, or an index into a list.
    fn step(&self, step: &str) -> Option<&'static Kind> {
        match self {
            Kind::Table(table) => table.key(step).map(|key| &key.kind),
            Kind::Map(inner) | Kind::List(inner) => Some(*inner),
            Kind::Or(_, other) => other.step(step),
            _ => None,
        }
    }
}

/// The kind of value at a path that counts list entries, if the schema knows it.
pub(super) fn kind_at(root: &'static Table, path: &[String]) -> Option<&'static Kind> {
    let (first, mut rest) = path.split_first()?;
    let mut kind = &root.key(first)?.kind;
    while let Some((step, after)) = rest.split_first() {
        kind = match kind {
            Kind::Tables(table) => match after.split_first() {
                Some((key, deeper)) => {
                    rest = deeper;
                    &table.key(key)?.kind
                }
                None => return None,
            },
            _ => {
                rest = after;
                kind.step(step)?
            }
        };
    }
    Some(kind)
}

/// Bytes: a whole number, or text with a unit.
pub(super) fn size_of(node: &Node) -> Option<u64> {
    match node.int() {
        Some(bytes) => u64::try_from(bytes).ok(),
        None => node.text().and_then(parse_size),
    }
}

/// `"a", "b" or <other>`
fn alternatives(words: &[&str], other: Option<&str>) -> String {
    let mut all: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    all.extend(other.map(str::to_owned));
    match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
