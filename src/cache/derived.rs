//! A body made from a stored one: in another coding, or converted.
//!
//! It lives and dies with the body it was made from, because it hangs on it: what purges, replaces or evicts the
//! original drops both at once, and a 304, which gives the body a new head, takes both along (RFC 9111 §4.3.4). It
//! therefore has no freshness, tags or key of its own. It is in RAM only: read from disk again, an original has none.

use std::mem::size_of;
use std::sync::Arc;

use http::HeaderMap;

use super::whole::Whole;

/// How a body was made from another: `br`, say, or `webp;w=640`. One original has at most one of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct By(Arc<str>);

impl By {
    /// By this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A body made from a stored one.
#[derive(Debug, Clone)]
pub struct Derived {
    /// How.
    pub by: By,
    /// The fields in which its head differs from the original's, such as Content-Encoding and ETag (RFC 9110 §8.8.3.3).
    pub head: HeaderMap,
    /// The bytes.
    pub body: Whole,
}

impl Derived {
    /// Bytes it takes in RAM.
    pub fn weight(&self) -> usize {
        let fields: usize =
            self.head.iter().map(|(name, value)| name.as_str().len() + value.len() + 104).sum();
        size_of::<Self>() + self.by.0.len() + fields + self.body.weight()
    }
}
