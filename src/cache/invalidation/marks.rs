//! The latest purge of each thing, and what follows from all of them for an object.
//!
//! Marks are kept in generations. Purges enter the newest; when that is full it becomes an older one, and when
//! there are too many of those the oldest is given up, all of it at once. So no purge has to move or look through
//! what is there, and an object that has seen a generation's last purge need not ask that one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::generation::Generation;
use super::record::Record;
use super::selector::{Mode, Selector};
use super::tags::Tags;
use crate::cache::key::{Key, KeyHash};
use crate::http::time::Time;

/// Things that have marks of their own, at most. Beyond that the oldest go, and objects older than those are
/// [`Verdict::Suspect`]: nothing that was purged is served, and what was not costs a question to the origin.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of prefixes, at most; beyond that as with [`MAX_ENTRIES`].
pub const MAX_TEXT: usize = 64 << 20;
/// So many generations that are full make up the whole.
const GENERATIONS: usize = 16;

/// The latest purges of one thing: a soft purge after a hard one does not take that back for older objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Sequence of the latest hard purge; 0: none.
    pub(super) hard: u64,
    /// Sequence of the latest soft purge; 0: none.
    pub(super) soft: u64,
    /// When that was.
    pub(super) soft_time: Time,
}

impl Mark {
    fn set(&mut self, sequence: u64, mode: Mode, time: Time) {
        match mode {
            Mode::Hard => self.hard = self.hard.max(sequence),
            Mode::Soft if sequence >= self.soft => (self.soft, self.soft_time) = (sequence, time),
            Mode::Soft => {}
        }
    }

    /// The later of each kind.
    pub(super) fn later(self, other: Self) -> Self {
        let soft = if other.soft > self.soft { other } else { self };
        Self { hard: self.hard.max(other.hard), soft: soft.soft, soft_time: soft.soft_time }
    }
}

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What it is stored under.
    pub key: &'a Key,
    /// Its site, as [`site`](super::site) says it.
    pub site: u64,
    /// Its tags; `None` while they are not known: tag purges have no say then.
    pub tags: Option<&'a Tags>,
}

impl Subject<'_> {
    /// Host, path and query: the key without its lines of headers and cookies; and the hash of that.
    fn resource(&self) -> (KeyHash, &[u8]) {
        let text = self.key.text();
        match memchr::memchr(b'\n', text).and_then(|end| text.get(..end)) {
            None => (self.key.hash(), text),
            Some(line) => (KeyHash(xxhash_rust::xxh3::xxh3_128(line)), line),
        }
    }
}

/// What purges say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No purge since it was last judged means it.
    Current,
    /// Purged: it is not there.
    Gone,
    /// Purged softly, at this time.
    Stale(Time),
    /// It may have been purged, and nobody knows any more: to be confirmed by the origin before any use.
    Suspect,
}

/// All marks.
#[derive(Debug)]
pub(super) struct Marks {
    head: u64,
    /// Objects below this are suspect.
    floor: u64,
    everything: Mark,
    /// Of whichever tag: for responses whose tags did not all fit.
    any_tag: Mark,
    /// From the oldest on. Shared with who writes them down: while that is so, they are not changed.
    older: VecDeque<Arc<Generation>>,
    newest: Generation,
    /// Things in a generation.
    most: usize,
    /// What was given up, and is to be freed where nobody waits for it.
    garbage: Vec<Arc<Generation>>,
}

impl Default for Marks {
    fn default() -> Self {
        Self::of(MAX_ENTRIES)
    }
}

impl Marks {
    /// For at most so many things.
    fn of(most: usize) -> Self {
        Self {
            head: 0,
            floor: 0,
            everything: Mark::default(),
            any_tag: Mark::default(),
            older: VecDeque::new(),
            newest: Generation::default(),
            most: most / GENERATIONS,
            garbage: Vec::new(),
        }
    }

    /// Sequence of the latest purge.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Things that have a mark.
    pub(super) fn len(&self) -> usize {
        self.newest.len() + self.older.iter().map(|generation| generation.len()).sum::<usize>()
    }

    /// Moves on to `sequence`: all its purges are entered, or the log begins anew.
    pub(super) fn advance(&mut self, sequence: u64) {
        self.head = self.head.max(sequence);
    }

    /// Objects that have not seen `floor` are suspect.
    pub(super) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    /// Objects from `floor` on are no longer suspect, if all that made them so was that nothing below `from` was known.
    pub(super) fn lower_floor(&mut self, from: u64, floor: u64) {
        if self.floor == from {
            self.floor = floor;
        }
    }

    /// What was given up since the last time: let it go when nobody waits for the marks.
    pub(super) fn take_garbage(&mut self) -> Vec<Arc<Generation>> {
        std::mem::take(&mut self.garbage)
    }

    /// Enters a purge. Objects are judged by it at once; [`advance`](Self::advance) when all of its sequence are in.
    pub(super) fn set(&mut self, selector: &Selector, sequence: u64, mode: Mode, time: Time) {
        if let Selector::Tag(_) = selector {
            self.any_tag.set(sequence, mode, time);
        }
        let earlier = self.older.iter_mut().filter_map(|older| Arc::get_mut(older)?.take(selector));
        let earlier: Option<Mark> = earlier.reduce(Mark::later);
        let Some(mark) = self.newest.mark(selector, sequence) else {
            self.everything.set(sequence, mode, time);
            if mode == Mode::Hard {
                // What is older is gone, whatever else was said of it.
                self.keep_later_than(sequence);
            }
            return;
        };
        if let Some(earlier) = earlier {
            *mark = mark.later(earlier);
        }
        mark.set(sequence, mode, time);
        if self.newest.len() >= self.most || self.newest.text() >= MAX_TEXT / GENERATIONS {
            self.begin_generation();
        }
    }

    fn begin_generation(&mut self) {
        self.older.push_back(Arc::new(std::mem::take(&mut self.newest)));
        // What was purged again since has left them.
        self.older.retain(|generation| generation.len() > 0);
        let (mut len, mut text) = (self.len(), self.older.iter().map(|older| older.text()).sum::<usize>());
        while len > self.most * (GENERATIONS - 1) || text > MAX_TEXT / GENERATIONS * (GENERATIONS - 1) {
            let Some(oldest) = self.older.pop_front() else { break };
            (len, text) = (len - oldest.len(), text - oldest.text());
            self.raise_floor(oldest.last());
            self.garbage.push(oldest);
        }
        if self.older.len() >= 2 * GENERATIONS {
            self.merge();
        }
    }

    /// Makes one of the two neighbours that have the fewest marks together. There are so many generations that those
    /// two have no more than one may have.
    fn merge(&mut self) {
        let pairs = self.older.iter().zip(self.older.iter().skip(1));
        let sizes = pairs.map(|(one, next)| one.len() + next.len()).enumerate();
        let Some((at, _)) = sizes.min_by_key(|(_, size)| *size) else { return };
        // Nobody else's; if somebody writes them down, the next time will do.
        if self.older.range(at..at + 2).all(|generation| Arc::strong_count(generation) == 1)
            && let Some(one) = self.older.remove(at).and_then(Arc::into_inner)
            && let Some(next) = self.older.get_mut(at).and_then(Arc::get_mut)
        {
            next.absorb(one);
        }
    }

    fn keep_later_than(&mut self, sequence: u64) {
        let older = std::mem::take(&mut self.older).into_iter();
        let (later, rest): (Vec<_>, Vec<_>) = older.partition(|generation| generation.last() > sequence);
        self.older = later.into();
        self.garbage.extend(rest);
        if self.newest.last() <= sequence {
            self.garbage.push(Arc::new(std::mem::take(&mut self.newest)));
        }
    }

    /// What the purges after `seen` say.
    pub(super) fn judge(&self, seen: u64, subject: Subject<'_>) -> Verdict {
        let mut stale: Option<(u64, Time)> = None;
        let mut gone = false;
        let mut weigh = |mark: &Mark| {
            gone |= mark.hard > seen;
            if mark.soft > seen && stale.is_none_or(|(sequence, _)| mark.soft < sequence) {
                stale = Some((mark.soft, mark.soft_time));
            }
        };
        weigh(&self.everything);
        if subject.tags.is_some_and(Tags::overflowed) {
            weigh(&self.any_tag);
        }
        let resource = subject.resource();
        let generations = self.older.iter().map(|generation| &**generation).chain([&self.newest]);
        for generation in generations.filter(|generation| generation.last() > seen) {
            generation.weigh(&subject, resource, &mut weigh);
        }
        match stale {
            _ if gone => Verdict::Gone,
            // Above the head is another log's number: what it means is not known here.
            _ if seen < self.floor || seen > self.head => Verdict::Suspect,
            Some((_, time)) => Verdict::Stale(time),
            None => Verdict::Current,
        }
    }

    /// All of it, to be written down while purges go on. Only what the newest generation holds is copied.
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut newest = Vec::with_capacity(self.newest.len());
        newest.extend(self.newest.marks().map(|(selector, mark)| (selector, *mark)));
        let older = self.older.iter().map(Arc::clone).collect();
        Snapshot { floor: self.floor, everything: self.everything, older, newest }
    }
}

/// The marks as they were.
#[derive(Debug)]
pub(super) struct Snapshot {
    floor: u64,
    everything: Mark,
    older: Vec<Arc<Generation>>,
    newest: Vec<(Selector, Mark)>,
}

impl Snapshot {
    /// What a file has to hold to be read as the same marks.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> {
        let floor = (self.floor > 0).then_some(Record::Floor(self.floor));
        let everything = std::iter::once((Selector::Everything, self.everything));
        let older = self.older.iter().flat_map(|generation| generation.marks());
        let older = older.map(|(selector, mark)| (selector, *mark));
        let newest = self.newest.iter().cloned();
        let purges = everything.chain(older).chain(newest).flat_map(|(selector, mark)| {
            let purge = |selector, sequence, mode, time| Record::Purge { selector, sequence, mode, time };
            let hard = (mark.hard > 0).then(|| purge(selector.clone(), mark.hard, Mode::Hard, Time(0)));
            let soft = (mark.soft > 0).then(|| purge(selector, mark.soft, Mode::Soft, mark.soft_time));
            hard.into_iter().chain(soft)
        });
        floor.into_iter().chain(purges)
    }
}

#[cfg(test)]
mod tests {
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
}
