//! Takes connections in: one loop for each listener and worker, within the limits on how many there may be.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};

use super::connection;
use super::handler::{Handler, Peer, PeerAddr};
use super::interim::Interim;
use super::metrics::Turned;
use super::stream::Accepted;
use super::worker::{Listener, Worker};
use crate::http::protocol::Protocol;

/// After a failed accept: with no file descriptor free, the next would fail as well.
const PAUSE: Duration = Duration::from_millis(50);

/// A worker's own socket of a listener, before it is on a runtime.
#[derive(Debug)]
pub enum Socket {
    /// TCP, with SO_REUSEPORT.
    Tcp(std::net::TcpListener),
    /// A duplicate of the one unix socket.
    Unix(std::os::unix::net::UnixListener),
}

enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepting {
    fn new(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Socket::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    fn poll(&self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<(Accepted, PeerAddr)>> {
        match self {
            Accepting::Tcp(socket) => socket.poll_accept(cx).map_ok(|(stream, mut addr)| {
                addr.set_ip(addr.ip().to_canonical());
                (Accepted::Tcp(stream), PeerAddr::Tcp(addr))
            }),
            Accepting::Unix(socket) => {
                socket.poll_accept(cx).map_ok(|(stream, _)| (Accepted::Unix(stream), PeerAddr::Unix))
            }
        }
    }
}

/// Accepts until the drain begins; then takes what the kernel has accepted already, and closes the socket.
pub async fn run<H: Handler>(socket: Socket, listener: Arc<Listener>, worker: Arc<Worker<H>>) {
    let socket = match Accepting::new(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(listener = listener.name, %error, "cannot accept connections"),
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.drain.wait() => break,
            accepted = std::future::poll_fn(|cx| socket.poll(cx)) => accepted,
        };
        match accepted {
            Ok((stream, addr)) => admit(stream, addr, &listener, &worker).await,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                worker.metrics.turned(Turned::Accept);
                tracing::warn!(listener = listener.name, %error, "cannot accept connections");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    while let Some(Ok((stream, addr))) = std::future::poll_fn(|cx| match socket.poll(cx) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
    {
        admit(stream, addr, &listener, &worker).await;
    }
}

/// Starts a connection, when there is a place for it. Until there is, this loop accepts nothing else, so the
/// others wait in the kernel's queue.
async fn admit<H: Handler>(
    stream: Accepted,
    addr: PeerAddr,
    listener: &Arc<Listener>,
    worker: &Arc<Worker<H>>,
) {
    listener.metrics.accepted.inc();
    let entry = match (&worker.per_ip, addr.ip()) {
        (Some(counts), Some(ip)) => match counts.enter(ip) {
            Some(entry) => Some(entry),
            None => return worker.metrics.turned(Turned::PerIp),
        },
        _ => None,
    };
    let slot = tokio::select! {
        biased;
        slot = worker.slots.clone().acquire_owned() => slot,
        () = worker.drain.wait() => return,
    };
    let local = match &stream {
        Accepted::Tcp(stream) => {
            // Without it the last part of a response could wait for an acknowledgement; a dead socket will
            // show itself on the first read.
            let _ = stream.set_nodelay(true);
            stream.local_addr().ok()
        }
        Accepted::Unix(_) => None,
    };
    let peer = Peer {
        addr,
        local,
        listener: listener.index,
        tls: None,
        protocol: Protocol::Http1,
        interim: Interim::default(),
    };
    let (listener, worker) = (listener.clone(), worker.clone());
    let entered = worker.open.enter();
    tokio::spawn(async move {
        connection::serve(stream, peer, listener, worker).await;
        drop((slot, entry, entered));
    });
}
