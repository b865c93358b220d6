//! What is noted of a request on its way, and what is put on a response on its way out.

use http::header::{RANGE, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

use crate::http::refusal::Refusal;
use crate::origin::Trip;
use crate::server::{Glimpse, Peer};
use crate::telemetry::{Details, HotShard, MethodClass, OriginTrip, Pending, Protocol};

use super::authorize::Denied;
use super::keyed::Keyed;
use super::refuse::Refused;
use super::respond::Answer;
use super::route::{Sites, Unrouted};

const CACHE_KEY: HeaderName = HeaderName::from_static("x-cache-key");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What is known from the head alone.
pub fn begun<B>(pending: &mut Pending, request: &Request<B>, peer: &Peer) {
    pending.record.method = request.method().into();
    if !pending.wants_details() {
        return;
    }
    let text = |name: HeaderName| text(request.headers(), &name);
    pending.record.details = Some(Box::new(Details {
        client: peer.addr.ip(),
        protocol: Some(match request.version() {
            Version::HTTP_2 => Protocol::H2,
            Version::HTTP_10 => Protocol::Http10,
            _ => Protocol::Http11,
        }),
        tls: peer.tls.as_ref().map(|tls| tls.version),
        method: Some(request.method().to_string()),
        host: request.uri().host().map_or_else(|| text(http::header::HOST), str::to_owned),
        path: request.uri().path().to_owned(),
        range: text(RANGE),
        referer: text(REFERER),
        user_agent: text(USER_AGENT),
        ..Details::default()
    }));
}

/// What is known of a request that never was one. It is in the log whatever the sampling: errors always are.
pub fn glimpsed(pending: &mut Pending, seen: &Glimpse, peer: &Peer) {
    pending.record.method =
        Method::from_bytes(seen.method.as_bytes()).map_or(MethodClass::Other, |method| (&method).into());
    pending.record.sampled = true;
    pending.record.details = Some(Box::new(Details {
        client: peer.addr.ip(),
        protocol: match seen.version {
            Some(Version::HTTP_10) => Some(Protocol::Http10),
            Some(_) if !peer.http2 => Some(Protocol::Http11),
            _ => peer.http2.then_some(Protocol::H2),
        },
        tls: peer.tls.as_ref().map(|tls| tls.version),
        method: Some(seen.method.clone()),
        host: seen.host.clone(),
        path: seen.path.clone(),
        ..Details::default()
    }));
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

/// A request that no site takes.
pub fn unrouted(unrouted: &Unrouted, sites: &Sites, pending: &mut Pending) -> Refused {
    pending.record.site = unrouted.site;
    let allow = match (unrouted.refusal, unrouted.site) {
        (Refusal::MethodNotAllowed, Some(site)) => Some(sites.allow(site)),
        _ => None,
    };
    Refused { allow, ..unrouted.refusal.into() }
}

/// A request that may not see what it asks for: the reason is a word, and no part of what would have been right.
pub fn denied(denied: Denied, pending: &mut Pending) -> Refused {
    pending.record.deny = Some(denied.reason.as_str());
    Refused { detail: Some(denied.reason.as_str()), ..Denied::REFUSAL.into() }
}

/// What is known once the request has a key. Only now is the query free of signatures.
pub fn keyed(pending: &mut Pending, keyed: &Keyed) {
    let incoming = keyed.request.incoming();
    if let Some(details) = &mut pending.record.details {
        details.client = Some(incoming.client);
        incoming.host.as_str().clone_into(&mut details.host);
        incoming.target.path().clone_into(&mut details.path);
        incoming.target.query().unwrap_or_default().clone_into(&mut details.query);
        details.key_id = keyed.request.key_id().map(|id| id.to_string());
        details.cache_key = Some(keyed.key.ring());
    }
}

/// Who answered at the origin, or failed to.
pub fn trip(pending: &mut Pending, trip: &Trip) {
    if let Some(details) = &mut pending.record.details {
        details.origin = Some(OriginTrip {
            pool: trip.pool.to_string(),
            member: trip.member.to_string(),
            attempts: trip.attempts,
            first_byte: trip.first_byte,
            error: trip.error,
        });
        details.origin_request_id = trip.request_id.as_deref().map(str::to_owned);
    }
}

/// The site's own fields, last of all.
pub fn dress(answer: &mut Answer, keyed: &Keyed, pending: &Pending, hot: &HotShard) {
    let bytes = answer.response.body().remaining().unwrap_or(0);
    hot.touch(pending.record.at, keyed.key.ring(), bytes, || {
        String::from_utf8_lossy(keyed.key.text()).into_owned()
    });
    let rules = &keyed.request.route().settings.headers;
    let head = answer.response.headers_mut();
    for (name, value) in &rules.response {
        match value {
            Some(value) => drop(head.insert(name, value.clone())),
            None => drop(head.remove(name)),
        }
    }
    if rules.debug {
        if let Ok(key) = HeaderValue::from_bytes(keyed.key.text()) {
            head.insert(CACHE_KEY, key);
        }
        let took = pending.record.started.elapsed().as_secs_f64() * 1000.0;
        let timing = format!("cache;desc=\"{}\", edge;dur={took:.3}", answer.outcome.as_str());
        if let Ok(timing) = HeaderValue::from_str(&timing) {
            head.append(SERVER_TIMING, timing);
        }
    }
}
