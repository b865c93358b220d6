//! Stage 7 for a request that wants another protocol (WebSocket): the origin decides, and if it agrees the two
//! connections are one.
//!
//! Nothing of a tunnel is read here, so nothing in it is checked. It begins only where the origin said 101, and never
//! into another version of HTTP: requests inside would pass every rule and guard of the site.

use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};

use crate::http::cache_status::{CacheStatus, Fwd};
use crate::http::hop_by_hop;
use crate::origin::{OriginTunnel, RequestBody};
use crate::policy::outcome::Outcome;
use crate::server::{Duplex, Takeover};
use crate::telemetry::Pending;

use crate::edge::fetch::pass;
use crate::edge::request::key::Keyed;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::respond::body::Source;
use crate::edge::respond::record;
use crate::edge::respond::refusal::Refused;
use crate::edge::respond::response::Answer;
use crate::edge::worker::Worker;

/// Whether the request's wish is to be passed on. Where responses are cached only a WebSocket is: a client must not
/// get past the cache by asking for some protocol that nobody speaks.
pub fn applies(keyed: &Keyed) -> bool {
    let incoming = keyed.request.incoming();
    let Some(protocol) = &incoming.upgrade else { return false };
    let websocket = protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
        && incoming.headers.contains_key("sec-websocket-key");
    !incoming.has_body() && (websocket || !keyed.request.route().settings.cache.enabled)
}

/// Asks the origin. A 101 makes a tunnel; any other response is the client's own.
pub async fn pass(worker: &Worker, keyed: &Keyed, pending: &mut Pending) -> Result<Answer, Refused> {
    let outgoing = Outgoing::for_pass(keyed, worker.store())?;
    let mut request = outgoing.with_body(RequestBody::Empty);
    request.upgrade = keyed.request.incoming().upgrade.clone();
    let mut response = worker.client.fetch(&outgoing.pool, request).await.map_err(|failed| {
        tracing::debug!(target: "seawall::origin", error = %failed, "upgrade failed");
        record::trip(pending, &failed.trip);
        Refused::from(failed.refusal())
    })?;
    record::trip(pending, &response.trip);
    let answer = match response.tunnel.take() {
        None => pass::respond(keyed, response, Fwd::Bypass, "upgrade"),
        Some(tunnel) => {
            let protocol = response.headers.get(UPGRADE).cloned();
            let mut head = response.headers;
            hop_by_hop::strip_response(&mut head);
            keyed.request.route().node.via.append_to(&mut head, response.version);
            let status =
                CacheStatus::forwarded(&keyed.request.route().node.name, Fwd::Bypass).detail("upgrade");
            status.append_to(&mut head);
            head.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            if let Some(protocol) = protocol {
                head.insert(UPGRADE, protocol);
            }
            let mut response = Response::new(Source::Empty);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = head;
            let idle = keyed.request.route().node.limits.idle_timeout;
            let takeover = Takeover::new(move |client| Box::pin(join(client, tunnel, idle)));
            response.extensions_mut().insert(takeover);
            Answer { response, outcome: Outcome::Pass }
        }
    };
    Ok(answer)
}

/// Carries bytes both ways, each side no faster than the other takes them, until both have ended, one breaks, or
/// nothing moves for `idle`.
async fn join(mut client: Box<dyn Duplex>, mut origin: OriginTunnel, idle: Duration) {
    let activity = origin.activity();
    let silent = async {
        loop {
            let before = activity.bytes();
            tokio::time::sleep(idle).await;
            if activity.bytes() == before {
                return;
            }
        }
    };
    tokio::select! {
        ended = tokio::io::copy_bidirectional(&mut client, &mut origin) => {
            if let Err(error) = ended {
                tracing::debug!(target: "seawall::origin", %error, "tunnel broke");
            }
        }
        () = silent => tracing::debug!(target: "seawall::origin", ?idle, "tunnel was silent for too long"),
    }
}
