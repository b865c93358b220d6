//! The eight stages of a request, in their order, and the service that runs them.
//!
//! | stage | file | from → to |
//! |---|---|---|
//! | 1 sanitize | `sanitize`, `fields` | `http::Request` → [`sanitize::Incoming`] |
//! | 2 route | `route` | `Incoming` → [`route::Routed`] |
//! | 3 authorize | `authorize` | `Routed` → [`authorize::Authorized`] |
//! | 4 key | `keyed` | `Authorized` → [`keyed::Keyed`] |
//! | 5 lookup | `lookup`, `tiers` | `Keyed` → [`lookup::Lookup`] |
//! | 6 decide | `policy::decide` | `Lookup` → `Decision` |
//! | 7 fetch | `outgoing`, `filling`, `passing`, `storing` | `Decision` → an object, or a response of the client's own |
//! | 8 respond | `respond`, `refuse`, `recording`, `body` | → `http::Response` |
//!
//! `service` calls them one after the other.

pub mod authorize;
pub mod body;
pub mod clock;
pub mod fields;
pub mod filling;
pub mod keyed;
pub mod lookup;
pub mod outgoing;
pub mod passing;
pub mod recording;
pub mod refuse;
pub mod respond;
pub mod route;
pub mod sanitize;
pub mod service;
pub mod storing;
pub mod tiers;
pub mod worker;
