//! Gets slices that are missing in memory: from behind it, or from the origin.

use std::ops::Range;
use std::sync::Arc;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Method};

use super::continuation::{self, Said};
use crate::cache::growing::Broken;
use crate::cache::key::Key;
use crate::cache::object::Object;
use crate::cache::slice::Manifest;
use crate::edge::request::key::Keyed;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::slices::producer::Producer;
use crate::edge::worker::Worker;
use crate::http::date;
use crate::http::range::ByteRange;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::origin::OriginResponse;
use crate::policy::storable::{Exchange, storable_slice};

/// At most this many slices are asked for at once.
pub const RUN: u64 = 16;

/// An object in slices, and all it takes to get those that are not here.
pub struct Slices {
    /// The worker that reads.
    pub worker: Worker,
    /// Head and manifest.
    pub object: Arc<Object>,
    /// What ties the slices.
    pub manifest: Arc<Manifest>,
    /// Whether what is in memory was there before this request: then to read it is to use it again.
    pub again: bool,
    key: Key,
    outgoing: Result<Outgoing, Refusal>,
}

impl Slices {
    /// For one request; `again` as the field.
    pub fn new(
        worker: &Worker,
        keyed: &Keyed,
        object: &Arc<Object>,
        manifest: &Arc<Manifest>,
        again: bool,
    ) -> Self {
        Self {
            worker: worker.clone(),
            object: Arc::clone(object),
            manifest: Arc::clone(manifest),
            again,
            key: keyed.key.clone(),
            // A request that may not go to an origin may still be a hit.
            outgoing: Outgoing::for_fill(keyed, worker.store()),
        }
    }

    /// The first of `indices` that are to be got from one place, and whether that is behind memory.
    pub fn from_one_place(&self, indices: Range<u64>) -> (Range<u64>, bool) {
        let is_behind = |index| self.worker.store().slice_is_behind(&self.manifest, index);
        let first = is_behind(indices.start);
        let end = indices.clone().find(|index| is_behind(*index) != first).unwrap_or(indices.end);
        (indices.start..end, first)
    }

    /// Gets what the producer has claimed, behind the reader's back.
    pub fn fetch(self: &Arc<Self>, mut producer: Producer, is_behind: bool) {
        let mut indices = producer.only_claimed();
        let slices = Arc::clone(self);
        tokio::spawn(async move {
            if is_behind {
                indices = producer.bring_from_behind().await;
            }
            let Some(range) = slices.manifest.bytes(&indices) else { return };
            let active = slices.worker.store().metrics().begin_fill();
            match slices.ask(range).await {
                Ok((response, at)) => producer.bring(response.body, at).await,
                Err(broken) => producer.fail(broken),
            }
            drop(active);
        });
    }

    /// A response of the same version, and the offset its body begins at.
    async fn ask(&self, range: ByteRange) -> Result<(OriginResponse, u64), Broken> {
        let outgoing = self.outgoing.as_ref().map_err(|refusal| Broken::Unanswered(*refusal))?;
        let asked = self.worker.now();
        let request = outgoing.more(range, self.manifest.etag());
        let response = self.worker.client.fetch(&outgoing.pool, request).await.map_err(|failed| {
            tracing::debug!(target: "seawall::origin", error = %failed, "slices failed");
            Broken::Unanswered(failed.refusal())
        })?;
        let length = http_body::Body::size_hint(&response.body).exact();
        match continuation::judge(&self.manifest, range, response.status, &response.headers, length) {
            Said::Part if self.may_keep(outgoing, &response, asked) => Ok((response, range.first)),
            Said::Whole => Ok((response, 0)),
            Said::Failed => {
                let retry_after = retry_after(&response.headers, self.worker.now());
                Err(Broken::Answered { status: response.status, retry_after })
            }
            Said::Part | Said::Changed => {
                self.worker.store().forget_changed(&self.key, &self.object);
                Err(Broken::Changed)
            }
        }
    }

    /// Every response has its own say about being stored, whatever the first one said.
    fn may_keep(&self, outgoing: &Outgoing, response: &OriginResponse, asked: Time) -> bool {
        let exchange = Exchange {
            method: &Method::GET,
            request: &outgoing.headers,
            status: response.status,
            response: &response.headers,
            request_time: asked,
            response_time: self.worker.now(),
        };
        storable_slice(&exchange, &outgoing.route.settings.cache).is_ok()
    }
}

/// RFC 9110 §10.2.3, as seconds from now.
fn retry_after(head: &HeaderMap, now: Time) -> Option<u32> {
    let value = head.get(RETRY_AFTER)?.as_bytes().trim_ascii();
    let seconds = match date::parse(value) {
        Some(at) => at.since(now).as_secs(),
        None => std::str::from_utf8(value).ok()?.parse().ok()?,
    };
    u32::try_from(seconds).ok()
}
