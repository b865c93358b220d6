//! Certificate files: there, readable, and a key that belongs to its certificate.

use std::path::{Path, PathBuf};

use rustls::sign::CertifiedKey;

use crate::config::CertificateFiles;
use crate::config::key::{Key, Keys};
use crate::config::node::quoted;
use crate::config::pem::{self, PemError};
use crate::config::section::Section;

/// A certificate and its key, named by two keys of a table. `None` when either is not written or not right.
pub(super) fn pair<T: Keys>(
    section: Section<'_, T>,
    cert_key: &Key<T, Option<PathBuf>>,
    key_key: &Key<T, Option<PathBuf>>,
) -> Option<CertificateFiles> {
    let (cert, key) = (section.get(cert_key), section.get(key_key));
    let chain = cert.as_deref().and_then(|path| said(section, cert_key, pem::certificates(path)));
    let private = key.as_deref().and_then(|path| said(section, key_key, pem::private_key(path)));
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
pub(super) fn roots<T: Keys>(section: Section<'_, T>, key: &Key<T, Option<PathBuf>>) -> Option<PathBuf> {
    let path = section.get(key)?;
    said(section, key, pem::certificates(&path))?;
    Some(path)
}

fn said<T: Keys, V>(
    section: Section<'_, T>,
    key: &Key<T, Option<PathBuf>>,
    result: Result<V, PemError>,
) -> Option<V> {
    result.map_err(|error| section.error(key, error.to_string())).ok()
}

fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
