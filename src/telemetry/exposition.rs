//! A strict reader of the text exposition format 0.0.4, for tests: what it takes, Prometheus takes.

use std::collections::HashSet;

/// One sample line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.labels.iter().any(|(n, v)| n == name && v == value)
    }
}

/// Every sample, or what is wrong with which line. Asks for HELP and TYPE before samples, families in one
/// piece, legal names, known suffixes, no series twice and a newline at the end.
pub(crate) fn parse(text: &str) -> Result<Vec<Sample>, String> {
    if !text.ends_with('\n') {
        return Err("no newline at the end".into());
    }
    let (mut samples, mut families, mut series) = (Vec::new(), HashSet::new(), HashSet::new());
    let mut family = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, _) = rest.split_once(' ').ok_or(format!("no help text: {line}"))?;
            family = (name.to_owned(), String::new());
            if !families.insert(name.to_owned()) {
                return Err(format!("family twice: {line}"));
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(format!("no type: {line}"))?;
            if name != family.0 || !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(format!("unexpected type: {line}"));
            }
            family.1 = kind.to_owned();
        } else {
            let sample = sample(line).ok_or(format!("no sample: {line}"))?;
            let suffixes: &[&str] =
                if family.1 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            let ours = suffixes.iter().any(|suffix| sample.name == format!("{}{suffix}", family.0));
            if family.1.is_empty() || !ours {
                return Err(format!("outside its family: {line}"));
            }
            if !series.insert(format!("{}{:?}", sample.name, sample.labels)) {
                return Err(format!("series twice: {line}"));
            }
            samples.push(sample);
        }
    }
    Ok(samples)
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
            identifier(label).then_some(())?;
        }
        rest = &rest[1..];
    }
    let value = match rest.strip_prefix(' ')? {
        "+Inf" => f64::INFINITY,
        number => number.parse().ok()?,
    };
    labels.sort();
    identifier(name).then(|| Sample { name: name.to_owned(), labels, value })
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn identifier(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(legal)
}

#[test]
fn strict() {
    let good = "# HELP a x y\n# TYPE a counter\na{b=\"c\\n\\\"\"} 1\na 2.5\n";
    assert_eq!(parse(good).unwrap()[0].labels, [("b".to_owned(), "c\n\"".to_owned())]);
    for bad in [
        "a 1\n",
        "# HELP a x\n# TYPE a counter\na 1",
        "# HELP a x\n# TYPE a counter\nb 1\n",
        "# HELP a x\n# TYPE a counter\na 1\na 2\n",
        "# HELP a x\n# TYPE a counter\na{b=\"\\x\"} 1\n",
        "# HELP a x\n# TYPE a counter\na{1b=\"\"} 1\n",
        "# HELP a x\n# TYPE a histogram\na 1\n",
        "# HELP a x\n# TYPE a counter\na one\n",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
