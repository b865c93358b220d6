//! A new connection to a member: TCP, TLS and HTTP, within one deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpStream, UnixStream};

use super::connection::{Connection, Driver, Sender};
use super::error::{FetchError, TlsFault};
use super::member::{Address, Member};
use super::wire::Wire;
use crate::config::OriginProtocol;
use crate::http::protocol::Protocol;

/// How long IPv6 has the field to itself (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);
/// HTTP/2: how often a connection in use shows that it lives, and how soon it must. One that died in silence
/// would otherwise take every request to the member with it.
const PING: Duration = Duration::from_secs(5);
/// Response header fields an origin may send.
const MAX_HEADERS: usize = 200;
/// Bytes of a response head, and what is read ahead of a body.
const MAX_BUFFER: usize = 256 * 1024;

/// Connects within `timeout`, the TLS handshake included.
///
/// # Errors
/// `Connect`, `ConnectTimeout` or `Tls`; nothing was asked of the origin yet.
pub(super) async fn connect(
    member: &Arc<Member>,
    wanted: OriginProtocol,
    timeout: Duration,
) -> Result<Connection, FetchError> {
    match tokio::time::timeout(timeout, establish(member, wanted)).await {
        Ok(connected) => connected,
        Err(_) => Err(FetchError::ConnectTimeout(member.label.clone())),
    }
}

async fn establish(member: &Arc<Member>, wanted: OriginProtocol) -> Result<Connection, FetchError> {
    let failed = |e: &dyn std::fmt::Display| FetchError::Connect {
        member: member.label.clone(),
        reason: e.to_string(),
    };
    let wire = match &member.origin.socket {
        Some(socket) => Wire::unix(UnixStream::connect(socket).await.map_err(|e| failed(&e))?),
        None => {
            let tcp = race(member.address).await.map_err(|e| failed(&e))?;
            tcp.set_nodelay(true).map_err(|e| failed(&e))?;
            secure(member, tcp).await?
        }
    };
    member.origin.metrics.connects.inc();
    let protocol = match wanted {
        OriginProtocol::Http1 => Protocol::Http1,
        OriginProtocol::H2 => wire.negotiated().unwrap_or(Protocol::Http2),
    };
    let received = wire.received();
    let io = TokioIo::new(wire);
    let (sender, task) = match protocol {
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.keep_alive_interval(Some(PING)).keep_alive_timeout(PING);
            builder.timer(TokioTimer::new()).max_header_list_size(MAX_BUFFER as u32).adaptive_window(true);
            let (sender, connection) = builder.handshake(io).await.map_err(|e| failed(&e))?;
            let driver = Driver::new(connection);
            (Sender::H2(sender, driver.clone()), tokio::spawn(driver.run()))
        }
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            builder.max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
            let (sender, connection) = builder.handshake(io).await.map_err(|e| failed(&e))?;
            // Errors reach whoever waits for the response; here they only end the task.
            (Sender::H1(sender), tokio::spawn(async move { drop(connection.with_upgrades().await) }))
        }
    };
    Ok(Connection::new(member.clone(), sender, received, task.abort_handle()))
}

/// TLS, where the member has it.
async fn secure(member: &Member, tcp: TcpStream) -> Result<Wire, FetchError> {
    let Some((connector, name)) = &member.origin.tls else { return Ok(Wire::tcp(tcp)) };
    match connector.connect(name.clone(), tcp).await {
        Ok(stream) => Ok(Wire::tls(stream)),
        Err(e) => {
            let (fault, reason) = (TlsFault::of(&e), e.to_string());
            Err(FetchError::Tls { member: member.label.clone(), fault, reason })
        }
    }
}

/// Happy eyeballs for two addresses: IPv6 first, IPv4 as soon as that fails or takes too long.
async fn race(address: Address) -> std::io::Result<TcpStream> {
    let Some(alternate) = address.alternate else {
        return TcpStream::connect(address.primary).await;
    };
    race_between(alternate, address.primary, HEAD_START).await
}

async fn race_between(
    first: SocketAddr,
    second: SocketAddr,
    head_start: Duration,
) -> std::io::Result<TcpStream> {
    let mut ahead = std::pin::pin!(TcpStream::connect(first));
    match tokio::time::timeout(head_start, &mut ahead).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(_)) => return TcpStream::connect(second).await,
        Err(_) => {}
    }
    let mut behind = std::pin::pin!(TcpStream::connect(second));
    tokio::select! {
        winner = &mut ahead => match winner {
            Ok(stream) => Ok(stream),
            Err(_) => behind.await,
        },
        winner = &mut behind => match winner {
            Ok(stream) => Ok(stream),
            Err(_) => ahead.await,
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_second_address_is_taken_when_the_first_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let open = listener.local_addr().unwrap();
        for (first, second) in [(closed, open), (open, closed)] {
            let stream = race_between(first, second, HEAD_START).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), open);
        }
        assert!(race_between(closed, closed, Duration::ZERO).await.is_err());
    }
    /// A listener whose queue is full, so that who connects hears nothing, and what fills it.
    async fn deaf() -> (SocketAddr, Vec<tokio::task::JoinHandle<std::io::Result<TcpStream>>>) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        for _ in 0..4 {
            filling.push(tokio::spawn(TcpStream::connect(address)));
        }
        let full =
            async { while tokio::time::timeout(HEAD_START, TcpStream::connect(address)).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(5), full).await.unwrap();
        std::mem::forget(listener);
        (address, filling)
    }

    #[tokio::test]
    async fn the_second_address_is_taken_when_the_first_says_nothing() {
        let (silent, _filling) = deaf().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let start = std::time::Instant::now();
        let stream = race_between(silent, open, HEAD_START).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let took = start.elapsed();
        assert!(took >= HEAD_START && took < HEAD_START * 3, "{took:?}");
    }
}
