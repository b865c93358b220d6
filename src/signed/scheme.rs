//! What every scheme of signing must answer.

use std::fmt::Debug;
use std::sync::Arc;

use super::{DenyReason, SignedRequest};
use crate::http::time::Time;

/// One way in which a request can prove that it may pass; built once per `[[site.signed]]` table.
pub(super) trait Scheme: Debug + Send + Sync {
    /// Finds the credential in the request and judges it.
    fn verify(&self, request: &SignedRequest<'_>, now: Time) -> Result<Proof, DenyReason>;

    /// Whether a query parameter of this (percent-decoded) name belongs to the credential and leaves the request.
    fn owns_parameter(&self, name: &[u8]) -> bool;

    /// Whether a cookie of this name belongs to the credential and leaves the request.
    fn owns_cookie(&self, name: &[u8]) -> bool;
}

/// What a satisfied scheme knows about the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// The key that signed.
    pub(super) key_id: Arc<str>,
    /// When it stops being valid.
    pub(super) expires: Time,
}
