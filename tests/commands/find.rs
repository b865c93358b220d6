//! Command lines in the repository's own files, found without a list of them.

use std::path::{Path, PathBuf};

/// A command line and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `README.md:117`
    pub place: String,
    /// Assignments in front of the command: `NAME=value`.
    pub env: Vec<(String, String)>,
    /// What stands behind the program's name.
    pub arguments: Vec<String>,
    /// Prose that names a subcommand without arguments: `seawall sign`.
    pub mention: bool,
}

/// Folders that hold no text of ours.
const SKIPPED: [&str; 6] = ["target", ".git", ".venv", "node_modules", "__pycache__", "seeds"];

/// Every text file of the repository: its path from the root, and its text.
pub fn files(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file()
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                found.push((path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// The command lines of `program` in a text; `subcommands` are the words that make one in the middle of a line, as in
/// `docker run … seawall check`.
pub fn in_text(file: &str, text: &str, program: &str, subcommands: &[String]) -> Vec<Found> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let place = format!("{file}:{}", number + 1);
        if let Some(arguments) = json_command(line, program) {
            found.push(Found { place: place.clone(), env: Vec::new(), arguments, mention: false });
        }
        for (at, _) in line.match_indices(program) {
            let after = &line[at + program.len()..];
            if !after.starts_with(' ') {
                continue;
            }
            // From the path in front of the name: `target/release/seawall serve`.
            let start = line[..at].rfind([' ', '`', '(', '"', '=']).map_or(0, |space| space + 1);
            if line[start..at].chars().next_back().is_some_and(|c| c != '/') {
                continue;
            }
            let opening = line[..start].chars().next_back();
            let in_code = opening == Some('`') && after.contains('`');
            let in_span = line[..start].matches('`').count() % 2 == 1;
            let end =
                Ends { backtick: in_span, parenthesis: opening == Some('('), quote: file.ends_with(".rs") };
            let arguments = words(&continued(&lines[number..], after), end);
            let Some(first) = arguments.first() else { continue };
            let (env, begins) = before(&line[..start]);
            // Where a command begins any word makes one: that is how a subcommand that is gone is found.
            let option = first.len() > 1 && first.starts_with('-');
            if option || subcommands.contains(first) || in_code || begins {
                // A heading names a command as a word in backticks does.
                let heading = file.ends_with(".md") && line.starts_with("## ");
                let mention = (in_code || heading) && arguments.len() == 1;
                found.push(Found { place: place.clone(), env, arguments, mention });
            }
        }
    }
    found
}

/// The assignments in front of a command, and whether a prompt or an indentation shows that it begins there.
fn before(text: &str) -> (Vec<(String, String)>, bool) {
    let shown = text.strip_prefix("$ ").or_else(|| text.strip_prefix("  "));
    let mut env = Vec::new();
    for word in shown.unwrap_or(text).split_whitespace() {
        let named = |name: &str| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        match word.split_once('=').filter(|(name, _)| named(name)) {
            Some((name, value)) => env.push((name.to_owned(), value.to_owned())),
            None => return (Vec::new(), false),
        }
    }
    (env, shown.is_some())
}

/// The rest of a command, over lines that end in a backslash (in a string of Rust: in two).
fn continued(lines: &[&str], after: &str) -> String {
    let mut text = after.to_owned();
    let mut more = lines[1..].iter();
    while text.ends_with('\\') {
        let next = more.next().map_or("", |line| line.trim());
        text = format!("{} {next}", text.trim_end_matches('\\'));
    }
    text
}

/// What ends a command beside a pipe or a comment.
#[derive(Clone, Copy)]
struct Ends {
    backtick: bool,
    /// It stands in `$(…)`.
    parenthesis: bool,
    /// It stands in a string.
    quote: bool,
}

/// Splits as a shell does, as far as documents need it.
fn words(text: &str, ends: Ends) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (_, '`') if ends.backtick => break,
            (None, ')') if ends.parenthesis => break,
            (None, '"') if ends.quote => break,
            (None, '|' | '>' | ';' | '&' | '<') => break,
            (None, '#') if word.is_none() => break,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// `CMD ["seawall", "serve"]` and `ENTRYPOINT` and `HEALTHCHECK` of a Dockerfile; without the program's name when the
/// entry point has it.
fn json_command(line: &str, program: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let known = ["CMD ", "HEALTHCHECK "].iter().any(|word| line.starts_with(word));
    let array = line.get(line.find('[')?..).filter(|_| known)?;
    let mut words: Vec<String> = serde_json::from_str(array).ok()?;
    if words.first().is_some_and(|first| first.ends_with(program)) {
        words.remove(0);
    }
    Some(words)
}

#[test]
fn commands_are_found_as_people_write_them() {
    let table: &[(&str, &[&[&str]])] = &[
        ("$ seawall check /etc/e.toml     # explains it", &[&["check", "/etc/e.toml"]]),
        (
            "# `seawall check edge.toml` explains it; `seawall sign` too",
            &[&["check", "edge.toml"], &["sign"]],
        ),
        ("ExecStart=/usr/local/bin/seawall serve --config /e", &[&["serve", "--config", "/e"]]),
        ("$ docker run --rm -v /etc/seawall:/etc/seawall:ro seawall check", &[&["check"]]),
        (
            "  curl \"$(seawall sign --as cookie \\\n   --url 'http://h/')\" ...",
            &[&["sign", "--as", "cookie", "--url", "http://h/"]],
        ),
        ("CMD [\"serve\", \"--config\", \"/e\"]", &[&["serve", "--config", "/e"]]),
        ("    seawall reload now", &[&["reload", "now"]]),
        ("$ A=1 seawall serve", &[&["serve"]]),
        ("$ seawall completions bash > /etc/x", &[&["completions", "bash"]]),
        ("u seawall - \"the edge\"", &[]),
        ("with `--cmd '/bin/seawall check a'`, or `-x`", &[&["check", "a"]]),
        ("docker build -t seawall .", &[]),
        ("the seawall that the sea made", &[]),
        ("`systemctl status seawall` shows it", &[]),
    ];
    let subcommands = ["serve", "check", "sign", "completions"].map(str::to_owned);
    for (text, expected) in table {
        let found = in_text("f", text, "seawall", &subcommands);
        let found: Vec<_> = found.into_iter().map(|found| found.arguments).collect();
        assert_eq!(found, *expected, "{text}");
    }
    let found = in_text("f", "$ A=1 seawall serve", "seawall", &subcommands);
    assert_eq!(found[0].env, [("A".to_owned(), "1".to_owned())]);
}
