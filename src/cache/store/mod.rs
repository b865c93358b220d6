//! One face for all that is stored: [`Store`]. It knows the tiers, the log of purges, what unsafe requests changed, and
//! what is on its way; who asks it knows none of them.
//!
//! | file | idea |
//! |---|---|
//! | `store` | [`Store`]: keep, update, hit, forget, change, purge |
//! | `find` | what is stored for a request, which appears here as a [`Selection`] only |
//! | `judge` | what purges leave of a response |
//! | `changes` | which keys unsafe requests have changed |
//! | `slices` | pieces of large bodies |
//! | `derived` | bodies made from stored ones |
//! | `inspect` | what operators ask |
//! | `tier` | [`Tier`](tier::Tier): what a place to keep things can do |
//!
//! ```text
//!            memory                      the tier behind it (disk)
//! find       first, on the spot          when memory has nothing, and only if the tier lists it
//! found      served                      put into memory, judged by the purges since, served
//! kept       always                      if the tier admits it: at once, or with its first hit
//! updated    always                      if it is there
//! forgotten  before and after            in between
//! ```
//!
//! Slices are entries of their own and go the same way. They are not removed: nobody looks for those whose
//! manifest is gone. A body that is known in part is kept in memory only.
//!
//! A removal may come between a look and what follows from it. So who puts into memory what was behind it looks
//! afterwards whether the tier still has it, and who puts behind it what is in memory looks whether memory still has
//! it. With removals in that order, one of the two always notices.

mod changes;
mod derived;
mod find;
mod inspect;
mod judge;
mod slices;
#[allow(clippy::module_inception, reason = "the type the folder is named for")]
mod store;
pub mod tier;

#[cfg(test)]
mod tests;

pub use changes::Moment;
pub use find::{Found, Lookup, Selection};
pub use inspect::Inspected;
pub use store::{Parts, Store};
