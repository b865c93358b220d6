//! Stage 8: a response from what was found or fetched: preconditions, ranges, HEAD, Age, Cache-Status.

use std::sync::Arc;

use http::header::{ACCEPT_RANGES, AGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::cache::fill::Arriving;
use crate::cache::growing::Growing;
use crate::cache::object::{Extent, Meta, Object, Whole};
use crate::http::cache_status::CACHE_STATUS;
use crate::http::multipart::{Boundary, Multipart, Piece};
use crate::http::range::{self, ByteRange, ContentRange, RangeResult};
use crate::http::time::Time;
use crate::policy::conditional::{self, Precondition};
use crate::policy::outcome::Outcome;

use super::repeated;
use super::served::Served;
use crate::edge::request::fields::Fields;
use crate::edge::request::key::Keyed;
use crate::edge::respond::body::{Parts, Source};
use crate::edge::slices::missing::Slices;
use crate::edge::slices::reader::SliceReader;

/// A response on its way out, and what it is called.
pub struct Answer {
    /// Head and body.
    pub response: Response<Source>,
    /// For metrics, the log and Cache-Status.
    pub outcome: Outcome,
}

impl Answer {
    /// Adds the fields that it does not have yet.
    pub fn add(&mut self, fields: &HeaderMap) {
        let head = self.response.headers_mut();
        for name in fields.keys() {
            if !head.contains_key(name) {
                head.extend(fields.get_all(name).iter().map(|value| (name.clone(), value.clone())));
            }
        }
    }
}

/// What a response is cut from.
enum Body<'a> {
    Stored(&'a Arc<Object>, &'a Whole),
    Sliced(&'a Arc<Slices>),
    Part(&'a Arc<Object>, &'a Extent),
    Arriving(&'a Arc<Growing>, Option<u64>),
}

impl Body<'_> {
    fn len(&self) -> Option<u64> {
        match self {
            Body::Stored(_, whole) => Some(whole.len()),
            Body::Sliced(slices) => Some(slices.manifest.complete()),
            Body::Part(_, extent) => Some(extent.complete()),
            Body::Arriving(_, length) => *length,
        }
    }

    fn whole(&self) -> Source {
        match self {
            Body::Stored(_, whole) if whole.pieces().len() == 1 => Source::Once(whole.pieces()[0].clone()),
            Body::Stored(object, whole) => Source::Stored(Arc::clone(object), 0, whole.len()),
            Body::Sliced(slices) => sliced(slices, 0, slices.manifest.complete()),
            // Only looked up for a range that it contains. If it were not, the response would break off.
            Body::Part(object, extent) => Source::Stored(Arc::clone(object), 0, extent.complete()),
            Body::Arriving(body, length) => Source::Arriving(body.reader(0, u64::MAX), *length),
        }
    }

    fn part(&self, range: ByteRange) -> Source {
        match self {
            Body::Stored(object, _) | Body::Part(object, _) => {
                Source::Stored(Arc::clone(object), range.first, range.last + 1)
            }
            Body::Sliced(slices) => sliced(slices, range.first, range.last + 1),
            Body::Arriving(body, _) => {
                Source::Arriving(body.reader(range.first, range.last + 1), Some(range.len()))
            }
        }
    }
}

/// A response from a part that contains what is asked for.
pub fn from_part(object: &Arc<Object>, extent: &Extent, keyed: &Keyed, served: Served, now: Time) -> Answer {
    respond(&object.meta, Body::Part(object, extent), keyed, served, now)
}

fn sliced(slices: &Arc<Slices>, from: u64, to: u64) -> Source {
    Source::Sliced(Box::new(SliceReader::range(slices, from, to)))
}

/// A response from an object stored whole.
pub fn from_whole(object: &Arc<Object>, whole: &Whole, keyed: &Keyed, served: Served, now: Time) -> Answer {
    respond(&object.meta, Body::Stored(object, whole), keyed, served, now)
}

/// A response from an object in slices, as if all of them were here.
pub fn from_slices(slices: &Arc<Slices>, keyed: &Keyed, served: Served, now: Time) -> Answer {
    respond(&slices.object.meta, Body::Sliced(slices), keyed, served, now)
}

/// Says of an answer from the cache that some of its bytes are not from there.
pub fn complete_in_part(answer: &mut Answer, meta: &Meta, keyed: &Keyed, served: Served, now: Time) {
    if !matches!(served, Served::Filled { .. }) {
        let status = Served::Partial.status(&keyed.request.route().node.name, meta.freshness.ttl(now));
        let status = after_upstream(meta.upstream_status.as_ref(), status);
        answer.response.headers_mut().insert(CACHE_STATUS, status);
        answer.outcome = Served::Partial.outcome();
    }
}

/// A response from one that is arriving.
pub fn from_arriving(arriving: &Arriving, keyed: &Keyed, served: Served, now: Time) -> Answer {
    respond(&arriving.meta, Body::Arriving(&arriving.body, arriving.length), keyed, served, now)
}

/// All of a part, for who had it fetched: under the Content-Range it came with.
pub fn as_it_came(object: &Arc<Object>, extent: &Extent, keyed: &Keyed, served: Served, now: Time) -> Answer {
    let mut head = current_head(&object.meta, keyed, served, now);
    head.insert(CONTENT_LENGTH, extent.len().into());
    let source = Source::Stored(Arc::clone(object), extent.first(), extent.first() + extent.len());
    answer(StatusCode::PARTIAL_CONTENT, head, source, served.outcome())
}

/// The stored head, with what it says of this moment.
fn current_head(meta: &Meta, keyed: &Keyed, served: Served, now: Time) -> HeaderMap {
    let mut head = meta.head.clone();
    head.insert(AGE, repeated::age(meta.freshness.age(now).as_secs()));
    let status = served.status(&keyed.request.route().node.name, meta.freshness.ttl(now));
    head.insert(CACHE_STATUS, after_upstream(meta.upstream_status.as_ref(), status));
    head
}

fn respond(meta: &Meta, body: Body<'_>, keyed: &Keyed, served: Served, now: Time) -> Answer {
    let mut head = current_head(meta, keyed, served, now);
    let incoming = keyed.request.incoming();
    let outcome = served.outcome();
    if incoming.fields.has(Fields::CONDITIONAL) && conditional::apply_to(meta.status) {
        match conditional::evaluate(
            &incoming.method,
            &incoming.headers,
            meta.etag(),
            meta.modified,
            meta.dated,
        ) {
            Precondition::Proceed => {}
            Precondition::NotModified => {
                let head = conditional::not_modified_head(&head);
                return answer(StatusCode::NOT_MODIFIED, head, Source::Empty, outcome);
            }
            Precondition::Failed => {
                conditional::refused_head(&mut head);
                return answer(StatusCode::PRECONDITION_FAILED, head, Source::Empty, outcome);
            }
        }
    }
    if incoming.method == Method::HEAD {
        return answer(meta.status, head, Source::Empty, outcome);
    }
    if incoming.fields.has(Fields::RANGE)
        && meta.status == StatusCode::OK
        && let Some(length) = body.len()
        && let Some(value) = incoming.headers.get(RANGE)
        && conditional::range_applies(&incoming.headers, meta.etag(), meta.modified, meta.dated)
    {
        match range::parse(value, length) {
            RangeResult::Ignore => {}
            RangeResult::Unsatisfiable => return unsatisfiable(head, length, outcome),
            RangeResult::Satisfiable(ranges) => match (ranges.as_slice(), &body) {
                ([range], _) => return one_range(head, body.part(*range), *range, length, outcome),
                (ranges, Body::Stored(object, whole)) => {
                    let (head, left, length) = several(head, whole.len(), ranges);
                    let parts = Parts { object: Arc::clone(object), left, length };
                    return answer(
                        StatusCode::PARTIAL_CONTENT,
                        head,
                        Source::Parts(Box::new(parts)),
                        outcome,
                    );
                }
                (ranges, Body::Sliced(slices)) => {
                    let (head, left, length) = several(head, slices.manifest.complete(), ranges);
                    let reader = SliceReader::parts(slices, left, length);
                    return answer(
                        StatusCode::PARTIAL_CONTENT,
                        head,
                        Source::Sliced(Box::new(reader)),
                        outcome,
                    );
                }
                // Several ranges of a body that is still arriving: the whole of it is a right answer too.
                (_, Body::Arriving(..) | Body::Part(..)) => {}
            },
        }
    }
    answer(meta.status, head, body.whole(), outcome)
}

fn answer(status: StatusCode, head: HeaderMap, source: Source, outcome: Outcome) -> Answer {
    let mut response = Response::new(source);
    *response.status_mut() = status;
    *response.headers_mut() = head;
    Answer { response, outcome }
}

/// Takes from a response what its status has no room for, wherever it comes from: no length beside a status that has no
/// content (RFC 9110 §8.6), where it is that of another response or none, and no content in a 205 (§15.3.6).
pub fn bare(response: &mut Response<Source>) {
    match response.status() {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS => {
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        StatusCode::RESET_CONTENT => {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
            *response.body_mut() = Source::Empty;
        }
        _ => {}
    }
}

fn one_range(mut head: HeaderMap, source: Source, range: ByteRange, length: u64, outcome: Outcome) -> Answer {
    head.insert(CONTENT_RANGE, ContentRange::of(range, length).to_value());
    head.insert(CONTENT_LENGTH, range.len().into());
    answer(StatusCode::PARTIAL_CONTENT, head, source, outcome)
}

/// The head of several ranges (RFC 9110 §15.3.7.2), what its body consists of, last first, and its length.
fn several(mut head: HeaderMap, complete: u64, ranges: &[ByteRange]) -> (HeaderMap, Vec<Piece>, u64) {
    // The time and an address are no secret, but nobody who writes a body knows both in advance.
    let seed = quanta::Instant::now();
    let unforeseen = format!("{seed:?}{:p}", ranges.as_ptr());
    let boundary = Boundary::from_bits(xxhash_rust::xxh3::xxh3_128(unforeseen.as_bytes()));
    let multipart = Multipart::new(complete, head.get(CONTENT_TYPE), ranges, &boundary);
    let left = multipart.pieces_from_the_end();
    let length = multipart.content_length();
    head.insert(CONTENT_TYPE, boundary.content_type());
    head.insert(CONTENT_LENGTH, length.into());
    (head, left, length)
}

fn unsatisfiable(mut head: HeaderMap, length: u64, outcome: Outcome) -> Answer {
    conditional::refused_head(&mut head);
    head.insert(CONTENT_RANGE, ContentRange::Unsatisfied { complete: length }.to_value());
    head.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer(StatusCode::RANGE_NOT_SATISFIABLE, head, Source::Empty, outcome)
}

/// Ours goes behind those of caches nearer to the origin (RFC 9211 §2).
pub fn after_upstream(upstream: Option<&HeaderValue>, mine: HeaderValue) -> HeaderValue {
    let Some(upstream) = upstream else { return mine };
    let all = [upstream.as_bytes(), b", ", mine.as_bytes()].concat();
    HeaderValue::from_bytes(&all).unwrap_or(mine)
}
