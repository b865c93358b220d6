//! One connection: what it speaks, and who serves that.

use std::sync::Arc;

use tokio::io::AsyncReadExt;

use super::glimpse::Glimpse;
use super::handler::{Handler, Peer};
use super::handshake::{self, Begun, Failure};
use super::opened::Opened;
use super::stream::{Accepted, Stream};
use super::worker::{Listener, Worker};
use super::{h1, h2};
use crate::http::protocol::Protocol;
use crate::http::refusal::Refusal;

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves one connection to its end.
pub async fn serve<H: Handler>(
    accepted: Accepted,
    mut peer: Peer,
    listener: Arc<Listener>,
    worker: Arc<Worker<H>>,
) {
    let since = worker.clock.now();
    let (mut stream, negotiated) = match (&listener.tls, accepted) {
        (None, Accepted::Tcp(stream)) => (Stream::Tcp(stream), None),
        (None, Accepted::Unix(stream)) => (Stream::Unix(stream), None),
        (Some(tls), accepted) => {
            let begin = handshake::begin(tls, accepted, peer.addr, &worker.metrics);
            match tokio::time::timeout(worker.limits.header_timeout, begin).await {
                Ok(Begun::Tls { stream, info, protocol }) => (stream, Some((info, protocol))),
                Ok(Begun::Plain(stream)) => {
                    let seen = Glimpse::of_head(&stream.peek().await);
                    worker.handler.refuse(Refusal::PlainHttpOnTls, &seen, &Arc::new(peer));
                    let name = &worker.server_name;
                    return h1::refusal::refuse(stream, Refusal::PlainHttpOnTls, name).await;
                }
                Ok(Begun::Failed) => return,
                Err(_) => {
                    handshake::failed(peer.addr, Failure::Timeout, &"no handshake in time", &worker.metrics);
                    return;
                }
            }
        }
    };
    let mut prefix = Vec::new();
    match negotiated {
        Some((tls, protocol)) => {
            peer.tls = Some(tls);
            peer.protocol = protocol;
        }
        None => {
            let sniffing = sniff(&mut stream, &mut prefix);
            let sniffed = tokio::select! {
                biased;
                sniffed = tokio::time::timeout(worker.limits.header_timeout, sniffing) => sniffed,
                // A request may be on its way, as on any other connection without one.
                () = worker.drain.last_request() => return,
            };
            match sniffed {
                Ok(Some(protocol)) => peer.protocol = protocol,
                // A client that sent the first letters of the preface and stopped is late with a head.
                Err(_) if !prefix.is_empty() => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
    let protocol = peer.protocol;
    let _open = listener.metrics.open(protocol);
    let opened = Opened { stream, prefix, peer, listener: Arc::clone(&listener), worker, since };
    match protocol {
        Protocol::Http1 => h1::connection::serve(opened).await,
        Protocol::Http2 => h2::connection::serve(opened).await,
    }
}

/// Reads until it is plain what this is, into `prefix`; none if the client left first.
async fn sniff(stream: &mut Stream, prefix: &mut Vec<u8>) -> Option<Protocol> {
    // Enough for most heads, so that the bytes are read only once.
    prefix.reserve(2048);
    loop {
        if stream.read_buf(prefix).await.ok()? == 0 {
            return None;
        }
        let length = prefix.len().min(PREFACE.len());
        if prefix[..length] != PREFACE[..length] {
            return Some(Protocol::Http1);
        }
        if length == PREFACE.len() {
            return Some(Protocol::Http2);
        }
    }
}
