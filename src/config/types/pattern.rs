//! Path patterns.

/// A path pattern: `*` stands for any run of characters, `/` included; everything else is itself.
/// Matched against the normalised path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
}

impl PathPattern {
    /// A pattern from its text, which must begin with `/` or `*`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this matches all that another pattern does: the other's `*` is matched by a `*` alone.
    pub fn covers(&self, other: &str) -> bool {
        self.matches(other)
    }

    /// Whether the whole of `path` matches.
    pub fn matches(&self, path: &str) -> bool {
        wildcard(self.text.as_bytes(), path.as_bytes())
    }
}

/// Matches `*` greedily with one backtrack point: linear in practice, quadratic at worst.
pub(super) fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((sp, st)) = star {
            p = sp + 1;
            t = st + 1;
            star = Some((sp, st + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}
