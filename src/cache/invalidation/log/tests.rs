//! The log as its users meet it: in memory, on disk, and after all that can happen to a file.

use std::fs::{self, OpenOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::cache::invalidation::{Tags, site};
use crate::cache::key::{Key, KeyText};

fn metrics() -> InvalidationMetrics {
    InvalidationMetrics::register(&prometheus::Registry::new()).unwrap()
}

fn key(text: &str) -> Key {
    Key::new(KeyText::from_slice(text.as_bytes()))
}

fn judge(log: &InvalidationLog, seen: &Seen, text: &str, tag: &str) -> Verdict {
    let (key, tags) = (key(text), Tags::restore(std::iter::once(tag.as_bytes()), false));
    log.judge(seen, Subject { key: &key, site: site("s"), tags: Some(&tags) }).0
}

const NOW: Time = Time(1_800_000_000_000);

#[test]
fn a_judged_object_is_current_until_the_next_purge() {
    let log = InvalidationLog::in_memory(metrics());
    let seen = Seen::new(log.head());
    assert!(log.is_current(&seen));
    let first = log.append(&[Selector::tag(b"other")], Mode::Hard, NOW).unwrap();
    assert_eq!(first.sequence, 1);
    assert!(!log.is_current(&seen));
    assert_eq!(judge(&log, &seen, "h/a", "t"), Verdict::Current);
    assert!(log.is_current(&seen), "and remembers it");
    log.append(&[Selector::tag(b"t"), Selector::url(b"h/b")], Mode::Hard, NOW).unwrap();
    assert_eq!(judge(&log, &seen, "h/a", "t"), Verdict::Gone);
    assert!(!log.is_current(&seen));
    assert!(log.is_current(&Seen::new(log.head())), "a fill that begins now");
    assert_eq!(log.metrics.entries.get(), 3);
    assert_eq!(log.metrics.purges.with_label_values(&["tag", "hard"]).get(), 2);
}

#[test]
fn without_tags_nothing_is_remembered() {
    let log = InvalidationLog::in_memory(metrics());
    log.append(&[Selector::tag(b"t")], Mode::Hard, NOW).unwrap();
    let (seen, key) = (Seen::new(0), key("h/a"));
    assert_eq!(log.judge(&seen, Subject { key: &key, site: 0, tags: None }).0, Verdict::Current);
    assert_eq!(judge(&log, &seen, "h/a", "t"), Verdict::Gone);
}

#[test]
fn purges_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let (old, stale) = (Seen::new(log.head()), Seen::new(log.head()));
    log.append(&[Selector::url(b"h/a"), Selector::prefix(b"h/p/")], Mode::Hard, NOW).unwrap();
    log.append(&[Selector::tag(b"t")], Mode::Soft, NOW).unwrap();
    let young = Seen::new(log.head());
    drop(log);

    let later = NOW.plus(Duration::from_secs(60));
    let log = InvalidationLog::open(&path, later, metrics()).unwrap();
    assert_eq!(judge(&log, &old, "h/a", "x"), Verdict::Gone);
    assert_eq!(judge(&log, &old, "h/p/x", "x"), Verdict::Gone);
    assert_eq!(judge(&log, &stale, "h/b", "t"), Verdict::Stale(NOW));
    assert_eq!(judge(&log, &young, "h/a", "t"), Verdict::Current);
    let next = log.append(&[Selector::Everything], Mode::Hard, later).unwrap();
    assert!(next.sequence > later.0 << 10, "no sequence of an earlier run is used again");
}

#[test]
fn a_torn_tail_is_cut_and_the_rest_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = Seen::new(log.head());
    log.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap();
    let whole = fs::metadata(&path).unwrap().len();
    log.append(&[Selector::url(b"h/b")], Mode::Hard, NOW).unwrap();
    drop(log);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(whole + 5).unwrap();

    for _ in 0..2 {
        let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
        assert_eq!(judge(&log, &Seen::new(old.get()), "h/a", "x"), Verdict::Gone);
        assert_eq!(judge(&log, &Seen::new(old.get()), "h/b", "x"), Verdict::Current);
        log.append(&[Selector::url(b"h/c")], Mode::Hard, NOW).unwrap();
    }
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    assert_eq!(judge(&log, &old, "h/c", "x"), Verdict::Gone, "appending goes on behind the cut");
}

#[test]
fn where_purges_may_be_lost_everything_older_is_suspect() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    log.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap();
    let good = fs::read(&path).unwrap();
    let seen = log.head();
    drop(log);
    let mut cases: Vec<Option<Vec<u8>>> = vec![None, Some(Vec::new())];
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 0x40;
        cases.push(Some(flipped));
    }
    let later = NOW.plus(Duration::from_secs(60));
    for case in cases {
        match &case {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for _ in 0..2 {
            let log = InvalidationLog::open(&path, later, metrics()).unwrap();
            assert_eq!(judge(&log, &Seen::new(seen), "h/z", "x"), Verdict::Suspect, "{case:?}");
            assert!(log.is_current(&Seen::new(log.head())));
        }
    }
}

#[test]
fn superseded_records_are_written_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = Seen::new(log.head());
    let same = vec![Selector::tag(b"t"); 500];
    for _ in 0..10 {
        log.append(&same, Mode::Soft, NOW).unwrap();
    }
    log.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 2_000 * 40, "{size} bytes for two things");
    drop(log);
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    assert_eq!(judge(&log, &old, "h/a", "x"), Verdict::Gone);
    assert_eq!(judge(&log, &old, "h/b", "t"), Verdict::Stale(NOW));
}

#[test]
fn a_purge_that_can_not_be_saved_is_in_effect_and_saved_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = Seen::new(log.head());
    // A file that takes no bytes stands in for a disk that does not.
    let good = {
        let mut file = log.file.lock();
        let Backing::File(file) = &mut *file else { panic!("{file:?}") };
        std::mem::replace(file.file_for_test(), fs::File::open(&path).unwrap())
    };
    let failed = log.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap_err();
    assert_eq!(failed.sequence, log.head());
    assert_eq!(judge(&log, &old, "h/a", "x"), Verdict::Gone);
    drop(good);
    log.append(&[Selector::url(b"h/b")], Mode::Hard, NOW).unwrap();
    drop(log);
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    assert_eq!(judge(&log, &old, "h/a", "x"), Verdict::Gone);
    assert_eq!(judge(&log, &old, "h/b", "x"), Verdict::Gone);
}

/// The purge does not look at objects, so a quarter of a million of them show what ten would not: that it returns
/// before it could have.
#[test]
fn purging_by_tag_is_one_append_however_much_is_stored() {
    let log = InvalidationLog::in_memory(metrics());
    let stored: Vec<(Key, Seen)> = (0..250_000).map(|n| (key(&format!("h/{n}")), Seen::new(0))).collect();
    let tags = Tags::restore(std::iter::once(&b"t"[..]), false);
    let begun = Instant::now();
    log.append(&[Selector::tag(b"t")], Mode::Hard, NOW).unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(10), "{took:?}");
    for (key, seen) in &stored {
        assert!(!log.is_current(seen));
        assert_eq!(log.judge(seen, Subject { key, site: 0, tags: Some(&tags) }).0, Verdict::Gone);
    }
}

#[test]
fn hits_and_purges_from_many_threads() {
    let log = Arc::new(InvalidationLog::in_memory(metrics()));
    let seen = Arc::new(Seen::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    if !log.is_current(&seen) {
                        assert_eq!(judge(&log, &seen, "h/a", "t"), Verdict::Current);
                    }
                }
            });
        }
        scope.spawn(|| {
            for n in 0..500u64 {
                log.append(&[Selector::Tag(n)], Mode::Hard, NOW).unwrap();
            }
        });
    });
    log.append(&[Selector::tag(b"t")], Mode::Hard, NOW).unwrap();
    assert_eq!(judge(&log, &seen, "h/a", "t"), Verdict::Gone);
}

#[test]
fn beside_another_process_everything_is_suspect_until_that_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let first = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = Seen::new(first.head());
    first.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap();
    let later = NOW.plus(std::time::Duration::from_secs(1));
    let second = InvalidationLog::open_or_suspect(&path, later, metrics());
    assert_eq!(judge(&second, &old, "h/b", "x"), Verdict::Suspect);
    assert!(second.append(&[Selector::url(b"h/c")], Mode::Hard, NOW).is_err(), "not durable");
    let new = Seen::new(second.head());
    drop(first);
    second.append(&[Selector::url(b"h/d")], Mode::Hard, NOW).unwrap();
    drop(second);
    let third = InvalidationLog::open(&path, later, metrics()).unwrap();
    assert_eq!(judge(&third, &old, "h/c", "x"), Verdict::Gone, "saved with the next");
    assert_eq!(judge(&third, &old, "h/b", "x"), Verdict::Suspect, "the first one's purges are not known");
    assert_eq!(judge(&third, &new, "h/d", "x"), Verdict::Gone);
    assert_eq!(judge(&third, &new, "h/b", "x"), Verdict::Current);
}
