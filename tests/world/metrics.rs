//! A scrape of /metrics, read for assertions.

/// The samples of one scrape.
pub struct Metrics {
    text: String,
}

impl Metrics {
    /// From the exposition text.
    pub fn new(text: String) -> Self {
        Self { text }
    }

    /// The sum of all samples of `name` whose labels include each of `labels`; 0 if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.text.lines().filter_map(|line| sample(line, name));
        let wanted: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let matching = samples.filter(|(has, _)| wanted.iter().all(|want| has.contains(want.as_str())));
        matching.map(|(_, value)| value).sum()
    }

    /// Whether there is a sample of this name at all, whatever its labels.
    pub fn has(&self, name: &str) -> bool {
        self.text.lines().any(|line| sample(line, name).is_some())
    }
}

fn sample<'a>(line: &'a str, name: &str) -> Option<(&'a str, f64)> {
    let rest = line.strip_prefix(name)?;
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once('}')?,
        None => ("", rest.strip_prefix(' ')?),
    };
    Some((labels, value.trim().parse().ok()?))
}
