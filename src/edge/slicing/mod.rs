//! Large objects, in slices: a range costs the slices it touches.
//!
//! | file | idea |
//! |---|---|
//! | `asked` | which range an origin is asked for, and whether what it says is that |
//! | `begin` | a response that begins an object in slices |
//! | `producer` | brings slices out of one origin response, no faster than they are read |
//! | `missing` | asks the origin for slices that are missing |
//! | `reader` | a body made of slices, wherever each comes from |
//! | `serve` | an answer from an object in slices |
//! | `part` | a part of what can't be kept in slices, for the ranges it contains |
//! | `own` | a client's own range, of what can't be kept in slices |

pub mod asked;
pub mod begin;
pub mod missing;
pub mod own;
pub mod part;
pub mod producer;
pub mod reader;
pub mod serve;
