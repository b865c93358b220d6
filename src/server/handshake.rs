//! How a connection begins on a listener with TLS: by a handshake, or with plain HTTP, which gets an answer.

use std::sync::Arc;
use std::time::Instant;

use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

use super::connection::Accepted;
use super::handler::TlsInfo;
use super::metrics::ServerMetrics;
use super::stream::Stream;

/// How it began.
#[derive(Debug)]
pub enum Begun {
    /// With TLS.
    Tls {
        /// The transport.
        stream: Stream,
        /// What was agreed on.
        info: TlsInfo,
        /// ALPN chose HTTP/2.
        http2: bool,
    },
    /// The client speaks plain HTTP and waits for an answer.
    Plain(Stream),
    /// It is over already.
    Failed,
}

/// Begins, whatever time that takes.
pub async fn begin(config: &Arc<ServerConfig>, accepted: Accepted, metrics: &ServerMetrics) -> Begun {
    match accepted {
        Accepted::Tcp(stream) => {
            // A TLS record of a handshake begins with 0x16 (RFC 8446 §5.1), a request line with a letter of its method.
            // Looked at before rustls does: it would send an alert, which is noise to a client that speaks HTTP.
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(1) if first[0].is_ascii_uppercase() => {
                    metrics.handshake("none", "plain_http");
                    Begun::Plain(Stream::Tcp(stream))
                }
                _ => shake(config, stream, metrics, |stream| Stream::Tls(Box::new(stream))).await,
            }
        }
        // Nothing in std peeks into one, and whoever connects here was configured to.
        Accepted::Unix(stream) => {
            shake(config, stream, metrics, |stream| Stream::UnixTls(Box::new(stream))).await
        }
    }
}

async fn shake<IO: AsyncRead + AsyncWrite + Unpin>(
    config: &Arc<ServerConfig>,
    stream: IO,
    metrics: &ServerMetrics,
    transport: impl FnOnce(TlsStream<IO>) -> Stream,
) -> Begun {
    // On TCP the first byte is there: the time a client took to begin does not count.
    let started = Instant::now();
    let stream = match TlsAcceptor::from(config.clone()).accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "TLS handshake");
            metrics.handshake("none", "failed");
            return Begun::Failed;
        }
    };
    let session = stream.get_ref().1;
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    let kind = match session.handshake_kind() {
        Some(HandshakeKind::Resumed) => "resumed",
        Some(HandshakeKind::FullWithHelloRetryRequest) => "retried",
        _ => "full",
    };
    metrics.handshake(version, "ok");
    metrics.handshake_took(kind, started.elapsed());
    let info = TlsInfo {
        sni: session.server_name().map(str::to_ascii_lowercase),
        version,
        client_certificate: session.peer_certificates().is_some(),
    };
    let http2 = session.alpn_protocol() == Some(b"h2");
    Begun::Tls { stream: transport(stream), info, http2 }
}
