//! The folder that the segments are in: one process at a time has it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::faults::Faults;
use super::record::{SEGMENT_HEAD, SEGMENT_MOST, SegmentHead};
use super::segment::{BUFFER, Segment};

const PROBE: &str = "probe";
/// Bytes of a probe: as much as is written at once. With less, a disk that has room for the probe and for nothing else
/// would be full and well in turn.
const PROBED: usize = BUFFER;
const LOCK: &str = "lock";
const SUFFIX: &str = ".seg";

/// A locked folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
    faults: Faults,
}

/// What a file that is named like a segment turned out to be.
pub(super) enum Opened {
    Segment(Segment),
    /// Its head is damaged, cut short, or of another version.
    NotOne,
}

impl Folder {
    /// Makes the folder if it is not there, and locks it.
    pub fn open(path: &Path, faults: Faults) -> io::Result<Self> {
        faults.on_write()?;
        fs::create_dir_all(path)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock, faults }),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::new(ErrorKind::ResourceBusy, "another process uses the folder"))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether the folder is still where it was, and takes files.
    pub fn check(&self) -> io::Result<()> {
        self.faults.on_write()?;
        let (there, mine) = (fs::metadata(self.path.join(LOCK))?, self.lock.metadata()?);
        if (there.dev(), there.ino()) != (mine.dev(), mine.ino()) {
            return Err(io::Error::new(ErrorKind::NotFound, "the folder was replaced"));
        }
        Ok(())
    }

    /// Whether it takes files again, after it did not.
    pub fn probe(&self) -> io::Result<()> {
        self.faults.on_write()?;
        let path = self.path.join(PROBE);
        let written = fs::write(&path, vec![0; PROBED]);
        fs::remove_file(path).and(written)
    }

    /// The segments there are, oldest first, with their lengths.
    pub fn segments(&self) -> io::Result<Vec<(u32, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            if let Some(id) = id.and_then(|id| u32::from_str_radix(id, 16).ok()) {
                segments.push((id, entry.metadata()?.len()));
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Opens one of them.
    pub fn segment(&self, id: u32) -> io::Result<Opened> {
        self.faults.on_read()?;
        let file = OpenOptions::new().read(true).write(true).open(self.name(id))?;
        let mut bytes = [0; SEGMENT_HEAD as usize];
        match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Opened::NotOne),
            Err(error) => return Err(error),
        }
        let Some(head) = SegmentHead::decode(&bytes, id) else { return Ok(Opened::NotOne) };
        let len = file.metadata()?.len().min(SEGMENT_MOST.into()) as u32;
        Ok(Opened::Segment(Segment::new(head, file, len, self.faults.clone())))
    }

    /// Begins a new one.
    pub fn create(&self, head: SegmentHead) -> io::Result<Segment> {
        self.faults.on_write()?;
        let name = self.name(head.id);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&name)?;
        if let Err(error) = file.write_all_at(&head.encode(), 0) {
            let _ = fs::remove_file(name);
            return Err(error);
        }
        Ok(Segment::new(head, file, SEGMENT_HEAD, self.faults.clone()))
    }

    /// Deletes one; that it is gone already is fine.
    pub fn delete(&self, id: u32) -> io::Result<()> {
        match fs::remove_file(self.name(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn name(&self, id: u32) -> PathBuf {
        self.path.join(format!("{id:08x}{SUFFIX}"))
    }
}
