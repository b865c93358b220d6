//! The tables of docs/configuration.md, made from the schema so that page and code cannot drift apart.

use std::fmt::Write;

use super::keys::ROOT;
use super::not_yet::{NOT_YET, Refused};
use super::schema::{Default, Definition, Kind, Table};

/// Every table of `edge.toml` that this build supports, as Markdown.
pub fn reference() -> String {
    let mut page = String::new();
    table(&mut page, ROOT, "", "");
    page.push_str(
        "### Not supported yet\n\nKnown, and refused by this build unless they are left out or off:\n\n",
    );
    for (path, refused) in NOT_YET {
        let _ = match refused {
            Refused::Table | Refused::AllButDefault => writeln!(page, "- `{path}`"),
            Refused::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                writeln!(page, "- `{path}`: {}", words.join(", "))
            }
        };
    }
    page.push('\n');
    page
}

/// One table of keys, then the tables inside it. `shown` is the heading, `path` the keys' path.
fn table(page: &mut String, table: &'static Table, path: &str, shown: &str) {
    let supported = || table.keys.iter().filter(|key| !is_refused(&join(path, key.name)));
    if !shown.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(page, "### `{shown}`\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in supported() {
            row(page, key, path);
        }
        page.push('\n');
    }
    for key in supported() {
        let path = join(path, key.name);
        // A rule's tables are those of its site.
        let of_rule = path.strip_prefix("site.rule.").is_some();
        match inner(&key.kind) {
            Some((inner, list)) if !of_rule => {
                let shown = if list { format!("[[{path}]]") } else { format!("[{path}]") };
                self::table(page, inner, &path, &shown);
            }
            _ => {}
        }
    }
}

fn row(page: &mut String, key: &Definition, path: &str) {
    let default = match key.default {
        Default::Required => "**required**".to_owned(),
        Default::Is(r#""""#) if refuses_word(&join(path, key.name), "") => {
            "**required**; `\"\"` is not supported yet".to_owned()
        }
        Default::Is(text) => format!("`{text}`"),
        Default::Filled => "its keys' defaults".to_owned(),
        Default::Absent => "none".to_owned(),
    };
    let value = value(&key.kind, &join(path, key.name));
    let _ = writeln!(page, "| `{}` | {value} | {default} | {} |", key.name, key.about);
}

fn refuses_word(path: &str, word: &str) -> bool {
    let refused = |refused: &Refused| matches!(refused, Refused::Words(words) if words.contains(&word));
    NOT_YET.iter().any(|(entry, what)| *entry == path && refused(what))
}

/// The kind in words, without the words this build refuses.
fn value(kind: &Kind, path: &str) -> String {
    let refused = |word: &str| refuses_word(path, word);
    match kind {
        Kind::Word(words) => {
            let kept: Vec<String> =
                words.iter().filter(|word| !refused(word)).map(|word| format!("`\"{word}\"`")).collect();
            kept.join(", ")
        }
        Kind::Secret => "secret text".to_owned(),
        Kind::List(inner) => format!("a list; each {}", inner.expected()),
        Kind::Map(inner) => format!("a table; each value {}", inner.expected()),
        Kind::Or(words, inner) if !words.contains(&"") => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            format!("{} or {}", words.join(", "), value(inner, path))
        }
        Kind::Or(_, inner) => format!("`\"\"` or {}", value(inner, path)),
        other => other.expected(),
    }
}

fn inner(kind: &'static Kind) -> Option<(&'static Table, bool)> {
    match kind {
        Kind::Table(table) => Some((table, false)),
        Kind::Tables(table) => Some((table, true)),
        Kind::Or(_, other) => inner(other),
        _ => None,
    }
}

/// Whether nothing but the default may be written: such a key has no place in the page.
fn is_refused(path: &str) -> bool {
    NOT_YET.iter().any(|(entry, refused)| {
        let whole = matches!(refused, Refused::Table | Refused::AllButDefault);
        let of_site = path.strip_prefix("site.rule.").map(|rest| format!("site.{rest}"));
        whole && *entry == of_site.as_deref().unwrap_or(path)
    }) || path == "telemetry"
}

fn join(path: &str, key: &str) -> String {
    super::walk::join(path, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_DOCS=1 cargo test config::docs` writes the page anew.
    #[test]
    fn the_page_says_what_the_schema_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (start, end) = ("<!-- keys: generated -->\n", "<!-- keys: end -->");
        let (head, rest) = page.split_once(start).unwrap();
        let (tables, tail) = rest.split_once(end).unwrap();
        let wanted = format!("\n{}", reference());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{head}{start}{wanted}{end}{tail}")).unwrap();
        } else {
            assert!(tables == wanted, "docs/configuration.md is out of date; UPDATE_DOCS=1 writes it");
        }
    }

    #[test]
    fn every_refused_path_is_a_key() {
        for (path, _) in NOT_YET {
            let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
            let mut table = Some(ROOT as &'static Table);
            for step in &steps {
                let key = table.and_then(|table| table.key(step));
                assert!(key.is_some(), "{path}: no key {step}");
                table = key.and_then(|key| inner(&key.kind)).map(|(table, _)| table);
            }
        }
    }
}
