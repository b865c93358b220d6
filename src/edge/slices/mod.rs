//! Large objects, in slices: a range costs the slices it touches.
//!
//! | file | idea |
//! |---|---|
//! | `begin` | a response that begins an object in slices |
//! | `continuation` | what an origin says when it is asked for more of a version |
//! | `producer` | brings slices out of one origin response, no faster than they are read |
//! | `missing` | asks the origin for slices that are missing |
//! | `reader` | a body made of slices, wherever each comes from |
//! | `partial` | a part of what can't be kept in slices |

pub mod begin;
pub mod continuation;
pub mod missing;
pub mod partial;
pub mod producer;
pub mod reader;
