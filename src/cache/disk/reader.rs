//! Reading: a few threads, so that no runtime thread waits for a disk.
//!
//! Requests for a record that is being read already wait for that read.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::Xxh3;

use super::super::entry::Entry;
use super::super::key::KeyHash;
use super::super::object::{PIECE, Whole};
use super::engine::Inner;
use super::index::Place;
use super::record::{RECORD_HEAD, RecordHead};
use super::segment::Segment;

/// The first read of a record: all of a small one, head and meta of a large one.
const FIRST: u64 = 64 * 1024;
/// More records than this don't wait to be read: the disk is behind, the origin may be faster.
const MOST_WAITING: usize = 1024;

/// Why there is no entry.
#[derive(Debug)]
pub(super) enum Unread {
    /// The file can't be read.
    Failed(io::Error),
    /// What was read is not what was written.
    Bad(&'static str),
    /// Another hash's record, or one whose segment was deleted meanwhile.
    Gone,
}

/// What became of a read.
pub(super) type Outcome = Option<Entry>;

/// What is to be read.
#[derive(Debug, Default)]
pub(super) struct Readers {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<(KeyHash, Place)>,
    /// By segment and offset.
    waiting: HashMap<(u32, u32), Vec<oneshot::Sender<Outcome>>>,
    closed: bool,
}

impl Readers {
    /// Asks for a record; `None` when too many wait already.
    pub fn ask(&self, hash: KeyHash, place: Place) -> Option<oneshot::Receiver<Outcome>> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if let Some(waiting) = state.waiting.get_mut(&(place.segment(), place.offset())) {
            waiting.push(sender);
            return Some(receiver);
        }
        if state.jobs.len() >= MOST_WAITING {
            return None;
        }
        state.jobs.push_back((hash, place));
        state.waiting.insert((place.segment(), place.offset()), vec![sender]);
        drop(state);
        self.ready.notify_one();
        Some(receiver)
    }

    /// Ends [`Readers::run`] in all threads.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.jobs.clear();
        state.waiting.clear();
        drop(state);
        self.ready.notify_all();
    }

    /// Reads what is asked for, until closed.
    pub fn run(&self, inner: &Inner) {
        while let Some((hash, place)) = self.next() {
            let outcome = self.is_awaited(place).then(|| inner.read(hash, place)).flatten();
            let waiting = self.state.lock().waiting.remove(&(place.segment(), place.offset()));
            for sender in waiting.into_iter().flatten() {
                let _ = sender.send(outcome.clone());
            }
        }
    }

    fn next(&self) -> Option<(KeyHash, Place)> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            self.ready.wait(&mut state);
        }
    }

    /// False when all who asked have given up.
    fn is_awaited(&self, place: Place) -> bool {
        let state = self.state.lock();
        let waiting = state.waiting.get(&(place.segment(), place.offset()));
        waiting.is_some_and(|waiting| waiting.iter().any(|sender| !sender.is_closed()))
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Unread::Bad("cut short"),
            _ => Unread::Failed(error),
        }
    }
}

/// Reads a record and checks all of it.
pub(super) fn read(segment: &Segment, hash: KeyHash, place: Place) -> Result<Entry, Unread> {
    let offset = place.offset();
    let in_segment = u64::from(segment.len().saturating_sub(offset));
    let mut first = Vec::new();
    segment.read_to(&mut first, place.most().min(in_segment).min(FIRST) as usize, offset)?;
    let head = RecordHead::decode(&first, segment.head.secret, offset).ok_or(Unread::Bad("head"))?;
    if head.hash != hash {
        return Err(Unread::Gone);
    }
    if head.len() > place.most().min(in_segment) {
        return Err(Unread::Bad("length"));
    }
    let body_at = RECORD_HEAD + head.meta as usize;
    if body_at > first.len() {
        let known = first.len();
        segment.read_to(&mut first, body_at - known, offset + known as u32)?;
    }
    let meta = &first[RECORD_HEAD..body_at];
    let mut checksum = Xxh3::new();
    checksum.update(meta);
    let at = offset + body_at as u32;
    let body = read_body(segment, at, head.body as usize, &first[body_at..], &mut checksum)?;
    if checksum.digest() != head.checksum {
        return Err(Unread::Bad("checksum"));
    }
    let entry = Entry::decode(head.kind, meta, body).ok_or(Unread::Bad("format"))?;
    Ok(if place.is_suspect() || head.suspect { entry.suspected() } else { entry })
}

/// A body of `len` bytes at `at`, which begins with `known`. Each piece is summed up while it is in the CPU's cache.
fn read_body(
    segment: &Segment,
    at: u32,
    len: usize,
    known: &[u8],
    checksum: &mut Xxh3,
) -> Result<Whole, Unread> {
    let mut pieces = Vec::with_capacity(len.div_ceil(PIECE));
    for from in (0..len).step_by(PIECE) {
        let wanted = PIECE.min(len - from);
        let known = known.get(from..).unwrap_or_default();
        let known = &known[..known.len().min(wanted)];
        let mut piece = Vec::with_capacity(wanted);
        piece.extend_from_slice(known);
        if known.len() < wanted {
            segment.read_to(&mut piece, wanted - known.len(), at + (from + known.len()) as u32)?;
        }
        checksum.update(&piece);
        pieces.push(Bytes::from(piece));
    }
    Whole::from_pieces(pieces).ok_or(Unread::Bad("pieces"))
}
