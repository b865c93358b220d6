//! What identifies a cached resource.

use smallvec::SmallVec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

pub use crate::policy::key::KeyText;

/// A cached resource: the 128-bit hash that tiers and the ring use, and the text it is made from.
///
/// The hash is fast rather than secret, so whoever finds an object under it compares the text as well
/// (`Meta::is_for`): a forged collision is a miss, not somebody else's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    hash: KeyHash,
    text: KeyText,
}

/// Where something is kept: a key's hash, or that of one of its variants or slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub u128);

impl Key {
    /// The key with this text.
    pub fn new(text: KeyText) -> Self {
        Self { hash: KeyHash(xxh3_128(&text)), text }
    }

    /// Where the resource's entry is kept.
    pub fn hash(&self) -> KeyHash {
        self.hash
    }

    /// The text: host, path and what else of the request the site counts in.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where on an origin ring the resource stands. All variants stand together.
    pub fn ring(&self) -> u64 {
        (self.hash.0 >> 64) as u64
    }

    /// Where the variant with these selecting values is kept.
    pub fn variant(&self, selecting: &[u8]) -> KeyHash {
        self.hash.with(b'v', selecting)
    }
}

impl KeyHash {
    /// A hash derived from this one: `kind` keeps variants and slices apart.
    pub fn with(self, kind: u8, more: &[u8]) -> Self {
        let mut bytes: SmallVec<[u8; 128]> = SmallVec::from_slice(&self.0.to_le_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(more);
        Self(xxh3_128(&bytes))
    }
}

/// Hands an already well-mixed hash on instead of hashing it again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prehashed;

impl std::hash::BuildHasher for Prehashed {
    type Hasher = PrehashedState;

    fn build_hasher(&self) -> PrehashedState {
        PrehashedState(0)
    }
}

/// The state of [`Prehashed`].
#[derive(Debug)]
pub struct PrehashedState(u64);

impl std::hash::Hasher for PrehashedState {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 ^= hash as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(KeyText::from_slice(text.as_bytes()))
    }

    #[test]
    fn the_same_text_is_the_same_key() {
        assert_eq!(key("a/b"), key("a/b"));
        assert_ne!(key("a/b").hash(), key("a/c").hash());
    }

    #[test]
    fn variants_and_their_key_are_kept_apart() {
        let key = key("a/b");
        assert_ne!(key.variant(b"gzip"), key.variant(b"br"));
        assert_ne!(key.variant(b""), key.hash());
        assert_ne!(key.hash().with(b's', b"gzip"), key.variant(b"gzip"));
    }

    #[test]
    fn the_tier_hasher_takes_the_hash_as_it_is() {
        use std::hash::BuildHasher;
        assert_eq!(Prehashed.hash_one(KeyHash(7 << 64 | 42)), 42);
    }
}
