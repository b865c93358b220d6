//! The records of a segment from its first to its last, without reading their bodies.
//!
//! What is no record is skipped until the next that is one: a flipped bit costs the record it hits, not those
//! behind it.

use std::io;

use super::record::{ALIGN, RECORD_HEAD, RecordHead, SEGMENT_HEAD, padded};
use super::segment::Segment;

/// Read at once: heads of small records come many to a read, large bodies are stepped over.
const WINDOW: usize = 64 * 1024;

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record whose head is whole and whose end is within the segment.
    Record { offset: u32, head: RecordHead },
    /// Nothing that can be read, up to `to`.
    Damage { from: u32, to: u32 },
}

/// Goes through a segment.
pub(super) struct Scan<'a> {
    segment: &'a Segment,
    at: u32,
    end: u32,
    window: Vec<u8>,
    window_at: u32,
}

impl<'a> Scan<'a> {
    /// From the first record to what is the segment's end now.
    pub fn new(segment: &'a Segment) -> Self {
        let end = segment.len();
        Self { segment, at: SEGMENT_HEAD, end, window: Vec::new(), window_at: 0 }
    }

    /// The next one.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn next(&mut self) -> io::Result<Option<Found>> {
        if self.at >= self.end {
            return Ok(None);
        }
        if let Some(head) = self.head_at(self.at)? {
            let offset = self.at;
            self.at = self.end_of(offset, &head);
            return Ok(Some(Found::Record { offset, head }));
        }
        let from = self.at;
        while self.at < self.end {
            self.at = self.at.saturating_add(ALIGN).min(self.end);
            if self.head_at(self.at)?.is_some() {
                break;
            }
        }
        Ok(Some(Found::Damage { from, to: self.at }))
    }

    fn end_of(&self, offset: u32, head: &RecordHead) -> u32 {
        let end = u64::from(offset) + padded(head.len());
        // The last record of a segment may lack what pads it.
        u32::try_from(end).unwrap_or(u32::MAX).min(self.end)
    }

    /// The record head at `offset`, if the whole record lies within the segment.
    fn head_at(&mut self, offset: u32) -> io::Result<Option<RecordHead>> {
        if u64::from(offset) + RECORD_HEAD as u64 > u64::from(self.end) {
            return Ok(None);
        }
        let secret = self.segment.head.secret;
        let head = RecordHead::decode(self.bytes_at(offset)?, secret, offset);
        Ok(head.filter(|head| u64::from(offset) + head.len() <= u64::from(self.end)))
    }

    fn bytes_at(&mut self, offset: u32) -> io::Result<&[u8]> {
        let window_end = self.window_at as usize + self.window.len();
        if offset < self.window_at || offset as usize + RECORD_HEAD > window_end {
            let len = WINDOW.min((self.end - offset) as usize);
            self.window.resize(len, 0);
            self.window_at = offset;
            self.segment.read(&mut self.window, offset)?;
        }
        let from = (offset - self.window_at) as usize;
        Ok(&self.window[from..from + RECORD_HEAD])
    }
}
