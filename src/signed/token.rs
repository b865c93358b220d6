//! Scheme `token`: HMAC-SHA256 over the claims. The format is specified in docs/signed-urls.md.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::Method;

use super::scheme::{Proof, Scheme};
use super::{Claims, ClaimsError, DenyReason, SignedRequest, carrier};
use crate::config;
use crate::http::time::Time;

/// Begins every token: the version and its separator.
const VERSION: &str = "v1.";
/// Goes before the token in the MAC, so that no other use of the same secret yields a token.
const DOMAIN: &[u8] = b"seawall-url-token\n";
/// No honest token is longer; longer ones are not decoded.
const MAX_LENGTH: usize = 4096;

/// Makes a token that opens what `claims` say.
///
/// # Errors
/// When the claims could not be verified by anybody: see [`ClaimsError`].
pub fn sign(claims: &Claims<'_>, secret: &config::Secret) -> Result<String, ClaimsError> {
    let mut token = String::from(VERSION);
    BASE64.encode_string(claims.to_text()?, &mut token);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(DOMAIN);
    context.update(token.as_bytes());
    token.push('.');
    BASE64.encode_string(context.sign(), &mut token);
    Ok(token)
}

/// Whether a path segment is meant to be a token rather than a name.
pub(super) fn looks_like_one(segment: &str) -> bool {
    segment.starts_with(VERSION)
}

/// A `[[site.signed]]` table with scheme `token`.
#[derive(Debug)]
pub(super) struct Token {
    keys: Vec<(Arc<str>, hmac::Key)>,
    param: String,
    clock_skew: Duration,
    max_lifetime: Option<Duration>,
}

impl Token {
    pub(super) fn new(table: &config::Signed) -> Self {
        let key = |key: &config::SignedKey| {
            let secret = key.secret.expose().as_bytes();
            (Arc::from(key.id.as_str()), hmac::Key::new(hmac::HMAC_SHA256, secret))
        };
        Self {
            keys: table.keys.iter().map(key).collect(),
            param: table.param.clone(),
            clock_skew: table.clock_skew,
            max_lifetime: table.max_lifetime,
        }
    }

    /// The signature comes first: what else is wrong is told of tokens that we made, and of no others.
    fn check_signature(&self, signed: &str, mac: &str, key_id: &str) -> Result<Arc<str>, DenyReason> {
        let (id, key) = self.keys.iter().find(|(id, _)| **id == *key_id).ok_or(DenyReason::UnknownKey)?;
        let mut mac_bytes = [0; 32 + 1];
        let length = BASE64.decode_slice(mac, &mut mac_bytes).map_err(|_| DenyReason::Malformed)?;
        let mut message = Vec::with_capacity(DOMAIN.len() + signed.len());
        message.extend_from_slice(DOMAIN);
        message.extend_from_slice(signed.as_bytes());
        // Compares in constant time, and refuses another length than 32.
        hmac::verify(key, &message, &mac_bytes[..length]).map_err(|_| DenyReason::BadSignature)?;
        Ok(id.clone())
    }

    fn check_times(&self, claims: &Claims<'_>, now: Time) -> Result<Time, DenyReason> {
        let expires = Time::from_secs(claims.expires);
        if let Some(longest) = self.max_lifetime {
            let from_start = claims.not_before.or(claims.issued_at).map(Time::from_secs);
            let from_now = now.plus(longest).plus(self.clock_skew);
            if expires > from_now || from_start.is_some_and(|start| expires.since(start) > longest) {
                return Err(DenyReason::LifetimeTooLong);
            }
        }
        if claims.not_before.is_some_and(|start| now.plus(self.clock_skew) < Time::from_secs(start)) {
            return Err(DenyReason::NotYetValid);
        }
        if now >= expires.plus(self.clock_skew) {
            return Err(DenyReason::Expired);
        }
        Ok(expires)
    }
}

impl Scheme for Token {
    fn verify(&self, request: &SignedRequest<'_>, now: Time) -> Result<Proof, DenyReason> {
        let token = carrier::find(request, &self.param)?;
        let (signed, claims, mac) = split(token).ok_or(DenyReason::Malformed)?;
        let text = BASE64.decode(claims).map_err(|_| DenyReason::Malformed)?;
        let text = std::str::from_utf8(&text).map_err(|_| DenyReason::Malformed)?;
        let claims = Claims::parse(text).ok_or(DenyReason::Malformed)?;
        let key_id = self.check_signature(signed, mac, claims.key_id)?;
        check_binding(&claims, request)?;
        let expires = self.check_times(&claims, now)?;
        Ok(Proof { key_id, expires })
    }

    fn owns_parameter(&self, name: &[u8]) -> bool {
        name == self.param.as_bytes()
    }

    fn owns_cookie(&self, name: &[u8]) -> bool {
        name == self.param.as_bytes()
    }
}

/// `v1.CLAIMS.MAC` as (`v1.CLAIMS`, `CLAIMS`, `MAC`).
fn split(token: &[u8]) -> Option<(&str, &str, &str)> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    let (signed, mac) = std::str::from_utf8(token).ok()?.rsplit_once('.')?;
    Some((signed, signed.strip_prefix(VERSION)?, mac))
}

fn check_binding(claims: &Claims<'_>, request: &SignedRequest<'_>) -> Result<(), DenyReason> {
    if !claims.scope.contains(request.path, request.origin) {
        return Err(DenyReason::WrongPath);
    }
    if claims.host.is_some_and(|host| host != without_port(request.host)) {
        return Err(DenyReason::WrongHost);
    }
    // A dual-stack socket shows IPv4 clients as ::ffff:a.b.c.d.
    let client = request.client.to_canonical();
    if claims.client.is_some_and(|network| !network.contains(&client)) {
        return Err(DenyReason::WrongClient);
    }
    // OPTIONS because a browser's preflight carries the URL of the request it asks for.
    match *request.method {
        Method::GET | Method::HEAD | Method::OPTIONS => Ok(()),
        _ => Err(DenyReason::WrongMethod),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
