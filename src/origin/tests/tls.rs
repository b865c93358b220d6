//! https members.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A CA of our own, and what it signed for `localhost`.
struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        Self { ca, folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::join(self.folder.path(), name)
    }

    fn sign(&self, host: &str) -> (rcgen::Certificate, KeyPair) {
        self.sign_until(host, 2999)
    }

    fn sign_until(&self, host: &str, year: i32) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }

    /// An https origin; with `ask` it wants a client certificate of the same CA.
    async fn serve(&self, host: &str, ask: bool) -> SocketAddr {
        self.serve_with(self.sign(host), ask).await
    }

    async fn serve_with(&self, (certificate, key): (rcgen::Certificate, KeyPair), ask: bool) -> SocketAddr {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if ask {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.ca.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                if let Ok(tls) = acceptor.accept(socket).await {
                    tokio::spawn(
                        async move { serve(tls, 0, &|_, _, _| ok("secret"), &Mutex::default()).await },
                    );
                }
            }
        });
        address
    }

    fn pool(&self, address: SocketAddr) -> Pool {
        let mut pool = pool(&[]);
        pool.members = vec![config::Member { tls: true, ..member("localhost", address.port()) }];
        pool.tls.ca = Some(self.path("ca.pem"));
        pool
    }
}

#[tokio::test]
async fn an_own_ca_is_believed_and_others_are_not() {
    let (ours, theirs) = (Pki::new(), Pki::new());
    let address = ours.serve("localhost", false).await;
    assert_eq!(World::new(ours.pool(address)).get("/").await.unwrap().1, "secret");

    let error = World::new(theirs.pool(address)).get("/").await.unwrap_err();
    assert_eq!((error.refusal().as_str(), error.as_str()), ("origin_tls", "tls_unknown_issuer"));

    let mut blind = theirs.pool(address);
    blind.tls.verify = false;
    assert_eq!(World::new(blind).get("/").await.unwrap().1, "secret");
}

#[tokio::test]
async fn the_name_verified_can_be_another() {
    let pki = Pki::new();
    let address = pki.serve("origin.internal", false).await;
    let mut pool = pki.pool(address);
    assert_eq!(World::new(pool.clone()).get("/").await.unwrap_err().as_str(), "tls_wrong_name");
    pool.tls.server_name = Some("origin.internal".into());
    assert_eq!(World::new(pool).get("/").await.unwrap().1, "secret");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_name() {
    let pki = Pki::new();
    let address = pki.serve_with(pki.sign_until("localhost", 2001), false).await;
    let world = World::new(pki.pool(address));
    let error = world.get("/").await.unwrap_err();
    assert_eq!(error.as_str(), "tls_expired");
    assert!(error.to_string().contains("expired"), "{error}");
    let families = world.registry.gather();
    let errors = families.iter().find(|family| family.name() == "seawall_origin_errors_total").unwrap();
    let reason = errors.get_metric()[0].get_label().iter().find(|label| label.name() == "reason").unwrap();
    assert_eq!(reason.value(), "tls_expired");
}

#[tokio::test]
async fn an_origin_without_tls_is_a_fault_of_tls() {
    let plain = Server::start(|_, _, _| ok("")).await;
    let error = World::new(Pki::new().pool(plain.address)).get("/").await.unwrap_err();
    assert!(["tls", "connect_timeout"].contains(&error.as_str()), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let pki = Pki::new();
    let address = pki.serve("localhost", true).await;
    let mut pool = pki.pool(address);
    assert!(World::new(pool.clone()).get("/").await.is_err());
    let (certificate, key) = pki.sign("edge.internal");
    std::fs::write(pki.path("edge.pem"), certificate.pem()).unwrap();
    std::fs::write(pki.path("edge.key"), key.serialize_pem()).unwrap();
    pool.tls.client =
        Some(config::CertificateFiles { cert: pki.path("edge.pem"), key: pki.path("edge.key") });
    assert_eq!(World::new(pool).get("/").await.unwrap().1, "secret");
}

#[tokio::test]
async fn files_that_can_not_be_used_are_named() {
    let pki = Pki::new();
    let mut pool = pki.pool("127.0.0.1:1".parse().unwrap());
    std::fs::write(pki.path("ca.pem"), "not a certificate").unwrap();
    let error = World::try_new(pool.clone()).err().unwrap().to_string();
    assert!(error.contains("photos") && error.contains("ca.pem"), "{error}");
    pool.tls.ca = Some(pki.path("missing.pem"));
    let error = World::try_new(pool).err().unwrap().to_string();
    assert!(error.contains("missing.pem"), "{error}");
}
