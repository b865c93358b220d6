//! AWS Signature Version 4, as values: no clock, no socket, no HTTP types.
//!
//! `encode` writes URIs as AWS wants them, `key` derives the signing key of a scope, `canonical` makes the text
//! that is signed, `sign` puts a signature in headers or in a query. S3's rules hold throughout: a path is
//! percent-encoded once and never normalised.

mod canonical;
mod encode;
mod key;
mod sign;

pub use canonical::{CanonicalRequest, EMPTY_SHA256, UNSIGNED_PAYLOAD};
pub use encode::{canonical_query, encode_into, encode_path};
pub use key::{Scope, SigningKey, Timestamp};
pub use sign::{ALGORITHM, Credentials, authorization, presigned_query};
