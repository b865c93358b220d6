//! Stage 7 for a request that wants another protocol (WebSocket): the origin decides, and if it agrees the two
//! connections are one.
//!
//! Nothing of a tunnel is read here, so nothing in it is checked. It begins only where the origin said 101, and never
//! into another version of HTTP: requests inside would pass every rule and guard of the site.

use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use crate::http::cache_status::{CacheStatus, Fwd};
use crate::http::hop_by_hop;
use crate::http::list::elements;
use crate::origin::{OriginTunnel, RequestBody};
use crate::policy::outcome::Outcome;
use crate::server::{Duplex, Takeover};
use crate::telemetry::Pending;

use super::body::Source;
use super::keyed::Keyed;
use super::outgoing::Outgoing;
use super::passing;
use super::recording;
use super::refuse::Refused;
use super::respond::Answer;
use super::worker::Worker;

/// What a request asks to change to (RFC 9110 §7.8), if the edge would let it. Ask before hop-by-hop fields go. On HTTP/2
/// such fields are malformed, except where the server has made them of an extended CONNECT (RFC 8441).
pub fn wanted(method: &Method, version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    if *method != Method::GET || !matches!(version, Version::HTTP_11 | Version::HTTP_2) {
        return None;
    }
    let mut values = headers.get_all(UPGRADE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let announced = elements(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    let harmless = elements(headers, &UPGRADE).all(|protocol| {
        let name = protocol.split(|b| *b == b'/').next().unwrap_or_default().to_ascii_lowercase();
        !matches!(&name[..], b"" | b"http" | b"tls") && !name.starts_with(b"h2") && !name.starts_with(b"h3")
    });
    (announced && harmless && !value.is_empty()).then(|| value.clone())
}

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
    let outgoing = Outgoing::for_pass(keyed, &worker.shared)?;
    let mut request = outgoing.with_body(RequestBody::Empty);
    request.upgrade = keyed.request.incoming().upgrade.clone();
    let mut response = worker.client.fetch(outgoing.pool, request).await.map_err(|failed| {
        tracing::debug!(target: "seawall::origin", error = %failed, "upgrade failed");
        recording::trip(pending, &failed.trip);
        Refused::from(failed.refusal())
    })?;
    recording::trip(pending, &response.trip);
    let answer = match response.tunnel.take() {
        None => passing::respond(worker, keyed, response, Fwd::Bypass, "upgrade"),
        Some(tunnel) => {
            let protocol = response.headers.get(UPGRADE).cloned();
            let mut head = response.headers;
            hop_by_hop::strip_response(&mut head);
            worker.shared.via.append_to(&mut head, response.version);
            let status = CacheStatus::forwarded(&worker.shared.server_name, Fwd::Bypass).detail("upgrade");
            status.append_to(&mut head);
            head.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            if let Some(protocol) = protocol {
                head.insert(UPGRADE, protocol);
            }
            let mut response = Response::new(Source::Empty);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = head;
            let idle = worker.shared.limits.idle_timeout;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_changed_to() {
        for (fields, protocol) in [
            (&[("connection", "Upgrade"), ("upgrade", "websocket")][..], Some("websocket")),
            (&[("connection", "keep-alive, upgrade"), ("upgrade", "WebSocket")], Some("WebSocket")),
            (&[("connection", "upgrade"), ("upgrade", "irc/6.9, foo")], Some("irc/6.9, foo")),
            (&[("upgrade", "websocket")], None),
            (&[("connection", "upgrade")], None),
            (&[("connection", "upgrade"), ("upgrade", "")], None),
            (&[("connection", "upgrade"), ("upgrade", "h2c")], None),
            (&[("connection", "upgrade"), ("upgrade", "websocket, H2C")], None),
            (&[("connection", "upgrade"), ("upgrade", "HTTP/2.0")], None),
            (&[("connection", "upgrade"), ("upgrade", "TLS/1.0")], None),
            (&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let found = wanted(&Method::GET, Version::HTTP_11, &headers);
            assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), protocol, "{fields:?}");
            assert_eq!(wanted(&Method::POST, Version::HTTP_11, &headers), None);
            assert_eq!(wanted(&Method::GET, Version::HTTP_2, &headers), found);
            assert_eq!(wanted(&Method::GET, Version::HTTP_10, &headers), None);
        }
    }
}
