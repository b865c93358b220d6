//! Who may see a resource.
//!
//! In this order: [`split_path_token`] takes a token out of the path, the request is routed by what is left,
//! [`Verifiers::verify`] judges it by the tables of that route, and [`Changes`] are applied before key and origin.

mod carrier; // where a credential stands in a request, and the request without it
mod claims; // what a token says, and its wire format
mod reason; // why a request is denied
mod request; // what is judged, and what a grant changes
mod scheme; // what every scheme must answer
pub mod token; // scheme "token": HMAC-SHA256, docs/signed-urls.md
mod verifiers; // the tables of a route, joined

pub use carrier::{PATH_MARKER, PathToken, split_path_token};
pub use claims::{Claims, ClaimsError, Scope};
pub use reason::DenyReason;
pub use request::{Change, Changes, Grant, SignedRequest};
pub use verifiers::{Verifiers, guards};

#[cfg(test)]
mod interop; // the same vectors, signed by Python and JavaScript
