//! The log of purges: what is stored is never searched, it is judged when somebody asks for it.
//!
//! Each purge has a sequence number. An object carries the number of the last purge that has been applied to it
//! ([`Seen`]), at first the one at which its fill began. A hit compares that with the log's head, one load and one
//! comparison; where they differ it asks [`InvalidationLog::judge`], is brought up to date or dropped, and carries
//! the head from then on. So a purge of ten million objects by tag costs one append.
//!
//! | file | idea |
//! |---|---|
//! | `selector` | what a purge names, and how hard it is |
//! | `tags` | the tags of a response, from its fields |
//! | `prefixes` | which stored prefixes a text begins with |
//! | `generation` | the marks of one stretch of the log |
//! | `marks` | the latest purge of each thing, and what follows for an object |
//! | `record` | a purge as bytes, and back |
//! | `file` | the records on disk |
//! | `log` | all of it behind one handle |
//! | `metrics` | what is counted |

mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod generation;
mod log;
mod marks;
mod metrics;
mod prefixes;
mod record;
mod selector;
mod tags;

pub use log::{Appended, InvalidationLog, LogError, NotDurable, Seen};
pub use marks::{MAX_ENTRIES, Subject, Verdict};
pub use metrics::InvalidationMetrics;
pub use selector::{Mode, Selector, site};
pub use tags::{MAX_TAG, MAX_TAGS, Tags, separates_tags, strip_tags};
