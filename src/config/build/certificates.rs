//! Certificate files: there, readable, and a key that belongs to its certificate.

use std::path::Path;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::CertificateFiles;
use crate::config::node::quoted;
use crate::config::section::Section;

/// A certificate and its key, named by two keys of a table. `None` when either is not written or not right.
pub(super) fn pair(section: Section<'_>, cert_key: &str, key_key: &str) -> Option<CertificateFiles> {
    let (cert, key) = (section.path(cert_key), section.path(key_key));
    let chain = cert.as_deref().and_then(|path| said(section, cert_key, chain(path)));
    let private = key.as_deref().and_then(|path| said(section, key_key, private_key(path)));
    let files = CertificateFiles { cert: cert?, key: key? };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    match CertifiedKey::from_der(chain?, private?, &provider) {
        Ok(_) => Some(files),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!("{} is not the key of {}", shown(&files.key), shown(&files.cert));
            section.error(key_key, message);
            None
        }
        Err(error) => {
            section.error(key_key, format!("{} cannot be used: {error}", shown(&files.key)));
            None
        }
    }
}

/// A file of certificates to trust.
pub(super) fn roots(section: Section<'_>, key: &str) -> Option<std::path::PathBuf> {
    let path = section.path(key)?;
    said(section, key, chain(&path))?;
    Some(path)
}

fn said<T>(section: Section<'_>, key: &str, result: Result<T, String>) -> Option<T> {
    result.map_err(|message| section.error(key, message)).ok()
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", shown(path)))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| format!("{} is not PEM: {error}", shown(path)))?;
    if chain.is_empty() {
        return Err(format!("{} holds no certificate", shown(path)));
    }
    match chain.iter().all(|der| x509_parser::parse_x509_certificate(der).is_ok()) {
        true => Ok(chain),
        false => Err(format!("{} holds a broken certificate", shown(path))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", shown(path)))?;
    // The error of the parser is left out: it may quote the file.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| format!("{} holds no private key", shown(path)))
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
