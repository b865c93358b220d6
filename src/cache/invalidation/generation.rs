//! The marks of one stretch of the log: small enough to be filled, looked through and given up at once.

use std::collections::HashMap;

use super::marks::{Mark, Subject};
use super::prefixes::Prefixes;
use super::selector::Selector;
use crate::cache::key::{KeyHash, Prehashed};

/// The latest purges of URLs, tags, sites and prefixes that were named in this stretch.
#[derive(Debug, Default)]
pub(super) struct Generation {
    /// No mark here is later than this.
    last: u64,
    /// Bytes of prefixes.
    text: usize,
    urls: HashMap<KeyHash, Mark, Prehashed>,
    tags: HashMap<u64, Mark, Prehashed>,
    sites: HashMap<u64, Mark, Prehashed>,
    prefixes: Prefixes<Mark>,
}

impl Generation {
    /// The latest purge here.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Things that have a mark here.
    pub(super) fn len(&self) -> usize {
        self.urls.len() + self.tags.len() + self.sites.len() + self.prefixes.len()
    }

    /// Bytes of the prefixes here.
    pub(super) fn text(&self) -> usize {
        self.text
    }

    /// The mark of what is selected, for a purge of this sequence; `None` for everything, which has none here.
    pub(super) fn mark(&mut self, selector: &Selector, sequence: u64) -> Option<&mut Mark> {
        self.last = self.last.max(sequence);
        match selector {
            Selector::Url(hash) => Some(self.urls.entry(*hash).or_default()),
            Selector::Tag(tag) => Some(self.tags.entry(*tag).or_default()),
            Selector::Site(site) => Some(self.sites.entry(*site).or_default()),
            Selector::Prefix(text) => {
                let mark = self.prefixes.entry(text);
                if *mark == Mark::default() {
                    self.text += text.len();
                }
                Some(mark)
            }
            Selector::Everything => None,
        }
    }

    /// Takes the mark of what is selected out.
    pub(super) fn take(&mut self, selector: &Selector) -> Option<Mark> {
        match selector {
            Selector::Url(hash) => self.urls.remove(hash),
            Selector::Tag(tag) => self.tags.remove(tag),
            Selector::Site(site) => self.sites.remove(site),
            Selector::Prefix(text) => {
                let mark = self.prefixes.remove(text)?;
                self.text -= text.len();
                Some(mark)
            }
            Selector::Everything => None,
        }
    }

    /// Takes in the marks of another one.
    pub(super) fn absorb(&mut self, other: Generation) {
        let last = self.last.max(other.last);
        for (selector, mark) in other.marks() {
            if let Some(known) = self.mark(&selector, last) {
                *known = known.later(*mark);
            }
        }
    }

    /// Shows all marks that mean `subject`; `resource` is its hash and line.
    pub(super) fn weigh(
        &self,
        subject: &Subject<'_>,
        (hash, line): (KeyHash, &[u8]),
        mut weigh: impl FnMut(&Mark),
    ) {
        self.urls.get(&hash).map(&mut weigh);
        self.sites.get(&subject.site).map(&mut weigh);
        self.prefixes.of(line).for_each(&mut weigh);
        if let Some(tags) = subject.tags.filter(|_| !self.tags.is_empty()) {
            let marks = tags.iter().filter_map(|tag| self.tags.get(&xxhash_rust::xxh3::xxh3_64(tag)));
            marks.for_each(weigh);
        }
    }

    /// All marks, and what they are of.
    pub(super) fn marks(&self) -> impl Iterator<Item = (Selector, &Mark)> {
        let urls = self.urls.iter().map(|(hash, mark)| (Selector::Url(*hash), mark));
        let tags = self.tags.iter().map(|(tag, mark)| (Selector::Tag(*tag), mark));
        let sites = self.sites.iter().map(|(site, mark)| (Selector::Site(*site), mark));
        let prefixes = self.prefixes.iter().map(|(text, mark)| (Selector::prefix(text), mark));
        urls.chain(tags).chain(sites).chain(prefixes)
    }
}
