//! Appending to the active segment, and making room for the next.
//!
//! Bytes on disk never exceed the capacity: beside the active segment there is always room for one more. When a
//! segment becomes active, the oldest are taken out until that holds again; of their records, those that were read
//! since they were written, or are in RAM now, are appended anew.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::super::entry::Entry;
use super::super::key::KeyHash;
use super::engine::Inner;
use super::folder::Folder;
use super::index::{Place, Ticket};
use super::record::{ALIGN, RECORD_HEAD, RecordHead, SEGMENT_HEAD, SegmentHead, padded};
use super::scan::{Found, Scan};
use super::segment::{BUFFER, Segment};

/// What to do once the bytes are on disk.
enum Pending {
    Publish(KeyHash, Ticket, Place),
    Relocate(KeyHash, Place, Place),
    Lift(KeyHash, Ticket),
}

/// The end of the log.
pub(super) struct Log<'a> {
    inner: &'a Inner,
    folder: &'a Folder,
    active: Option<Arc<Segment>>,
    buffer: Vec<u8>,
    pending: Vec<Pending>,
    /// Where the last record ended that was appended as a whole.
    whole: u32,
}

impl<'a> Log<'a> {
    /// A new segment is begun with the first record.
    pub fn new(inner: &'a Inner, folder: &'a Folder) -> Self {
        Self { inner, folder, active: None, buffer: Vec::new(), pending: Vec::new(), whole: 0 }
    }

    /// Appends an entry; it is listed once it is on disk.
    pub fn put(&mut self, hash: KeyHash, ticket: Ticket, entry: &Entry) -> io::Result<()> {
        let meta = entry.meta();
        let body: u64 = entry.body().iter().map(|piece| piece.len() as u64).sum();
        let len = RECORD_HEAD as u64 + meta.as_ref().map_or(0, Vec::len) as u64 + body;
        let (Some(meta), true) = (meta, len <= u64::from(self.inner.options.largest_record())) else {
            self.inner.metrics.shed.with_label_values(&["too_large"]).inc();
            // What it replaces must not come back.
            self.inner.index.bar(hash, ticket);
            return self.remove(hash, ticket);
        };
        let mut checksum = Xxh3::new();
        checksum.update(&meta);
        entry.body().iter().for_each(|piece| checksum.update(piece));
        let head = RecordHead {
            kind: entry.kind(),
            suspect: false,
            hash,
            meta: meta.len() as u32,
            body: body as u32,
            checksum: checksum.digest(),
        };
        let place = self.append(&head, &meta, entry.body())?;
        self.pending.push(Pending::Publish(hash, ticket, place));
        self.inner.metrics.writes.inc();
        Ok(())
    }

    /// Appends a removal, if there may be something on disk to remove.
    pub fn remove(&mut self, hash: KeyHash, ticket: Ticket) -> io::Result<()> {
        if self.pending.iter().any(|pending| matches!(pending, Pending::Publish(..))) {
            // One of them may be of this hash: then the index learns now that it is on disk.
            self.flush()?;
        }
        if self.inner.index.is_buried(hash) {
            self.append(&RecordHead::removed(hash), &[], &[])?;
        }
        self.pending.push(Pending::Lift(hash, ticket));
        Ok(())
    }

    fn append(&mut self, head: &RecordHead, meta: &[u8], body: &[Bytes]) -> io::Result<Place> {
        let (segment, offset) = self.room_for(head.len())?;
        self.whole = offset;
        self.buffer.extend_from_slice(&head.encode(segment.head.secret, offset));
        self.buffer.extend_from_slice(meta);
        for piece in body {
            self.buffer.extend_from_slice(piece);
            if self.buffer.len() >= BUFFER {
                // What is pending lies before this record.
                self.flush()?;
            }
        }
        let end = u64::from(offset) + head.len();
        let padding = padded(end) - end;
        self.buffer.extend_from_slice(&[0; ALIGN as usize][..padding as usize]);
        self.whole = (end + padding) as u32;
        Ok(Place::new(segment.id(), offset, head.len(), head.suspect))
    }

    /// The active segment, with room for so many bytes, and where they go.
    fn room_for(&mut self, len: u64) -> io::Result<(Arc<Segment>, u32)> {
        if let Some(active) = &self.active {
            let end = active.len() + self.buffer.len() as u32;
            if u64::from(end) + padded(len) <= u64::from(self.inner.options.segment) {
                return Ok((Arc::clone(active), end));
            }
        }
        self.rotate()?;
        self.make_room()?;
        let active = self.active.clone().ok_or(ErrorKind::NotFound)?;
        let end = active.len() + self.buffer.len() as u32;
        if u64::from(end) + padded(len) <= u64::from(self.inner.options.segment) {
            return Ok((active, end));
        }
        // What was kept left too little room for a large record.
        self.rotate()?;
        let active = self.active.clone().ok_or(ErrorKind::NotFound)?;
        self.discard_to_fit()?;
        Ok((active, SEGMENT_HEAD))
    }

    /// Ends the active segment and begins the next.
    fn rotate(&mut self) -> io::Result<()> {
        self.flush()?;
        let previous = self.inner.segments.newest().map(|segment| (segment.id(), segment.len()));
        let mut secret = [0; 8];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| io::Error::other("no random numbers"))?;
        let id =
            self.folder.segments()?.last().map_or(0, |(id, _)| *id).max(previous.map_or(0, |(id, _)| id));
        let id = id.checked_add(1).ok_or_else(|| io::Error::other("segment numbers are used up"))?;
        let head = SegmentHead { id, previous, secret: u64::from_le_bytes(secret) };
        let segment = Arc::new(self.folder.create(head)?);
        self.inner.segments.add(Arc::clone(&segment));
        self.inner.metrics.written_bytes.inc_by(SEGMENT_HEAD.into());
        self.active = Some(segment);
        Ok(())
    }

    /// After a failure: cuts off a record of which only a part was written. Left there, the next recovery would
    /// take it for damage.
    pub fn abandon(self) {
        if let Some(active) = self.active.filter(|active| active.len() > self.whole) {
            let _ = active.truncate(self.whole);
        }
    }

    /// Writes what was gathered, and lists it.
    pub fn flush(&mut self) -> io::Result<()> {
        if let (Some(active), false) = (&self.active, self.buffer.is_empty()) {
            active.append(&self.buffer)?;
            self.inner.metrics.written_bytes.inc_by(self.buffer.len() as u64);
            self.buffer.clear();
        }
        let index = &self.inner.index;
        for pending in self.pending.drain(..) {
            match pending {
                Pending::Publish(hash, ticket, place) => index.publish(hash, ticket, place),
                Pending::Relocate(hash, from, to) => index.relocate(hash, from, to),
                Pending::Lift(hash, ticket) => index.lift(hash, ticket),
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let active = self.active.as_ref().map_or(0, |active| u64::from(active.len()));
        let others = self.inner.segments.bytes().saturating_sub(active);
        others + 2 * u64::from(self.inner.options.segment) <= self.inner.options.capacity
    }

    fn make_room(&mut self) -> io::Result<()> {
        while !self.has_room() {
            let Some(victim) = self.victim() else { break };
            self.keep_what_is_read(&victim)?;
            self.delete(&victim)?;
        }
        Ok(())
    }

    fn discard_to_fit(&mut self) -> io::Result<()> {
        while !self.has_room() {
            let Some(victim) = self.victim() else { break };
            self.delete(&victim)?;
        }
        Ok(())
    }

    /// The oldest segment but the active one.
    fn victim(&self) -> Option<Arc<Segment>> {
        let oldest = self.inner.segments.oldest()?;
        self.active.as_ref().is_none_or(|active| active.id() != oldest.id()).then_some(oldest)
    }

    fn delete(&mut self, victim: &Segment) -> io::Result<()> {
        self.inner.segments.remove(victim.id());
        self.inner.index.retain(|segment| segment != victim.id());
        self.folder.delete(victim.id())?;
        self.inner.metrics.reclaimed.inc();
        Ok(())
    }

    /// Appends the records anew that somebody wants. At most three quarters of a segment are for them: a log that
    /// only moves would wear the flash and take nothing in.
    fn keep_what_is_read(&mut self, victim: &Segment) -> io::Result<()> {
        let most = u64::from(self.inner.options.segment) / 4 * 3;
        let mut scan = Scan::new(victim);
        loop {
            let found = match scan.next() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    // What can't be read goes.
                    tracing::warn!(target: "seawall::disk", segment = victim.id(), %error, "segment not read");
                    self.inner.metrics.errors.with_label_values(&["read"]).inc();
                    break;
                }
            };
            let Found::Record { offset, head } = found else { continue };
            let Some(place) = self.inner.index.get(head.hash) else { continue };
            if (place.segment(), place.offset()) != (victim.id(), offset) {
                continue;
            }
            let used = self.active.as_ref().map_or(0, |active| u64::from(active.len()));
            let used = used + self.buffer.len() as u64;
            let is_wanted = place.is_read() || (self.inner.options.wanted)(head.hash);
            if is_wanted
                && used + padded(head.len()) <= most
                && let Some(payload) = self.payload(victim, offset, &head)
            {
                let head = RecordHead { suspect: place.is_suspect(), ..head };
                let to = self.append(&head, &payload, &[])?;
                self.pending.push(Pending::Relocate(head.hash, place, to));
                self.inner.metrics.reinserted.inc();
                self.inner.metrics.reinserted_bytes.inc_by(head.len());
            }
        }
        self.flush()
    }

    /// A record's meta and body, if they are whole.
    fn payload(&self, segment: &Segment, offset: u32, head: &RecordHead) -> Option<Vec<u8>> {
        let mut payload = vec![0; head.meta as usize + head.body as usize];
        let read = segment.read(&mut payload, offset + RECORD_HEAD as u32);
        let is_whole = read.is_ok() && xxh3_64(&payload) == head.checksum;
        if !is_whole {
            self.inner.metrics.bad_records.with_label_values(&["reclaim"]).inc();
        }
        is_whole.then_some(payload)
    }
}
