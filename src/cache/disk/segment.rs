//! A segment file: appended to by the writer, read by anybody, deleted as a whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::folder::Faults;
use super::record::SegmentHead;

/// An open segment. A reader that still has it after it was deleted reads on.
#[derive(Debug)]
pub(super) struct Segment {
    pub head: SegmentHead,
    file: File,
    len: AtomicU32,
    faults: Faults,
}

impl Segment {
    pub fn new(head: SegmentHead, file: File, len: u32, faults: Faults) -> Self {
        Self { head, file, len: AtomicU32::new(len), faults }
    }

    pub fn id(&self) -> u32 {
        self.head.id
    }

    /// Bytes on disk.
    pub fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    /// Fills `buffer` from `offset` on.
    pub fn read(&self, buffer: &mut [u8], offset: u32) -> io::Result<()> {
        self.faults.on_read()?;
        self.file.read_exact_at(buffer, u64::from(offset))
    }

    /// Writes at the end. After an error, what had been there is all there is.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let at = self.len();
        let written = self.faults.on_write().and_then(|()| self.file.write_all_at(bytes, u64::from(at)));
        if let Err(error) = written {
            // Should this fail too, the next scan stops at the torn record.
            let _ = self.file.set_len(u64::from(at));
            return Err(error);
        }
        self.len.store(at.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX)), Ordering::Release);
        Ok(())
    }

    /// Forgets what lies behind `len`.
    pub fn truncate(&self, len: u32) -> io::Result<()> {
        self.file.set_len(u64::from(len))?;
        self.len.store(len, Ordering::Release);
        Ok(())
    }
}
