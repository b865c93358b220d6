//! What a place to keep things can do.

use std::fmt::Debug;
use std::pin::Pin;

use crate::cache::entry::Entry;
use crate::cache::key::KeyHash;

/// A read that may have to wait.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Option<Held>> + Send + 'a>>;

/// A place where entries are kept: RAM, a disk, another edge. Nothing but [`Tier::get`] waits for it, and nothing fails:
/// a tier that can't do what it is asked has nothing.
pub trait Tier: Debug + Send + Sync {
    /// `memory`, `disk`: for metrics and operators.
    fn name(&self) -> &'static str;

    /// Whether something seems to be under `place`. Answers from RAM, and does not count as a use.
    fn contains(&self, place: KeyHash) -> bool;

    /// What is under `place`.
    fn get(&self, place: KeyHash) -> Reading<'_>;

    /// Whether what was read is still what the tier has: false once it was removed or replaced. Asked after it was put
    /// where a removal looks next, so that no removal is missed.
    fn is_current(&self, place: KeyHash, held: &Held) -> bool;

    /// Whether an entry should be put there now. To ask counts: a tier may want to be asked twice.
    fn admits(&self, place: KeyHash) -> bool;

    /// Keeps an entry in place of what is there. It may be given up, and what was there with it.
    fn put(&self, place: KeyHash, entry: Entry);

    /// Removes what is there: gone from the next look on.
    fn remove(&self, place: KeyHash);
}

/// What was read from a tier.
#[derive(Debug, Clone)]
pub struct Held {
    /// The entry.
    pub entry: Entry,
    /// By which the tier tells it from what takes its place.
    pub version: u64,
}
