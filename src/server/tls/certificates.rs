//! The certificates of a listener: which one a client gets, and how a renewed one takes its place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureScheme, SupportedCipherSuite};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use crate::config::{CertificateFiles, pem};

/// A certificate with its key, and what it says about itself.
#[derive(Debug, Clone)]
pub struct Pair {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// The DNS names of its subjectAltName, lower case.
    pub names: Vec<String>,
    /// When it begins, in seconds since the Unix epoch.
    pub not_before: i64,
    /// When it ends, in seconds since the Unix epoch.
    pub not_after: i64,
}

/// Whether a certificate may be used at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It may.
    Valid,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYet,
}

impl Pair {
    /// Reads a pair of files.
    ///
    /// # Errors
    /// When one cannot be read, or they do not belong together.
    pub fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let chain = pem::certificates(&files.cert)?;
        let key = pem::private_key(&files.key)?;
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
        let (begin, end) = (leaf.validity().not_before, leaf.validity().not_after);
        Ok(Self { key: Arc::new(key), names, not_before: begin.timestamp(), not_after: end.timestamp() })
    }

    /// Whether it may be used at `now`, in seconds since the Unix epoch. Both ends belong to it (RFC 5280 §4.1.2.5).
    pub fn validity(&self, now: i64) -> Validity {
        if now > self.not_after {
            Validity::Expired
        } else if now < self.not_before {
            Validity::NotYet
        } else {
            Validity::Valid
        }
    }

    /// Whether it can sign by one of these schemes.
    fn can_sign(&self, schemes: &[SignatureScheme]) -> bool {
        self.key.key.choose_scheme(schemes).is_some()
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
    /// Several for one name differ in the kind of their keys. In the configuration's order: the first is preferred.
    exact: HashMap<String, Vec<usize>>,
    /// By what follows `*.`: one label may stand in its place (RFC 6125 §6.4.3).
    wildcard: HashMap<String, Vec<usize>>,
    /// For a client that names none of them: the first, those that share a name with it, the rest.
    default: Vec<usize>,
}

impl Table {
    fn new(pairs: Vec<Pair>) -> Self {
        let (mut exact, mut wildcard) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        for (index, pair) in pairs.iter().enumerate() {
            for name in &pair.names {
                match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.to_string()).or_default().push(index),
                    None => exact.entry(name.clone()).or_default().push(index),
                }
            }
        }
        let first = pairs.first().map_or(&[][..], |pair| &pair.names);
        let is_kin =
            |index: &usize| *index == 0 || pairs[*index].names.iter().any(|name| first.contains(name));
        let (mut default, rest): (Vec<_>, Vec<_>) = (0..pairs.len()).partition(is_kin);
        default.extend(rest);
        Self { pairs, exact, wildcard, default }
    }

    /// The certificate for a client that asks for `sni`: the first for the name, then for its wildcard, that the client
    /// can verify and that is valid; else one that it can verify; else whatever is for the name.
    fn pick(&self, sni: Option<&str>, client: &Verifies<'_>, now: i64) -> Option<&Pair> {
        let name = sni.map(|name| match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        });
        let exact = name.as_deref().and_then(|name| self.exact.get(name));
        let parent = name.as_deref().and_then(|name| self.wildcard.get(name.split_once('.')?.1));
        let default = if exact.is_none() && parent.is_none() { &self.default[..] } else { &[] };
        let found = || exact.into_iter().chain(parent).flatten().chain(default);
        let pairs = || found().filter_map(|index| self.pairs.get(*index));
        let usable = || pairs().filter(|pair| client.can_verify(pair));
        let valid = usable().find(|pair| pair.validity(now) == Validity::Valid);
        let any = || pairs().find(|pair| pair.can_sign(client.schemes));
        valid.or_else(|| usable().next()).or_else(any).or_else(|| pairs().next())
    }
}

/// What a client verifies (RFC 8446 §4.4.2.2).
struct Verifies<'a> {
    /// Its signature schemes.
    schemes: &'a [SignatureScheme],
    /// The schemes of each TLS 1.2 suite that it offers and we have (RFC 5246 §7.4.2). rustls looks at them only if it
    /// offers none of TLS 1.3, which some clients do that speak no TLS 1.3.
    suites: Vec<&'static [SignatureScheme]>,
}

impl<'a> Verifies<'a> {
    fn of(hello: &'a ClientHello<'_>, provider: &CryptoProvider) -> Self {
        let offered = hello.cipher_suites();
        let of_old = |suite: &SupportedCipherSuite| match suite {
            SupportedCipherSuite::Tls12(old) if offered.contains(&suite.suite()) => Some(old.sign),
            _ => None,
        };
        let suites = provider.cipher_suites.iter().filter_map(of_old).collect();
        Self { schemes: hello.signature_schemes(), suites }
    }

    fn can_verify(&self, pair: &Pair) -> bool {
        let suits = self.suites.is_empty() || self.suites.iter().any(|schemes| pair.can_sign(schemes));
        suits && pair.can_sign(self.schemes)
    }
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// New handshakes get it.
    Taken,
    /// It may not be used now and the one in use may, so that one stays.
    Refused(Validity),
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

    /// Whether the certificate with that index may be used at `now`, in seconds since the Unix epoch.
    pub fn validity(&self, index: usize, now: i64) -> Option<Validity> {
        self.table.load().pairs.get(index).map(|pair| pair.validity(now))
    }

    /// Reads the files of one certificate anew. New handshakes get it, unless it may not be used at `now` and the old
    /// one may; if it is broken they get the old one.
    ///
    /// # Errors
    /// When it is broken.
    pub fn reload(&self, index: usize, now: i64) -> Result<Renewal, TlsError> {
        let Some(files) = self.files.get(index) else { return Ok(Renewal::Taken) };
        let pair = Pair::read(files, &self.provider)?;
        let validity = pair.validity(now);
        if validity != Validity::Valid && self.validity(index, now) == Some(Validity::Valid) {
            return Ok(Renewal::Refused(validity));
        }
        let mut pairs = self.table.load().pairs.clone();
        if let Some(place) = pairs.get_mut(index) {
            *place = pair;
        }
        self.table.store(Arc::new(Table::new(pairs)));
        Ok(Renewal::Taken)
    }
}

/// Seconds since the Unix epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let client = Verifies::of(&hello, &self.provider);
        table.pick(hello.server_name(), &client, now()).map(|pair| pair.key.clone())
    }
}
