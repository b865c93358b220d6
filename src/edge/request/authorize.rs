//! Stage 3: whether a request may see what it asks for. Nothing unauthorised reaches a lookup: [`Authorized`]
//! is made here only, and the key is made from nothing else.

use std::sync::Arc;

use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::policy::preflight;
use crate::signed::{DenyReason, Grant, SignedRequest};

use crate::edge::request::route::{Route, Routed};
use crate::edge::request::sanitize::Incoming;

/// A request that may see what it asks for. What proved it has left the request.
pub struct Authorized {
    incoming: Incoming,
    route: Arc<Route>,
    key_id: Option<Arc<str>>,
    /// Let past the guard as a preflight: it has proven nothing.
    preflight: bool,
}

/// A request that may not.
pub struct Denied {
    /// The request, for its record.
    pub routed: Routed,
    /// Why not.
    pub reason: DenyReason,
}

impl Authorized {
    /// The request.
    pub fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    /// What it is handled by.
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Id of the key its signature was made with.
    pub fn key_id(&self) -> Option<&Arc<str>> {
        self.key_id.as_ref()
    }

    /// Whether it is a preflight that a guard let past without proof: what comes back is cut down to that.
    pub fn is_unproven_preflight(&self) -> bool {
        self.preflight
    }

    /// The request, to take its body.
    pub fn incoming_mut(&mut self) -> &mut Incoming {
        &mut self.incoming
    }
}

impl Denied {
    /// The refusal it is answered with: one for all reasons.
    pub const REFUSAL: Refusal = Refusal::Denied;
}

/// Verifies the signature, where the route asks for one, and takes its parameters out of the request. A preflight is let
/// past, as nothing but a preflight (see [`preflight`]).
///
/// # Errors
/// No table of the route is satisfied.
pub fn authorize(routed: Routed, now: Time) -> Result<Authorized, Box<Denied>> {
    let Routed { mut incoming, route } = routed;
    if route.verifiers.is_public() {
        return Ok(Authorized { incoming, route, key_id: None, preflight: false });
    }
    let request = SignedRequest {
        method: &incoming.method,
        host: incoming.host.name(),
        path: incoming.target.path(),
        origin: route.settings.origin,
        path_token: incoming.path_token.as_deref(),
        query: incoming.target.query(),
        headers: &incoming.headers,
        client: incoming.client,
    };
    match route.verifiers.verify(&request, now) {
        Ok(Grant { key_id, changes, .. }) => {
            incoming.apply(changes);
            Ok(Authorized { incoming, route, key_id, preflight: false })
        }
        Err(_) if !incoming.has_body() && preflight::is_preflight(&incoming.method, &incoming.headers) => {
            let changes = route.verifiers.without_credentials(&request);
            incoming.apply(changes);
            preflight::reduce_request(&mut incoming.headers);
            incoming.takes_trailers = false;
            Ok(Authorized { incoming, route, key_id: None, preflight: true })
        }
        Err(reason) => Err(Box::new(Denied { routed: Routed { incoming, route }, reason })),
    }
}
