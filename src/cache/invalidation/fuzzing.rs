//! The file of purges: what is read is what was written, a cut file is torn, a changed byte never another purge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken assertion is what is looked for"
)]

use super::record::{End, Record, read_all};
use super::tags::{MAX_TAG, MAX_TAGS, Tags};
use super::{Mode, Selector};
use crate::http::time::Time;

pub(crate) fn run(data: &[u8]) {
    let mut read = Vec::new();
    let end = read_all(data, |record| read.push(record));
    let mut written = Vec::new();
    read.iter().for_each(|record| record.write(&mut written));
    assert!(data.starts_with(&written) || read.iter().any(is_cut), "read otherwise than written");
    assert!(end != End::Clean || written.len() == data.len() || read.iter().any(is_cut));

    let (place, text) = data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest));
    let records = [
        Record::Purge { selector: Selector::prefix(text), sequence: 7, mode: Mode::Soft, time: Time(9) },
        Record::Purge { selector: Selector::url(text), sequence: 8, mode: Mode::Hard, time: Time(10) },
        Record::Floor(9),
        Record::Purge { selector: Selector::tag(text), sequence: 10, mode: Mode::Hard, time: Time(u64::MAX) },
    ];
    let mut bytes = Vec::new();
    records.iter().for_each(|record| record.write(&mut bytes));
    let mut back = Vec::new();
    assert_eq!(read_all(&bytes, |record| back.push(record)), End::Clean);
    assert_eq!(back, records);

    let at = place * 257 % bytes.len();
    let mut cut = Vec::new();
    read_all(&bytes[..at], |record| cut.push(record));
    assert!(records.starts_with(&cut) && cut.len() < records.len());
    bytes[at] ^= 1 << (place % 8);
    let mut damaged = Vec::new();
    let end = read_all(&bytes, |record| damaged.push(record));
    assert!(records.starts_with(&damaged) && damaged.len() < records.len() && end != End::Clean);
    tags(text);
}

/// A prefix that is longer than any URL is kept shorter.
fn is_cut(record: &Record) -> bool {
    matches!(record, Record::Purge { selector: Selector::Prefix(text), .. } if text.len() >= 32 * 1024)
}

fn tags(text: &[u8]) {
    let fields = crate::fuzzing::input::Input(text).fields();
    let tags = Tags::of(&fields);
    assert!(tags.iter().count() <= MAX_TAGS && tags.iter().all(|tag| (1..=MAX_TAG).contains(&tag.len())));
    assert_eq!(Tags::restore(tags.iter(), tags.overflowed()), tags);
    assert_eq!(tags.with(&tags), tags);
}
