//! A stored response.

use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;

use super::invalidation::{Seen, Tags};
use super::key::{Key, KeyHash};
use super::slice::Manifest;
pub use super::whole::{PIECE, Whole, WholeBuilder};
use crate::http::range::ByteRange;
use crate::http::time::Time;
use crate::policy::decide::Stored;
use crate::policy::freshness::Freshness;

/// What is known of a response apart from its body. What every hit touches comes first: with that order kept, it lies
/// next to the counters of an `Arc<Object>`.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Meta {
    /// How often it was served from the cache.
    pub touched: Touched,
    /// The last purge that has been applied to it.
    pub seen: Seen,
    /// Text of the key it was stored under.
    pub key: Box<[u8]>,
    /// What the response varies on, and the values it was selected by; `None` without Vary.
    pub variant: Option<Variant>,
    /// As the origin said.
    pub status: StatusCode,
    /// The head as a client gets it. `Age` and `Cache-Status` are there with a place-holder, so that a hit
    /// replaces values and never grows the map.
    pub head: HeaderMap,
    /// The origin's own Cache-Status, in front of which ours is never put (RFC 9211 §2).
    pub upstream_status: Option<HeaderValue>,
    /// Fields of the origin's that no client gets, but that a 304 which leaves them out confirms.
    pub held_back: Option<Box<HeaderMap>>,
    /// When it stops being fresh, in numbers.
    pub freshness: Freshness,
    /// Last-Modified, read.
    pub modified: Option<Time>,
    /// Date, read.
    pub dated: Option<Time>,
    /// What the origin calls it together with others, for purges.
    pub tags: Tags,
}

/// How often something was served from memory, and whether it was marked for the disk: an object that was asked for
/// twice may be worth writing.
#[derive(Debug, Default)]
pub struct Touched(AtomicU64);

/// Of [`Touched`]; the bits below count.
const MARKED: u64 = 1 << 63;

impl Touched {
    /// Marked already, never served.
    pub fn yes() -> Self {
        Self(AtomicU64::new(MARKED))
    }

    /// Not marked, and served as often as what it takes the place of.
    pub fn following(old: &Self) -> Self {
        Self(AtomicU64::new(old.hits()))
    }

    /// Whether it is marked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) & MARKED != 0
    }

    /// How often it was served.
    pub fn hits(&self) -> u64 {
        self.0.load(Ordering::Relaxed) & !MARKED
    }

    /// Marks it.
    pub fn set(&self) {
        self.0.fetch_or(MARKED, Ordering::Relaxed);
    }

    /// Counts a hit, and marks it: whether it was not yet. A hit after the first costs one relaxed addition, next to
    /// the counter of references that every hit writes to.
    pub fn first(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) & MARKED == 0
            && self.0.fetch_or(MARKED, Ordering::Relaxed) & MARKED == 0
    }
}

impl Clone for Touched {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

/// What tells a response from the others of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The names Vary lists, lower case, sorted.
    pub names: SmallVec<[HeaderName; 2]>,
    /// The request's values of them, normalised.
    pub selecting: Box<[u8]>,
}

impl Meta {
    /// Whether this is a response for `key`, compared by text.
    pub fn is_for(&self, key: &Key) -> bool {
        *self.key == *key.text()
    }

    /// The entity tag, if the origin gave one.
    pub fn etag(&self) -> Option<&HeaderValue> {
        self.head.get(http::header::ETAG)
    }

    /// Whether a conditional request can be made from it.
    pub fn has_validator(&self) -> bool {
        self.etag().is_some() || self.modified.is_some()
    }

    /// What a decision is made from.
    pub fn stored(&self) -> Stored<'_> {
        Stored { freshness: &self.freshness, has_validator: self.has_validator() }
    }

    /// Bytes it takes in RAM, its own struct included.
    pub fn weight(&self) -> usize {
        let fields = fields_weight(&self.head) + self.held_back.as_deref().map_or(0, fields_weight);
        let variant = self.variant.as_ref().map_or(0, |v| v.selecting.len() + 64);
        size_of::<Self>() + self.key.len() + variant + fields + self.tags.weight()
    }
}

fn fields_weight(fields: &HeaderMap) -> usize {
    // A HeaderMap has a power of two of slots, of which it fills three quarters: 4 bytes of index for each, and a
    // bucket of 104 bytes for each it may fill. Values share one allocation, unless they are odd ones.
    let slots = (fields.keys_len() * 4).div_ceil(3).next_power_of_two().max(8);
    let text: usize = fields.iter().map(|(name, value)| name.as_str().len() / 2 + value.len()).sum();
    text + slots * 4 + slots * 3 / 4 * 104
}

/// A stored response.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Object {
    /// All but the body.
    pub meta: Meta,
    /// The body.
    pub body: Content,
}

/// Where an object's body is.
#[derive(Debug, Clone)]
pub enum Content {
    /// Here.
    Whole(Whole),
    /// In slices, which are entries of their own and need not all be there.
    Sliced(Arc<Manifest>),
    /// Only some of it is known, and nothing can be added to that.
    Part(Extent),
}

/// Adjacent bytes of a whole that is not here.
#[derive(Debug, Clone)]
pub struct Extent {
    first: u64,
    bytes: Whole,
    complete: u64,
}

impl Extent {
    /// The bytes from `first` on of a whole of `complete` bytes.
    pub fn new(first: u64, bytes: Whole, complete: u64) -> Self {
        Self { first, bytes, complete }
    }

    /// Length of the whole in bytes.
    pub fn complete(&self) -> u64 {
        self.complete
    }

    /// How many bytes of it are here.
    pub fn len(&self) -> u64 {
        self.bytes.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Offset of the first byte that is here.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Whether all bytes of a range are here.
    pub fn has(&self, range: ByteRange) -> bool {
        self.first <= range.first && range.last - self.first < self.bytes.len()
    }

    /// The bytes from `at` on, an offset in the whole: at most `max`, without copying; `None` where there are none.
    pub fn slice_at(&self, at: u64, max: u64) -> Option<Bytes> {
        self.bytes.slice_at(at.checked_sub(self.first)?, max)
    }
}

impl Content {
    /// Length of the whole body in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Whole(whole) => whole.len(),
            Content::Sliced(manifest) => manifest.complete(),
            Content::Part(extent) => extent.complete(),
        }
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Content::Whole(whole) => whole.weight(),
                Content::Sliced(manifest) => manifest.weight(),
                Content::Part(extent) => extent.bytes.weight(),
            }
    }
}

impl Object {
    /// Where it is kept.
    pub fn place(&self, key: &Key) -> KeyHash {
        self.meta.variant.as_ref().map_or(key.hash(), |variant| key.variant(&variant.selecting))
    }

    /// Bytes it takes in RAM.
    pub fn weight(&self) -> usize {
        self.meta.weight() + self.body.weight()
    }
}

/// Copies a head into one allocation of its own, for the same reason as [`WholeBuilder`].
pub fn compact_head(head: &HeaderMap) -> HeaderMap {
    let bytes: usize = head.values().map(HeaderValue::len).sum();
    let mut buffer = BytesMut::with_capacity(bytes);
    let mut compact = HeaderMap::with_capacity(head.keys_len());
    for (name, value) in head {
        buffer.extend_from_slice(value.as_bytes());
        let copy = buffer.split().freeze();
        // The bytes were a valid value a moment ago.
        let Ok(mut copy) = HeaderValue::from_maybe_shared(copy) else { continue };
        copy.set_sensitive(value.is_sensitive());
        compact.append(name.clone(), copy);
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hit_is_told_from_the_others_and_all_are_counted() {
        let touched = Touched::default();
        assert!(touched.first() && !touched.first());
        assert_eq!((touched.hits(), touched.is_set()), (2, true));
        let updated = Touched::following(&touched);
        assert_eq!((updated.hits(), updated.is_set()), (2, false));
        assert!(updated.first() && !Touched::yes().first());
        let written = Touched::default();
        written.set();
        assert_eq!((written.first(), written.hits()), (false, 1));
    }

    #[test]
    fn what_hits_write_lies_together() {
        assert!(std::mem::offset_of!(Object, meta) == 0 && std::mem::offset_of!(Meta, touched) == 0);
    }

    #[test]
    fn a_copied_head_keeps_order_and_repeats() {
        let mut head = HeaderMap::new();
        head.append("x-a", HeaderValue::from_static("1"));
        head.append("x-b", HeaderValue::from_static(""));
        head.append("x-a", HeaderValue::from_bytes(b"2\xff").unwrap());
        assert_eq!(compact_head(&head), head);
    }
}
