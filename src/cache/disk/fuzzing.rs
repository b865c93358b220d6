//! What lies on a disk: anything may be read, nothing that was not written is taken for an entry, and no length in it
//! makes memory be taken that is not there to fill it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken assertion is what is looked for"
)]

use xxhash_rust::xxh3::xxh3_64;

use super::super::entry::Entry;
use super::super::key::KeyHash;
use super::super::object::{Whole, WholeBuilder};
use super::record::{Kind, RECORD_HEAD, RecordHead, SEGMENT_HEAD, SegmentHead, padded};

const KINDS: [Kind; 4] = [Kind::Object, Kind::Variants, Kind::Removed, Kind::Slice];

/// Heads of records and segments.
pub(crate) fn record(data: &[u8]) {
    let number = |at: usize| {
        u64::from_le_bytes(std::array::from_fn(|i| data.get(at + i).copied().unwrap_or(at as u8)))
    };
    let (secret, offset) = (number(0), number(8) as u32);
    let foreign = data.get(16..).unwrap_or_default();
    if let Some(head) = RecordHead::decode(foreign, secret, offset) {
        let same = head.encode(secret, offset);
        // Flags that have no meaning yet are not kept; all else is.
        assert_eq!(same[8..40], foreign[8..40]);
    }

    let head = RecordHead {
        kind: KINDS[number(16) as usize % 4],
        suspect: number(17) & 1 != 0,
        hash: KeyHash(u128::from(number(18)) << 64 | u128::from(number(26))),
        meta: number(34) as u32,
        body: number(38) as u32,
        checksum: number(42),
    };
    assert!(head.len() >= RECORD_HEAD as u64 && padded(head.len()) - head.len() < 8);
    let mut bytes = head.encode(secret, offset);
    assert_eq!(RecordHead::decode(&bytes, secret, offset), Some(head));
    assert_eq!(RecordHead::decode(&bytes, secret, offset ^ 8), None, "a record in another place is damage");
    assert_eq!(RecordHead::decode(&bytes, secret ^ 1 << (number(50) % 64), offset), None);
    assert_eq!(RecordHead::decode(&bytes[..RECORD_HEAD - 1], secret, offset), None);
    bytes[number(50) as usize % RECORD_HEAD] ^= 1 << (number(51) % 8);
    assert_eq!(RecordHead::decode(&bytes, secret, offset), None, "a flipped bit is not noticed");

    let segment =
        SegmentHead { id: offset, previous: (head.meta != 0).then_some((head.meta, head.body)), secret };
    let mut bytes = segment.encode();
    assert_eq!(SegmentHead::decode(&bytes, offset), Some(segment));
    assert_eq!(SegmentHead::decode(&bytes, offset ^ 1), None);
    // The last bytes of a segment's head are padding.
    bytes[number(50) as usize % 40] ^= 1 << (number(51) % 8);
    assert_eq!(SegmentHead::decode(&bytes, offset), None);
    if let Some(foreign) = foreign.first_chunk::<{ SEGMENT_HEAD as usize }>() {
        let _ = SegmentHead::decode(foreign, offset);
    }
}

/// Metas of entries: what is taken is written alike again.
pub(crate) fn entry(data: &[u8]) {
    let Some(([which, body_len], meta)) = data.split_first_chunk() else { return };
    let body: Vec<u8> = (0..usize::from(*body_len)).map(|at| at as u8).collect();
    let body = whole(&body);
    let kind = KINDS[usize::from(*which) % 4];
    let Some(entry) = Entry::decode(kind, meta, body.clone()) else { return };
    assert_eq!(entry.kind(), kind);
    // A lie about a length takes no memory: what is kept is in proportion to what was there.
    assert!(
        entry.weight() <= 8192 + meta.len() * 300 + usize::from(*body_len),
        "{} of {}",
        entry.weight(),
        meta.len()
    );
    let written = entry.meta().expect("what was read can be written");
    let again = Entry::decode(kind, &written, body).expect("what was written can be read");
    assert_eq!(again.meta().as_deref(), Some(&*written));
    assert_eq!(xxh3_64(&again.body().concat()), xxh3_64(&entry.body().concat()));
    assert!(Entry::decode(kind, &written[..written.len() - 1], whole(&[])).is_none(), "cut, and taken");
    if let Entry::Object(object) = &entry {
        let now = crate::http::time::Time(u64::MAX);
        let _ = (object.meta.freshness.ttl(now), object.meta.freshness.is_fresh(now), object.body.len());
        let Entry::Object(suspected) = entry.clone().suspected() else { panic!("another kind") };
        assert!(suspected.meta.freshness.always_validate);
    }
}

fn whole(bytes: &[u8]) -> Whole {
    let mut builder = WholeBuilder::new(None);
    builder.push(bytes);
    builder.finish()
}
