//! Which stored responses a request selects: its fields as its origin gets them, and the bytes that it asks for.

use std::borrow::Cow;

use http::header::{FORWARDED, HOST, ORIGIN, RANGE, VIA};
use http::{HeaderName, Method};

use super::key::Keyed;
use crate::cache::key::Key;
use crate::cache::object::{Content, Extent, Meta, Object};
use crate::cache::store::Selection;
use crate::config::OriginKind;
use crate::edge::request::fields::Fields;
use crate::edge::request::outgoing::fields_for_fill;
use crate::edge::request::route::Route;
use crate::edge::request::sanitize::Incoming;
use crate::http::range::{self, RangeResult};
use crate::http::vary::{self, SelectingKey};
use crate::origin::s3;
use crate::policy::{conditional, cors};

impl Selection for Keyed {
    fn key(&self) -> &Key {
        &self.key
    }

    fn site(&self) -> u64 {
        self.request.route().site_id
    }

    /// A fill has other fields than the request that begins it: Host is in the key, forwarding fields are written by the
    /// edge, ranges and conditions are answered here, and the site may set some. What was stored was chosen by those.
    fn selecting(&self, names: &[HeaderName]) -> SelectingKey {
        let incoming = &self.request.incoming().headers;
        let headers = if names.iter().any(|name| is_rewritten(name, self.request.route())) {
            // A request that may not go to an origin finds what its own fields select.
            fields_for_fill(self).map_or(Cow::Borrowed(incoming), Cow::Owned)
        } else {
            Cow::Borrowed(incoming)
        };
        vary::selecting_key(names, &headers)
    }

    fn suits(&self, meta: &Meta) -> bool {
        let incoming = self.request.incoming();
        if !incoming.fields.has(Fields::ORIGIN) {
            return true;
        }
        let by_origin = meta.variant.as_ref().is_some_and(|variant| variant.names.contains(&ORIGIN));
        let origin = incoming.headers.get(ORIGIN).filter(|_| origin_matters(self.request.route()));
        origin.is_none_or(|origin| cors::suits(origin, &meta.head, by_origin))
    }

    fn is_answered_by(&self, object: &Object) -> bool {
        match &object.body {
            Content::Part(extent) => contains(&object.meta, extent, self.request.incoming()),
            // What they do not have, they can get.
            Content::Whole(_) | Content::Sliced(_) => true,
        }
    }
}

fn contains(meta: &Meta, extent: &Extent, request: &Incoming) -> bool {
    let applies = request.method == Method::GET
        && request.fields.has(Fields::RANGE)
        && conditional::range_applies(&request.headers, meta.etag(), meta.modified, meta.dated);
    let range = request.headers.get(RANGE).filter(|_| applies);
    match range.map(|range| range::parse(range, extent.complete())) {
        Some(RangeResult::Satisfiable(ranges)) => matches!(ranges[..], [range] if extent.has(range)),
        _ => false,
    }
}

fn is_rewritten(name: &HeaderName, route: &Route) -> bool {
    matches!(*name, HOST | VIA | FORWARDED | RANGE)
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
