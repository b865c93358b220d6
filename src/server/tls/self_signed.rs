//! A throw-away certificate for trying things out: made at start, in memory, trusted by nobody.

use std::path::Path;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;
use super::certificates::Pair;
use crate::config::{HostPattern, Site};

/// For the hosts of all sites and this machine's own names.
pub(super) fn make(sites: &[Site], provider: &CryptoProvider) -> Result<Pair, TlsError> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    for host in sites.iter().flat_map(|site| &site.hosts) {
        names.extend(match host {
            HostPattern::Exact(name) => Some(name.clone()),
            HostPattern::Suffix(parent) => Some(format!("*{parent}")),
            HostPattern::Any => None,
        });
    }
    names.sort();
    names.dedup();
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.clone())?;
    params.distinguished_name.push(DnType::CommonName, "seawall self-signed");
    let certificate = params.self_signed(&key)?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let pair = Pair::new(
        CertifiedKey::from_der(vec![certificate.der().clone()], der, provider)?,
        Path::new("self_signed"),
    )?;
    tracing::warn!(names = names.join(" "), "serving a self-signed certificate that clients do not trust");
    Ok(pair)
}
