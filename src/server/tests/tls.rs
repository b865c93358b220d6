//! TLS: protocols, certificates, renewal, redirects.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::{Resumption, Tls12Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, RootCertStore};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca() -> Ca {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn sign(ca: &Ca, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    (CertificateParams::new(names).unwrap().signed_by(&key, ca).unwrap(), key)
}

fn write(ca: &Ca, folder: &Path, name: &str, names: &[&str]) -> CertificateFiles {
    let (certificate, key) = sign(ca, names);
    let files = CertificateFiles {
        cert: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    };
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::write(&files.cert, certificate.pem()).unwrap();
    files
}

fn settings(certificates: Vec<CertificateFiles>) -> ListenerTls {
    ListenerTls { min_version: TlsVersion::V1_2, certificates, client_ca: None, self_signed: false }
}

struct Client {
    config: ClientConfig,
}

impl Client {
    fn new(ca: &Ca, alpn: &[&str]) -> Self {
        Self::with(ca, alpn, rustls::ALL_VERSIONS, None)
    }

    fn with(
        ca: &Ca,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
        own: Option<(rcgen::Certificate, KeyPair)>,
    ) -> Self {
        Self::with_provider(crate::server::tls::provider(), ca, alpn, versions, own)
    }

    fn with_provider(
        provider: Arc<CryptoProvider>,
        ca: &Ca,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
        own: Option<(rcgen::Certificate, KeyPair)>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        // A resumed session shows no new certificate.
        config.resumption = Resumption::disabled();
        Self { config }
    }

    async fn connect(&self, up: &Up, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_string()).unwrap();
        TlsConnector::from(Arc::new(self.config.clone())).connect(name, up.connect().await).await
    }

    /// The certificate that was shown.
    async fn shown(&self, up: &Up, name: &str) -> CertificateDer<'static> {
        let stream = self.connect(up, name).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

/// Writes a certificate with a key of this kind.
fn write_kind(
    ca: &Ca,
    folder: &Path,
    name: &str,
    names: &[&str],
    kind: &'static rcgen::SignatureAlgorithm,
) -> CertificateFiles {
    let key = KeyPair::generate_for(kind).unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let files = CertificateFiles {
        cert: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    };
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, ca).unwrap();
    std::fs::write(&files.cert, certificate.pem()).unwrap();
    files
}

/// A client of one version that verifies only signatures by schemes whose names have one of these words, and has only
/// the TLS 1.2 suites whose names have one of the others.
fn choosy(
    ca: &Ca,
    version: &'static rustls::SupportedProtocolVersion,
    schemes: &[&str],
    suites: &[&str],
) -> Client {
    let mut provider = crate::server::tls::provider().as_ref().clone();
    let has = |text: String, words: &[&str]| words.iter().any(|word| text.contains(word));
    let algorithms = &mut provider.signature_verification_algorithms;
    let mapping: Vec<_> = algorithms
        .mapping
        .iter()
        .filter(|(scheme, _)| has(format!("{scheme:?}"), schemes))
        .copied()
        .collect();
    algorithms.mapping = mapping.leak();
    provider
        .cipher_suites
        .retain(|suite| suite.tls13().is_some() || has(format!("{:?}", suite.suite()), suites));
    Client::with_provider(Arc::new(provider), ca, &[], &[version], None)
}

/// RFC 8446 §4.4.2.2; RFC 5246 §7.4.2
#[tokio::test]
async fn the_certificate_for_a_name_is_one_that_the_client_can_verify() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let write = |name: &str, names: &[&str], kind| write_kind(&ca, folder.path(), name, names, kind);
    let (ec, rsa, ed) = (&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ED25519);
    let files = vec![
        write("ec", &["a.example", "127.0.0.1"], ec),
        write("other-rsa", &["other.example", "127.0.0.1"], rsa),
        write("rsa", &["a.example", "127.0.0.1"], rsa),
        write("ed", &["a.example"], ed),
        write("exact-ec", &["x.w.example"], ec),
        write("wild-rsa", &["*.w.example"], rsa),
    ];
    let der = |name: &str| {
        let file = folder.path().join(format!("{name}.pem"));
        rustls::pki_types::pem::PemObject::from_pem_file(file).map(CertificateDer::into_owned).unwrap()
    };
    let up = Up::new(config(limits(), vec![listener(Some(settings(files)))]));
    let (all, any): (&[&str], &[&str]) = (&["RSA", "ECDSA", "ED25519"], &["_RSA_", "_ECDSA_"]);
    let (v12, v13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    let table = [
        ("a.example", all, any, "ec"),
        ("a.example", &["RSA"], any, "rsa"),
        ("a.example", &["ECDSA"], any, "ec"),
        ("a.example", &["ED25519"], any, "ed"),
        ("A.Example", &["RSA"], any, "rsa"),
        ("x.w.example", all, any, "exact-ec"),
        ("x.w.example", &["ECDSA"], any, "exact-ec"),
        ("x.w.example", &["RSA"], any, "wild-rsa"),
        ("y.w.example", all, any, "wild-rsa"),
        ("y.w.example", &["ECDSA"], any, ""),
        ("127.0.0.1", all, any, "ec"),
        ("127.0.0.1", &["RSA"], any, "rsa"),
    ];
    for (name, schemes, suites, expected) in table {
        for version in [v12, v13] {
            let client = choosy(&ca, version, schemes, suites);
            let what = format!("{name} for {schemes:?} over {version:?}");
            match client.connect(&up, name).await {
                Ok(stream) => {
                    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
                    assert!(shown == der(expected), "{what}: not {expected}");
                }
                Err(error) => assert!(expected.is_empty(), "{what}: {error}"),
            }
        }
    }
    // TLS 1.2 chooses by its suites too.
    for (suites, expected) in [(&["_RSA_"][..], "rsa"), (&["_ECDSA_"], "ec")] {
        assert!(choosy(&ca, v12, all, suites).shown(&up, "a.example").await == der(expected), "{suites:?}");
    }
}

#[tokio::test]
async fn of_two_for_a_name_the_valid_one_is_used() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let good = write(&ca, folder.path(), "good", &["a.example"]);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let over = CertificateFiles { cert: folder.path().join("o.pem"), key: folder.path().join("o.key") };
    std::fs::write(&over.key, key.serialize_pem()).unwrap();
    std::fs::write(&over.cert, params.signed_by(&key, &ca).unwrap().pem()).unwrap();
    let up = Up::new(config(limits(), vec![listener(Some(settings(vec![over, good])))]));
    Client::new(&ca, &[]).shown(&up, "a.example").await;
    Client::new(&ca, &[]).shown(&up, "a.example").await;
}

/// A server with TLS, and how to connect to it for HTTP/2.
pub(super) fn up_with_h2(limits: Limits) -> (Up, impl AsyncFn(&Up) -> TlsStream<TcpStream>) {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let files = write(&ca, folder.path(), "a", &["a.example"]);
    let up = Up::new(config(limits, vec![listener(Some(settings(vec![files])))]));
    let client = Client::new(&ca, &["h2"]);
    (up, async move |up: &Up| client.connect(up, "a.example").await.unwrap())
}

/// One request over HTTP/1; the session afterwards, when tickets have arrived.
async fn asked(client: &Client, up: &Up) -> TlsStream<TcpStream> {
    let mut stream = client.connect(up, "a.example").await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("/a"), "{text}");
    stream
}

#[tokio::test]
async fn the_key_exchange_is_hybrid_for_who_can_and_classic_for_others() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let files = write(&ca, folder.path(), "a", &["a.example"]);
    let up = Up::new(config(limits(), vec![listener(Some(settings(vec![files])))]));
    let mut old = crate::server::tls::provider().as_ref().clone();
    old.kx_groups.retain(|group| group.name() != NamedGroup::X25519MLKEM768);
    let old = Client::with_provider(Arc::new(old), &ca, &[], rustls::ALL_VERSIONS, None);
    for (client, group) in [(Client::new(&ca, &[]), NamedGroup::X25519MLKEM768), (old, NamedGroup::X25519)] {
        let stream = asked(&client, &up).await;
        assert_eq!(stream.get_ref().1.negotiated_key_exchange_group().unwrap().name(), group);
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "no second round trip");
    }
}

#[tokio::test]
async fn a_client_that_comes_back_resumes_its_session() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let files = write(&ca, folder.path(), "a", &["a.example"]);
    let up = Up::new(config(limits(), vec![listener(Some(settings(vec![files])))]));
    for (version, tls12) in [
        (&rustls::version::TLS13, Tls12Resumption::Disabled),
        (&rustls::version::TLS12, Tls12Resumption::SessionIdOrTickets),
        (&rustls::version::TLS12, Tls12Resumption::SessionIdOnly),
    ] {
        let mut client = Client::with(&ca, &[], &[version], None);
        client.config.resumption = Resumption::in_memory_sessions(8).tls12_resumption(tls12);
        let kind = async || asked(&client, &up).await.get_ref().1.handshake_kind().unwrap();
        assert_eq!(kind().await, HandshakeKind::Full, "{version:?}");
        assert_eq!(kind().await, HandshakeKind::Resumed, "{version:?}");
    }
    let families = up.registry.gather();
    let took = families.iter().find(|family| family.name() == "seawall_tls_handshake_seconds").unwrap();
    let counts: Vec<_> = took
        .get_metric()
        .iter()
        .map(|metric| (metric.get_label()[0].value(), metric.get_histogram().get_sample_count()))
        .collect();
    assert_eq!(counts, [("full", 3), ("resumed", 3)]);
}

#[tokio::test]
async fn plain_http_on_a_port_of_tls_is_told_so() {
    let (up, connect) = up_with_h2(limits());
    for text in ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        assert_eq!(up.ask(text).await, refused(Refusal::PlainHttpOnTls));
    }
    assert_eq!(up.refusals(), [Refusal::PlainHttpOnTls; 2]);
    let mut noise = up.connect().await;
    noise.write_all(b"\0\0\0\0\0\0\0\0").await.unwrap();
    let mut alert = Vec::new();
    noise.read_to_end(&mut alert).await.unwrap();
    assert!(alert.is_empty() || alert[0] == 0x15, "an alert at most: {alert:?}");
    connect(&up).await;
}

#[tokio::test]
async fn alpn_decides_the_protocol() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let files = write(&ca, folder.path(), "a", &["a.example"]);
    let up = Up::new(config(limits(), vec![listener(Some(settings(vec![files])))]));
    let stream = Client::new(&ca, &["h2", "http/1.1"]).connect(&up, "a.example").await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let response = client.send_request(Request::get("https://a.example/two").body(full("")).unwrap()).await;
    assert_eq!(response.unwrap().into_body().collect().await.unwrap().to_bytes(), "/two");

    let old = Client::with(&ca, &[], &[&rustls::version::TLS12], None);
    let mut stream = old.connect(&up, "A.example").await.unwrap();
    stream.write_all(b"GET /one HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("/one"), "{text}");

    let peers = up.seen.peers.lock().clone();
    let seen: Vec<_> = peers.iter().map(|peer| (peer.protocol, peer.tls.clone().unwrap())).collect();
    let tls = |version| TlsInfo { sni: Some("a.example".into()), version, client_certificate: false };
    assert_eq!(seen, [(Protocol::Http2, tls("TLSv1.3")), (Protocol::Http1, tls("TLSv1.2"))]);
    assert_eq!(up.metric("seawall_tls_handshakes_total"), 2.0);
}

#[tokio::test]
async fn the_server_name_picks_the_certificate() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let first = write(&ca, folder.path(), "first", &["a.example", "x.w.example"]);
    let wild = write(&ca, folder.path(), "wild", &["*.w.example"]);
    let of = |files: &CertificateFiles| {
        use rustls::pki_types::pem::PemObject;
        CertificateDer::from_pem_file(&files.cert).unwrap()
    };
    let up = Up::new(config(limits(), vec![listener(Some(settings(vec![first.clone(), wild.clone()])))]));
    let client = Client::new(&ca, &[]);
    for (name, files) in [("a.example", &first), ("y.w.example", &wild), ("x.w.example", &first)] {
        assert_eq!(client.shown(&up, name).await, of(files), "{name}");
    }
    let error = client.connect(&up, "deep.y.w.example").await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "the default, not the wildcard: {error}");
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let files = write(&ca, folder.path(), "a", &["a.example"]);
    let up = Up::new(config(limits(), vec![listener(Some(settings(vec![files.clone()])))]));
    let client = Client::new(&ca, &[]);
    let before = client.shown(&up, "a.example").await;
    assert!(up.metric("seawall_tls_certificate_expiry_seconds") > 1.7e9);
    std::fs::write(&files.cert, "broken").unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(client.shown(&up, "a.example").await, before);
    write(&ca, folder.path(), "a", &["a.example"]);
    tokio::time::timeout(Duration::from_secs(10), async {
        while client.shown(&up, "a.example").await == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("renewed");
}

#[tokio::test]
async fn versions_and_client_certificates_are_enforced() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let files = write(&ca, folder.path(), "a", &["a.example"]);
    let root = folder.path().join("ca.pem");
    std::fs::write(&root, ca.pem()).unwrap();
    let tls = ListenerTls { min_version: TlsVersion::V1_3, client_ca: Some(root), ..settings(vec![files]) };
    let up = Up::new(config(limits(), vec![listener(Some(tls))]));
    let old = Client::with(&ca, &[], &[&rustls::version::TLS12], None);
    assert!(old.connect(&up, "a.example").await.is_err());
    let ask = async |client: Client| {
        let mut stream = client.connect(&up, "a.example").await?;
        stream.write_all(b"GET /a HTTP/1.1\r\nconnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map(|_| text)
    };
    assert!(ask(Client::new(&ca, &[])).await.is_err(), "no certificate");
    let known = Client::with(&ca, &[], rustls::ALL_VERSIONS, Some(sign(&ca, &["client"])));
    assert!(ask(known).await.unwrap().ends_with("/a"));
    assert!(up.seen.peers.lock()[0].tls.as_ref().unwrap().client_certificate);
}

#[tokio::test]
async fn a_plain_listener_redirects_to_the_tls_one() {
    let tls = ListenerTls { self_signed: true, ..settings(vec![]) };
    let plain = Listener { redirect_https: Some(443), ..listener(None) };
    let other = Listener { redirect_https: Some(4443), ..listener(None) };
    let up = Up::new(config(limits(), vec![plain, listener(Some(tls)), other]));
    let text = up.ask("GET /a?b HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{text}");
    assert!(text.contains("location: https://a.example/a?b\r\n"), "the port that the world knows: {text}");
    let own = "cache-control: no-store\r\ncache-status: seawall; detail=";
    assert!(text.contains(&format!("{own}redirect_https\r\n")), "{text}");
    assert_eq!(*up.seen.answers.lock(), [("/a".into(), 308)]);
    let text = up.ask("GET / HTTP/1.1\r\n\r\n").await;
    assert!(text.ends_with(&Refusal::BadHost.body()), "{text}");
    assert!(text.contains(&format!("{own}bad_host\r\n")), "{text}");
    assert_eq!(up.refusals(), [Refusal::BadHost]);
    assert!(up.seen.peers.lock().is_empty());
}

#[test]
fn broken_files_are_named() {
    let (ca, folder) = (ca(), tempfile::tempdir().unwrap());
    let one = write(&ca, folder.path(), "one", &["a.example"]);
    let two = write(&ca, folder.path(), "two", &["a.example"]);
    let mixed = CertificateFiles { cert: one.cert, key: two.key };
    let missing = CertificateFiles { cert: folder.path().join("none.pem"), key: mixed.key.clone() };
    for (files, word) in [(mixed, "two.key"), (missing, "none.pem")] {
        let metrics = ServerMetrics::register(&prometheus::Registry::new()).unwrap();
        let config = config(limits(), vec![listener(Some(settings(vec![files])))]);
        let error = bind(&config, metrics).unwrap_err().to_string();
        assert!(error.contains("listener 127.0.0.1:0") && error.contains(word), "{error}");
    }
}
