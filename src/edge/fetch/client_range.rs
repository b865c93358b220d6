//! A client's own range of what can't be kept: cut out of the wider range that was asked for, or asked for anew.

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::pass;
use super::plan::Private;
use crate::edge::request::fields::Fields;
use crate::edge::request::key::Keyed;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::request::requested_range::content_range;
use crate::edge::respond::body::{Cut, Source};
use crate::edge::respond::record;
use crate::edge::respond::refusal::Refused;
use crate::edge::respond::response::Answer;
use crate::edge::worker::Worker;
use crate::http::cache_status::Fwd;
use crate::http::range::{self, ByteRange, ContentRange, RangeResult, RangeSpec};
use crate::origin::RequestBody;
use crate::policy::conditional;
use crate::telemetry::Pending;

/// Whether a request asks for a range that the cache might not be able to cut.
pub fn wants_range(keyed: &Keyed) -> bool {
    let incoming = keyed.request.incoming();
    incoming.fields.has(Fields::RANGE) && incoming.method == Method::GET
}

/// Hands on a response that was asked for with a wider range than the client's.
///
/// # Errors
/// The origin had to be asked again, and failed.
pub async fn respond(
    worker: &Worker,
    keyed: &Keyed,
    private: Private,
    reason: Fwd,
    pending: &mut Pending,
) -> Result<Answer, Refused> {
    let Private { response, reason: why } = private;
    let why = why.as_str();
    let Some(response) = response else { return ask(worker, keyed, reason, why, pending).await };
    let incoming = keyed.request.incoming();
    if response.status == StatusCode::RANGE_NOT_SATISFIABLE {
        // Some origins refuse a suffix that is longer than the whole, as a widened one may be; and conditions, which the
        // origin has not seen, come before the range (RFC 9110 §13.2.2).
        if is_suffix(&incoming.headers) || incoming.fields.has(Fields::CONDITIONAL) {
            drop(response);
            return ask(worker, keyed, reason, why, pending).await;
        }
        return Ok(unsatisfiable(pass::respond(keyed, response, reason, why)));
    }
    if response.status != StatusCode::PARTIAL_CONTENT {
        return Ok(pass::respond(keyed, response, reason, why));
    }
    let cut = (!incoming.fields.has(Fields::CONDITIONAL))
        .then(|| cut(&incoming.headers, &response.headers, body_length(&response)))
        .flatten();
    let Some(cut) = cut else {
        drop(response);
        return ask(worker, keyed, reason, why, pending).await;
    };
    let mut answer = pass::respond(keyed, response, reason, why);
    let head = answer.response.headers_mut();
    head.insert(CONTENT_RANGE, ContentRange::of(cut.range, cut.complete).to_value());
    head.insert(CONTENT_LENGTH, cut.range.len().into());
    let source = std::mem::replace(answer.response.body_mut(), Source::Empty);
    *answer.response.body_mut() = match source {
        Source::Origin(body) => {
            Source::Cut(Box::new(Cut { body: *body, skip: cut.skip, left: cut.range.len() }))
        }
        other => other,
    };
    Ok(answer)
}

/// An origin's 416 as a hit would say it: without a page.
fn unsatisfiable(mut answer: Answer) -> Answer {
    let head = answer.response.headers_mut();
    let place = head.remove(CONTENT_RANGE);
    conditional::refused_head(head);
    head.extend(place.map(|place| (CONTENT_RANGE, place)));
    head.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    *answer.response.body_mut() = Source::Empty;
    answer
}

fn is_suffix(request: &HeaderMap) -> bool {
    let specs = request.get(RANGE).and_then(range::parse_unresolved);
    specs.is_some_and(|specs| matches!(specs[..], [RangeSpec::Suffix { .. }]))
}

fn body_length(response: &crate::origin::OriginResponse) -> Option<u64> {
    http_body::Body::size_hint(&response.body).exact()
}

/// Asks with the client's own range and conditions.
///
/// # Errors
/// The origin failed.
pub async fn ask(
    worker: &Worker,
    keyed: &Keyed,
    reason: Fwd,
    why: &'static str,
    pending: &mut Pending,
) -> Result<Answer, Refused> {
    let outgoing = Outgoing::for_pass(keyed, worker.store())?;
    let request = outgoing.with_body(RequestBody::Empty);
    let response = worker.client.fetch(&outgoing.pool, request).await.map_err(|failed| {
        record::trip(pending, &failed.trip);
        Refused::from(failed.refusal())
    })?;
    record::trip(pending, &response.trip);
    Ok(pass::respond(keyed, response, reason, why))
}

/// The client's range inside of what came.
#[derive(Debug, PartialEq, Eq)]
struct Inside {
    range: ByteRange,
    complete: u64,
    skip: u64,
}

fn cut(request: &HeaderMap, head: &HeaderMap, body: Option<u64>) -> Option<Inside> {
    if request.contains_key(http::header::IF_RANGE) {
        return None;
    }
    let (came, complete) = content_range(head)?;
    if body.is_some_and(|body| body != came.len()) {
        return None;
    }
    let RangeResult::Satisfiable(ranges) = range::parse(request.get(RANGE)?, complete) else { return None };
    let [range] = ranges[..] else { return None };
    let inside = came.first <= range.first && range.last <= came.last;
    inside.then(|| Inside { range, complete, skip: range.first - came.first })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_of(range: &'static str, came: &'static str, body: Option<u64>) -> Option<(u64, u64, u64)> {
        let mut request = HeaderMap::new();
        request.insert(RANGE, HeaderValue::from_static(range));
        let mut head = HeaderMap::new();
        head.insert(CONTENT_RANGE, HeaderValue::from_static(came));
        cut(&request, &head, body).map(|inside| (inside.skip, inside.range.first, inside.range.last))
    }

    #[test]
    fn a_range_is_cut_only_out_of_what_contains_it() {
        for (range, came, body, expected) in [
            ("bytes=5-6", "bytes 4-9/10", Some(6), Some((1, 5, 6))),
            ("bytes=5-", "bytes 4-9/10", None, Some((1, 5, 9))),
            ("bytes=-2", "bytes 4-9/10", Some(6), Some((4, 8, 9))),
            ("bytes=3-6", "bytes 4-9/10", Some(6), None),
            ("bytes=-7", "bytes 4-9/10", Some(6), None),
            ("bytes=5-8", "bytes 4-7/10", Some(4), None),
            ("bytes=5-6", "bytes 4-9/10", Some(5), None),
            ("bytes=5-6", "bytes 4-9/*", Some(6), None),
            ("bytes=0-0, 9-9", "bytes 0-9/10", Some(10), Some((0, 0, 9))),
            ("bytes=0-0, 900-900", "bytes 0-999/1000", Some(1000), None),
            ("bytes=10-", "bytes 4-9/10", Some(6), None),
        ] {
            assert_eq!(cut_of(range, came, body), expected, "{range} of {came}");
        }
    }
}
