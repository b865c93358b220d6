//! What an operator wants to know of a certificate file: for whom, by whom, until when.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use time::OffsetDateTime;
use time::macros::format_description;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::config::{ListenerTls, pem};
use crate::server::tls::key_kind::KeyKind;

/// Fewer days than this are worth a warning.
const SOON: i64 = 14;

/// One line about the first certificate of a file, and a warning if its time is near or over.
///
/// # Errors
/// Why there is nothing to say.
pub(super) fn describe(path: &Path, now: SystemTime) -> anyhow::Result<(String, Option<String>)> {
    let chain = pem::certificates(path)?;
    let (_, certificate) = x509_parser::parse_x509_certificate(chain.first().context("no certificate")?)?;
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let now = seconds(now);
    let days = until.saturating_sub(now).div_euclid(86_400);
    let date =
        OffsetDateTime::from_unix_timestamp(until)?.format(format_description!("[year]-[month]-[day]"))?;
    let shown = path.display();
    let (left, warning) = if until < now {
        ("expired".to_owned(), Some(format!("certificate {shown} expired on {date}")))
    } else if now < from {
        (format!("{days} days left"), Some(format!("certificate {shown} is not valid yet")))
    } else if days < SOON {
        (format!("{days} days left"), Some(format!("certificate {shown} expires on {date}, in {days} days")))
    } else {
        (format!("{days} days left"), None)
    };
    let (names, issuer) = (names(&certificate).join(", "), certificate.issuer());
    Ok((format!("{shown}: for {names}; issued by {issuer}; expires {date}, {left}"), warning))
}

/// The names that several certificates of a listener have, with those certificates in order of preference.
pub(super) fn shared(tls: &ListenerTls) -> BTreeMap<String, Vec<(KeyKind, PathBuf)>> {
    let mut by_name = BTreeMap::<String, Vec<(KeyKind, PathBuf)>>::new();
    for files in &tls.certificates {
        // What cannot be read is said elsewhere.
        let Ok(chain) = pem::certificates(&files.cert) else { continue };
        let Some(Ok((_, leaf))) = chain.first().map(|der| x509_parser::parse_x509_certificate(der)) else {
            continue;
        };
        // Clients ask for DNS names only (RFC 6066 §3).
        let alternatives = leaf.subject_alternative_name().ok().flatten();
        for name in alternatives.into_iter().flat_map(|names| &names.value.general_names) {
            if let GeneralName::DNSName(name) = name {
                let kind = KeyKind::of(&leaf);
                by_name.entry(name.to_ascii_lowercase()).or_default().push((kind, files.cert.clone()));
            }
        }
    }
    by_name.retain(|_, files| files.len() > 1);
    by_name
}

fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// The subject's alternative names, or without any the subject.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names: Vec<String> =
        alternatives.into_iter().flat_map(|names| &names.value.general_names).filter_map(name).collect();
    if names.is_empty() { vec![certificate.subject().to_string()] } else { names }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| IpAddr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|octets| IpAddr::from(octets).to_string()),
        },
        _ => None,
    }
}
