//! The file and the environment, merged into one tree of [`Node`]s.
//!
//! figment merges, and its tags say which provider a value came from; it knows no lines, so `toml_edit` gives the
//! spot of every path. Lists travel through figment as tables keyed by index: that is how `SEAWALL_POOL__0__NAME`
//! reaches one key of one entry.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use figment::value::{Dict, Map, Num, Tag, Value as Fig};
use figment::{Figment, Metadata, Profile, Provider};
use toml_edit::{Document, Item, TableLike, Value as Toml};

use super::error::{ConfigError, ConfigErrors, Place};
use super::keys::ROOT;
use super::node::{Node, Value};
use super::schema::{Kind, kind_at};

/// Variables that begin so and hold a `__` are settings; others (`SEAWALL_TOKEN_KEY`, what Kubernetes injects) are not.
const PREFIX: &str = "SEAWALL_";
const LEVEL: &str = "__";

/// Deeper than any key of the schema; bounds recursion.
const DEEPEST: usize = 16;

type Path = Vec<String>;

/// A place in the text for every path in it.
struct Spots {
    file: Arc<str>,
    /// Byte offset of each line's first byte.
    lines: Vec<usize>,
    spots: HashMap<Path, Spot>,
}

struct Spot {
    place: Place,
    list: bool,
}

impl Spots {
    fn new(file: Arc<str>, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self { file, lines: std::iter::once(0).chain(breaks).collect(), spots: HashMap::new() }
    }

    fn place(&self, text: &str, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place::Line { file: Arc::clone(&self.file), line, column }
    }
}

/// The file as figment sees it.
struct FileProvider(Dict);

/// One variable; a provider of its own, so that its name is the metadata of what it set.
struct Variable {
    name: String,
    path: Path,
    value: Fig,
}

impl Provider for FileProvider {
    fn metadata(&self) -> Metadata {
        Metadata::named("")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        if let Some((first, rest)) = self.path.split_first() {
            let value = rest.iter().rev().fold(self.value.clone(), |inner, key| {
                Fig::Dict(Tag::Default, Dict::from([(key.clone(), inner)]))
            });
            dict.insert(first.clone(), value);
        }
        Ok(Profile::Default.collect(dict))
    }
}

/// Merges both. The errors are those of addressing; a file that is not TOML gives `Err` with the one error.
pub(super) fn read(
    text: &str,
    file: &Arc<str>,
    env: &BTreeMap<String, String>,
) -> Result<(Node, Vec<ConfigError>), ConfigErrors> {
    let mut spots = Spots::new(Arc::clone(file), text);
    let document = Document::parse(text).map_err(|error| {
        let place = error.span().map_or(Place::File(Arc::clone(file)), |span| spots.place(text, span.start));
        let key = error.span().and_then(|span| text.get(span)).map(str::trim).filter(|key| !key.is_empty());
        whole(
            place,
            match key.filter(|_| error.message().starts_with("duplicate key")) {
                Some(key) => {
                    format!("{} is defined twice", super::node::quoted(key.trim_matches(['[', ']', '"'])))
                }
                None => format!("not TOML: {}", error.message().replace('\n', ", ")),
            },
        )
    })?;
    let mut walk = FileWalk { text, spots: &mut spots, path: Vec::new() };
    let dict = walk.table(document.as_table());
    let mut figment = Figment::new().merge(FileProvider(dict));
    for (name, raw) in env {
        if let Some(variable) = variable(name, raw) {
            figment = figment.merge(variable);
        }
    }
    let root = Place::File(Arc::clone(file));
    let merged = figment.data().map_err(|error| whole(root.clone(), error.to_string()))?;
    let dict = merged.into_iter().find(|(profile, _)| *profile == Profile::Default).map(|(_, dict)| dict);
    let mut merge = Merge { figment: &figment, spots: &spots, path: Vec::new(), errors: Vec::new() };
    let value = merge.table(dict.unwrap_or_default(), &root, false);
    Ok((Node { place: root, path: String::new(), value, taken_from: None }, merge.errors))
}

/// The one error there is when nothing can be read.
fn whole(place: Place, message: String) -> ConfigErrors {
    ConfigErrors::new(vec![ConfigError { place, key: String::new(), message, expected: None, nearest: None }])
}

/// A default as the schema writes it.
pub(super) fn literal(text: &str, place: &Place, path: &str) -> Option<Node> {
    let value: Toml = text.parse().ok()?;
    let spots = Spots::new("".into(), "");
    let figment = Figment::new();
    let mut merge = Merge { figment: &figment, spots: &spots, path: Vec::new(), errors: Vec::new() };
    let mut node = merge.node(plain(&value), place, true);
    node.path = path.to_owned();
    Some(node)
}

/// The variable that one with single underscores was probably meant for: `SEAWALL_CACHE__MEMORY__CAPACITY` for
/// `SEAWALL_CACHE_MEMORY_CAPACITY`. None for the names of secrets: `SEAWALL_ADMIN_TOKEN` is a good name for one.
pub(super) fn meant_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX).filter(|rest| !rest.contains(LEVEL))?;
    let parts: Vec<String> = rest.split('_').take(DEEPEST).map(str::to_ascii_lowercase).collect();
    let path = spelled(&parts, &|path| kind_at(ROOT, path))?;
    let secret = matches!(kind_at(ROOT, &path), Some(Kind::Secret));
    (path.len() > 1 && !secret).then(|| format!("{PREFIX}{}", path.join(LEVEL).to_ascii_uppercase()))
}

/// Joins parts of names so that they are the path of a key: `stale`, `if`, `error` are one name.
fn spelled(parts: &[String], kind_of: &dyn Fn(&[String]) -> Option<&'static Kind>) -> Option<Path> {
    fn descend(
        path: &mut Path,
        parts: &[String],
        kind_of: &dyn Fn(&[String]) -> Option<&'static Kind>,
    ) -> bool {
        if parts.is_empty() {
            return kind_of(path).is_some_and(|kind| !matches!(kind, Kind::Table(_) | Kind::Tables(_)));
        }
        (1..=parts.len()).any(|taken| {
            let name = parts[..taken].join("_");
            let is_index = name.bytes().all(|b| b.is_ascii_digit()) && !path.is_empty();
            path.push(name);
            let found = (is_index || kind_of(path).is_some()) && descend(path, &parts[taken..], kind_of);
            if !found {
                path.pop();
            }
            found
        })
    }
    let mut path = Path::new();
    descend(&mut path, parts, kind_of).then_some(path)
}

fn variable(name: &str, raw: &str) -> Option<Variable> {
    let keys = name.strip_prefix(PREFIX).filter(|keys| keys.contains(LEVEL))?;
    // What is cut off changes nothing: no key lies so deep, so the variable is an error either way.
    let path: Path = keys.split(LEVEL).take(DEEPEST).map(str::to_ascii_lowercase).collect();
    let container = kind_at(ROOT, &path).is_some_and(|kind| kind.is_container());
    let value = match raw.trim_start().as_bytes().first() {
        // Anything else stays the text it is: quotes would only be in the way.
        Some(b'[' | b'{') if container => raw.trim().parse().ok().map(|toml: Toml| plain(&toml)),
        _ => None,
    };
    let value = value.unwrap_or_else(|| Fig::String(Tag::Default, raw.to_owned()));
    Some(Variable { name: name.to_owned(), path, value })
}

/// A TOML value without its place, lists as lists.
fn plain(value: &Toml) -> Fig {
    match value {
        Toml::Array(items) => Fig::Array(Tag::Default, items.iter().map(plain).collect()),
        Toml::InlineTable(table) => {
            Fig::Dict(Tag::Default, table.iter().map(|(key, value)| (key.to_owned(), plain(value))).collect())
        }
        scalar => scalar_of(scalar),
    }
}

fn scalar_of(value: &Toml) -> Fig {
    match value {
        Toml::Boolean(flag) => Fig::Bool(Tag::Default, *flag.value()),
        Toml::Integer(number) => Fig::Num(Tag::Default, Num::I64(*number.value())),
        Toml::Float(number) => Fig::Num(Tag::Default, Num::F64(*number.value())),
        Toml::String(text) => Fig::String(Tag::Default, text.value().clone()),
        // No key of ours is a date: as text it fails the check of whatever kind is wanted. Containers never come here.
        Toml::Datetime(date) => Fig::String(Tag::Default, date.value().to_string()),
        Toml::Array(_) | Toml::InlineTable(_) => Fig::String(Tag::Default, String::new()),
    }
}

/// Turns the document into figment's values and notes the spot of every path.
struct FileWalk<'a> {
    text: &'a str,
    spots: &'a mut Spots,
    path: Path,
}

impl FileWalk<'_> {
    fn table(&mut self, table: &dyn TableLike) -> Dict {
        let mut dict = Dict::new();
        for (key, item) in table.iter() {
            let at = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
            dict.insert(key.to_owned(), self.item(key.to_owned(), item, at.map(|span| span.start)));
        }
        dict
    }

    fn item(&mut self, key: String, item: &Item, at: Option<usize>) -> Fig {
        match item {
            Item::Value(value) => self.value(key, value, at),
            Item::Table(table) => self.entered(key, at, false, |walk| walk.table(table)),
            Item::ArrayOfTables(tables) => self.entered(key, at, true, |walk| {
                let entry = |(i, table): (usize, &toml_edit::Table)| {
                    let at = table.span().map(|span| span.start).or(at);
                    (i.to_string(), walk.entered(i.to_string(), at, false, |walk| walk.table(table)))
                };
                tables.iter().enumerate().map(entry).collect()
            }),
            Item::None => Fig::String(Tag::Default, String::new()),
        }
    }

    fn value(&mut self, key: String, value: &Toml, at: Option<usize>) -> Fig {
        match value {
            Toml::Array(items) => self.entered(key, at, true, |walk| {
                let entry = |(i, item): (usize, &Toml)| {
                    let at = item.span().map(|span| span.start).or(at);
                    (i.to_string(), walk.value(i.to_string(), item, at))
                };
                items.iter().enumerate().map(entry).collect()
            }),
            Toml::InlineTable(table) => self.entered(key, at, false, |walk| walk.table(table)),
            scalar => {
                let scalar = scalar_of(scalar);
                self.entered(key, at, false, |_| Dict::new());
                scalar
            }
        }
    }

    fn entered(
        &mut self,
        key: String,
        at: Option<usize>,
        list: bool,
        fill: impl FnOnce(&mut Self) -> Dict,
    ) -> Fig {
        self.path.push(key);
        if let Some(at) = at {
            let place = self.spots.place(self.text, at);
            self.spots.spots.insert(self.path.clone(), Spot { place, list });
        }
        let dict = fill(self);
        self.path.pop();
        Fig::Dict(Tag::Default, dict)
    }
}

/// Turns what figment merged into nodes.
struct Merge<'a> {
    figment: &'a Figment,
    spots: &'a Spots,
    path: Path,
    errors: Vec<ConfigError>,
}

impl Merge<'_> {
    /// `inside` is set within a list or table that one variable wrote whole: the file's spots mean nothing there.
    fn node(&mut self, value: Fig, parent: &Place, inside: bool) -> Node {
        let place = self.place(&value, parent, inside);
        let value = match value {
            Fig::Bool(_, flag) => Value::Flag(flag),
            Fig::Num(_, Num::F64(number)) => Value::Float(number),
            Fig::Num(_, number) => {
                Value::Int(number.to_i128().and_then(|n| n.try_into().ok()).unwrap_or(i64::MAX))
            }
            Fig::String(_, text) => Value::Text(text),
            Fig::Char(_, c) => Value::Text(c.to_string()),
            Fig::Empty(..) => Value::Text(String::new()),
            Fig::Array(_, items) => Value::List(self.entries(items.into_iter().enumerate(), &place, true)),
            Fig::Dict(_, dict) if !inside && self.is_list(&dict) => self.list(dict, &place),
            Fig::Dict(_, dict) => self.table(dict, &place, inside),
        };
        Node { place, path: self.shown_path(), value, taken_from: None }
    }

    fn table(&mut self, dict: Dict, place: &Place, inside: bool) -> Value {
        let mut table = BTreeMap::new();
        for (key, value) in dict {
            self.path.push(key.clone());
            let node = self.node(value, place, inside);
            self.path.pop();
            table.insert(key, node);
        }
        Value::Table(table)
    }

    fn entries(
        &mut self,
        items: impl Iterator<Item = (usize, Fig)>,
        place: &Place,
        inside: bool,
    ) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (i, value) in items {
            self.path.push(i.to_string());
            nodes.push(self.node(value, place, inside));
            self.path.pop();
        }
        nodes
    }

    /// The entries in order; an index that is none, or that leaves a gap, is an error of the variable that named it.
    fn list(&mut self, dict: Dict, place: &Place) -> Value {
        let mut items: BTreeMap<usize, Fig> = BTreeMap::new();
        let mut strays = Vec::new();
        for (key, value) in dict {
            match key.parse::<usize>() {
                Ok(i) if i.to_string() == key => drop(items.insert(i, value)),
                _ => strays.push((key, value)),
            }
        }
        let dense = (0..).zip(items.keys()).take_while(|(want, have)| want == *have).count();
        let beyond = items.into_iter().collect::<Vec<_>>();
        let (kept, gaps): (Vec<_>, Vec<_>) = beyond.into_iter().partition(|(i, _)| *i < dense);
        for (key, value) in strays {
            let message = format!(
                "\"{}\" is a list: its entries are addressed by number, from 0, not by \"{key}\"",
                self.shown_path()
            );
            self.misaddressed(&value, place, message);
        }
        for (i, value) in gaps {
            let message = format!(
                "\"{}\" has no entry {i}: the next one is {dense}, counted from 0",
                self.shown_path()
            );
            self.misaddressed(&value, place, message);
        }
        Value::List(self.entries(kept.into_iter(), place, false))
    }

    fn misaddressed(&mut self, value: &Fig, parent: &Place, message: String) {
        let place = self.variable(value).unwrap_or_else(|| parent.clone());
        self.errors.push(ConfigError {
            place,
            key: self.shown_path(),
            message,
            expected: None,
            nearest: None,
        });
    }

    fn is_list(&self, dict: &Dict) -> bool {
        let written = self.spots.spots.get(&self.path).is_some_and(|spot| spot.list);
        let numbered = !dict.is_empty() && dict.keys().all(|key| key.bytes().all(|b| b.is_ascii_digit()));
        written || (numbered && kind_at(ROOT, &self.path).is_some_and(|kind| kind.is_list()))
    }

    fn place(&self, value: &Fig, parent: &Place, inside: bool) -> Place {
        let spot = || self.spots.spots.get(&self.path).filter(|_| !inside).map(|spot| spot.place.clone());
        match value {
            Fig::Dict(..) => spot().or_else(|| self.variable(value)),
            _ => self.variable(value).or_else(spot),
        }
        .unwrap_or_else(|| parent.clone())
    }

    /// The variable that wrote a value; for a table, one that wrote something in it.
    fn variable(&self, value: &Fig) -> Option<Place> {
        if let Fig::Dict(_, dict) = value
            && let Some(place) = dict.values().find_map(|value| self.variable(value))
        {
            return Some(place);
        }
        let name = &self.figment.get_metadata(value.tag())?.name;
        (!name.is_empty()).then(|| Place::Variable(name.as_ref().into()))
    }

    fn shown_path(&self) -> String {
        let is_index = |i: usize| {
            let parent = &self.path[..i];
            self.spots.spots.get(parent).is_some_and(|spot| spot.list)
                || kind_at(ROOT, parent).is_some_and(|kind| kind.is_list())
        };
        let keys: Vec<&str> =
            (0..self.path.len()).filter(|i| !is_index(*i)).map(|i| self.path[i].as_str()).collect();
        keys.join(".")
    }
}
