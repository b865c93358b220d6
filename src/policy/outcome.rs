//! What became of a request.

/// The values of the `outcome` label, of the access log's field and of Cache-Status' meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Served from the cache, fresh.
    Hit,
    /// Served from the cache although stale: while it is refreshed, or because the origin fails.
    Stale,
    /// The origin confirmed what was stored (304).
    Revalidated,
    /// Fetched, and stored or followed while it was being stored.
    Miss,
    /// Fetched without the cache: not allowed to use it, or not storable.
    Pass,
    /// The edge answered by itself: a refusal or a redirect.
    Edge,
}

impl Outcome {
    /// All of them, for tables in metrics.
    pub const ALL: &[Outcome] =
        &[Outcome::Hit, Outcome::Stale, Outcome::Revalidated, Outcome::Miss, Outcome::Pass, Outcome::Edge];

    /// The word used in metrics, logs and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Hit => "hit",
            Outcome::Stale => "stale",
            Outcome::Revalidated => "revalidated",
            Outcome::Miss => "miss",
            Outcome::Pass => "pass",
            Outcome::Edge => "edge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct() {
        let words: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        assert_eq!(words, ["hit", "stale", "revalidated", "miss", "pass", "edge"]);
    }
}
