//! What operators ask of the edge.
//!
//! | file | idea |
//! |---|---|
//! | `purge` | a purge, from what an operator names or by the PURGE method |
//! | `inspect` | what is cached for a URL |
//! | `prefetch` | warming the cache from lists of URLs |

pub mod inspect;
pub mod prefetch;
pub mod purge;
