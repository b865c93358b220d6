//! What tells the variants of a key apart: a request's fields as its origin gets them.

use std::borrow::Cow;

use http::HeaderName;
use http::header::{FORWARDED, HOST, ORIGIN, VIA};

use crate::cache::key::KeyHash;
use crate::cache::object::{Meta, Object};
use crate::cache::variants::Variants;
use crate::config::OriginKind;
use crate::http::vary::{self, SelectingKey};
use crate::origin::s3;
use crate::policy::{conditional, cors};

use super::fields::Fields;
use super::keyed::Keyed;
use super::outgoing::Outgoing;
use super::route::Route;
use super::slicing::part;
use super::worker::Shared;

/// The canonical bytes of the fields that choose a response (RFC 9111 §4.1).
///
/// A fill has other fields than the request that begins it: Host is in the key, forwarding fields are written by the
/// edge, ranges and conditions are answered here, and the site may set some. What was stored was chosen by those.
pub fn selecting(keyed: &Keyed, shared: &Shared, names: &[HeaderName]) -> SelectingKey {
    let incoming = &keyed.request.incoming().headers;
    let headers = if names.iter().any(|name| is_rewritten(name, keyed.request.route())) {
        // A request that may not go to an origin finds what its own fields select.
        Outgoing::for_fill(keyed, shared).map_or(Cow::Borrowed(incoming), |sent| Cow::Owned(sent.headers))
    } else {
        Cow::Borrowed(incoming)
    };
    vary::selecting_key(names, &headers)
}

fn is_rewritten(name: &HeaderName, route: &Route) -> bool {
    matches!(*name, HOST | VIA | FORWARDED | http::header::RANGE)
        || conditional::CONDITIONS.contains(name)
        || name.as_str().starts_with("x-forwarded-")
        || sets(&route.settings.headers.request, name)
        || (route.settings.origin == OriginKind::S3 && s3::is_kept_back(name))
}

fn sets<T>(rules: &[(HeaderName, T)], name: &HeaderName) -> bool {
    rules.iter().any(|(set, _)| set == name)
}

/// Whether the Origin of requests matters to what their clients make of a response: not if origins don't get it, nor
/// if the site decides which pages may read its responses.
pub fn origin_matters(route: &Route) -> bool {
    let rules = &route.settings.headers;
    !sets(&rules.request, &ORIGIN) && !sets(&rules.response, &http::header::ACCESS_CONTROL_ALLOW_ORIGIN)
}

/// Whether a response that Vary allows for is for the site that asks.
pub fn suits(meta: &Meta, keyed: &Keyed) -> bool {
    let incoming = keyed.request.incoming();
    if !incoming.fields.has(Fields::ORIGIN) {
        return true;
    }
    let by_origin = meta.variant.as_ref().is_some_and(|variant| variant.names.contains(&ORIGIN));
    let origin = incoming.headers.get(ORIGIN).filter(|_| origin_matters(keyed.request.route()));
    origin.is_none_or(|origin| cors::suits(origin, &meta.head, by_origin))
}

/// Whether an object can answer a request: it suits, and has the bytes if it is a part.
pub fn answers(object: &Object, keyed: &Keyed) -> bool {
    suits(&object.meta, keyed) && part::answers(object, keyed)
}

/// Where a response that varies as the newest of a key did would be kept for this request.
pub fn expected_place(keyed: &Keyed, shared: &Shared, variants: &Variants) -> KeyHash {
    let newest = variants.newest_names();
    newest.map_or(keyed.key.hash(), |names| keyed.key.variant(&selecting(keyed, shared, names)))
}

/// Where to look for a fill when what there is does not suit: a response for this site will be kept there.
pub fn place_of_site(keyed: &Keyed, shared: &Shared) -> KeyHash {
    keyed.key.variant(&selecting(keyed, shared, &[ORIGIN]))
}
