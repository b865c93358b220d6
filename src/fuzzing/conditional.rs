//! Preconditions: 304 and 412 only if the validators say so to a naive reader too.

use http::Method;
use http::header::{
    ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};

use super::input::Input;
use crate::policy::conditional::{
    Precondition, conditions, dates, evaluate, not_modified_head, range_applies,
};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let method = Method::from_bytes(input.line()).unwrap_or(Method::GET);
    let request = input.fields();
    let stored = input.fields();
    let etag = stored.get(ETAG);
    let (modified, dated) = dates(&stored);
    let outcome = evaluate(&method, &request, etag, modified, dated);
    let reading = method == Method::GET || method == Method::HEAD;

    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    let tag = etag.map(|etag| opaque(etag.as_bytes().trim_ascii()));
    // A tag that a field names stands somewhere in it, byte for byte.
    let names = |field: &http::HeaderName| {
        request.get_all(field).iter().any(|line| {
            let line = line.as_bytes();
            line.trim_ascii() == b"*"
                || tag.as_ref().is_some_and(|tag| memchr::memmem::find(line, tag).is_some())
        })
    };
    match outcome {
        Precondition::NotModified => {
            assert!(reading, "304 to {method}");
            match request.contains_key(IF_NONE_MATCH) {
                true => assert!(names(&IF_NONE_MATCH), "304 without a tag in common"),
                false => {
                    assert!(request.contains_key(IF_MODIFIED_SINCE) && modified.or(dated).is_some());
                }
            }
            assert!(!request.contains_key(IF_MATCH) || names(&IF_MATCH));
        }
        Precondition::Failed => {
            let kinds = [IF_MATCH, IF_UNMODIFIED_SINCE, IF_NONE_MATCH];
            assert!(kinds.iter().any(|name| request.contains_key(name)), "412 without a condition");
        }
        Precondition::Proceed => {
            let whole = request.get_all(IF_NONE_MATCH).iter().any(|line| line == "*");
            assert!(!whole, "`*` matches whatever there is");
        }
    }

    if range_applies(&request, etag, modified, dated) && request.contains_key(IF_RANGE) {
        let line =
            request.get(IF_RANGE).map(|line| line.as_bytes().trim_ascii().to_vec()).unwrap_or_default();
        let same_tag = etag.is_some_and(|etag| etag.as_bytes().trim_ascii() == line);
        assert!(same_tag && !line.starts_with(b"W/") || modified.is_some_and(|at| dated > Some(at)));
    }

    // Our own conditions, evaluated against what they were made from, always match.
    let ours: http::HeaderMap = conditions(&stored).into_iter().collect();
    if ours.contains_key(IF_NONE_MATCH) && etag.is_some_and(|etag| is_one_tag(etag.as_bytes())) {
        assert_eq!(evaluate(&Method::GET, &ours, etag, modified, dated), Precondition::NotModified);
    }
    let head = not_modified_head(&stored);
    assert!(head.get(ETAG) == etag && head.len() <= stored.len());
    assert!(!(head.contains_key(ETAG) && head.contains_key(LAST_MODIFIED)));
}

fn is_one_tag(tag: &[u8]) -> bool {
    let tag = tag.trim_ascii();
    let inner = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = inner.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\""));
    inner.is_some_and(|inner| !inner.contains(&b'"'))
}
