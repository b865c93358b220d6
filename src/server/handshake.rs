//! How a connection begins on a listener with TLS: by a handshake, or with plain HTTP, which gets an answer.

use std::fmt::Display;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

use super::handler::{PeerAddr, TlsInfo};
use super::metrics::ServerMetrics;
use super::stream::{Accepted, Stream};
use crate::http::protocol::Protocol;

/// How it began.
#[derive(Debug)]
pub enum Begun {
    /// With TLS.
    Tls {
        /// The transport.
        stream: Stream,
        /// What was agreed on.
        info: TlsInfo,
        /// What ALPN chose.
        protocol: Protocol,
    },
    /// The client speaks plain HTTP and waits for an answer.
    Plain(Stream),
    /// It is over already.
    Failed,
}

/// Why a handshake failed, as the `reason` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It took longer than `header_timeout`.
    Timeout,
    /// The client left, as port scanners and checks of the port do.
    Closed,
    /// The client refused: most often it does not trust the certificate.
    Alert,
    /// Nothing in common: version, suite, key exchange, or a certificate that the client can verify.
    Incompatible,
    /// The client's certificate is missing or not to be trusted.
    ClientCertificate,
    /// What came is no TLS, or wrong.
    Malformed,
    /// Anything else.
    Other,
}

impl Failure {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Alert => "alert",
            Self::Incompatible => "incompatible",
            Self::ClientCertificate => "client_certificate",
            Self::Malformed => "malformed",
            Self::Other => "other",
        }
    }

    fn of(error: &std::io::Error) -> Self {
        use rustls::Error;
        let Some(source) = error.get_ref().and_then(|source| source.downcast_ref::<Error>()) else {
            return match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Self::Closed,
                _ => Self::Other,
            };
        };
        match source {
            Error::AlertReceived(_) => Self::Alert,
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::NoCertificatesPresented | Error::InvalidCertificate(_) => Self::ClientCertificate,
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerMisbehaved(_)
            | Error::DecryptError
            | Error::PeerSentOversizedRecord => Self::Malformed,
            _ => Self::Other,
        }
    }
}

/// Counts and logs a handshake that failed. Under a target of its own: the internet's noise is in it.
pub fn failed(addr: PeerAddr, failure: Failure, error: &dyn Display, metrics: &ServerMetrics) {
    let client = addr.ip().map_or_else(|| "unix".to_owned(), |ip| ip.to_string());
    tracing::debug!(target: "seawall::tls", client, reason = failure.as_str(), %error, "TLS handshake failed");
    metrics.handshake("none", if failure == Failure::Timeout { "timeout" } else { "failed" });
    metrics.handshake_failed(failure.as_str());
}

/// Begins, whatever time that takes.
pub async fn begin(
    config: &Arc<ServerConfig>,
    accepted: Accepted,
    addr: PeerAddr,
    metrics: &ServerMetrics,
) -> Begun {
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
                _ => shake(config, stream, addr, metrics, |stream| Stream::Tls(Box::new(stream))).await,
            }
        }
        // Nothing in std peeks into one, and whoever connects here was configured to.
        Accepted::Unix(stream) => {
            shake(config, stream, addr, metrics, |stream| Stream::UnixTls(Box::new(stream))).await
        }
    }
}

async fn shake<IO: AsyncRead + AsyncWrite + Unpin>(
    config: &Arc<ServerConfig>,
    stream: IO,
    addr: PeerAddr,
    metrics: &ServerMetrics,
    transport: impl FnOnce(TlsStream<IO>) -> Stream,
) -> Begun {
    // On TCP the first byte is there: the time a client took to begin does not count.
    let started = Instant::now();
    let stream = match TlsAcceptor::from(config.clone()).accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            failed(addr, Failure::of(&error), &error, metrics);
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
    let protocol = Protocol::of_alpn(session.alpn_protocol());
    Begun::Tls { stream: transport(stream), info, protocol }
}
