//! The eight stages of a request, in their order, and the service that runs them.
//!
//! | stage | file | from → to |
//! |---|---|---|
//! | 1 sanitize | `request/sanitize` | `http::Request` → [`request::sanitize::Incoming`] |
//! | 2 route | `request/route` | `Incoming` → [`request::route::Routed`] |
//! | 3 authorize | `request/authorize` | `Routed` → [`request::authorize::Authorized`] |
//! | 4 key | `request/key` | `Authorized` → [`request::key::Keyed`] |
//! | 5 lookup | `cache/store` | `Keyed`, as a [`Selection`](crate::cache::store::Selection) → [`Lookup`](crate::cache::store::Lookup) |
//! | 6 decide | `policy/decide` | `Lookup` → `Decision` |
//! | 7 fetch | `fetch/`, `slices/` | `Decision` → an object, or a response of the client's own |
//! | 8 respond | `respond/` | → `http::Response` |
//!
//! `service` calls them one after the other. `worker` is what it has: the [`worker::Edge`], which is the store and the
//! `settings` of the moment, and a thread's own connections and counters. `build` puts that together. `operate/` is what
//! operators ask.

pub mod build;
pub mod clock;
pub mod fetch;
pub mod node;
pub mod operate;
pub mod request;
pub mod respond;
pub mod service;
pub mod settings;
pub mod slices;
pub mod worker;
