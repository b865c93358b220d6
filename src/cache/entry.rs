//! What a tier can keep.

use std::sync::Arc;

use super::key::Key;
use super::object::Object;
use super::slice::Slice;
use super::variants::Variants;

/// Something to keep under a hash. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A stored response.
    Object(Arc<Object>),
    /// Which variants a key has; each is an object under a hash of its own.
    Variants(Arc<Variants>),
    /// A piece of a large body.
    Slice(Arc<Slice>),
}

impl Entry {
    /// Bytes it takes in RAM, and about those it takes on disk.
    pub fn weight(&self) -> usize {
        match self {
            Entry::Object(object) => object.weight(),
            Entry::Variants(variants) => variants.weight(),
            Entry::Slice(slice) => slice.weight() + slice.of.weight(),
        }
    }

    /// Whether both are the same entry, not merely equal ones.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Entry::Object(a), Entry::Object(b)) => Arc::ptr_eq(a, b),
            (Entry::Variants(a), Entry::Variants(b)) => Arc::ptr_eq(a, b),
            (Entry::Slice(a), Entry::Slice(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Whether it is a response of `key`, or the list of its variants: hashes may collide, texts do not.
    pub fn is_for(&self, key: &Key) -> bool {
        match self {
            Entry::Object(object) => object.meta.is_for(key),
            Entry::Variants(variants) => variants.is_for(key),
            Entry::Slice(_) => false,
        }
    }

    /// The response of `key` that this is.
    pub fn into_object(self, key: &Key) -> Option<Arc<Object>> {
        match self {
            Entry::Object(object) if object.meta.is_for(key) => Some(object),
            _ => None,
        }
    }

    /// The list of the variants of `key` that this is.
    pub fn into_variants(self, key: &Key) -> Option<Arc<Variants>> {
        match self {
            Entry::Variants(variants) if variants.is_for(key) => Some(variants),
            _ => None,
        }
    }
}
