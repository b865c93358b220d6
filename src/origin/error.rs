//! What can go wrong on the way to an origin.

use std::path::PathBuf;
use std::sync::Arc;

use super::trip::Trip;
use crate::http::refusal::Refusal;

/// Any error of a request's body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why [`Client::fetch`](super::Client::fetch) has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The request can not be written as HTTP; the edge should have refused it.
    #[error("the request can not be sent: {0}")]
    BadRequest(&'static str),
    /// An S3 pool takes GET, HEAD and OPTIONS only.
    #[error("the pool does not take this method")]
    Method,
    /// No name of the pool has an address.
    #[error("pool {0:?} has no address: its names do not resolve")]
    Unresolved(Arc<str>),
    /// All members are out and no trial is due.
    #[error("pool {0:?}: every member is ejected")]
    Unavailable(Arc<str>),
    /// No TCP connection.
    #[error("{member}: {reason}")]
    Connect {
        /// Whom we called.
        member: Arc<str>,
        /// The system's words.
        reason: String,
    },
    /// No connection within `pool.timeouts.connect`.
    #[error("{0}: no connection in time")]
    ConnectTimeout(Arc<str>),
    /// The TLS handshake failed.
    #[error("{member}: TLS: {reason}")]
    Tls {
        /// Whom we called.
        member: Arc<str>,
        /// What is wrong, as far as metrics tell it.
        fault: TlsFault,
        /// rustls' words.
        reason: String,
    },
    /// No response head within `pool.timeouts.first_byte`.
    #[error("{0}: no response head in time")]
    FirstByteTimeout(Arc<str>),
    /// The connection broke before a response head, or what came is not HTTP.
    #[error("{member}: broke off before a response: {reason}")]
    Broken {
        /// Whom we called.
        member: Arc<str>,
        /// hyper's words.
        reason: String,
    },
    /// A head came, and its body broke off before anybody was told.
    #[error("{member}: broke off in a response: {reason}")]
    BrokenBody {
        /// Whom we called.
        member: Arc<str>,
        /// How.
        reason: String,
    },
    /// The request's body failed while it was being sent; the client's fault, not the origin's.
    #[error("the request body broke off: {0}")]
    RequestBody(String),
    /// A response head that can be read in two ways (RFC 9112 §6.3).
    #[error("{member}: {reason}")]
    Ambiguous {
        /// Whom we called.
        member: Arc<str>,
        /// What is doubtful.
        reason: &'static str,
    },
    /// `pool.max_requests` are under way and the queue is full, or a place in it was held for `queue_timeout`.
    #[error("pool {0:?} is at its limit of concurrent requests")]
    Overloaded(Arc<str>),
    /// Nothing to sign with.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// S3 refused the edge itself, with this error code.
    #[error("S3 refused the request: {code}")]
    Refused {
        /// S3's error code.
        code: String,
    },
}

impl FetchError {
    /// The word in metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            FetchError::BadRequest(_) => "bad_request",
            FetchError::Method => "method",
            FetchError::Unresolved(_) => "unresolved",
            FetchError::Unavailable(_) => "unavailable",
            FetchError::Connect { .. } => "connect",
            FetchError::ConnectTimeout(_) => "connect_timeout",
            FetchError::Tls { fault, .. } => fault.as_str(),
            FetchError::FirstByteTimeout(_) => "first_byte_timeout",
            FetchError::Broken { .. } | FetchError::BrokenBody { .. } => "broken",
            FetchError::RequestBody(_) => "request_body",
            FetchError::Ambiguous { .. } => "ambiguous",
            FetchError::Overloaded(_) => "overloaded",
            FetchError::Credentials(_) => "credentials",
            FetchError::Refused { .. } => "refused",
        }
    }

    /// What the client is told.
    pub const fn refusal(&self) -> Refusal {
        match self {
            FetchError::BadRequest(_) => Refusal::BadTarget,
            FetchError::Method => Refusal::MethodNotAllowed,
            FetchError::Unresolved(_) => Refusal::OriginUnresolved,
            FetchError::Unavailable(_) => Refusal::OriginUnavailable,
            FetchError::Connect { .. } => Refusal::OriginUnreachable,
            FetchError::ConnectTimeout(_) | FetchError::FirstByteTimeout(_) => Refusal::OriginTimeout,
            FetchError::Tls { .. } => Refusal::OriginTls,
            FetchError::Broken { .. } | FetchError::BrokenBody { .. } => Refusal::OriginBroken,
            FetchError::RequestBody(_) => Refusal::BadBody,
            FetchError::Ambiguous { .. } => Refusal::OriginAmbiguous,
            FetchError::Overloaded(_) => Refusal::Overloaded,
            FetchError::Credentials(_) => Refusal::OriginCredentials,
            FetchError::Refused { .. } => Refusal::OriginRefused,
        }
    }

    /// Whether the origin may have seen, and acted on, any part of the request.
    pub const fn may_have_reached_origin(&self) -> bool {
        match self {
            FetchError::BadRequest(_)
            | FetchError::Method
            | FetchError::Unresolved(_)
            | FetchError::Unavailable(_)
            | FetchError::Connect { .. }
            | FetchError::ConnectTimeout(_)
            | FetchError::Tls { .. }
            | FetchError::Overloaded(_)
            | FetchError::Credentials(_) => false,
            FetchError::FirstByteTimeout(_)
            | FetchError::Broken { .. }
            | FetchError::BrokenBody { .. }
            | FetchError::RequestBody(_)
            | FetchError::Ambiguous { .. }
            | FetchError::Refused { .. } => true,
        }
    }

    /// Whether there was not even a connection.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, FetchError::Connect { .. } | FetchError::ConnectTimeout(_) | FetchError::Tls { .. })
    }

    /// Whether no origin could be made to answer at all: what RFC 9111 §4.2.4 calls disconnected. An answer that
    /// is of no use is something else, and so is a fault of ours.
    pub const fn is_disconnected(&self) -> bool {
        match self {
            FetchError::Unresolved(_)
            | FetchError::Unavailable(_)
            | FetchError::Connect { .. }
            | FetchError::ConnectTimeout(_)
            | FetchError::Tls { .. }
            | FetchError::FirstByteTimeout(_)
            | FetchError::Broken { .. }
            | FetchError::BrokenBody { .. }
            | FetchError::Overloaded(_) => true,
            FetchError::BadRequest(_)
            | FetchError::Method
            | FetchError::RequestBody(_)
            | FetchError::Ambiguous { .. }
            | FetchError::Credentials(_)
            | FetchError::Refused { .. } => false,
        }
    }

    /// Whether another member might do better.
    pub(super) const fn is_retryable(&self) -> bool {
        matches!(
            self,
            FetchError::Connect { .. }
                | FetchError::ConnectTimeout(_)
                | FetchError::Tls { .. }
                | FetchError::FirstByteTimeout(_)
                | FetchError::Broken { .. }
                | FetchError::BrokenBody { .. }
                | FetchError::Ambiguous { .. }
        )
    }

    /// Whether the same member might do better: it has not heard the request, or has begun a good answer.
    pub(super) const fn may_pass(&self) -> bool {
        !self.may_have_reached_origin() || matches!(self, FetchError::BrokenBody { .. })
    }

    /// What it says of the member that was asked.
    pub(super) const fn blame(&self) -> Blame {
        match self {
            FetchError::Connect { .. } | FetchError::ConnectTimeout(_) | FetchError::Tls { .. } => {
                Blame::Absent
            }
            FetchError::FirstByteTimeout(_) => Blame::KeptWaiting,
            FetchError::Broken { .. } => Blame::HungUp,
            FetchError::Ambiguous { .. } => Blame::BadAnswer,
            _ => Blame::Nobody,
        }
    }
}

/// What was wrong with a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate's time is over, or has not come.
    Expired,
    /// It is for another name than `pool.tls.server_name` or the member's.
    WrongName,
    /// Nobody we trust has signed it.
    UnknownIssuer,
    /// The rest: other faults of certificates, alerts, no TLS at all.
    Other,
}

impl TlsFault {
    /// The word in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            TlsFault::Expired => "tls_expired",
            TlsFault::WrongName => "tls_wrong_name",
            TlsFault::UnknownIssuer => "tls_unknown_issuer",
            TlsFault::Other => "tls",
        }
    }

    /// What a handshake's error says.
    pub(super) fn of(error: &std::io::Error) -> Self {
        use rustls::CertificateError as Bad;
        let Some(rustls::Error::InvalidCertificate(bad)) = error.get_ref().and_then(|e| e.downcast_ref())
        else {
            return TlsFault::Other;
        };
        match bad {
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                TlsFault::Expired
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => TlsFault::WrongName,
            // A CA of the same name with another key.
            Bad::UnknownIssuer | Bad::BadSignature => TlsFault::UnknownIssuer,
            _ => TlsFault::Other,
        }
    }
}

/// What a failed attempt says of a member, as its breaker counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// It was not there.
    Absent,
    /// It took the request, and no answer came in time.
    KeptWaiting,
    /// It took the request and broke off before an answer.
    HungUp,
    /// It was there, and its answer of no use.
    BadAnswer,
    /// It is not its fault.
    Nobody,
}

/// Why [`Client::fetch`](super::Client::fetch) has no response, and what was done to get one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// Of the last attempt.
    pub error: FetchError,
    /// Who was asked last, and how many were.
    pub trip: Trip,
}

impl Failed {
    /// What the client is told.
    pub const fn refusal(&self) -> Refusal {
        self.error.refusal()
    }
}

/// Why a response's body has no clean end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing came for `pool.timeouts.idle`.
    #[error("the origin sent nothing for too long")]
    Idle,
    /// The connection ended before the announced end.
    #[error("the origin's body ends early")]
    Truncated,
    /// Broken in another way: reset, bad chunk, TLS alert.
    #[error("the origin's body broke off: {0}")]
    Broken(String),
}

impl BodyError {
    /// The word in metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            BodyError::Idle => "body_idle",
            BodyError::Truncated => "body_truncated",
            BodyError::Broken(_) => "body_broken",
        }
    }
}

/// Why the pools can not be set up. Names the pool and the file.
#[derive(Debug, thiserror::Error)]
pub enum OriginSetupError {
    /// `Origins::start` was called outside a tokio runtime.
    #[error("the origin pools need a running tokio runtime")]
    NoRuntime,
    /// A PEM file can not be read or holds nothing useful.
    #[error("pool {pool:?}: {}: {reason}", path.display())]
    Pem {
        /// The pool's name.
        pool: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No roots to verify an https member with.
    #[error("pool {pool:?}: no root certificates on this system ({reason}); set pool.tls.ca")]
    NoRoots {
        /// The pool's name.
        pool: String,
        /// What the system said.
        reason: String,
    },
    /// rustls does not take the settings.
    #[error("pool {pool:?}: TLS settings: {reason}")]
    Tls {
        /// The pool's name.
        pool: String,
        /// rustls' words.
        reason: String,
    },
    /// A host that is no name in a certificate.
    #[error("pool {pool:?}: {name:?} is not a server name")]
    ServerName {
        /// The pool's name.
        pool: String,
        /// The name.
        name: String,
    },
    /// Something in `[pool.s3]` can not be used.
    #[error("pool {pool:?}: s3: {reason}")]
    S3 {
        /// The pool's name.
        pool: String,
        /// What is wrong.
        reason: String,
    },
    /// The resolver can not be built.
    #[error("the name resolver does not start: {0}")]
    Resolver(String),
}
