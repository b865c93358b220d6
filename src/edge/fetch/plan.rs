//! What is to be fetched for all who may share it, and what those who wait are told.

use std::sync::Arc;

use http::HeaderMap;

use super::stored_head::Ingredients;
use crate::cache::fill::Progress;
use crate::cache::key::Key;
use crate::cache::object::Object;
use crate::cache::reason::NotStored;
use crate::cache::store::Store;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::request::requested_range::RequestedRange;
use crate::http::cache_control::RequestDirectives;
use crate::origin::{OriginResponse, Trip};
use crate::policy::freshness::Freshness;
use crate::policy::storable::Exchange;

/// What is to be fetched, and what stands in for it.
pub struct Plan {
    /// What it is for.
    pub key: Key,
    /// What the origin is asked, without conditions.
    pub outgoing: Outgoing,
    /// A stored response to confirm, or to serve when the origin fails.
    pub stale: Option<Arc<Object>>,
    /// The part of it that is to be asked for, if not the whole.
    pub range: Option<RequestedRange>,
    /// What the client that began it wants of a cache.
    pub directives: RequestDirectives,
}

impl Plan {
    /// What the head of a response to it is made from.
    pub fn ingredients<'e>(
        &'e self,
        store: &Store,
        exchange: &'e Exchange<'e>,
        freshness: Freshness,
    ) -> Ingredients<'e> {
        Ingredients::of(
            store,
            &self.key,
            &self.outgoing.route,
            exchange,
            freshness,
            self.outgoing.asked.seen(),
        )
    }
}

/// What the request that began a fill is told: all that a fill gives back, at once.
pub struct Led {
    /// What it is answered from.
    pub brought: Brought,
    /// Who was asked; `None` if the fill did not come to that.
    pub trip: Option<Trip>,
    /// Fields that are not stored, and that who began the fill gets all the same.
    pub withheld: HeaderMap,
}

/// What a fill brought for the request that began it.
pub enum Brought {
    /// What all who wait are told as well.
    Shared(Progress),
    /// A response that is not shared.
    Private(Box<Private>),
}

/// A response that is not shared, for the request that began the fill.
pub struct Private {
    /// The response; none if it was read in vain, so that the origin has to be asked again.
    pub response: Option<OriginResponse>,
    /// Why it was not stored.
    pub reason: NotStored,
}
