//! The head of a response as it is kept: made once, so that a hit only puts two values in.

use http::header::{AGE, CONTENT_LENGTH, DATE, ORIGIN, VARY, VIA};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache::invalidation::{Seen, Tags, strip_tags};
use crate::cache::key::Key;
use crate::cache::object::{Meta, Touched, Variant, compact_head};
use crate::cache::store::Store;
use crate::edge::request::route::Route;
use crate::edge::request::selection::origin_matters;
use crate::http::cache_control::ResponseDirectives;
use crate::http::cache_status::CACHE_STATUS;
use crate::http::vary::VaryNames;
use crate::http::{date, vary};
use crate::policy::freshness::Freshness;
use crate::policy::storable::Exchange;
use crate::policy::stored_head::{hold_back, stored_head};
use crate::policy::{conditional, cors};

/// What a [`Meta`] is made from.
pub struct Ingredients<'a> {
    key: &'a Key,
    /// What was asked and answered.
    pub exchange: &'a Exchange<'a>,
    freshness: Freshness,
    /// The last purge before the origin was asked.
    seen: Seen,
    /// The tags of the stored response that it confirms.
    confirmed: Option<&'a Tags>,
    /// Whose settings apply.
    route: &'a Route,
    /// The fields that choose it if its Vary names none: see [`siblings`].
    siblings: Option<VaryNames>,
}

impl<'a> Ingredients<'a> {
    /// Of a response to be stored under `key`. `seen` is the last purge before the origin was asked.
    pub fn of(
        store: &Store,
        key: &'a Key,
        route: &'a Route,
        exchange: &'a Exchange<'a>,
        freshness: Freshness,
        seen: Seen,
    ) -> Self {
        let siblings = siblings(store, key, exchange);
        Self { key, exchange, freshness, seen, confirmed: None, route, siblings }
    }

    /// Of one that brings the head of `stored` up to date. The body is as old as it was: a purge between the look-up
    /// and the question to the origin has dropped it, and a confirmation must not bring it back.
    pub fn confirming(self, stored: &'a Meta) -> Self {
        let seen = Seen::new(self.seen.get().min(stored.seen.get()));
        Self { seen, confirmed: Some(&stored.tags), ..self }
    }
}

/// The head to store. `length` is the body's, if known yet.
pub fn meta(stored: Ingredients<'_>, length: Option<u64>) -> Meta {
    let exchange = stored.exchange;
    let mut head = stored_head(exchange.response, &ResponseDirectives::parse(exchange.response));
    let held_back = Some(hold_back(&mut head)).filter(|held| !held.is_empty()).map(Box::new);
    let upstream_status = joined(&head, &CACHE_STATUS);
    head.insert(CACHE_STATUS, HeaderValue::from_static("-"));
    head.insert(AGE, HeaderValue::from_static("0"));
    // A recipient with a clock dates a response that is not (RFC 9110 §6.6.1).
    head.entry(DATE).or_insert_with(|| date::format(exchange.response_time));
    match length {
        Some(length) => head.insert(CONTENT_LENGTH, length.into()),
        None => head.remove(CONTENT_LENGTH),
    };
    append_via(&mut head, &stored.route.node.name);
    let tags = match stored.confirmed {
        Some(confirmed) => Tags::of(&head).with(confirmed),
        None => Tags::of(&head),
    };
    if !stored.route.settings.headers.debug {
        strip_tags(&mut head);
    }
    let (modified, dated) = conditional::dates(&head);
    Meta {
        modified,
        dated,
        key: stored.key.text().into(),
        variant: variant(&stored),
        status: exchange.status,
        head: compact_head(&head),
        upstream_status,
        held_back,
        freshness: stored.freshness,
        tags,
        seen: stored.seen,
        touched: Touched::default(),
    }
}

/// A stored head without what [`meta`] put in: as the origin sent it, for a 304 or a HEAD to bring up to date.
pub fn as_received(meta: &Meta) -> HeaderMap {
    let mut head = meta.head.clone();
    head.extend(meta.held_back.as_deref().cloned().unwrap_or_default());
    head.remove(AGE);
    match &meta.upstream_status {
        Some(status) => head.insert(CACHE_STATUS, status.clone()),
        None => head.remove(CACHE_STATUS),
    };
    head
}

/// Adds this node to Via (RFC 9110 §7.6.3), unless the head has passed it before: a 304 updates a head that has.
fn append_via(head: &mut HeaderMap, server_name: &str) {
    let mine = format!("1.1 {server_name}");
    let known = head.get_all(VIA).iter().any(|value| value.as_bytes() == mine.as_bytes());
    if !known && let Ok(value) = HeaderValue::from_str(&mine) {
        head.append(VIA, value);
    }
}

/// How the newest response of the key varies, for one that does not say how it does itself, where taking that for "not
/// at all" would let one client choose what all others get: an error page, or what S3 answers to requests without Origin.
fn siblings(store: &Store, key: &Key, exchange: &Exchange<'_>) -> Option<VaryNames> {
    if exchange.response.contains_key(VARY) {
        return None;
    }
    let variants = store.variants(key)?;
    let names = variants.newest_names()?;
    let is_error = exchange.status.is_client_error() || exchange.status.is_server_error();
    let by_site = cors::only_tell_sites_apart(names) && !cors::is_for_all(exchange.response);
    (is_error || by_site).then(|| names.clone())
}

fn variant(stored: &Ingredients<'_>) -> Option<Variant> {
    let exchange = stored.exchange;
    let by_site = origin_matters(stored.route) && cors::varies(exchange.request, exchange.response);
    let mut names = match vary::Vary::of(exchange.response) {
        // Storable has refused it.
        vary::Vary::Any => return None,
        vary::Vary::Names(names) if names.is_empty() => stored.siblings.clone().unwrap_or_default(),
        vary::Vary::Names(names) => names,
    };
    if by_site && let Err(place) = names.binary_search_by(|name| name.as_str().cmp(ORIGIN.as_str())) {
        names.insert(place, ORIGIN);
    }
    if names.is_empty() {
        return None;
    }
    let selecting = vary::selecting_key(&names, exchange.request)[..].into();
    Some(Variant { names, selecting })
}

/// The values of a list field as one.
fn joined(head: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = head.get_all(name).iter();
    let first = values.next()?;
    let rest: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
    if rest.is_empty() {
        return Some(first.clone());
    }
    let mut all = first.as_bytes().to_vec();
    for value in rest {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value);
    }
    HeaderValue::from_bytes(&all).ok()
}
