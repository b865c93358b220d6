//! One record, and the head of one segment, as they lie on disk.
//!
//! ```text
//! segment   64 bytes of head, then records, each at a multiple of 8
//! head      "SEAWALL" version | id u32 | previous id u32 | previous length u32 | 0 u32 | secret u64 | checksum u64
//! record    magic u32 | kind u8 | flags u8 | 0 u16 | hash u128 | meta length u32 | body length u32
//!           | checksum of meta and body u64 | checksum of the above u64, then meta and body
//! ```
//!
//! Numbers are little-endian, checksums are XXH3. A record's own checksum is seeded with the segment's secret and
//! its place: no body that a client or an origin can send looks like a record, and a record in another place than
//! it was written to is damage.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::super::key::KeyHash;

/// Bytes of a segment's head.
pub(super) const SEGMENT_HEAD: u32 = 64;
/// No segment has more bytes than this; an index entry has no room for a larger offset.
pub(super) const SEGMENT_MOST: u32 = 64 << 20;
/// Bytes of a record in front of its meta.
pub(super) const RECORD_HEAD: usize = 48;
/// Records begin at multiples of it.
pub(super) const ALIGN: u32 = 8;

/// The last byte is the version of the whole format: segments of another are thrown away.
const SEGMENT_MAGIC: [u8; 8] = *b"SEAWALL\x02";
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"sWr\x01");
const SUSPECT: u8 = 1;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stored response.
    Object = 1,
    /// Which variants a key has.
    Variants = 2,
    /// No older record of this hash counts any more.
    Removed = 3,
    /// A piece of a large body.
    Slice = 4,
}

/// A record without its meta and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub kind: Kind,
    /// What made this record out of date may have been lost to damage: to be validated before use.
    pub suspect: bool,
    pub hash: KeyHash,
    pub meta: u32,
    pub body: u32,
    /// Of meta and body.
    pub checksum: u64,
}

/// A segment without its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub id: u32,
    /// The segment before it and how long that was, so that a missing or shortened one is noticed.
    pub previous: Option<(u32, u32)>,
    pub secret: u64,
}

/// `len` rounded up to where the next record begins.
pub(super) const fn padded(len: u64) -> u64 {
    len.next_multiple_of(ALIGN as u64)
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Kind::Object, Kind::Variants, Kind::Removed, Kind::Slice]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

impl RecordHead {
    /// Of a removal.
    pub fn removed(hash: KeyHash) -> Self {
        Self { kind: Kind::Removed, suspect: false, hash, meta: 0, body: 0, checksum: xxh3_64(&[]) }
    }

    /// Bytes of the record, without what follows it to the next multiple of [`ALIGN`].
    pub fn len(&self) -> u64 {
        RECORD_HEAD as u64 + u64::from(self.meta) + u64::from(self.body)
    }

    /// As it lies at `offset` of a segment with this secret.
    pub fn encode(&self, secret: u64, offset: u32) -> [u8; RECORD_HEAD] {
        let mut bytes = [0; RECORD_HEAD];
        bytes[0..4].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
        bytes[4] = self.kind as u8;
        bytes[5] = if self.suspect { SUSPECT } else { 0 };
        bytes[8..24].copy_from_slice(&self.hash.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.meta.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.body.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.checksum.to_le_bytes());
        let checksum = xxh3_64_with_seed(&bytes[..40], seed(secret, offset));
        bytes[40..48].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// What begins with `bytes` at `offset`; `None` if that is no record.
    pub fn decode(bytes: &[u8], secret: u64, offset: u32) -> Option<Self> {
        let bytes: &[u8; RECORD_HEAD] = bytes.first_chunk()?;
        if u32_at(bytes, 0) != RECORD_MAGIC
            || xxh3_64_with_seed(&bytes[..40], seed(secret, offset)) != u64_at(bytes, 40)
        {
            return None;
        }
        Some(Self {
            kind: Kind::of(bytes[4])?,
            suspect: bytes[5] & SUSPECT != 0,
            hash: KeyHash(u128::from(u64_at(bytes, 8)) | u128::from(u64_at(bytes, 16)) << 64),
            meta: u32_at(bytes, 24),
            body: u32_at(bytes, 28),
            checksum: u64_at(bytes, 32),
        })
    }
}

impl SegmentHead {
    pub fn encode(&self) -> [u8; SEGMENT_HEAD as usize] {
        let mut bytes = [0; SEGMENT_HEAD as usize];
        let (id, len) = self.previous.unwrap_or((0, 0));
        bytes[0..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&self.id.to_le_bytes());
        bytes[12..16].copy_from_slice(&id.to_le_bytes());
        bytes[16..20].copy_from_slice(&len.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.secret.to_le_bytes());
        let checksum = xxh3_64(&bytes[..32]);
        bytes[32..40].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` if that is no head of a segment with this id.
    pub fn decode(bytes: &[u8; SEGMENT_HEAD as usize], id: u32) -> Option<Self> {
        let is_whole = bytes[..8] == SEGMENT_MAGIC && xxh3_64(&bytes[..32]) == u64_at(bytes, 32);
        let previous = (u32_at(bytes, 12), u32_at(bytes, 16));
        (is_whole && u32_at(bytes, 8) == id).then(|| Self {
            id,
            previous: (previous.0 != 0).then_some(previous),
            secret: u64_at(bytes, 24),
        })
    }
}

fn seed(secret: u64, offset: u32) -> u64 {
    secret ^ u64::from(offset).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: RecordHead = RecordHead {
        kind: Kind::Object,
        suspect: true,
        hash: KeyHash(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        meta: 300,
        body: 70_000,
        checksum: 42,
    };

    #[test]
    fn a_record_is_itself_only_where_it_was_written() {
        let bytes = HEAD.encode(7, 64);
        assert_eq!(RecordHead::decode(&bytes, 7, 64), Some(HEAD));
        assert_eq!(RecordHead::decode(&bytes, 7, 72), None);
        assert_eq!(RecordHead::decode(&bytes, 8, 64), None);
        assert_eq!(RecordHead::decode(&bytes[..47], 7, 64), None);
    }

    #[test]
    fn any_flipped_bit_of_a_head_is_noticed() {
        let bytes = HEAD.encode(7, 64);
        for bit in 0..RECORD_HEAD * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHead::decode(&flipped, 7, 64), None, "bit {bit}");
        }
        let head = SegmentHead { id: 3, previous: Some((2, 4096)), secret: 9 };
        let bytes = head.encode();
        assert_eq!(SegmentHead::decode(&bytes, 3), Some(head));
        assert_eq!(SegmentHead::decode(&bytes, 4), None);
        for bit in 0..40 * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHead::decode(&flipped, 3), None, "bit {bit}");
        }
    }
}
