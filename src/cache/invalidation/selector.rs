//! What a purge names, and how hard it is.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::cache::key::KeyHash;

/// Bytes of a prefix that count.
const MAX_PREFIX: usize = 32 * 1024;

/// What a purge names. Names are kept as hashes where only equality counts: two names of one hash are purged
/// together, which costs a fetch and harms nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// A resource with all its variants and slices: host, path and the query that its site counts.
    Url(KeyHash),
    /// All resources whose `host/path?query` begins with these bytes.
    Prefix(Box<[u8]>),
    /// All responses with this tag.
    Tag(u64),
    /// All that is served by a site.
    Site(u64),
    /// All there is.
    Everything,
}

impl Selector {
    /// The resource whose key begins with this line: host, path and the query that counts.
    pub fn url(line: &[u8]) -> Self {
        Self::Url(KeyHash(xxh3_128(line)))
    }

    /// All keys that begin like this. What is longer than any URL is cut, and so means more.
    pub fn prefix(text: &[u8]) -> Self {
        Self::Prefix(text.get(..MAX_PREFIX).unwrap_or(text).into())
    }

    /// A tag as the origin writes it.
    pub fn tag(tag: &[u8]) -> Self {
        Self::Tag(xxh3_64(tag))
    }

    /// The `selector` label of metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Selector::Url(_) => "url",
            Selector::Prefix(_) => "prefix",
            Selector::Tag(_) => "tag",
            Selector::Site(_) => "site",
            Selector::Everything => "everything",
        }
    }
}

/// What [`Selector::Site`] holds for the site of this name.
pub fn site(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// How hard a purge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// As if it had never been stored.
    Hard,
    /// Stale from the purge's time on: what stale responses may still be used for, it may.
    Soft,
}

impl Mode {
    /// The `mode` label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Hard => "hard",
            Mode::Soft => "soft",
        }
    }
}
