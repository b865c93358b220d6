//! What is noted of a request on its way, and what is put on a response on its way out.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{AGE, RANGE, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

use crate::http::cache_status::CACHE_STATUS;
use crate::http::protocol::Protocol;
use crate::origin::Trip;
use crate::policy::outcome::Outcome;
use crate::server::{Glimpse, Peer, PeerAddr};
use crate::telemetry::{Details, HotShard, MethodClass, OriginTrip, Pending, Tier};

use super::refusal::Refused;
use super::response::Answer;
use crate::edge::request::authorize::Denied;
use crate::edge::request::key::Keyed;
use crate::edge::request::route::Unrouted;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const CACHE_KEY: HeaderName = HeaderName::from_static("x-cache-key");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What is known from the head alone.
pub fn begun<B>(pending: &mut Pending, request: &Request<B>, peer: &Peer) {
    pending.record.method = request.method().into();
    if !pending.wants_details() {
        return;
    }
    let text = |name: HeaderName| text(request.headers(), &name);
    let prefetch = peer.addr == PeerAddr::Prefetch;
    pending.record.details = Some(Box::new(Details {
        client: peer.addr.ip(),
        version: (!prefetch).then(|| request.version()),
        tls: peer.tls.as_ref().filter(|_| !prefetch).map(|tls| tls.version),
        source: prefetch.then_some("prefetch"),
        request_id: Some(request_id(request.headers())),
        trace_id: trace_id(request.headers()),
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
        version: match peer.protocol {
            Protocol::Http1 => seen.version,
            Protocol::Http2 => Some(Version::HTTP_2),
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
pub fn unrouted(unrouted: Unrouted, pending: &mut Pending) -> Refused {
    pending.record.site = unrouted.site;
    Refused { allow: unrouted.allow, ..unrouted.refusal.into() }
}

/// A request that may not see what it asks for: the reason is a word, and no part of what would have been right.
pub fn denied(denied: Denied, pending: &mut Pending) -> Refused {
    pending.record.deny = Some(denied.reason.as_str());
    if let Some(details) = &mut pending.record.details {
        // Without the token that may have stood in it: denied here, it may be good elsewhere.
        denied.routed.incoming.target.path().clone_into(&mut details.path);
    }
    Refused { detail: Some(denied.reason.as_str()), ..Denied::REFUSAL.into() }
}

/// What is known once the request has a key. Only now is the query free of signatures.
pub fn keyed(pending: &mut Pending, keyed: &Keyed) {
    let incoming = keyed.request.incoming();
    if let Some(details) = &mut pending.record.details {
        details.client = Some(incoming.client).filter(|_| details.source.is_none());
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

/// Where a stored response was found, when it was not in memory.
pub fn from_behind(pending: &mut Pending) {
    if let Some(details) = &mut pending.record.details {
        details.tier = Some(Tier::Disk);
    }
}

/// What the response says of the cache, for the log: nothing is known there that clients are not told.
fn told(details: &mut Details, answer: &Answer) {
    let head = answer.response.headers();
    if matches!(answer.outcome, Outcome::Hit | Outcome::Stale | Outcome::Revalidated) {
        details.tier.get_or_insert(Tier::Memory);
        details.age = head.get(AGE).and_then(|age| age.to_str().ok()?.parse().ok());
    } else {
        details.tier = None;
    }
    let Some(mine) = head.get_all(CACHE_STATUS).iter().next_back().and_then(|value| value.to_str().ok())
    else {
        return;
    };
    // Ours is the last member, and no parameter of it has a comma or a semicolon inside.
    for parameter in mine.rsplit(',').next().unwrap_or_default().split(';') {
        match parameter.trim().split_once('=') {
            Some(("ttl", value)) => details.ttl = value.parse().ok(),
            Some(("fwd", value)) => details.fwd = Some(value.to_owned()),
            Some(("detail", value)) => details.detail = Some(value.trim_matches('"').to_owned()),
            _ => {}
        }
    }
}

/// The client's own id of its request, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    static SEED: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let own = headers.get(REQUEST_ID).map(HeaderValue::as_bytes);
    if let Some(own) =
        own.filter(|id| !id.is_empty() && id.len() <= 128 && id.iter().all(u8::is_ascii_graphic))
    {
        return String::from_utf8_lossy(own).into_owned();
    }
    let seed = SEED.get_or_init(|| RandomState::new().hash_one(0));
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64_with_seed(&count.to_le_bytes(), *seed))
}

/// The trace of `traceparent` (W3C Trace Context §3.2.2): version, trace, span, flags.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = |text: &str, len| {
        text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (hex(version, 2) && hex(trace, 32) && trace.bytes().any(|byte| byte != b'0')).then(|| trace.to_owned())
}

/// The site's own fields, last of all.
pub fn dress(answer: &mut Answer, keyed: &Keyed, pending: &mut Pending, hot: &HotShard) {
    if let Some(details) = &mut pending.record.details {
        told(details, answer);
    }
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
