//! Marks: who is meant, what is given up, what stays.

use super::*;
use crate::cache::key::KeyText;
use proptest::prelude::*;

fn key(text: &str) -> Key {
    Key::new(KeyText::from_slice(text.as_bytes()))
}

fn tags(names: &[&str]) -> Tags {
    Tags::restore(names.iter().map(|name| name.as_bytes()), false)
}

/// As one purge of its own.
fn purge(marks: &mut Marks, selector: &Selector, sequence: u64, mode: Mode, time: u64) {
    marks.set(selector, sequence, mode, Time(time));
    marks.advance(sequence);
}

fn judged(marks: &Marks, seen: u64, text: &str, names: &[&str]) -> Verdict {
    let (key, tags) = (key(text), tags(names));
    marks.judge(seen, Subject { key: &key, site: super::super::site("s"), tags: Some(&tags) })
}

#[test]
fn who_is_meant() {
    let other = "h/other";
    for (selector, text, names, meant) in [
        (Selector::url(b"h/a"), "h/a", &[][..], true),
        (Selector::url(b"h/a"), "h/a\naccept:x\n;c=1", &[], true),
        (Selector::url(b"h/a"), "h/a?q", &[], false),
        (Selector::url(b"h/a?q"), "h/a?q", &[], true),
        (Selector::prefix(b"h/a"), "h/ab/c?d", &[], true),
        (Selector::prefix(b"h/a/"), "h/a", &[], false),
        (Selector::prefix(b"h/a\nx"), "h/a\nx", &[], false),
        (Selector::tag(b"t"), other, &["s", "t"], true),
        (Selector::tag(b"t"), other, &["T", "tt"], false),
        (Selector::Site(super::super::site("s")), other, &[], true),
        (Selector::Site(super::super::site("z")), other, &[], false),
        (Selector::Everything, other, &[], true),
    ] {
        let mut marks = Marks::default();
        purge(&mut marks, &selector, 5, Mode::Hard, 1);
        let verdict = if meant { Verdict::Gone } else { Verdict::Current };
        assert_eq!(judged(&marks, 4, text, names), verdict, "{selector:?} {text} {names:?}");
        assert_eq!(judged(&marks, 5, text, names), Verdict::Current, "{selector:?}, judged before");
    }
}

/// A selector, and whether it means a key and its tags, said in another way.
type Meaning = (Selector, fn(&str, &[&str]) -> bool);

fn selectors() -> impl Strategy<Value = Meaning> {
    let table: Vec<Meaning> = vec![
        (Selector::url(b"h/a"), |text, _| text == "h/a"),
        (Selector::url(b"h/ab"), |text, _| text == "h/ab"),
        (Selector::prefix(b"h/"), |text, _| text.starts_with("h/")),
        (Selector::prefix(b"h/a"), |text, _| text.starts_with("h/a")),
        (Selector::prefix(b"g/"), |text, _| text.starts_with("g/")),
        (Selector::tag(b"t"), |_, tags| tags.contains(&"t")),
        (Selector::tag(b"u"), |_, tags| tags.contains(&"u")),
        (Selector::Site(super::super::site("s")), |_, _| true),
        (Selector::Everything, |_, _| true),
    ];
    prop::sample::select(table)
}

proptest! {
    /// The maps say what reading all purges one after the other would.
    #[test]
    fn as_if_each_purge_were_read(purges in prop::collection::vec((selectors(), any::<bool>()), 0..30), seen in 0u64..30) {
        // One thing a generation, and enough of them that none is given up.
        let mut marks = Marks { most: 1, ..Marks::default() };
        for (n, ((selector, _), soft)) in purges.iter().enumerate() {
            let mode = if *soft { Mode::Soft } else { Mode::Hard };
            purge(&mut marks, selector, n as u64 + 1, mode, n as u64);
        }
        let seen = seen.min(purges.len() as u64);
        for text in ["h/a", "h/ab", "g/x", "x/"] {
            for tags in [&[][..], &["t"], &["u", "v"]] {
                let unseen = purges.iter().skip(seen as usize);
                let meant: Vec<bool> =
                    unseen.filter(|((_, means), _)| means(text, tags)).map(|(_, soft)| *soft).collect();
                let judged = judged(&marks, seen, text, tags);
                match judged {
                    Verdict::Gone => prop_assert!(meant.contains(&false)),
                    Verdict::Stale(_) => prop_assert!(!meant.is_empty() && !meant.contains(&false)),
                    Verdict::Current => prop_assert!(meant.is_empty()),
                    Verdict::Suspect => prop_assert!(false, "nothing was given up"),
                }
            }
        }
    }
}

#[test]
fn hard_and_soft_in_any_order() {
    let url = Selector::url(b"h/a");
    let mut marks = Marks::default();
    purge(&mut marks, &url, 5, Mode::Hard, 50);
    purge(&mut marks, &url, 7, Mode::Soft, 70);
    assert_eq!(judged(&marks, 4, "h/a", &[]), Verdict::Gone);
    assert_eq!(judged(&marks, 5, "h/a", &[]), Verdict::Stale(Time(70)));
    purge(&mut marks, &Selector::Everything, 9, Mode::Soft, 90);
    assert_eq!(judged(&marks, 6, "h/a", &[]), Verdict::Stale(Time(70)), "since the first of them");
    assert_eq!(judged(&marks, 8, "h/a", &[]), Verdict::Stale(Time(90)));
    assert_eq!(judged(&marks, 9, "h/a", &[]), Verdict::Current);
}

#[test]
fn more_tags_than_fit_are_any_tag() {
    let mut marks = Marks::default();
    purge(&mut marks, &Selector::tag(b"x"), 1, Mode::Hard, 0);
    let (key, tags) = (key("h/a"), Tags::restore(std::iter::empty(), true));
    let subject = Subject { key: &key, site: 0, tags: Some(&tags) };
    assert_eq!(marks.judge(0, subject), Verdict::Gone);
    assert_eq!(marks.judge(0, Subject { tags: None, ..subject }), Verdict::Current);
}

#[test]
fn the_oldest_collapse_into_suspicion() {
    let mut marks = Marks::of(80);
    for n in 1..=100u64 {
        purge(&mut marks, &Selector::Tag(n), n, Mode::Hard, 0);
    }
    assert!(marks.len() <= 80 && marks.len() >= 60, "{}", marks.len());
    assert_eq!(judged(&marks, 0, "h/a", &[]), Verdict::Suspect);
    assert_eq!(judged(&marks, marks.floor, "h/a", &[]), Verdict::Current);
    purge(&mut marks, &Selector::url(b"h/a"), 101, Mode::Soft, 0);
    assert_eq!(judged(&marks, 0, "h/a", &[]), Verdict::Suspect, "more than stale");
    purge(&mut marks, &Selector::url(b"h/a"), 102, Mode::Hard, 0);
    assert_eq!(judged(&marks, 0, "h/a", &[]), Verdict::Gone, "more than suspect");
}

#[test]
fn purging_everything_makes_what_came_before_needless() {
    let mut marks = Marks::default();
    purge(&mut marks, &Selector::tag(b"a"), 1, Mode::Hard, 0);
    purge(&mut marks, &Selector::prefix(b"h/"), 2, Mode::Soft, 0);
    purge(&mut marks, &Selector::Everything, 3, Mode::Soft, 0);
    assert_eq!(marks.len(), 2);
    purge(&mut marks, &Selector::Everything, 4, Mode::Hard, 0);
    assert_eq!((marks.len(), judged(&marks, 3, "h/a", &[])), (0, Verdict::Gone));
}

#[test]
fn a_number_from_another_log_is_suspect() {
    assert_eq!(judged(&Marks::default(), 7, "h/a", &[]), Verdict::Suspect);
}

#[test]
fn the_same_marks_from_the_purges_that_are_kept() {
    let mut marks = Marks { most: 2, ..Marks::default() };
    for (n, selector) in
        [Selector::tag(b"a"), Selector::url(b"h/a"), Selector::prefix(b"h/"), Selector::Site(3)]
            .iter()
            .enumerate()
    {
        purge(&mut marks, selector, n as u64 + 1, Mode::Hard, 7);
        purge(&mut marks, selector, n as u64 + 11, Mode::Soft, 8);
    }
    purge(&mut marks, &Selector::Everything, 20, Mode::Soft, 9);
    let mut again = Marks::default();
    for record in marks.snapshot().records() {
        let Record::Purge { selector, sequence, mode, time } = record else { panic!("{record:?}") };
        purge(&mut again, &selector, sequence, mode, time.0);
    }
    assert_eq!(again.len(), marks.len());
    for seen in 0..22 {
        assert_eq!(judged(&again, seen, "h/a", &["a"]), judged(&marks, seen, "h/a", &["a"]), "{seen}");
    }
}

#[test]
fn a_thing_has_one_mark_however_often_it_is_purged() {
    let mut marks = Marks::of(16 * 4);
    for n in 1..=1_000u64 {
        purge(&mut marks, &Selector::Tag(n % 20), n, if n < 500 { Mode::Hard } else { Mode::Soft }, n);
    }
    assert_eq!((marks.len(), marks.floor), (20, 0));
    let (key, tags) = (key("h/a"), Tags::restore(std::iter::once(&b"t"[..]), false));
    let subject = Subject { key: &key, site: 0, tags: Some(&tags) };
    purge(&mut marks, &Selector::tag(b"t"), 1_001, Mode::Hard, 0);
    for n in 0..20 {
        purge(&mut marks, &Selector::Tag(n), 1_002 + n, Mode::Soft, 0);
    }
    purge(&mut marks, &Selector::tag(b"t"), 1_100, Mode::Soft, 0);
    assert_eq!(marks.judge(1_000, subject), Verdict::Gone, "the soft one took the hard one along");
    assert_eq!(marks.judge(1_001, subject), Verdict::Stale(Time(0)));
}

#[test]
fn generations_stay_few_whatever_is_left_of_them() {
    let mut marks = Marks::of(16 * 8);
    // Of each generation one thing is left: the others are purged over and over.
    for n in 1..=2_000u64 {
        let selector = if n % 20 == 0 { Selector::Site(n) } else { Selector::Tag(n % 20) };
        purge(&mut marks, &selector, n, Mode::Hard, 0);
    }
    assert!(marks.older.len() <= 2 * GENERATIONS, "{}", marks.older.len());
    assert_eq!((marks.len(), marks.floor), (119, 0));
}

#[test]
fn long_prefixes_count_by_their_bytes() {
    let mut marks = Marks::default();
    let long = |n: u32| Selector::prefix(&[&n.to_be_bytes()[..], &[b'x'; 30_000]].concat());
    for n in 0..4_000 {
        purge(&mut marks, &long(n), u64::from(n) + 1, Mode::Hard, 0);
        marks.take_garbage();
    }
    assert!(marks.len() * 30_000 <= MAX_TEXT, "{} of them", marks.len());
    assert_eq!(judged(&marks, 1, "h/a", &[]), Verdict::Suspect);
}

#[test]
fn what_is_being_written_down_does_not_change() {
    let mut marks = Marks::of(16 * 2);
    (1..=6).for_each(|n| purge(&mut marks, &Selector::Tag(n), n, Mode::Hard, 0));
    let snapshot = marks.snapshot();
    (1..=6).for_each(|n| purge(&mut marks, &Selector::Tag(n), 10 + n, Mode::Hard, 0));
    let sequences = snapshot.records().map(|record| match record {
        Record::Purge { sequence, .. } | Record::Floor(sequence) => sequence,
    });
    assert_eq!(sequences.collect::<std::collections::BTreeSet<_>>(), (1..=6).collect());
}
