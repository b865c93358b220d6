//! Where each hash's record is, in RAM.
//!
//! An entry is 16 bytes in a hash map: 64 bits of the hash and a [`Place`]. Two hashes that share those bits push
//! each other out; the reader compares all 128.
//!
//! The writer publishes a record after it is on disk, which may be after somebody has removed its hash. So a
//! removal leaves a bar: what was put before it is not published any more. The bar is lifted when the writer has
//! come to the removal itself.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::super::key::{KeyHash, Prehashed};
use super::record::{ALIGN, SEGMENT_MOST};

const SHARDS: usize = 64;
const READ: u64 = 1;
const SUSPECT: u64 = 2;

/// Orders puts and removals: a later one has a larger ticket.
pub(super) type Ticket = u64;

/// What was on disk before this process began.
pub(super) const RECOVERED: Ticket = 0;

/// Where a record is, in 8 bytes: segment 32 bits, offset in units of [`ALIGN`] 23, size class 7, flags 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    /// Of a record of `len` bytes. Segments have at most [`SEGMENT_MOST`] bytes, so that the offset fits.
    pub fn new(segment: u32, offset: u32, len: u64, suspect: bool) -> Self {
        debug_assert!(offset.is_multiple_of(ALIGN) && offset < SEGMENT_MOST);
        let at = u64::from(segment) << 32 | u64::from(offset / ALIGN) << 9;
        Self(at | u64::from(size_class(len)) << 2 | if suspect { SUSPECT } else { 0 })
    }

    pub fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub fn offset(self) -> u32 {
        (self.0 as u32 >> 9) * ALIGN
    }

    /// The whole record is no longer than this, and not much shorter.
    pub fn most(self) -> u64 {
        largest_of((self.0 >> 2) as u8 & 0x7f)
    }

    /// Whether it was asked for since it was written here.
    pub fn is_read(self) -> bool {
        self.0 & READ != 0
    }

    /// Whether it must be validated before use.
    pub fn is_suspect(self) -> bool {
        self.0 & SUSPECT != 0
    }

    /// Whether it is the same record, read or not.
    pub fn is_same(self, other: Self) -> bool {
        self.version() == other.version()
    }

    /// Where the record begins: tells it from every other one that the tier has.
    pub fn version(self) -> u64 {
        self.0 >> 9
    }
}

/// Its highest bit's number and the two bits below: sizes of a class differ by less than a quarter.
fn size_class(len: u64) -> u8 {
    let len = len.max(4);
    let high = len.ilog2();
    (high << 2) as u8 | (len >> (high - 2)) as u8 & 3
}

fn largest_of(class: u8) -> u64 {
    (u64::from(class & 3) + 5) << (class >> 2).saturating_sub(2)
}

/// What keeps a removed hash from being listed again.
#[derive(Debug, Clone, Copy, Default)]
struct Bar {
    ticket: Ticket,
    /// There is a record on disk that a restart would find.
    buried: bool,
}

#[derive(Debug, Default)]
struct Shard {
    places: HashMap<u64, Place, Prehashed>,
    bars: HashMap<u64, Bar, Prehashed>,
}

/// The index.
#[derive(Debug)]
pub(super) struct Index {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Index {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Index {
    pub fn contains(&self, hash: KeyHash) -> bool {
        self.shard(hash).lock().places.contains_key(&short(hash))
    }

    pub fn get(&self, hash: KeyHash) -> Option<Place> {
        self.shard(hash).lock().places.get(&short(hash)).copied()
    }

    /// As [`Index::get`], for somebody who wants the record: it is worth keeping.
    pub fn read(&self, hash: KeyHash) -> Option<Place> {
        let mut shard = self.shard(hash).lock();
        let place = shard.places.get_mut(&short(hash))?;
        place.0 |= READ;
        Some(*place)
    }

    /// Lists a record that is on disk, unless its hash was removed since `ticket`.
    pub fn publish(&self, hash: KeyHash, ticket: Ticket, place: Place) {
        let mut shard = self.shard(hash).lock();
        match shard.bars.get_mut(&short(hash)) {
            Some(bar) if bar.ticket >= ticket => bar.buried = true,
            _ => {
                shard.places.insert(short(hash), place);
            }
        }
    }

    /// Lists a record found by recovery, which comes from the newest to the oldest: what is listed is newer.
    pub fn recover(&self, hash: KeyHash, place: Place) {
        let mut shard = self.shard(hash).lock();
        match shard.bars.get_mut(&short(hash)) {
            Some(bar) => bar.buried = true,
            None => {
                shard.places.entry(short(hash)).or_insert(place);
            }
        }
    }

    /// As [`Index::recover`], of a removal.
    pub fn recover_removal(&self, hash: KeyHash) {
        let mut shard = self.shard(hash).lock();
        if !shard.places.contains_key(&short(hash)) {
            shard.bars.entry(short(hash)).or_insert(Bar { ticket: RECOVERED, buried: true });
        }
    }

    /// Lists a record at its new place, if it is still listed at the old one.
    pub fn relocate(&self, hash: KeyHash, from: Place, to: Place) {
        let mut shard = self.shard(hash).lock();
        if let Some(place) = shard.places.get_mut(&short(hash))
            && place.is_same(from)
        {
            *place = to;
        }
    }

    /// Forgets a hash, and what was put under it before `ticket` and is not published yet.
    pub fn bar(&self, hash: KeyHash, ticket: Ticket) {
        let mut shard = self.shard(hash).lock();
        let was_listed = shard.places.remove(&short(hash)).is_some();
        let bar = shard.bars.entry(short(hash)).or_default();
        bar.ticket = ticket.max(bar.ticket);
        bar.buried |= was_listed;
    }

    /// Whether a removal has to be written, so that a restart does not bring the record back.
    pub fn is_buried(&self, hash: KeyHash) -> bool {
        self.shard(hash).lock().bars.get(&short(hash)).is_some_and(|bar| bar.buried)
    }

    /// Ends a bar, unless a later removal holds it.
    pub fn lift(&self, hash: KeyHash, ticket: Ticket) {
        let mut shard = self.shard(hash).lock();
        if shard.bars.get(&short(hash)).is_some_and(|bar| bar.ticket == ticket) {
            shard.bars.remove(&short(hash));
        }
    }

    /// Ends the bars of removals before this one.
    pub fn lift_before(&self, ticket: Ticket) {
        self.shards.iter().for_each(|shard| shard.lock().bars.retain(|_, bar| bar.ticket >= ticket));
    }

    /// Ends the bars that recovery set for removals it found.
    pub fn lift_recovered(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.bars.retain(|_, bar| bar.ticket != RECOVERED);
            shard.bars.shrink_to_fit();
        }
    }

    /// Forgets a hash if it is still at this place.
    pub fn forget(&self, hash: KeyHash, place: Place) {
        let mut shard = self.shard(hash).lock();
        if shard.places.get(&short(hash)).is_some_and(|listed| listed.is_same(place)) {
            shard.places.remove(&short(hash));
        }
    }

    /// Keeps the entries in segments for which this says so.
    pub fn retain(&self, mut keep: impl FnMut(u32) -> bool) {
        for shard in &self.shards {
            shard.lock().places.retain(|_, place| keep(place.segment()));
        }
    }

    /// Forgets everything but the bars.
    pub fn clear(&self) {
        self.shards.iter().for_each(|shard| drop(std::mem::take(&mut shard.lock().places)));
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().places.len()).sum()
    }

    fn shard(&self, hash: KeyHash) -> &Mutex<Shard> {
        // The maps use the low bits.
        &self.shards[(hash.0 >> 122) as usize % SHARDS]
    }
}

fn short(hash: KeyHash) -> u64 {
    hash.0 as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: KeyHash = KeyHash(5 << 122 | 77);

    fn place(segment: u32) -> Place {
        Place::new(segment, 64, 100, false)
    }

    #[test]
    fn what_was_put_before_a_removal_is_not_published_after_it() {
        let index = Index::default();
        index.publish(HASH, 1, place(1));
        index.bar(HASH, 3);
        index.publish(HASH, 2, place(2));
        assert!(!index.contains(HASH));
        index.publish(HASH, 4, place(3));
        assert_eq!(index.get(HASH), Some(place(3)));
        index.lift(HASH, 3);
        index.publish(HASH, 2, place(2));
        assert!(index.contains(HASH), "lifted");
    }

    #[test]
    fn an_earlier_removal_does_not_lift_the_bar_of_a_later_one() {
        let index = Index::default();
        index.bar(HASH, 3);
        index.bar(HASH, 5);
        index.lift(HASH, 3);
        index.publish(HASH, 4, place(1));
        assert!(!index.contains(HASH));
    }

    #[test]
    fn a_removal_is_written_only_if_something_of_it_is_on_disk() {
        let index = Index::default();
        index.bar(HASH, 2);
        assert!(!index.is_buried(HASH));
        index.publish(HASH, 1, place(1));
        assert!(index.is_buried(HASH), "it was on its way");
        index.lift(HASH, 2);
        index.publish(HASH, 3, place(2));
        index.bar(HASH, 4);
        assert!(index.is_buried(HASH), "it was listed");
        let other = KeyHash(1);
        index.bar(other, 5);
        index.recover(other, place(1));
        assert!(index.is_buried(other), "it was found by recovery");
    }

    #[test]
    fn recovery_finds_the_newest_first() {
        let index = Index::default();
        index.recover(HASH, place(9));
        index.recover_removal(HASH);
        index.recover(HASH, place(8));
        assert_eq!(index.get(HASH), Some(place(9)));
        let removed = KeyHash(1);
        index.recover_removal(removed);
        index.recover(removed, place(7));
        assert!(!index.contains(removed));
        index.lift_recovered();
        index.publish(removed, 1, place(10));
        assert!(index.contains(removed));
    }

    #[test]
    fn only_the_record_that_was_meant_is_moved_or_forgotten() {
        let index = Index::default();
        index.publish(HASH, 1, place(1));
        index.relocate(HASH, place(2), place(3));
        index.forget(HASH, place(2));
        assert_eq!(index.get(HASH), Some(place(1)));
        assert!(index.read(HASH).unwrap().is_read());
        index.relocate(HASH, place(1), place(3));
        assert!(!index.get(HASH).unwrap().is_read(), "it has to be read again to be kept again");
        index.forget(HASH, place(3));
        assert_eq!((index.get(HASH), index.len()), (None, 0));
    }

    #[test]
    fn a_place_is_what_it_was_made_from() {
        for len in (48..5_000).chain([65_535, 65_536, 65_537, 1 << 20, (1 << 26) - 64]) {
            for (segment, offset) in [(0, 64), (u32::MAX, (1 << 26) - 64), (7, 8)] {
                let place = Place::new(segment, offset, len, len % 2 == 0);
                assert_eq!((place.segment(), place.offset()), (segment, offset));
                assert_eq!((place.is_suspect(), place.is_read()), (len % 2 == 0, false));
                assert!(place.most() >= len && place.most() <= len + len / 4 + 1, "{len}: {}", place.most());
            }
        }
    }

    #[test]
    fn entries_are_small() {
        assert_eq!(size_of::<(u64, Place)>(), 16);
    }
}
