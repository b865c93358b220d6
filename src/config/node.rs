//! A tree of values that know where they were written: what the file and the environment say, merged.

use std::collections::BTreeMap;

use super::error::Place;

/// A value, its place and its path.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it was written.
    pub place: Place,
    /// Without indices: `site.cache.default_ttl`.
    pub path: String,
    pub value: Value,
    /// Set when the text stands elsewhere: `${NAME}` or `file:PATH`. What it holds is not repeated in messages,
    /// because it may be a secret in the wrong key.
    pub taken_from: Option<String>,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Flag(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// Something was wrong with it, and that was said.
    Broken,
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn table(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.get(key)
    }

    /// Whether this text was put in place by the environment or a file: there everything is text, so it may stand
    /// for a number or a flag.
    fn is_plain_text(&self) -> bool {
        self.taken_from.is_some() || matches!(self.place, Place::Variable(_))
    }

    pub fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Flag(flag) => Some(*flag),
            Value::Text(text) if self.is_plain_text() => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn int(&self) -> Option<i64> {
        match &self.value {
            Value::Int(number) => Some(*number),
            Value::Text(text) if self.is_plain_text() => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A finite number, written with or without a fraction.
    pub fn number(&self) -> Option<f64> {
        let number = match &self.value {
            // Exact up to 2^53, far above any bound of ours.
            Value::Int(number) => *number as f64,
            Value::Float(number) => *number,
            Value::Text(text) if self.is_plain_text() => text.trim().parse().ok()?,
            _ => return None,
        };
        number.is_finite().then_some(number)
    }

    /// How a message shows the value.
    pub fn shown(&self) -> String {
        if let Some(source) = &self.taken_from {
            return format!("the value of {source}");
        }
        match &self.value {
            Value::Flag(flag) => flag.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => quoted(text),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Broken => "something else".to_owned(),
        }
    }

    /// Whether both say the same, wherever they were written.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Value::Table(a), Value::Table(b)) => {
                a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| v.same(w)))
            }
            (_, Value::Flag(b)) => self.flag() == Some(*b),
            (_, Value::Int(_) | Value::Float(_)) => self.number() == other.number(),
            _ => self.text().is_some() && self.text() == other.text(),
        }
    }
}

/// In quotes, control characters escaped, cut where it gets long: a message stays one line.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(place: Place, value: Value) -> Node {
        Node { place, path: String::new(), value, taken_from: None }
    }

    #[test]
    fn text_is_a_number_only_from_the_environment() {
        let text = || Value::Text("12".to_owned());
        assert_eq!(node(Place::File("f".into()), text()).int(), None);
        assert_eq!(node(Place::Variable("V".into()), text()).int(), Some(12));
    }

    #[test]
    fn a_taken_value_is_not_repeated() {
        let mut node = node(Place::File("f".into()), Value::Text("hunter2".to_owned()));
        assert_eq!(node.shown(), "\"hunter2\"");
        node.taken_from = Some("${X}".to_owned());
        assert_eq!(node.shown(), "the value of ${X}");
    }

    #[test]
    fn long_and_odd_text_stays_one_line() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"é".repeat(100)).chars().count(), 63);
    }
}
