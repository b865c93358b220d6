//! Why responses are not stored, and why requests stop waiting for one: the words of metrics, logs and Cache-Status.

use crate::policy::storable::NoStore;

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// HTTP or the site's rules say so.
    Policy(NoStore),
    /// Its body is larger than what is kept whole, and can't be kept in slices.
    TooLarge,
    /// It is a part, and has no strong entity tag that could tie it to others (RFC 9110 §8.8.1).
    WeakValidator,
    /// It is another part than the one that was asked for.
    OddRange,
    /// Other responses on their way take all memory that there is for them.
    NoRoom,
    /// It is older than what has happened to its key since.
    Overtaken(Overtaken),
}

/// What has happened to a key since a response was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overtaken {
    /// A purge means it.
    Purge,
    /// An unsafe request for the same has succeeded (RFC 9111 §4.4).
    Change,
}

impl NotStored {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            NotStored::Policy(reason) => reason.as_str(),
            NotStored::TooLarge => "too_large",
            NotStored::WeakValidator => "weak_validator",
            NotStored::OddRange => "odd_range",
            NotStored::NoRoom => "no_room",
            NotStored::Overtaken(Overtaken::Purge) => "purged",
            NotStored::Overtaken(Overtaken::Change) => "changed",
        }
    }

    /// Whether it lies in the request's own fields, so that it says nothing about what others are answered.
    pub const fn is_of_request(self) -> bool {
        matches!(self, NotStored::Policy(reason) if reason.is_of_request())
    }
}

impl From<Overtaken> for NotStored {
    fn from(by: Overtaken) -> Self {
        NotStored::Overtaken(by)
    }
}

impl From<NoStore> for NotStored {
    fn from(reason: NoStore) -> Self {
        NotStored::Policy(reason)
    }
}

/// Why a fill brings nothing that others may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// Its response is not stored.
    NotStored(NotStored),
    /// It ended without a word: a panic.
    Abandoned,
}

impl Released {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Released::NotStored(reason) => reason.as_str(),
            Released::Abandoned => "abandoned",
        }
    }
}

/// Why a request stops waiting for another one's fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedWaiting {
    /// `collapse_timeout` has passed.
    Timeout,
    /// The fill brings nothing for others.
    Released(Released),
    /// A purge means what it brings.
    Purged,
    /// It brings another variant.
    OtherVariant,
    /// It has brought another part.
    OtherPart,
}

impl StoppedWaiting {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            StoppedWaiting::Timeout => "timeout",
            StoppedWaiting::Released(why) => why.as_str(),
            StoppedWaiting::Purged => "purged",
            StoppedWaiting::OtherVariant => "other_variant",
            StoppedWaiting::OtherPart => "other_part",
        }
    }
}
