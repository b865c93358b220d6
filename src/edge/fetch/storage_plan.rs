//! Whether a response is stored, and how: whole, in slices, as a part, or not at all.
//!
//! ```text
//! response                                          kept
//! ------------------------------------------------  ---------------------------------------------
//! not storable                                      no
//! 200 of at most max_object, or of unknown length   whole
//! a larger 200 with a strong tag                    in slices
//! the part that was asked for, if that is all       whole, when it is no larger than a slice
//! the part that was asked for, with a strong tag    in slices
//! another part that has what the client wants       as that part, when it is no larger than a slice
//! anything else                                     no
//! ```

use std::borrow::Cow;

use http::header::{CONTENT_RANGE, ETAG};
use http::{Method, StatusCode};

use super::plan::Plan;
use super::stored_head::{Ingredients, meta};
use crate::cache::object::Meta;
use crate::cache::reason::NotStored;
use crate::cache::slice::Manifest;
use crate::cache::store::Store;
use crate::edge::request::requested_range::{RequestedRange, content_range};
use crate::edge::slices::begin::Brings;
use crate::http::range::ByteRange;
use crate::http::time::Time;
use crate::origin::OriginResponse;
use crate::policy::storable::{Exchange, storable};

/// How a response is stored.
pub enum StoragePlan {
    /// Whole: its head, and its length if that is known.
    Whole(Box<Meta>, Option<u64>),
    /// In slices: the head of the whole, what ties them, and which of them this response brings.
    Sliced(Box<Meta>, Manifest, Brings),
    /// As a part: the head of the whole, which bytes these are, and how many there are in all.
    Part(Box<Meta>, ByteRange, u64),
}

/// Decides, for a response to `plan`, or to the `range` of it, that was sent and answered at these times.
///
/// # Errors
/// The reason why it is not kept.
pub fn decide(
    store: &Store,
    plan: &Plan,
    response: &OriginResponse,
    range: Option<&RequestedRange>,
    (asked, answered): (Time, Time),
) -> Result<StoragePlan, NotStored> {
    let range_asked = range.filter(|_| response.status == StatusCode::PARTIAL_CONTENT);
    let length = http_body::Body::size_hint(&response.body).exact();
    let mut head = Cow::Borrowed(&response.headers);
    if range_asked.is_some() {
        // What is kept is the whole, of which this is a part.
        head.to_mut().remove(CONTENT_RANGE);
    }
    let exchange = Exchange {
        method: &Method::GET,
        request: &plan.outgoing.headers,
        status: if range_asked.is_some() { StatusCode::OK } else { response.status },
        response: &head,
        request_time: asked,
        response_time: answered,
    };
    let rules = &plan.outgoing.route.settings.cache;
    let freshness = storable(&exchange, rules)?;
    let made_from = plan.ingredients(store, &exchange, freshness);
    let choice =
        Choice { plan, response, most: plan.outgoing.route.node.max_object, slice: rules.slice, length };
    match range_asked {
        Some(range) => choice.part(range, made_from),
        None => choice.whole(range, made_from),
    }
}

struct Choice<'a> {
    plan: &'a Plan,
    response: &'a OriginResponse,
    /// Bytes of an object that is kept whole, and of a slice.
    most: u64,
    slice: u64,
    /// Of the body, if announced.
    length: Option<u64>,
}

impl Choice<'_> {
    /// A response that is not a part.
    fn whole(
        &self,
        range: Option<&RequestedRange>,
        made_from: Ingredients<'_>,
    ) -> Result<StoragePlan, NotStored> {
        let status = made_from.exchange.status;
        let meta = Box::new(meta(made_from, self.length));
        match self.length {
            Some(length) if length > self.most => {
                let manifest = self.manifest(&meta, length).filter(|_| status == StatusCode::OK);
                let wanted = range.and_then(|range| range.start(length)).unwrap_or(0);
                let brings = Brings { at: 0, end: length, wanted };
                Ok(StoragePlan::Sliced(meta, manifest.ok_or(NotStored::TooLarge)?, brings))
            }
            length => Ok(StoragePlan::Whole(meta, length)),
        }
    }

    fn part(&self, range: &RequestedRange, made_from: Ingredients<'_>) -> Result<StoragePlan, NotStored> {
        let says = content_range(&self.response.headers);
        if let Some((bytes, complete)) = range.brought(&self.response.headers, self.length) {
            let all = bytes.len() == complete;
            let meta = Box::new(meta(made_from, Some(complete)));
            if all && complete <= self.slice.min(self.most) {
                return Ok(StoragePlan::Whole(meta, Some(complete)));
            }
            if let Some(manifest) = self.manifest(&meta, complete) {
                let brings = Brings { at: bytes.first, end: bytes.last + 1, wanted: bytes.first };
                return Ok(StoragePlan::Sliced(meta, manifest, brings));
            }
            if all && complete <= self.most {
                return Ok(StoragePlan::Whole(meta, Some(complete)));
            }
            return self.as_it_is(range, meta, bytes, complete).ok_or(NotStored::WeakValidator);
        }
        let (bytes, complete) = says.ok_or(NotStored::OddRange)?;
        let meta = Box::new(meta(made_from, None));
        self.as_it_is(range, meta, bytes, complete).ok_or(NotStored::OddRange)
    }

    fn as_it_is(
        &self,
        range: &RequestedRange,
        mut meta: Box<Meta>,
        bytes: ByteRange,
        complete: u64,
    ) -> Option<StoragePlan> {
        let small =
            bytes.len() <= self.slice.min(self.most) && self.length.is_none_or(|len| len <= self.slice);
        // Of a part, the head also knows what it said it was.
        if let Some(said) = self.response.headers.get(CONTENT_RANGE) {
            meta.head.insert(CONTENT_RANGE, said.clone());
        }
        (small && range.is_inside(bytes, complete)).then(|| StoragePlan::Part(meta, bytes, complete))
    }

    fn manifest(&self, meta: &Meta, complete: u64) -> Option<Manifest> {
        let etag = self.response.headers.get(ETAG);
        let purges = self.plan.outgoing.asked.purge();
        Manifest::new(&self.plan.key, meta.variant.as_ref(), etag, complete, self.slice, purges)
    }
}
