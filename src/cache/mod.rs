//! Stored responses: what an object is, where objects are kept, and how one grows while it is fetched.
//!
//! | file | idea |
//! |---|---|
//! | `key` | what identifies a resource, and one of its variants |
//! | `object` | a stored response: `Meta` and a body |
//! | `variants` | which variants a key has, told apart by Vary |
//! | `whole` | the bytes of a whole body |
//! | `derived` | a body made from a stored one |
//! | `entry` | what a tier can keep |
//! | `memory` | the RAM tier |
//! | `slice` | a large body in pieces, and the manifest that ties them |
//! | `disk` | the SSD tier |
//! | `growing` | a body that is read while it arrives |
//! | `budget` | memory for what is on its way |
//! | `fill` | an origin fetch that many requests wait for |
//! | `invalidation` | the log of purges, and what follows from it for an object |
//! | `flight` | slices on their way, for all who want them |
//! | `store` | one face for all of it |
//! | `reason` | why a response is not stored |
//! | `metrics` | sizes, evictions, fills |

pub mod budget;
pub mod derived;
pub mod disk;
pub mod entry;
pub mod fill;
pub mod flight;
pub mod growing;
pub mod invalidation;
pub mod key;
pub mod memory;
pub mod metrics;
pub mod object;
pub mod reason;
pub mod slice;
pub mod store;
pub mod variants;
pub mod whole;
