//! The records on disk: appended and synced before a purge is acknowledged, written anew when most are superseded.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::record::{End, Record, read_all};

/// What the file begins with; the last byte is the version of what follows.
const MAGIC: &[u8; 8] = b"SWPURGE\x01";
/// What is gathered before it is written to a new file.
const WRITTEN_AT_ONCE: usize = 1 << 20;

/// The open file.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    /// Held as long as this process has the log: another would not see what is appended here.
    _lock: File,
    /// Bytes that are known to be good; the next record begins there.
    len: u64,
    records: usize,
    /// A write or a sync failed: what the file holds is not known any more.
    doubtful: bool,
    /// How often another file took its place.
    replaced: u64,
}

/// A file that is to take the log's place.
#[derive(Debug)]
pub(super) struct Beside {
    file: File,
    path: PathBuf,
    len: u64,
    records: usize,
}

/// Where a log ended when it was begun to be written anew.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    path: PathBuf,
    replaced: u64,
    len: u64,
    records: usize,
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No file, or an empty one.
    Nothing,
    /// A file, read to an end of this kind.
    Log(End),
}

impl LogFile {
    /// Reads the file at `path`, or begins one. Unless the end is clean, the caller has to [`rewrite`](Self::rewrite)
    /// it before it appends.
    pub(super) fn open(path: &Path, take: impl FnMut(Record)) -> io::Result<(Self, Found)> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let lock = path.with_extension("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(lock)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another process uses the folder")
            }
            TryLockError::Error(error) => error,
        })?;
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut records = 0;
        let mut take = take;
        let found = match bytes.strip_prefix(MAGIC) {
            Some(rest) => Found::Log(read_all(rest, |record| {
                records += 1;
                take(record);
            })),
            None if bytes.is_empty() => Found::Nothing,
            None => Found::Log(End::Damaged),
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let doubtful = found != Found::Log(End::Clean);
        Ok((
            Self {
                file,
                path: path.to_owned(),
                _lock: lock,
                len: bytes.len() as u64,
                records,
                doubtful,
                replaced: 0,
            },
            found,
        ))
    }

    /// Whether only [`rewrite`](Self::rewrite) helps: it is new, damaged, or something failed.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Whether it was deleted, and what is appended would be with it.
    pub(super) fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// It lacks what is to be in it: only [`rewrite`](Self::rewrite) helps.
    pub(super) fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Whether it has more than twice the records that `live` things need.
    pub(super) fn is_bloated(&self, live: usize) -> bool {
        self.records > 2 * live + 1024
    }

    /// Appends records; they are on the disk when this returns.
    pub(super) fn append(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut count = 0;
        for record in records {
            record.write(&mut bytes);
            count += 1;
        }
        self.doubtful = true;
        self.file.write_all_at(&bytes, self.len)?;
        self.file.sync_data()?;
        self.doubtful = false;
        self.len += bytes.len() as u64;
        self.records += count;
        Ok(())
    }

    /// Puts a file with these records in the place of the old one, whatever was in that.
    pub(super) fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let beside = Beside::write(self.path.with_extension("new"), records)?;
        self.put_in_place(beside)
    }

    /// Where it ends now.
    pub(super) fn mark(&self) -> Mark {
        let path = self.path.with_extension("next");
        Mark { path, replaced: self.replaced, len: self.len, records: self.records }
    }

    /// Puts `beside`, in which is all up to `mark`, in its place, with what was appended since. False: so much has
    /// happened since that it can't be.
    pub(super) fn replace(&mut self, mut beside: Beside, mark: &Mark) -> io::Result<bool> {
        if self.doubtful || self.replaced != mark.replaced {
            return Ok(false);
        }
        let mut since = vec![0; (self.len - mark.len) as usize];
        self.file.read_exact_at(&mut since, mark.len)?;
        beside.file.write_all(&since)?;
        beside.file.sync_data()?;
        beside.len += since.len() as u64;
        beside.records += self.records - mark.records;
        self.put_in_place(beside)?;
        Ok(true)
    }

    fn put_in_place(&mut self, beside: Beside) -> io::Result<()> {
        std::fs::rename(&beside.path, &self.path)?;
        // The old file is out of reach: from here on the new one is the log, even if the folder is not synced.
        (self.file, self.len, self.records, self.doubtful) = (beside.file, beside.len, beside.records, true);
        self.replaced += 1;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        self.doubtful = false;
        Ok(())
    }

    /// To put another file in its place.
    #[cfg(test)]
    pub(super) fn file_for_test(&mut self) -> &mut File {
        &mut self.file
    }
}

impl Beside {
    /// A file with these records; they are on the disk when this returns.
    pub(super) fn write(path: PathBuf, records: impl Iterator<Item = Record>) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        let mut bytes = MAGIC.to_vec();
        let (mut len, mut count) = (0, 0);
        for record in records {
            record.write(&mut bytes);
            count += 1;
            if bytes.len() >= WRITTEN_AT_ONCE {
                file.write_all(&bytes)?;
                len += bytes.len() as u64;
                bytes.clear();
            }
        }
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok(Self { file, path, len: len + bytes.len() as u64, records: count })
    }

    /// As [`write`](Self::write), where a log can take it up that has this mark.
    pub(super) fn at(mark: &Mark, records: impl Iterator<Item = Record>) -> io::Result<Self> {
        Self::write(mark.path.clone(), records)
    }
}
