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
        log.tidy().unwrap();
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
fn purges_go_on_while_the_file_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = Seen::new(log.head());
    let same = vec![Selector::tag(b"t"); 2_000];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..100u64 {
                log.append(&same, Mode::Hard, NOW).unwrap();
                log.append(&[Selector::url(format!("h/{n}").as_bytes())], Mode::Hard, NOW).unwrap();
            }
            stop.store(true, Ordering::Release);
        });
        while !stop.load(Ordering::Acquire) {
            log.tidy().unwrap();
        }
    });
    log.tidy().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 10_000 * 40);
    assert!(log.is_durable());
    drop(log);
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    for n in 0..100 {
        assert_eq!(judge(&log, &Seen::new(old.get()), &format!("h/{n}"), "x"), Verdict::Gone, "{n}");
    }
    assert_eq!(judge(&log, &old, "h/x", "t"), Verdict::Gone);
    assert_eq!(judge(&log, &Seen::new(old.get()), "h/x", "x"), Verdict::Current);
}

/// Ten thousand things at once into a log that is full, while hits ask it: measured, so for a quiet machine and a
/// release build. `cargo test --release --lib full_log -- --ignored --nocapture`
#[test]
#[ignore = "measures"]
fn purges_of_a_full_log_do_not_hold_hits_up() {
    let folder = tempfile::tempdir().unwrap();
    let log = InvalidationLog::open(&folder.path().join("purges"), NOW, metrics()).unwrap();
    let batch = |batch: u64| (0..10_000).map(|n| Selector::Tag(batch * 10_000 + n)).collect::<Vec<_>>();
    let stop = AtomicBool::new(false);
    let (slowest, appends) = std::thread::scope(|scope| {
        let hits = scope.spawn(|| {
            let mut slowest = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let begun = Instant::now();
                judge(&log, &Seen::new(0), "h/a", "t");
                slowest.push(begun.elapsed());
            }
            slowest.sort_unstable();
            slowest
        });
        let append = |n| {
            let selectors = batch(n);
            let begun = Instant::now();
            log.append(&selectors, Mode::Hard, NOW).unwrap();
            begun.elapsed()
        };
        let mut appends: Vec<_> = (0..300).map(append).collect();
        stop.store(true, Ordering::Release);
        appends.sort_unstable();
        (hits.join().unwrap(), appends)
    });
    let of = |sorted: &[Duration], share: f64| sorted[(sorted.len() as f64 * share) as usize];
    eprintln!(
        "batches of 10,000: median {:?}, p99 {:?}; hits that ask: median {:?}, p99.99 {:?}, slowest {:?}",
        of(&appends, 0.5),
        of(&appends, 0.99),
        of(&slowest, 0.5),
        of(&slowest, 0.9999),
        slowest.last().unwrap(),
    );
    assert!(log.metrics.entries.get() > 900_000);
    let one = Instant::now();
    log.append(&[Selector::tag(b"t")], Mode::Hard, NOW).unwrap();
    eprintln!("one more: {:?}", one.elapsed());
    assert!(of(&slowest, 0.9999) < Duration::from_millis(5), "hits are held up");
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
fn what_can_be_opened_later_is_as_if_it_had_been_from_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache/purges");
    let first = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = first.head();
    first.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap();
    first.append(&[Selector::tag(b"t")], Mode::Soft, NOW).unwrap();
    drop(first);
    // Where the folder should be is a file.
    fs::rename(folder.path().join("cache"), folder.path().join("away")).unwrap();
    fs::write(folder.path().join("cache"), "").unwrap();
    let later = NOW.plus(Duration::from_secs(1));
    let log = InvalidationLog::open_or_suspect(&path, later, metrics());
    assert_eq!(judge(&log, &Seen::new(old), "h/z", "x"), Verdict::Suspect);
    assert!(log.append(&[Selector::url(b"h/b")], Mode::Hard, NOW).is_err());
    assert!(log.retry().is_err() && !log.is_durable());
    fs::remove_file(folder.path().join("cache")).unwrap();
    fs::rename(folder.path().join("away"), folder.path().join("cache")).unwrap();
    log.retry().unwrap();
    assert!(log.is_durable());
    let check = |log: &InvalidationLog| {
        assert_eq!(judge(log, &Seen::new(old), "h/a", "x"), Verdict::Gone);
        assert_eq!(judge(log, &Seen::new(old), "h/b", "x"), Verdict::Gone);
        assert_eq!(judge(log, &Seen::new(old), "h/z", "t"), Verdict::Stale(NOW));
        assert_eq!(judge(log, &Seen::new(old), "h/z", "x"), Verdict::Current);
    };
    check(&log);
    drop(log);
    check(&InvalidationLog::open(&path, later, metrics()).unwrap());
}

#[test]
fn a_file_that_is_deleted_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache/purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = Seen::new(log.head());
    log.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap();
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    log.append(&[Selector::url(b"h/b")], Mode::Hard, NOW).unwrap();
    drop(log);
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    for text in ["h/a", "h/b"] {
        assert_eq!(judge(&log, &Seen::new(old.get()), text, "x"), Verdict::Gone, "{text}");
    }
    assert_eq!(judge(&log, &old, "h/z", "x"), Verdict::Current);
}

#[test]
fn a_full_disk_at_the_start_costs_no_suspicion_and_is_made_up_for_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purges");
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    let old = log.head();
    log.append(&[Selector::url(b"h/a")], Mode::Hard, NOW).unwrap();
    drop(log);
    // Torn, so it has to be written anew; and what is written beside it is on a disk that is full.
    let whole = fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(whole + 5).unwrap();
    std::os::unix::fs::symlink("/dev/full", path.with_extension("new")).unwrap();
    let log = InvalidationLog::open_or_suspect(&path, NOW, metrics());
    assert_eq!(judge(&log, &Seen::new(old), "h/a", "x"), Verdict::Gone);
    assert_eq!(judge(&log, &Seen::new(old), "h/z", "x"), Verdict::Current);
    assert!(log.append(&[Selector::url(b"h/b")], Mode::Hard, NOW).is_err());
    assert!(!log.is_durable() && log.retry().is_err());
    fs::remove_file(path.with_extension("new")).unwrap();
    log.retry().unwrap();
    assert!(log.is_durable());
    drop(log);
    let log = InvalidationLog::open(&path, NOW, metrics()).unwrap();
    assert_eq!(judge(&log, &Seen::new(old), "h/b", "x"), Verdict::Gone);
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
    assert_eq!(judge(&second, &Seen::new(old.get()), "h/b", "x"), Verdict::Suspect);
    assert!(second.append(&[Selector::url(b"h/c")], Mode::Hard, NOW).is_err(), "not durable");
    let new = Seen::new(second.head());
    drop(first);
    second.append(&[Selector::url(b"h/d")], Mode::Hard, NOW).unwrap();
    assert_eq!(judge(&second, &Seen::new(old.get()), "h/b", "x"), Verdict::Current);
    drop(second);
    let third = InvalidationLog::open(&path, later, metrics()).unwrap();
    assert_eq!(judge(&third, &old, "h/c", "x"), Verdict::Gone, "saved with the next");
    assert_eq!(judge(&third, &old, "h/a", "x"), Verdict::Gone, "the first one's purges were read then");
    assert_eq!(judge(&third, &old, "h/b", "x"), Verdict::Current);
    assert_eq!(judge(&third, &new, "h/d", "x"), Verdict::Gone);
    assert_eq!(judge(&third, &new, "h/b", "x"), Verdict::Current);
}
