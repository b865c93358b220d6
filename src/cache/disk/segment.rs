//! A segment file: appended to by the writer, read by anybody, deleted as a whole.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::faults::Faults;
use super::record::SegmentHead;

/// Bytes gathered before they are written.
pub(super) const BUFFER: usize = 1 << 20;

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

    /// Appends `len` bytes from `offset` on to `buffer`, which is not filled with zeros first: for a body of 1 MiB
    /// that would be a tenth of the work.
    pub fn read_to(&self, buffer: &mut Vec<u8>, len: usize, offset: u32) -> io::Result<()> {
        self.faults.on_read()?;
        buffer.reserve_exact(len);
        let end = buffer.len() + len;
        while buffer.len() < end {
            let at = u64::from(offset) + (len - (end - buffer.len())) as u64;
            match rustix::io::pread(&self.file, rustix::buffer::spare_capacity(buffer), at) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The allocator may have given more room than was asked for, and what follows was read into it.
        buffer.truncate(end);
        Ok(())
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
