//! The eight stages of a request, in their order, and the service that runs them.
//!
//! | stage | file | from → to |
//! |---|---|---|
//! | 1 sanitize | `sanitize`, `fields` | `http::Request` → [`sanitize::Incoming`] |
//! | 2 route | `route` | `Incoming` → [`route::Routed`] |
//! | 3 authorize | `authorize` | `Routed` → [`authorize::Authorized`] |
//! | 4 key | `keyed` | `Authorized` → [`keyed::Keyed`] |
//! | 5 lookup | `lookup`, `selecting`, `tiers` | `Keyed` → [`lookup::Lookup`] |
//! | 6 decide | `policy::decide` | `Lookup` → `Decision` |
//! | 7 fetch | `fetching`, `outgoing`, `filling`, `keeping`, `storing`, `slicing`, `passing`, `posted`, `tunnel` | `Decision` → an object, or a response of the client's own |
//! | 8 respond | `respond`, `refuse`, `recording`, `body` | → `http::Response` |
//!
//! What purges do to them is in `purged`, what unsafe requests do in `changes`, how a purge is made in `purging` and `named`; `inspect` and `prefetch` are for
//! operators. `service` calls them one after the other.

pub mod authorize;
pub mod body;
pub mod changes;
pub mod clock;
pub mod fetching;
pub mod fields;
pub mod filling;
pub mod inspect;
pub mod keeping;
pub mod keyed;
pub mod lookup;
pub mod named;
pub mod outgoing;
pub mod passing;
pub mod posted;
pub mod purged;
pub mod purging;
pub mod prefetch;
pub mod recording;
pub mod refuse;
pub mod respond;
pub mod route;
pub mod sanitize;
pub mod selecting;
pub mod service;
pub mod slicing;
pub mod storing;
pub mod tiers;
pub mod tunnel;
pub mod worker;
