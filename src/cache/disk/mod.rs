//! The SSD tier: a log of checksummed records, and an index of it in RAM.
//!
//! Records are appended back to back to segment files, oldest segment first out; nothing is ever changed in
//! place. The index is not on disk: it is read again from the record headers when the edge starts. A record that
//! is not what its checksums say is a miss.
//!
//! | file | idea |
//! |---|---|
//! | `tier` | [`DiskTier`]: what the edge calls; never blocks |
//! | `engine` | what all threads of the tier share |
//! | `codec` | what can be kept, as bytes |
//! | `wire` | bounded reading and writing of those bytes |
//! | `record` | one record and one segment's head on disk |
//! | `segment` | a segment file |
//! | `folder` | the folder they are in, locked |
//! | `faults` | where tests make IO fail |
//! | `segments` | the segment files there are |
//! | `index` | where each hash's record is; 16 bytes an entry, in a hash map |
//! | `scan` | the records of a segment, also past damage |
//! | `recover` | the index from the segments |
//! | `queue` | what waits to be written, bounded |
//! | `writer` | the thread that recovers, writes, and brings the tier back after a failure |
//! | `log` | appending to the active segment, making room |
//! | `reader` | the threads that read |
//! | `doorkeeper` | which hashes were seen lately |
//! | `metrics` | what is counted |

mod codec;
mod doorkeeper;
mod engine;
mod faults;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod index;
mod log;
pub mod metrics;
mod queue;
mod reader;
mod record;
mod recover;
mod scan;
mod segment;
mod segments;
#[cfg(test)]
mod tests;
mod tier;
mod wire;
mod writer;

pub use engine::{Admission, Options, Status};
pub use tier::DiskTier;
