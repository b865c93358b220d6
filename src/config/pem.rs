//! PEM files of certificates and keys, and what is wrong with one in words that help.
//!
//! Read in one place, so that what `check` takes is what listeners and origins take, at start and at each renewal.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a file is of no use. None quotes it: a key is a secret.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It is not there, or may not be read.
    #[error("\"{}\" cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something begins in it that is not PEM.
    #[error("\"{}\" is not PEM: {source}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate that is no X.509.
    #[error("\"{}\" holds a broken certificate", .0.display())]
    BrokenCertificate(PathBuf),
    /// No certificate in it.
    #[error("\"{}\" holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// No key in it.
    #[error("\"{}\" holds no private key", .0.display())]
    NoKey(PathBuf),
    /// A key behind a passphrase.
    #[error("\"{path}\" holds an encrypted private key; \"openssl pkey -in {path} -out NEW\" decrypts it", path = .0.display())]
    Encrypted(PathBuf),
    /// A key as ssh-keygen writes it.
    #[error("\"{}\" holds an OpenSSH key, not a key of a certificate", .0.display())]
    OpenSsh(PathBuf),
    /// Text of two bytes a character, as some editors save it.
    #[error("\"{}\" is text in UTF-16; save it as plain text (ASCII or UTF-8)", .0.display())]
    Utf16(PathBuf),
    /// The binary form.
    #[error("\"{path}\" is DER, not PEM; \"openssl {tool} -inform der -in {path} -out NEW\" converts it", path = path.display())]
    Der {
        /// The file.
        path: PathBuf,
        /// What converts it.
        tool: &'static str,
    },
}

/// All certificates of a file, one at least, each an X.509 certificate.
///
/// # Errors
/// See [`PemError`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read(path, "x509")?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|source| PemError::Broken { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(PemError::NoCertificate(path.to_owned()));
    }
    if chain.iter().any(|der| x509_parser::parse_x509_certificate(der).is_err()) {
        return Err(PemError::BrokenCertificate(path.to_owned()));
    }
    Ok(chain)
}

/// The first private key of a file.
///
/// # Errors
/// See [`PemError`].
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let text = read(path, "pkey")?;
    let has = |words: &str| memchr::memmem::find(&text, words.as_bytes()).is_some();
    // The error of the parser is left out: it may quote the file.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        // RFC 5958 has a label of its own for it, RFC 1421 a header.
        if has("-----BEGIN ENCRYPTED PRIVATE KEY-----") || has("Proc-Type: 4,ENCRYPTED") {
            PemError::Encrypted(path.to_owned())
        } else if has("-----BEGIN OPENSSH PRIVATE KEY-----") {
            PemError::OpenSsh(path.to_owned())
        } else {
            PemError::NoKey(path.to_owned())
        }
    })
}

/// The file's text, without the byte order mark that some editors put before it: the parser would pass over the first
/// block, and of a chain take the second certificate for the leaf.
fn read(path: &Path, tool: &'static str) -> Result<Vec<u8>, PemError> {
    let mut text = std::fs::read(path).map_err(|source| PemError::Read { path: path.to_owned(), source })?;
    match text.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => drop(text.drain(..3)),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(PemError::Utf16(path.to_owned())),
        // A SEQUENCE with a length of two bytes.
        [0x30, 0x82, ..] => return Err(PemError::Der { path: path.to_owned(), tool }),
        _ => {}
    }
    Ok(text)
}
