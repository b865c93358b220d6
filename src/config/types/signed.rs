//! `[[site.signed]]`: who may see it.

use std::time::Duration;

use super::{PathPattern, Secret};

/// `[[site.signed]]`
#[derive(Debug, Clone)]
pub struct Signed {
    /// How a request proves itself.
    pub scheme: SignedScheme,
    /// Which paths it guards and can open.
    pub paths: Vec<PathPattern>,
    /// Several: rotation.
    pub keys: Vec<SignedKey>,
    /// How far clocks may be apart.
    pub clock_skew: Duration,
    /// Refuse a signature that is valid for longer than this.
    pub max_lifetime: Option<Duration>,
    /// Query parameter that carries the token.
    pub param: String,
}

/// `signed.scheme`. A scheme that is not built yet is refused when the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedScheme {
    /// `docs/signed-urls.md`
    Token,
}

/// One of `signed.keys`.
#[derive(Debug, Clone)]
pub struct SignedKey {
    /// Names the key in the token.
    pub id: String,
    /// The HMAC secret.
    pub secret: Secret,
}
