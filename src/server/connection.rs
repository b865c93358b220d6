//! One connection: which protocol it speaks, and its life by that protocol.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;

use super::accept::{Listener, Worker};
use super::drive::{Connection, End, drive};
use super::glimpse::Glimpse;
use super::h2;
use super::handler::{Handler, Peer};
use super::handshake::{self, Begun, Failure};
use super::interim::Interim;
use super::io::{self, GuardedIo};
use super::response::Tracked;
use super::scan::{HeadLimits, Scan};
use super::service::Service;
use super::state::{ConnState, Deadlines};
use super::stream::Stream;
use crate::config::Limits;
use crate::http::protocol::Protocol;
use crate::http::refusal::Refusal;

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Settings for both protocols, made once for a worker.
#[derive(Debug, Clone)]
pub struct Protocols {
    http1: http1::Builder,
    http2: ::h2::server::Builder,
}

impl Protocols {
    /// From the limits.
    pub fn new(limits: &Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .half_close(false)
            .keep_alive(true)
            // Heads have their own deadline, with an answer; hyper's would close without one.
            .header_read_timeout(None)
            // The scan measures heads; hyper's buffer must only never be the smaller one.
            .max_buf_size(limits.header_bytes.saturating_add(16 * 1024).max(64 * 1024));
        if limits.headers > 100 {
            // Beyond its default hyper allocates room for them on each request, so only if it must.
            http1.max_headers(limits.headers);
        }
        Self { http1, http2: h2::settings(limits) }
    }
}

/// Where a connection comes from, before anything was read from it.
#[derive(Debug)]
pub enum Accepted {
    /// TCP, with both addresses.
    Tcp(tokio::net::TcpStream),
    /// A unix socket.
    Unix(tokio::net::UnixStream),
}

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
                    return io::refuse(stream, Refusal::PlainHttpOnTls, &worker.server_name).await;
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
    if peer.protocol == Protocol::Http2 {
        peer.interim = Interim::per_stream();
    }
    let state = Arc::new(ConnState::new(worker.clock, Deadlines::from(&*worker.limits), since));
    let _open = listener.metrics.open(peer.protocol);
    let service = Arc::new(Service {
        handler: worker.handler.clone(),
        peer: Arc::new(peer),
        state,
        shared: worker.shared.clone(),
        redirect: listener.redirect,
        takeover: Mutex::new(None),
        old: AtomicBool::new(false),
    });
    match service.peer.protocol {
        Protocol::Http1 => http1(stream, prefix, service, &worker).await,
        Protocol::Http2 => http2(stream, prefix, service, &worker).await,
    }
}

async fn http1<H: Handler>(stream: Stream, prefix: Vec<u8>, service: Arc<Service<H>>, worker: &Worker<H>) {
    let limits = &worker.limits;
    let scan =
        Scan::new(HeadLimits { head: limits.header_bytes, fields: limits.headers, target: limits.uri_bytes });
    let (state, name, interim) =
        (service.state.clone(), worker.server_name.clone(), service.peer.interim.clone());
    let io = GuardedIo::new(stream, prefix, Some(scan), state, name, interim);
    let mut connection = worker.protocols.http1.serve_connection(TokioIo::new(io), calls(service.clone()));
    let end = drive(Pin::new(&mut connection), &service.state, &worker.drain).await;
    let parts = connection.into_parts();
    let io = parts.io.into_inner();
    let takeover = service.takeover.lock().take();
    if let (End::Done(Ok(())), Some(takeover)) = (&end, takeover) {
        if let Some(raw) = io.into_raw(&parts.read_buf) {
            takeover.run(Box::new(raw)).await;
        }
        return;
    }
    if let Some(refusal) = io.refused() {
        // What the scan let pass and hyper did not take is in hyper's buffer.
        let seen = io.seen().unwrap_or_else(|| Glimpse::of_head(&parts.read_buf));
        service.handler.refuse(refusal, &seen, &service.peer);
    } else if io.in_head() {
        service.handler.cut_off(&Glimpse::of_head(&parts.read_buf), &service.peer);
    }
    match end {
        // To HTTP/1.0 the end of the connection may be the end of a body: one that broke off must not look whole.
        End::Done(Err(error)) if error.is_user() && service.old.load(Ordering::Relaxed) => io.reset(),
        End::Done(result) => {
            if let Err(error) = result {
                tracing::debug!(peer = %service.peer.addr, %error, "HTTP/1 connection");
            }
            io.close(worker.drain.is_draining()).await;
        }
        // The drop resets it.
        End::Stalled => {}
    }
}

async fn http2<H: Handler>(stream: Stream, prefix: Vec<u8>, service: Arc<Service<H>>, worker: &Worker<H>) {
    let (state, name, interim) =
        (service.state.clone(), worker.server_name.clone(), service.peer.interim.clone());
    let io = GuardedIo::new(stream, prefix, None, state, name, interim);
    let mut connection = h2::Serving::new(io, &worker.protocols.http2, service.clone());
    match drive(Pin::new(&mut connection), &service.state, &worker.drain).await {
        End::Done(Err(error)) => {
            tracing::debug!(peer = %service.peer.addr, %error, "HTTP/2 connection");
        }
        End::Done(Ok(())) | End::Stalled => {}
    }
}

type Answer<H> = Response<Tracked<<H as Handler>::Body>>;

/// The service in hyper's terms.
fn calls<H: Handler>(
    service: Arc<Service<H>>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Answer<H>,
    Error = Infallible,
    Future: Future<Output = Result<Answer<H>, Infallible>> + Send + 'static,
> {
    hyper::service::service_fn(move |request| service.call(request))
}

impl<S, B> Connection for http1::Connection<TokioIo<GuardedIo>, S>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<super::BoxError>>,
    B: http_body::Body<Error: Into<super::BoxError>> + 'static,
{
    const SAYS_GOODBYE: bool = false;

    fn go(self: Pin<&mut Self>) {
        self.graceful_shutdown();
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
