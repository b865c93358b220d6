//! The latest purge of each thing, and what follows from all of them for an object.

use std::collections::HashMap;

use super::prefixes::Prefixes;
use super::selector::{Mode, Selector};
use super::tags::Tags;
use crate::cache::key::{Key, KeyHash, Prehashed};
use crate::http::time::Time;

/// Things that have marks of their own, at most. Beyond that the oldest eighth goes, and objects older than those
/// are [`Verdict::Suspect`]: nothing that was purged is served, and what was not costs a question to the origin.
pub const MAX_ENTRIES: usize = 1_000_000;

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

    fn latest(&self) -> u64 {
        self.hard.max(self.soft)
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
#[derive(Debug, Default)]
pub(super) struct Marks {
    head: u64,
    /// Objects below this are suspect.
    floor: u64,
    everything: Mark,
    /// Of whichever tag: for responses whose tags did not all fit.
    any_tag: Mark,
    urls: HashMap<KeyHash, Mark, Prehashed>,
    tags: HashMap<u64, Mark, Prehashed>,
    sites: HashMap<u64, Mark, Prehashed>,
    prefixes: Prefixes<Mark>,
}

impl Marks {
    /// Sequence of the latest purge.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Things that have a mark.
    pub(super) fn len(&self) -> usize {
        self.urls.len() + self.tags.len() + self.sites.len() + self.prefixes.len()
    }

    /// Moves on to `sequence`, for purges that follow or for a log that begins anew.
    pub(super) fn advance(&mut self, sequence: u64) {
        self.head = self.head.max(sequence);
    }

    /// Below which objects are suspect.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// Objects that have not seen `floor` are suspect.
    pub(super) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.advance(floor);
    }

    /// Enters a purge.
    pub(super) fn set(&mut self, selector: &Selector, sequence: u64, mode: Mode, time: Time) {
        self.advance(sequence);
        let mark = match selector {
            Selector::Url(hash) => self.urls.entry(*hash).or_default(),
            Selector::Prefix(text) => self.prefixes.entry(text),
            Selector::Site(site) => self.sites.entry(*site).or_default(),
            Selector::Everything => &mut self.everything,
            Selector::Tag(tag) => {
                self.any_tag.set(sequence, mode, time);
                self.tags.entry(*tag).or_default()
            }
        };
        mark.set(sequence, mode, time);
        if *selector == Selector::Everything && mode == Mode::Hard {
            // What is older is gone, whatever else was said of it.
            self.keep_later_than(sequence);
        }
    }

    fn keep_later_than(&mut self, sequence: u64) {
        let later = |mark: &Mark| mark.latest() > sequence;
        self.urls.retain(|_, mark| later(mark));
        self.tags.retain(|_, mark| later(mark));
        self.sites.retain(|_, mark| later(mark));
        self.prefixes.retain(later);
    }

    /// Lets the oldest eighth go if there are more than `most`.
    pub(super) fn bound(&mut self, most: usize) {
        if self.len() <= most {
            return;
        }
        let others =
            self.tags.values().chain(self.sites.values()).chain(self.prefixes.iter().map(|(_, m)| m));
        let mut ages: Vec<u64> = self.urls.values().chain(others).map(Mark::latest).collect();
        let last = (self.len() - most) + most / 8;
        let last = last.min(ages.len() - 1);
        let (_, cut, _) = ages.select_nth_unstable(last);
        let cut = *cut;
        self.keep_later_than(cut);
        self.raise_floor(cut);
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
        let (hash, line) = subject.resource();
        self.urls.get(&hash).map(&mut weigh);
        self.sites.get(&subject.site).map(&mut weigh);
        self.prefixes.of(line).for_each(&mut weigh);
        if let Some(tags) = subject.tags {
            if tags.overflowed() {
                weigh(&self.any_tag);
            }
            if !self.tags.is_empty() {
                let marks = tags.iter().filter_map(|tag| self.tags.get(&xxhash_rust::xxh3::xxh3_64(tag)));
                marks.for_each(&mut weigh);
            }
        }
        match stale {
            _ if gone => Verdict::Gone,
            // Above the head is another log's number: what it means is not known here.
            _ if seen < self.floor || seen > self.head => Verdict::Suspect,
            Some((_, time)) => Verdict::Stale(time),
            None => Verdict::Current,
        }
    }

    /// All of it as purges that make the same marks, for a file that is written anew.
    pub(super) fn purges(&self) -> impl Iterator<Item = (Selector, u64, Mode, Time)> {
        let urls = self.urls.iter().map(|(hash, mark)| (Selector::Url(*hash), mark));
        let tags = self.tags.iter().map(|(tag, mark)| (Selector::Tag(*tag), mark));
        let sites = self.sites.iter().map(|(site, mark)| (Selector::Site(*site), mark));
        let prefixes = self.prefixes.iter().map(|(text, mark)| (Selector::prefix(text), mark));
        let everything = std::iter::once((Selector::Everything, &self.everything));
        everything.chain(urls).chain(tags).chain(sites).chain(prefixes).flat_map(|(selector, mark)| {
            let hard = (mark.hard > 0).then(|| (selector.clone(), mark.hard, Mode::Hard, Time(0)));
            let soft = (mark.soft > 0).then_some((selector, mark.soft, Mode::Soft, mark.soft_time));
            hard.into_iter().chain(soft)
        })
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
            marks.set(&selector, 5, Mode::Hard, Time(1));
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
            let mut marks = Marks::default();
            for (n, ((selector, _), soft)) in purges.iter().enumerate() {
                let mode = if *soft { Mode::Soft } else { Mode::Hard };
                marks.set(selector, n as u64 + 1, mode, Time(n as u64));
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
        marks.set(&url, 5, Mode::Hard, Time(50));
        marks.set(&url, 7, Mode::Soft, Time(70));
        assert_eq!(judged(&marks, 4, "h/a", &[]), Verdict::Gone);
        assert_eq!(judged(&marks, 5, "h/a", &[]), Verdict::Stale(Time(70)));
        marks.set(&Selector::Everything, 9, Mode::Soft, Time(90));
        assert_eq!(judged(&marks, 6, "h/a", &[]), Verdict::Stale(Time(70)), "since the first of them");
        assert_eq!(judged(&marks, 8, "h/a", &[]), Verdict::Stale(Time(90)));
        assert_eq!(judged(&marks, 9, "h/a", &[]), Verdict::Current);
    }

    #[test]
    fn more_tags_than_fit_are_any_tag() {
        let mut marks = Marks::default();
        marks.set(&Selector::tag(b"x"), 1, Mode::Hard, Time(0));
        let (key, tags) = (key("h/a"), Tags::restore(std::iter::empty(), true));
        let subject = Subject { key: &key, site: 0, tags: Some(&tags) };
        assert_eq!(marks.judge(0, subject), Verdict::Gone);
        assert_eq!(marks.judge(0, Subject { tags: None, ..subject }), Verdict::Current);
    }

    #[test]
    fn the_oldest_collapse_into_suspicion() {
        let mut marks = Marks::default();
        for n in 1..=100u64 {
            marks.set(&Selector::Tag(n), n, Mode::Hard, Time(0));
            marks.bound(80);
        }
        assert!(marks.len() <= 80 && marks.len() >= 60, "{}", marks.len());
        assert_eq!(judged(&marks, 0, "h/a", &[]), Verdict::Suspect);
        assert_eq!(judged(&marks, marks.floor(), "h/a", &[]), Verdict::Current);
        marks.set(&Selector::url(b"h/a"), 101, Mode::Soft, Time(0));
        assert_eq!(judged(&marks, 0, "h/a", &[]), Verdict::Suspect, "more than stale");
        marks.set(&Selector::url(b"h/a"), 102, Mode::Hard, Time(0));
        assert_eq!(judged(&marks, 0, "h/a", &[]), Verdict::Gone, "more than suspect");
    }

    #[test]
    fn purging_everything_makes_what_came_before_needless() {
        let mut marks = Marks::default();
        marks.set(&Selector::tag(b"a"), 1, Mode::Hard, Time(0));
        marks.set(&Selector::prefix(b"h/"), 2, Mode::Soft, Time(0));
        marks.set(&Selector::Everything, 3, Mode::Soft, Time(0));
        assert_eq!(marks.len(), 2);
        marks.set(&Selector::Everything, 4, Mode::Hard, Time(0));
        assert_eq!((marks.len(), judged(&marks, 3, "h/a", &[])), (0, Verdict::Gone));
    }

    #[test]
    fn a_number_from_another_log_is_suspect() {
        assert_eq!(judged(&Marks::default(), 7, "h/a", &[]), Verdict::Suspect);
    }

    #[test]
    fn the_same_marks_from_the_purges_that_are_kept() {
        let mut marks = Marks::default();
        for (n, selector) in
            [Selector::tag(b"a"), Selector::url(b"h/a"), Selector::prefix(b"h/"), Selector::Site(3)]
                .iter()
                .enumerate()
        {
            marks.set(selector, n as u64 + 1, Mode::Hard, Time(7));
            marks.set(selector, n as u64 + 11, Mode::Soft, Time(8));
        }
        marks.set(&Selector::Everything, 20, Mode::Soft, Time(9));
        let mut again = Marks::default();
        marks
            .purges()
            .for_each(|(selector, sequence, mode, time)| again.set(&selector, sequence, mode, time));
        assert_eq!(again.len(), marks.len());
        for seen in 0..22 {
            assert_eq!(judged(&again, seen, "h/a", &["a"]), judged(&marks, seen, "h/a", &["a"]), "{seen}");
        }
    }
}
