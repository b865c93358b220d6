//! What kind of key a certificate has: clients differ in which kinds they can verify.

use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_RSAENCRYPTION,
    OID_SIG_ED25519,
};

/// A kind of key, as far as a client's choice goes by it. A curve is part of it: TLS 1.3 has a signature scheme for
/// each (RFC 8446 §4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA of any size.
    Rsa,
    /// ECDSA on the curve of most certificates.
    EcdsaP256,
    /// ECDSA, one size larger.
    EcdsaP384,
    /// ECDSA, the largest.
    EcdsaP521,
    /// Ed25519
    Ed25519,
    /// Something else.
    Other,
}

impl KeyKind {
    /// Of a certificate's key.
    pub fn of(certificate: &X509Certificate<'_>) -> Self {
        let algorithm = &certificate.public_key().algorithm;
        let curve = || algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        match &algorithm.algorithm {
            oid if *oid == OID_PKCS1_RSAENCRYPTION => Self::Rsa,
            oid if *oid == OID_SIG_ED25519 => Self::Ed25519,
            oid if *oid == OID_KEY_TYPE_EC_PUBLIC_KEY => match curve() {
                Some(oid) if oid == OID_EC_P256 => Self::EcdsaP256,
                Some(oid) if oid == OID_NIST_EC_P384 => Self::EcdsaP384,
                Some(oid) if oid == OID_NIST_EC_P521 => Self::EcdsaP521,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }

    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::EcdsaP521 => "ECDSA P-521",
            Self::Ed25519 => "Ed25519",
            Self::Other => "another kind of key",
        }
    }
}
