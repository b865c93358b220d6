//! What is wrong with a configuration: each error with its place, all of them at once.

use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole: something is missing from it.
    File(Arc<str>),
    /// A spot in the file.
    Line {
        /// The file as it was named to [`load`](super::load).
        file: Arc<str>,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// An environment variable that overrides the file.
    Variable(Arc<str>),
}

impl Place {
    /// The line in the file, if it stands there.
    pub fn line(&self) -> Option<usize> {
        match self {
            Place::Line { line, .. } => Some(*line),
            Place::File(_) | Place::Variable(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(name) | Place::Variable(name) => f.write_str(name),
            Place::Line { file, line, .. } => write!(f, "{file}:{line}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// The key's path without indices, `site.cache.default_ttl`; empty for the file as a whole.
    pub key: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What would have been right, where a type or range was missed.
    pub expected: Option<String>,
    /// The known name that comes nearest to an unknown one.
    pub nearest: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.nearest {
            Some(name) => write!(f, "; did you mean \"{name}\"?"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of the file; what the environment said comes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Sorts by place and drops repetitions: a site's value is read again under each of its rules.
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        let mut kept: Vec<ConfigError> = Vec::with_capacity(errors.len());
        for error in errors {
            if !kept.iter().rev().take_while(|k| k.place == error.place).any(|k| *k == error) {
                kept.push(error);
            }
        }
        Self(kept)
    }

    /// The errors; never empty.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The known name nearest to `name`, if it is near enough to be a slip of the fingers.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // A hostile key may be long, and edit distance is quadratic.
    if name.len() > 128 {
        return None;
    }
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(distance, k)| *distance <= (k.chars().count().max(3) / 3).max(1))
        .min()
        .map(|(_, k)| k.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_a_slip_not_a_guess() {
        let known = ["default_ttl", "min_ttl", "max_ttl", "slice"];
        assert_eq!(nearest("default_tll", known).as_deref(), Some("default_ttl"));
        assert_eq!(nearest("slcie", known).as_deref(), Some("slice"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }

    #[test]
    fn errors_are_sorted_and_said_once() {
        let at = |line| ConfigError {
            place: Place::Line { file: "e.toml".into(), line, column: 1 },
            key: "a".into(),
            message: format!("line {line}"),
            expected: None,
            nearest: None,
        };
        let errors = ConfigErrors::new(vec![at(9), at(2), at(9)]);
        assert_eq!(errors.to_string(), "e.toml:2: line 2\ne.toml:9: line 9");
    }
}
