//! The certificates of a listener: which one a client gets, and how a renewed one takes its place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{TlsError, read_chain};
use crate::config::CertificateFiles;

/// A certificate with its key, and what it says about itself.
#[derive(Debug, Clone)]
pub struct Pair {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// The DNS names of its subjectAltName, lower case.
    pub names: Vec<String>,
    /// When it ends, in seconds since the Unix epoch.
    pub not_after: i64,
}

impl Pair {
    /// Reads a pair of files.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together.
    pub fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let chain = read_chain(&files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|source| TlsError::Pem { path: files.key.clone(), source })?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|source| TlsError::Pair {
            cert: files.cert.clone(),
            key: files.key.clone(),
            source,
        })?;
        Self::new(key, &files.cert)
    }

    /// From what is in memory; `origin` is for errors.
    pub(super) fn new(key: CertifiedKey, origin: &Path) -> Result<Self, TlsError> {
        let broken = || TlsError::NotX509(origin.to_path_buf());
        let leaf = key.cert.first().ok_or_else(broken)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| broken())?;
        let names = match leaf.subject_alternative_name().map_err(|_| broken())? {
            None => Vec::new(),
            Some(names) => names
                .value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                    _ => None,
                })
                .collect(),
        };
        let not_after = leaf.validity().not_after.timestamp();
        Ok(Self { key: Arc::new(key), names, not_after })
    }
}

/// All certificates of a listener, the file-backed ones first and in the configuration's order.
#[derive(Debug)]
pub struct Certificates {
    files: Vec<CertificateFiles>,
    provider: Arc<CryptoProvider>,
    table: ArcSwap<Table>,
}

/// The certificates by name, as of now.
#[derive(Debug)]
struct Table {
    pairs: Vec<Pair>,
    exact: HashMap<String, usize>,
    /// By what follows `*.`: one label may stand in its place (RFC 6125 §6.4.3).
    wildcard: HashMap<String, usize>,
}

impl Table {
    fn new(pairs: Vec<Pair>) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for (index, pair) in pairs.iter().enumerate() {
            for name in &pair.names {
                // The first certificate for a name keeps it.
                match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.to_string()).or_insert(index),
                    None => exact.entry(name.clone()).or_insert(index),
                };
            }
        }
        Self { pairs, exact, wildcard }
    }

    fn pick(&self, sni: Option<&str>) -> Option<&Pair> {
        let found = sni.and_then(|name| {
            let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                true => Cow::Owned(name.to_ascii_lowercase()),
                false => Cow::Borrowed(name),
            };
            let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
            self.exact.get(&*name).or_else(parent)
        });
        self.pairs.get(found.copied().unwrap_or(0))
    }
}

impl Certificates {
    /// Reads all `files`; `throw_away` comes last.
    ///
    /// # Errors
    /// At the first pair that is broken, or if there is none at all.
    pub fn load(
        files: &[CertificateFiles],
        throw_away: Option<Pair>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut pairs =
            files.iter().map(|files| Pair::read(files, &provider)).collect::<Result<Vec<_>, _>>()?;
        pairs.extend(throw_away);
        if pairs.is_empty() {
            return Err(TlsError::None);
        }
        Ok(Self { files: files.to_vec(), provider, table: ArcSwap::from_pointee(Table::new(pairs)) })
    }

    /// The files behind them, by index.
    pub fn files(&self) -> &[CertificateFiles] {
        &self.files
    }

    /// When the certificate with that index ends, in seconds since the Unix epoch.
    pub fn not_after(&self, index: usize) -> Option<i64> {
        self.table.load().pairs.get(index).map(|pair| pair.not_after)
    }

    /// Reads the files of one certificate anew. New handshakes get it; if it is broken they get the old one.
    ///
    /// # Errors
    /// When it is broken.
    pub fn reload(&self, index: usize) -> Result<(), TlsError> {
        let Some(files) = self.files.get(index) else { return Ok(()) };
        let pair = Pair::read(files, &self.provider)?;
        let mut pairs = self.table.load().pairs.clone();
        if let Some(place) = pairs.get_mut(index) {
            *place = pair;
        }
        self.table.store(Arc::new(Table::new(pairs)));
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.table.load().pick(hello.server_name()).map(|pair| pair.key.clone())
    }
}
