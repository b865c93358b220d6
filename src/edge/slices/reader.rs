//! A body made of slices, each from where it is: in the cache, on its way, or fetched for this reader.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::cache::flight::{AHEAD, Interest, Run};
use crate::cache::growing::{Broken, Growing, Reader};
use crate::cache::slice::Slice;
use crate::edge::slices::missing::{RUN, Slices};
use crate::edge::slices::producer::Producer;
use crate::http::multipart::Piece;

/// How often a slice is looked for anew when what brought it broke off. What has been sent stays right, since the
/// version is the same; a client that downloads for an hour should not start again because a connection broke.
const TRIES: u8 = 3;

/// What is read.
enum Current {
    Here(Arc<Slice>),
    Coming(Reader),
}

/// The body of one response.
pub struct SliceReader {
    slices: Arc<Slices>,
    /// What is left to send, last first.
    left: Vec<Piece>,
    length: u64,
    /// Whether the client seems to read on from range to range.
    sequential: bool,
    current: Option<Current>,
    /// What brings slices to this reader.
    runs: SmallVec<[Interest; 2]>,
    tries: u8,
    /// Whether the client has been given bytes.
    begun: bool,
    primed: Option<Bytes>,
}

impl SliceReader {
    /// Of one range, not empty.
    pub fn range(slices: &Arc<Slices>, from: u64, to: u64) -> Self {
        let mut reader = Self::parts(slices, vec![Piece::Range(from, to)], to.saturating_sub(from));
        let first = slices.manifest.index(from);
        reader.sequential = first > 0 && (reader.is_cached(first - 1) || reader.is_coming(first - 1));
        reader
    }

    /// Of texts and ranges, last first, `length` bytes in all.
    pub fn parts(slices: &Arc<Slices>, left: Vec<Piece>, length: u64) -> Self {
        Self {
            slices: Arc::clone(slices),
            left,
            length,
            sequential: false,
            current: None,
            runs: SmallVec::new(),
            tries: 0,
            begun: false,
            primed: None,
        }
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.length
    }

    /// Whether all bytes it needs are in memory.
    pub fn all_here(&self) -> bool {
        self.all(|index| self.has(index))
    }

    /// Whether no byte it needs has to be asked of the origin.
    pub fn all_cached(&self) -> bool {
        self.all(|index| self.is_cached(index))
    }

    fn all(&self, has: impl Fn(u64) -> bool) -> bool {
        self.left.iter().all(|part| match part {
            Piece::Text(_) => true,
            Piece::Range(from, to) => {
                self.indices(*from, *to).all(|index| has(index) || self.has_arrived(index, *to))
            }
        })
    }

    /// Whether the bytes before `to` of a slice that is on its way are here.
    fn has_arrived(&self, index: u64, to: u64) -> bool {
        let manifest = &self.slices.manifest;
        let flight = self.slices.worker.store().flights().get(manifest, index);
        let needed = to.min(manifest.end(index)) - manifest.start(index);
        flight.is_some_and(|flight| flight.body.arrived() >= needed)
    }

    fn has(&self, index: u64) -> bool {
        self.slices.worker.store().slice_is_in_memory(&self.slices.manifest, index)
    }

    fn is_cached(&self, index: u64) -> bool {
        self.slices.worker.store().has_slice(&self.slices.manifest, index)
    }

    fn is_coming(&self, index: u64) -> bool {
        self.slices.worker.store().flights().get(&self.slices.manifest, index).is_some()
    }

    fn indices(&self, from: u64, to: u64) -> Range<u64> {
        let manifest = &self.slices.manifest;
        manifest.index(from)..manifest.index(to.saturating_sub(1)) + 1
    }

    /// Ready when the first bytes are there: until then the client has not been told anything that may turn out
    /// wrong.
    pub fn poll_primed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.primed.is_none() {
            self.primed = ready!(self.poll_bytes(cx)).transpose()?;
        }
        Poll::Ready(Ok(()))
    }

    /// The next bytes; `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let next = match self.primed.take() {
            Some(primed) => Some(Ok(primed)),
            None => ready!(self.poll_bytes(cx)),
        };
        if let Some(Ok(bytes)) = &next {
            self.length = self.length.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(next)
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        loop {
            let (from, to) = match self.left.last_mut() {
                None => return Poll::Ready(None),
                Some(Piece::Text(text)) => {
                    let text = std::mem::take(text);
                    self.left.pop();
                    return Poll::Ready(Some(Ok(text)));
                }
                Some(Piece::Range(from, to)) => (*from, *to),
            };
            if from >= to {
                self.left.pop();
                self.current = None;
                continue;
            }
            match ready!(self.poll_slice(cx, from, to)) {
                Ok(bytes) => {
                    self.begun = true;
                    self.tries = 0;
                    self.advance(from + bytes.len() as u64);
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Err(Broken::Changed) => return Poll::Ready(Some(Err(Broken::Changed))),
                // It said when to ask again, and the client can still be told.
                Err(broken @ Broken::Answered { .. }) if !self.begun => {
                    return Poll::Ready(Some(Err(broken)));
                }
                Err(broken) => {
                    self.current = None;
                    self.tries += 1;
                    if self.tries >= TRIES {
                        return Poll::Ready(Some(Err(broken)));
                    }
                }
            }
        }
    }

    fn advance(&mut self, to: u64) {
        if let Some(Piece::Range(from, _)) = self.left.last_mut() {
            let manifest = &self.slices.manifest;
            if manifest.index(*from) != manifest.index(to) {
                self.current = None;
            }
            *from = to;
        }
    }

    /// Bytes of the slice that has the byte at `from`, not beyond `to`.
    fn poll_slice(&mut self, cx: &mut Context<'_>, from: u64, to: u64) -> Poll<Result<Bytes, Broken>> {
        let index = self.slices.manifest.index(from);
        let start = self.slices.manifest.start(index);
        let (at, end) = (from - start, to.min(self.slices.manifest.end(index)) - start);
        if self.current.is_none() {
            let horizon = self.indices(from, to).end + u64::from(self.sequential);
            self.current = self.open(index, at..end, horizon);
        }
        let bytes = match &mut self.current {
            Some(Current::Here(slice)) => slice.body.slice_at(at, end - at),
            Some(Current::Coming(reader)) => ready!(reader.poll_next(cx)).transpose()?,
            None => None,
        };
        // A slice with fewer bytes than it should have is as broken as none.
        Poll::Ready(bytes.ok_or(Broken::Origin))
    }

    /// Finds a slice, or has it fetched together with the missing ones behind it, before `horizon`.
    fn open(&mut self, index: u64, bytes: Range<u64>, horizon: u64) -> Option<Current> {
        self.runs.retain(|interest| !interest.run().ends_by(index));
        let mut held = None;
        for interest in &self.runs {
            held = interest.reach(index).or(held);
        }
        let coming = |body: Arc<Growing>| Current::Coming(body.reader(bytes.start, bytes.end));
        // What broke is still held by what brought it.
        let current = match held.filter(|_| self.tries == 0) {
            Some(body) => Some(coming(body)),
            None => self.find(index, horizon, coming),
        };
        self.read_ahead(index, horizon);
        current
    }

    fn find(
        &mut self,
        index: u64,
        horizon: u64,
        coming: impl Fn(Arc<Growing>) -> Current,
    ) -> Option<Current> {
        let store = Arc::clone(self.slices.worker.store());
        let manifest = Arc::clone(&self.slices.manifest);
        let here = match self.slices.again {
            true => store.slice_again(&manifest, index),
            false => store.slice(&manifest, index),
        };
        if let Some(slice) = here {
            return Some(Current::Here(slice));
        }
        if let Some(flight) = store.flights().get(&manifest, index) {
            self.join(&flight.run, index);
            return Some(coming(Arc::clone(&flight.body)));
        }
        if let Some(body) = self.fetch(index, horizon) {
            return Some(coming(body));
        }
        // Somebody was faster, or has just finished.
        if let Some(flight) = store.flights().get(&manifest, index) {
            self.join(&flight.run, index);
            return Some(coming(Arc::clone(&flight.body)));
        }
        store.slice(&manifest, index).map(Current::Here)
    }

    fn fetch(&mut self, index: u64, horizon: u64) -> Option<Arc<Growing>> {
        let indices = index..horizon.min(index.saturating_add(RUN));
        let (indices, is_behind) = self.slices.from_one_place(indices);
        let producer = Producer::claim(self.slices.worker.store(), &self.slices.manifest, indices, RUN)?;
        self.runs.push(producer.interest());
        let body = producer.first_body();
        self.slices.fetch(producer, is_behind);
        body
    }

    fn join(&mut self, run: &Arc<Run>, index: u64) {
        if !self.runs.iter().any(|interest| Arc::ptr_eq(interest.run(), run)) {
            self.runs.push(Interest::new(run));
        }
        for interest in self.runs.iter().filter(|interest| interest.run().covers(index)) {
            interest.reach(index);
        }
    }

    /// Sees to it that the slices behind this one, before `horizon`, come in time.
    fn read_ahead(&mut self, index: u64, horizon: u64) {
        let store = Arc::clone(self.slices.worker.store());
        let end = horizon.min(self.slices.manifest.count());
        for next in index + 1..end.min(index + AHEAD + 2) {
            let prefetched = self.sequential && next + 1 == end;
            if let Some(interest) = self.runs.iter().find(|interest| interest.run().covers(next)) {
                if prefetched && next == index + 1 {
                    // The client may well be gone when its turn comes.
                    interest.run().keep_to(end);
                }
            } else if let Some(flight) = store.flights().get(&self.slices.manifest, next) {
                self.runs.push(Interest::new(&flight.run));
            } else if next <= index + AHEAD && !self.has(next) {
                self.fetch(next, horizon);
                return;
            }
        }
    }
}
