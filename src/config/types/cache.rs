//! `[cache]`: the tiers.

use std::path::PathBuf;

/// `[cache]`
#[derive(Debug, Clone)]
pub struct Cache {
    /// `[cache.memory]`
    pub memory: Memory,
    /// `[cache.disk]`; none is an edge that keeps nothing on disk.
    pub disk: Option<Disk>,
}

/// `[cache.disk]`
#[derive(Debug, Clone)]
pub struct Disk {
    /// The folder, which is this process's alone.
    pub path: PathBuf,
    /// Bytes on disk.
    pub capacity: u64,
    /// What is written.
    pub admission: Admission,
}

/// What `[cache.disk]` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Everything that is stored.
    All,
    /// What was asked for before, recently.
    SecondHit,
}

/// `[cache.memory]`
#[derive(Debug, Clone)]
pub struct Memory {
    /// Bytes of bodies, heads and bookkeeping held in RAM.
    pub capacity: u64,
    /// A larger whole object is kept in slices.
    pub max_object: u64,
}
