//! Stored responses: what an object is, where objects are kept, and how one grows while it is fetched.
//!
//! | file | idea |
//! |---|---|
//! | `key` | what identifies a resource, and one of its variants |
//! | `object` | a stored response: `Meta` and a body |
//! | `variants` | which variants a key has, told apart by Vary |
//! | `memory` | the RAM tier |
//! | `disk` | the SSD tier |
//! | `growing` | a body that is read while it arrives |
//! | `fill` | an origin fetch that many requests wait for |
//! | `metrics` | sizes, evictions, fills |

pub mod disk;
pub mod fill;
pub mod growing;
pub mod key;
pub mod memory;
pub mod metrics;
pub mod object;
pub mod variants;
