//! A pool's TLS settings as rustls wants them: roots, client certificate, who is believed.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::error::OriginSetupError;
use crate::config;

/// Builds a pool's connector.
///
/// # Errors
/// If a PEM file can not be used, or there is nothing to verify members with.
pub(super) fn connector(pool: &config::Pool) -> Result<TlsConnector, OriginSetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let broken =
        |e: &dyn std::fmt::Display| OriginSetupError::Tls { pool: pool.name.clone(), reason: e.to_string() };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| broken(&e))?;
    let builder = if pool.tls.verify {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(pool)?), provider)
            .build()
            .map_err(|e| broken(&e))?;
        builder.with_webpki_verifier(verifier)
    } else {
        tracing::warn!(
            pool = pool.name,
            "pool.tls.verify = false: any certificate is taken for the origin's"
        );
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnybody(provider)))
    };
    let mut config = match &pool.tls.client {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = certificates(pool, &files.cert)?;
            let key = config::pem::private_key(&files.key).map_err(|e| pem(pool, &files.key, &e))?;
            builder.with_client_auth_cert(chain, key).map_err(|e| broken(&e))?
        }
    };
    config.alpn_protocols = match pool.protocol {
        config::OriginProtocol::Http1 => vec![b"http/1.1".to_vec()],
        config::OriginProtocol::H2 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// For a service of the cloud's own, whatever a pool says: the system's roots and no client certificate.
///
/// # Errors
/// In words: there are no roots, or rustls does not take them.
pub(super) fn system_connector() -> Result<TlsConnector, String> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(store).with_no_client_auth())))
}

/// The name asked for by SNI and looked for in the certificate.
///
/// # Errors
/// If it is no DNS name or address.
pub(super) fn server_name(pool: &config::Pool, host: &str) -> Result<ServerName<'static>, OriginSetupError> {
    let name = pool.tls.server_name.as_deref().unwrap_or(host);
    ServerName::try_from(name.trim_end_matches('.').to_owned())
        .map_err(|_| OriginSetupError::ServerName { pool: pool.name.clone(), name: name.to_owned() })
}

fn roots(pool: &config::Pool) -> Result<RootCertStore, OriginSetupError> {
    let mut store = RootCertStore::empty();
    if let Some(path) = &pool.tls.ca {
        for certificate in certificates(pool, path)? {
            store.add(certificate).map_err(|e| pem(pool, path, &e))?;
        }
        return Ok(store);
    }
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let reason = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(OriginSetupError::NoRoots { pool: pool.name.clone(), reason });
    }
    Ok(store)
}

fn certificates(pool: &config::Pool, path: &Path) -> Result<Vec<CertificateDer<'static>>, OriginSetupError> {
    config::pem::certificates(path).map_err(|e| pem(pool, path, &e))
}

fn pem(pool: &config::Pool, path: &Path, reason: &dyn std::fmt::Display) -> OriginSetupError {
    OriginSetupError::Pem { pool: pool.name.clone(), path: path.to_owned(), reason: reason.to_string() }
}

/// `verify = false`: the handshake's signatures are still checked, whose key it is is not.
#[derive(Debug)]
struct TrustAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
