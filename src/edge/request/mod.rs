//! Stages 1 to 4: what a request is, whose it is, whether it may be answered, and what it is for.
//!
//! | file | idea |
//! |---|---|
//! | `sanitize` | stage 1: one reading of a request, in one spelling |
//! | `fields` | which kinds of fields it has |
//! | `route` | stage 2: the site and the rule it falls under |
//! | `authorize` | stage 3: whether it may see what it asks for |
//! | `key` | stage 4: what it is for |
//! | `selection` | which stored responses it selects |
//! | `requested_range` | which range an origin is asked for in place of a client's |
//! | `outgoing` | what an origin is asked |
//! | `resource_url` | a URL that somebody names, read as a request for it would be |
//! | `purgers` | who may purge by the PURGE method |

pub mod authorize;
pub mod fields;
pub mod key;
pub mod outgoing;
pub mod purgers;
pub mod requested_range;
pub mod resource_url;
pub mod route;
pub mod sanitize;
pub mod selection;
