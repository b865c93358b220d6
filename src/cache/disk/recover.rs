//! The index from what is on disk.
//!
//! From the newest segment to the oldest, and in each from the last record to the first: the first record met of a
//! hash is the one that counts, and what is listed can be served while the rest is still being read.
//!
//! Damage in the middle may have hit the record that made an older one out of date. What is older than damage is
//! therefore listed as suspect: it is validated with the origin before it is served. A record torn by the end of
//! the process is no damage: it was never listed, so nothing relied on it; it is cut off.

use std::io;
use std::sync::Arc;

use super::engine::Inner;
use super::folder::{Folder, Opened};
use super::index::Place;
use super::record::Kind;
use super::scan::{Found, Scan};
use super::segment::Segment;

/// Lists all records in the folder.
///
/// # Errors
/// The folder or a file can't be read at all.
pub(super) fn recover(inner: &Inner, folder: &Folder) -> io::Result<()> {
    let mut recovery = Recovery { inner, suspect: false, expected: None };
    let mut ids = folder.segments()?;
    let newest = ids.last().map(|(id, _)| *id);
    drop_what_is_too_much(inner, folder, &mut ids)?;
    for (id, _) in ids.into_iter().rev() {
        match folder.segment(id)? {
            Opened::Segment(segment) => recovery.segment(segment, newest == Some(id))?,
            Opened::NotOne => {
                // A process killed while it began a segment leaves a short file, with nothing in it.
                if newest != Some(id) {
                    recovery.damage(id, "no segment, or of another version");
                }
                folder.delete(id)?;
            }
        }
        if inner.is_closed() {
            break;
        }
    }
    inner.index.lift_recovered();
    Ok(())
}

/// The capacity may have been larger once.
fn drop_what_is_too_much(inner: &Inner, folder: &Folder, ids: &mut Vec<(u32, u64)>) -> io::Result<()> {
    let most = inner.options.capacity - u64::from(inner.options.segment);
    let mut bytes: u64 = ids.iter().map(|(_, len)| len).sum();
    while bytes > most && !ids.is_empty() {
        let (id, len) = ids.remove(0);
        folder.delete(id)?;
        bytes -= len;
    }
    Ok(())
}

struct Recovery<'a> {
    inner: &'a Inner,
    /// Something newer is missing.
    suspect: bool,
    /// The segment that must come next, and how long it was.
    expected: Option<(u32, u32)>,
}

impl Recovery<'_> {
    fn segment(&mut self, segment: Segment, is_newest: bool) -> io::Result<()> {
        let id = segment.id();
        if let Some((previous, len)) = self.expected
            && (previous != id || segment.len() < len)
        {
            self.damage(id, "something is missing at the end of the segment, or segments behind it");
        }
        self.expected = segment.head.previous;
        let mut found = Vec::new();
        let mut scan = Scan::new(&segment);
        while let Some(next) = scan.next()? {
            found.push(next);
        }
        if let Some(Found::Damage { from, to }) = found.last().copied()
            && is_newest
            && to == segment.len()
        {
            tracing::info!(target: "seawall::disk", segment = id, bytes = to - from, "torn end cut off");
            segment.truncate(from)?;
            found.pop();
        }
        let index = &self.inner.index;
        // Listed only when the segment can be found.
        self.inner.segments.add(Arc::new(segment));
        for found in found.into_iter().rev() {
            match found {
                Found::Damage { from, .. } => self.damage_at(id, from),
                Found::Record { head, .. } if head.kind == Kind::Removed => {
                    index.recover_removal(head.hash);
                }
                Found::Record { offset, head } => {
                    let suspect = self.suspect || head.suspect;
                    index.recover(head.hash, Place::new(id, offset, head.len(), suspect));
                }
            }
        }
        Ok(())
    }

    fn damage_at(&mut self, segment: u32, offset: u32) {
        tracing::warn!(target: "seawall::disk", segment, offset, "damaged record found by recovery");
        self.inner.metrics.bad_records.with_label_values(&["recovery"]).inc();
        self.suspect = true;
    }

    fn damage(&mut self, segment: u32, what: &str) {
        tracing::warn!(target: "seawall::disk", segment, what, "damage found by recovery");
        self.inner.metrics.bad_records.with_label_values(&["recovery"]).inc();
        self.suspect = true;
    }
}
