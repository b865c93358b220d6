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
mod tests;
