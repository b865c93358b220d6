//! A large body in pieces of one size, each stored on its own, and the manifest that ties them.
//!
//! A slice is found under a hash of all that says which bytes these are: key, variant, strong entity tag,
//! length, slice size. Two versions of a resource therefore have no slice in common, and what is left of an old
//! one is never looked for again.

use std::mem::size_of;
use std::ops::Range;
use std::sync::Arc;

use http::HeaderValue;

use super::key::{Key, KeyHash};
use super::object::{Touched, Variant, Whole};
use crate::http::etag::EntityTag;
use crate::http::range::ByteRange;

/// Which bytes a sliced body consists of. The head is the object's.
#[derive(Debug, PartialEq, Eq)]
pub struct Manifest {
    key: Box<[u8]>,
    selecting: Option<Box<[u8]>>,
    etag: HeaderValue,
    complete: u64,
    size: u64,
    base: KeyHash,
}

/// All there is to a manifest, for a tier that keeps it elsewhere.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Text of the key.
    pub key: Box<[u8]>,
    /// The values the response was selected by, if it varies.
    pub selecting: Option<Box<[u8]>>,
    /// The strong entity tag.
    pub etag: HeaderValue,
    /// Length of the whole in bytes.
    pub complete: u64,
    /// Bytes of a slice.
    pub size: u64,
    /// What the places of the slices are derived from.
    pub base: KeyHash,
}

impl Manifest {
    /// Of a body of `complete` bytes in slices of `size` bytes. `None` without a strong entity tag: nothing else
    /// tells that two responses are parts of the same bytes (RFC 9110 §15.3.7.3). `purges` is the head of the
    /// log of purges when the origin was asked: slices from before a purge are not found after it.
    pub fn new(
        key: &Key,
        variant: Option<&Variant>,
        etag: Option<&HeaderValue>,
        complete: u64,
        size: u64,
        purges: u64,
    ) -> Option<Self> {
        let etag = etag.filter(|value| is_strong(value))?.clone();
        let selecting = variant.map(|variant| variant.selecting.clone());
        let at = match &selecting {
            Some(selecting) => key.variant(selecting),
            None => key.hash(),
        };
        let base = at.with(b'e', etag.as_bytes()).with(b'l', &complete.to_le_bytes());
        let base = base.with(b'z', &size.to_le_bytes()).with(b'p', &purges.to_le_bytes());
        (complete > 0 && size > 0).then(|| Self {
            key: key.text().into(),
            selecting,
            etag,
            complete,
            size,
            base,
        })
    }

    /// As it was kept; `None` if it can't be one.
    pub fn from_parts(parts: Parts) -> Option<Self> {
        let Parts { key, selecting, etag, complete, size, base } = parts;
        let sound = is_strong(&etag) && complete > 0 && size > 0;
        sound.then_some(Self { key, selecting, etag, complete, size, base })
    }

    /// What it is kept as.
    pub fn parts(&self) -> Parts {
        Parts {
            key: self.key.clone(),
            selecting: self.selecting.clone(),
            etag: self.etag.clone(),
            complete: self.complete,
            size: self.size,
            base: self.base,
        }
    }

    /// The strong entity tag that all slices have in common.
    pub fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// Length of the whole in bytes; at least 1.
    pub fn complete(&self) -> u64 {
        self.complete
    }

    /// How many slices there are.
    pub fn count(&self) -> u64 {
        self.complete.div_ceil(self.size)
    }

    /// The slice that has the byte at `offset`.
    pub fn index(&self, offset: u64) -> u64 {
        offset / self.size
    }

    /// Offset of the slice's first byte.
    pub fn start(&self, index: u64) -> u64 {
        index.saturating_mul(self.size).min(self.complete)
    }

    /// Offset behind the slice's last byte.
    pub fn end(&self, index: u64) -> u64 {
        self.start(index.saturating_add(1))
    }

    /// The slices that the bytes `from..to` contain from border to border.
    pub fn within(&self, from: u64, to: u64) -> Range<u64> {
        let first = from.div_ceil(self.size);
        let last = if to >= self.complete { self.count() } else { to / self.size };
        first..last.max(first)
    }

    /// The bytes of the slices `indices`; `None` if there are none.
    pub fn bytes(&self, indices: &Range<u64>) -> Option<ByteRange> {
        let (first, end) = (self.start(indices.start), self.start(indices.end));
        (first < end).then(|| ByteRange { first, last: end - 1 })
    }

    /// Where the slice is kept.
    pub fn place(&self, index: u64) -> KeyHash {
        self.base.with(b's', &index.to_le_bytes())
    }

    /// Bytes it takes in RAM.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.selecting.as_ref().map_or(0, |s| s.len()) + self.etag.len()
    }
}

fn is_strong(value: &HeaderValue) -> bool {
    EntityTag::parse(value).is_some_and(|tag| !tag.is_weak())
}

/// Some of a body's bytes.
#[derive(Debug)]
pub struct Slice {
    /// Whose.
    pub of: Arc<Manifest>,
    /// Which.
    pub index: u64,
    /// The bytes, all of them.
    pub body: Whole,
    /// Whether it was read from memory yet.
    pub touched: Touched,
}

impl Slice {
    /// Whether this is what `place` promised: hashes can be forged, so all they stand for is compared as well.
    pub fn is(&self, manifest: &Arc<Manifest>, index: u64) -> bool {
        self.index == index && (Arc::ptr_eq(&self.of, manifest) || self.of == *manifest)
    }

    /// Whether it has as many bytes as its manifest says.
    pub fn is_whole(&self) -> bool {
        self.index < self.of.count() && self.body.len() == self.of.end(self.index) - self.of.start(self.index)
    }

    /// Bytes it takes in RAM. The manifest is shared.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.body.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyText;
    use super::*;

    fn manifest(key: &str, etag: &'static str, complete: u64, size: u64) -> Option<Manifest> {
        let key = Key::new(KeyText::from_slice(key.as_bytes()));
        Manifest::new(&key, None, Some(&HeaderValue::from_static(etag)), complete, size, 0)
    }

    #[test]
    fn only_a_strong_tag_ties_slices() {
        for (etag, ties) in [("\"a\"", true), ("W/\"a\"", false), ("a", false), ("", false)] {
            assert_eq!(manifest("k", etag, 10, 4).is_some(), ties, "{etag}");
        }
        assert!(Manifest::new(&Key::new(KeyText::new()), None, None, 10, 4, 0).is_none());
        assert!(manifest("k", "\"a\"", 0, 4).is_none(), "an empty body has no slices");
    }

    #[test]
    fn borders() {
        let ten = manifest("k", "\"a\"", 10, 4).unwrap();
        assert_eq!(ten.count(), 3);
        let slices: Vec<_> = (0..4).map(|i| (ten.start(i), ten.end(i))).collect();
        assert_eq!(slices, [(0, 4), (4, 8), (8, 10), (10, 10)]);
        assert_eq!((ten.index(3), ten.index(4), ten.index(9)), (0, 1, 2));
        for (from, to, within) in [
            (0, 10, 0..3),
            (0, 9, 0..2),
            (1, 10, 1..3),
            (1, 8, 1..2),
            (1, 7, 1..1),
            (9, 10, 3..3),
            (8, 99, 2..3),
        ] {
            assert_eq!(ten.within(from, to), within, "{from}..{to}");
        }
        assert_eq!(ten.bytes(&(1..3)), Some(ByteRange { first: 4, last: 9 }));
        assert_eq!(ten.bytes(&(3..3)), None);
        assert_eq!(manifest("k", "\"a\"", u64::MAX, 4).unwrap().end(u64::MAX), u64::MAX);
    }

    #[test]
    fn versions_and_keys_share_no_place() {
        let places: std::collections::HashSet<_> = [
            manifest("k", "\"a\"", 10, 4),
            manifest("k", "\"b\"", 10, 4),
            manifest("k", "\"a\"", 11, 4),
            manifest("k", "\"a\"", 10, 8),
            manifest("j", "\"a\"", 10, 4),
        ]
        .into_iter()
        .flat_map(|manifest| (0..3).map(move |index| manifest.as_ref().unwrap().place(index)))
        .collect();
        assert_eq!(places.len(), 15);
    }

    #[test]
    fn a_slice_is_known_by_all_it_stands_for() {
        let one = Arc::new(manifest("k", "\"a\"", 10, 4).unwrap());
        let slice =
            Slice { of: Arc::clone(&one), index: 1, body: Whole::default(), touched: Touched::default() };
        assert!(slice.is(&one, 1));
        assert!(
            slice.is(&Arc::new(manifest("k", "\"a\"", 10, 4).unwrap()), 1),
            "learnt anew, the same bytes"
        );
        assert!(!slice.is(&one, 2));
        assert!(!slice.is(&Arc::new(manifest("k", "\"b\"", 10, 4).unwrap()), 1));
    }
}
