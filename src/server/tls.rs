//! TLS for a listener: versions, key exchange and resumption by rustls, certificates by [`certificates`].

pub mod certificates;
pub mod key_kind;
mod self_signed;
pub mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::pem::{self, PemError};
use crate::config::{ListenerTls, Site, TlsVersion};
pub use certificates::Certificates;

/// What kept a listener from terminating TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or holds nothing of the kind.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A pair that does not belong together, or a key of an unknown kind.
    #[error("{cert} with {key}: {source}")]
    Pair {
        /// Certificate file.
        cert: PathBuf,
        /// Key file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A certificate that is no X.509.
    #[error("{0}: not an X.509 certificate")]
    NotX509(PathBuf),
    /// `client_ca` is of no use.
    #[error("client_ca {path}: {reason}")]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The throw-away certificate could not be made.
    #[error("self_signed: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// rustls refused the settings.
    #[error("TLS settings: {0}")]
    Rustls(#[from] rustls::Error),
    /// Neither certificates nor `self_signed`.
    #[error("no certificates")]
    None,
}

/// The provider of all cryptography: aws-lc, with X25519MLKEM768 offered first.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Loads a listener's certificates and makes its TLS settings.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn load(tls: &ListenerTls, sites: &[Site]) -> Result<(Arc<ServerConfig>, Arc<Certificates>), TlsError> {
    let provider = provider();
    let throw_away = tls.self_signed.then(|| self_signed::make(sites, &provider)).transpose()?;
    let certificates = Arc::new(Certificates::load(&tls.certificates, throw_away, provider.clone())?);
    let versions: &[_] = match tls.min_version {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions)?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let refused = |reason: String| TlsError::ClientCa { path: path.clone(), reason };
            let mut roots = RootCertStore::empty();
            for certificate in pem::certificates(path)? {
                roots.add(certificate).map_err(|error| refused(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| refused(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(certificates.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(4096);
    // A request in early data can be replayed (RFC 8470).
    config.max_early_data_size = 0;
    Ok((Arc::new(config), certificates))
}
