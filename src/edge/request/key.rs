//! Stage 4: what a request is for, and whether it may use the cache at all.

use crate::cache::key::{Key, KeyText};
use crate::http::cache_control::RequestDirectives;
use crate::policy::key::{CacheUse, cache_use, key_text};

use crate::edge::request::authorize::Authorized;
use crate::edge::request::fields::Fields;

/// An authorised request and its key.
pub struct Keyed {
    /// The request.
    pub request: Authorized,
    /// What it is for.
    pub key: Key,
    /// Whether it may be answered from the cache, and a response to it be stored.
    pub cache: CacheUse,
    /// What the client wants of a cache.
    pub directives: RequestDirectives,
}

/// Makes the key. Only what is authorised has one.
pub fn key(request: Authorized) -> Keyed {
    let incoming = request.incoming();
    let rules = &request.route().settings.cache;
    let mut text = KeyText::new();
    key_text(
        &mut text,
        incoming.host.as_str(),
        incoming.target.path(),
        incoming.target.query(),
        &incoming.headers,
        rules,
    );
    let directives = if incoming.fields.has(Fields::CACHE_CONTROL) {
        RequestDirectives::parse(&incoming.headers)
    } else {
        RequestDirectives::NONE
    };
    // Framing fields are hop-by-hop and gone, so a body is looked for where it is.
    let cache = match cache_use(&incoming.method, &incoming.headers, rules) {
        CacheUse::Yes if incoming.has_body() => CacheUse::PassRequest("body"),
        cache => cache,
    };
    Keyed { key: Key::new(text), cache, directives, request }
}
