//! A purge as bytes, and back.
//!
//! ```text
//! length of the body   u16
//! its complement       u16   so that a damaged length is not taken for a record that is cut off
//! checksum of the body u64   xxh3
//! body: kind u8, mode u8, sequence u64, time u64 in ms, and 16, 8, 0 or any number of bytes, as the kind has it
//! ```
//! Numbers are little-endian.

use super::selector::{Mode, Selector};
use crate::cache::key::KeyHash;
use crate::http::time::Time;
use xxhash_rust::xxh3::xxh3_64;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// A purge.
    Purge { selector: Selector, sequence: u64, mode: Mode, time: Time },
    /// Objects that have not seen this are suspect.
    Floor(u64),
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With the last byte of a record.
    Clean,
    /// Within a record: what a crash in the middle of an append leaves. Nobody was told that it was done.
    Torn,
    /// Before something that is no record: purges may be lost.
    Damaged,
}

const HEAD: usize = 12;
const FIXED: usize = 18;
const FLOOR: u8 = 6;

impl Record {
    /// Appends its bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(FIXED + 16);
        let (kind, mode, sequence, time) = match self {
            Record::Purge { selector, sequence, mode, time } => (kind(selector), *mode, *sequence, *time),
            Record::Floor(sequence) => (FLOOR, Mode::Hard, *sequence, Time(0)),
        };
        body.extend([kind, if mode == Mode::Soft { 1 } else { 0 }]);
        body.extend(sequence.to_le_bytes());
        body.extend(time.0.to_le_bytes());
        if let Record::Purge { selector, .. } = self {
            match selector {
                Selector::Url(hash) => body.extend(hash.0.to_le_bytes()),
                Selector::Tag(hash) | Selector::Site(hash) => body.extend(hash.to_le_bytes()),
                Selector::Prefix(text) => body.extend_from_slice(text),
                Selector::Everything => {}
            }
        }
        // A prefix is bounded where it is made.
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(xxh3_64(&body).to_le_bytes());
        out.extend(body);
    }

    fn read(body: &[u8]) -> Option<Self> {
        let (fixed, rest) = body.split_at_checked(FIXED)?;
        let (kind, mode) = (*fixed.first()?, *fixed.get(1)?);
        let sequence = u64::from_le_bytes(fixed.get(2..10)?.try_into().ok()?);
        let time = Time(u64::from_le_bytes(fixed.get(10..18)?.try_into().ok()?));
        let mode = match mode {
            0 => Mode::Hard,
            1 => Mode::Soft,
            _ => return None,
        };
        let number = || rest.try_into().ok().map(u64::from_le_bytes);
        let selector = match kind {
            1 => Selector::Url(KeyHash(u128::from_le_bytes(rest.try_into().ok()?))),
            2 => Selector::prefix(rest),
            3 => Selector::Tag(number()?),
            4 => Selector::Site(number()?),
            5 if rest.is_empty() => Selector::Everything,
            FLOOR if rest.is_empty() => return Some(Record::Floor(sequence)),
            _ => return None,
        };
        Some(Record::Purge { selector, sequence, mode, time })
    }
}

fn kind(selector: &Selector) -> u8 {
    match selector {
        Selector::Url(_) => 1,
        Selector::Prefix(_) => 2,
        Selector::Tag(_) => 3,
        Selector::Site(_) => 4,
        Selector::Everything => 5,
    }
}

/// The records at the beginning of `bytes`, as far as they are whole, and how that ended.
pub(super) fn read_all(mut bytes: &[u8], mut take: impl FnMut(Record)) -> End {
    while !bytes.is_empty() {
        let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return End::Torn };
        let short = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
        let sum = head.get(4..).and_then(|sum| sum.try_into().ok()).map(u64::from_le_bytes);
        let (Some(length), Some(complement), Some(sum)) = (short(0), short(2), sum) else {
            return End::Damaged;
        };
        if length != !complement {
            return End::Damaged;
        }
        let Some((body, rest)) = rest.split_at_checked(usize::from(length)) else { return End::Torn };
        if xxh3_64(body) != sum {
            return End::Damaged;
        }
        let Some(record) = Record::read(body) else { return End::Damaged };
        take(record);
        bytes = rest;
    }
    End::Clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let selector = prop_oneof![
            any::<u128>().prop_map(|hash| Selector::Url(KeyHash(hash))),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(|text| Selector::prefix(&text)),
            any::<u64>().prop_map(Selector::Tag),
            any::<u64>().prop_map(Selector::Site),
            Just(Selector::Everything),
        ];
        let mode = prop_oneof![Just(Mode::Hard), Just(Mode::Soft)];
        let purge =
            (selector, any::<u64>(), mode, any::<u64>()).prop_map(|(selector, sequence, mode, time)| {
                Record::Purge { selector, sequence, mode, time: Time(time) }
            });
        prop::collection::vec(prop_oneof![9 => purge, 1 => any::<u64>().prop_map(Record::Floor)], 1..20)
    }

    fn written(records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| record.write(&mut bytes));
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<Record>, End) {
        let mut records = Vec::new();
        let end = read_all(bytes, |record| records.push(record));
        (records, end)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in records()) {
            prop_assert_eq!(read(&written(&records)), (records, End::Clean));
        }

        #[test]
        fn what_is_cut_off_is_torn_and_the_rest_is_read(records in records(), cut in any::<prop::sample::Index>()) {
            let bytes = written(&records);
            let cut = cut.index(bytes.len());
            let (found, end) = read(&bytes[..cut]);
            prop_assert!(records.starts_with(&found) && found.len() < records.len());
            let whole = written(&found).len() == cut;
            prop_assert_eq!(end, if whole { End::Clean } else { End::Torn });
        }

        #[test]
        fn no_damage_is_taken_for_a_record_or_for_a_crash(records in records(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = written(&records);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let (found, end) = read(&bytes);
            prop_assert!(records.starts_with(&found) && found.len() < records.len());
            prop_assert_eq!(end, End::Damaged);
        }

        #[test]
        fn noise_is_no_record(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
            let (found, end) = read(&bytes);
            prop_assert!(found.is_empty() && end != End::Clean);
        }
    }

    #[test]
    fn the_longest_prefix_fits() {
        let record = Record::Purge {
            selector: Selector::prefix(&[b'x'; 100_000]),
            sequence: 1,
            mode: Mode::Hard,
            time: Time(0),
        };
        assert_eq!(read(&written(std::slice::from_ref(&record))), (vec![record], End::Clean));
    }
}
