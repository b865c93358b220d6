//! What `seawall check` prints.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

struct Said {
    code: ExitCode,
    out: String,
    err: String,
}

/// 2030-01-01.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000)
}

fn said(folder: &Path, text: &str) -> Said {
    let path: PathBuf = folder.join("edge.toml");
    std::fs::write(&path, text).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = check(&path, now(), &mut out, &mut err).unwrap();
    let folder = format!("{}/", folder.display());
    let plain = |bytes| String::from_utf8(bytes).unwrap().replace(&folder, "");
    Said { code, out: plain(out), err: plain(err) }
}

fn write_pair(folder: &Path, name: &str, until: (i32, u8, u8)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![format!("{name}.example"), "127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    std::fs::write(folder.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

const FILE: &str = r#"
[[listener]]
address = "127.0.0.1:8080"
redirect_https = true
[[listener]]
address = "127.0.0.1:8443"
tls.certificates = [
  { cert = "good.pem", key = "good.key" },
  { cert = "soon.pem", key = "soon.key" },
  { cert = "over.pem", key = "over.key" },
]
[[pool]]
name = "photos"
members = [{ url = "http://[::1]:9000", weight = 2 }]
s3 = { bucket = "b", region = "r", credentials = { access_key_id = "AK", secret_access_key = "hunter2-hunter2" } }
[[pool]]
name = "spare"
members = [{ url = "https://b" }]
tls.verify = false
[[site]]
hosts = ["*.a.example"]
pool = "photos"
[site.headers]
debug = true
response = { Server = "" }
[site.cache]
default_ttl = "60s"
stale_if_error = "1d"
query = { exclude = ["utm_*"] }
[[site.rule]]
path = "/private/*"
signed = [{ keys = [{ id = "2026-11", secret = "hunter2-hunter2-hunter2" }], max_lifetime = "7d" }]
[[site.rule]]
path = "/private/*"
cache.enabled = false
[[site.rule]]
path = "/live/*"
cache.stale_if_error = ""
headers.debug = false
[[site.rule]]
path = "/same/*"
"#;

#[test]
fn a_right_file_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), "good", (2031, 1, 1));
    write_pair(folder.path(), "soon", (2030, 1, 11));
    write_pair(folder.path(), "over", (2029, 12, 31));
    let said = said(folder.path(), FILE);
    assert_eq!(said.code, ExitCode::SUCCESS);
    let lines = [
        "edge.toml is a valid configuration",
        "  127.0.0.1:8080  http, redirects to https",
        "  127.0.0.1:8443  https, TLS 1.2 and 1.3",
        "    certificate good.pem: for good.example, 127.0.0.1; issued by CN=rcgen self signed cert; expires 2031-01-01, 365 days left",
        "    certificate soon.pem: for soon.example, 127.0.0.1; issued by CN=rcgen self signed cert; expires 2030-01-11, 10 days left",
        "    certificate over.pem: for over.example, 127.0.0.1; issued by CN=rcgen self signed cert; expires 2029-12-31, expired",
        "  *.a.example",
        "    fresh for as long as the origin says; for 1m if it says nothing",
        "    key: host, path, the query without utm_*, with sorted parameters",
        "    public",
        "    rule 1: /private/*",
        "      signed: /* by token in \"token\", keys 2026-11, valid for at most 7d",
        "    rule 2: /private/*",
        "      not cached",
        "    served stale for 1d when the origin fails, unless it says otherwise",
        "    server is removed on the way to the client",
        "    rule 3: /live/*",
        "      not served stale when the origin fails, unless it says so",
        "      no debug headers",
        "    rule 4: /same/*",
        "      as the site",
        "    http://[::1]:9000  weight 2",
        "    retry: 3 attempts, backoff 50ms, at most 20% of requests",
        "    S3: bucket b in r, path style; credentials from the configuration, access key AK",
        "    certificates are not verified",
        "  admin on 127.0.0.1:9090, no token",
        "  log level info, no access log",
    ];
    let printed: Vec<&str> = said.out.lines().collect();
    for line in lines {
        assert!(printed.contains(&line), "{line}\nis not in\n{}", said.out);
    }
    let warnings = [
        r#"warning: edge.toml:34: rule "/private/*" of site "*.a.example" never matches: rule "/private/*" comes first"#,
        r#"warning: edge.toml:15: "pool.s3.credentials.secret_access_key" is a secret in the file; "${NAME}" or "file:PATH" keep it out"#,
        r#"warning: edge.toml:32: "site.rule.signed.keys.secret" is a secret in the file; "${NAME}" or "file:PATH" keep it out"#,
        r#"warning: pool "spare" accepts any certificate: tls.verify is false"#,
        r#"warning: no site uses pool "spare""#,
        r#"warning: site "*.a.example" is public under every host that matches *.a.example"#,
        "warning: certificate soon.pem expires on 2030-01-11, in 10 days",
        "warning: certificate over.pem expired on 2029-12-31",
    ];
    assert_eq!(said.err.lines().collect::<Vec<_>>(), warnings);
    assert!(!said.out.contains("hunter2") && !said.err.contains("hunter2"));
}

#[test]
fn a_wrong_file_gives_its_errors_and_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(folder.path(), "[[listener]]\naddress = 1\n[[site]]\nhosts = [\"a\"]\npool = \"p\"\n");
    assert_eq!(said.code, ExitCode::FAILURE);
    assert_eq!(said.out, "");
    let errors = [
        r#"edge.toml:2: "listener.address" must be text, not 1"#,
        r#"edge.toml:5: site "a" names an unknown pool "p""#,
    ];
    assert_eq!(said.err.lines().collect::<Vec<_>>(), errors);
}

#[test]
fn an_s3_pool_that_cannot_be_meant_is_remarked_on() {
    let folder = tempfile::tempdir().unwrap();
    let warnings = |members: &str, s3: &str| {
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\n[[site]]\nhosts = [\"a\"]\npool = \"p\"\n\
             [[pool]]\nname = \"p\"\nmembers = [{{ url = \"{members}\" }}]\n[pool.s3]\n{s3}\n"
        );
        let said = said(folder.path(), &text);
        said.err.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let amazon = "https://s3.eu-west-1.amazonaws.com";
    let here = "bucket = \"b\"\nregion = \"eu-west-1\"";
    assert!(warnings(amazon, here).is_empty());
    for endpoint in ["s3.eu-west-1", "s3-eu-west-1", "s3.dualstack.eu-west-1", "s3-fips.eu-west-1"] {
        let said =
            warnings(&format!("https://{endpoint}.amazonaws.com"), "bucket = \"b\"\nregion = \"us-east-1\"");
        let expected = format!(
            "warning: pool \"p\": {endpoint}.amazonaws.com is an endpoint of region eu-west-1, but region is \"us-east-1\""
        );
        assert_eq!(said, [expected]);
    }
    assert!(warnings("https://s3.amazonaws.com", here).is_empty(), "which is of no region");
    assert!(warnings("https://minio.example", here).is_empty());
    let dotted = "bucket = \"a.b\"\nregion = \"eu-west-1\"\nstyle = \"virtual-host\"";
    let said = warnings(amazon, dotted);
    assert!(said.len() == 1 && said[0].contains("a.b.s3.eu-west-1.amazonaws.com"), "{said:?}");
    assert!(warnings("http://s3.example", dotted).is_empty(), "there is no certificate");
    assert!(warnings(amazon, &dotted.replace("virtual-host", "path")).is_empty());
    let said = warnings(amazon, "bucket = \"b\"\nregion = \"\"");
    assert!(said.len() == 1 && said[0].contains("edge.toml:11: \"pool.s3.region\" is empty"), "{said:?}");
}

#[test]
fn several_certificates_for_a_name_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind) in [
        ("ec", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("ec2", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("ec3", &rcgen::PKCS_ECDSA_P384_SHA384),
        ("rsa", &rcgen::PKCS_RSA_SHA256),
    ] {
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate =
            CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let with = |names: &[&str]| {
        let files = names.iter().map(|name| format!("{{ cert = \"{name}.pem\", key = \"{name}.key\" }}"));
        let files = files.collect::<Vec<_>>().join(", ");
        let listener = format!("[[listener]]\naddress = \"127.0.0.1:0\"\ntls.certificates = [{files}]\n");
        let rest = "[[pool]]\nname = \"p\"\nmembers = [{ url = \"http://a\" }]\n[[site]]\nhosts = [\"a\"]\npool = \"p\"\n";
        said(folder.path(), &format!("{listener}{rest}"))
    };
    let good = with(&["ec", "rsa", "ec3"]);
    let line = "    for a.example, by what a client can verify: ECDSA P-256 (ec.pem), RSA (rsa.pem), ECDSA P-384 (ec3.pem)";
    assert!(good.out.lines().any(|found| found == line), "{}", good.out);
    assert_eq!(good.err, "");
    assert!(!with(&["ec"]).out.contains("by what a client"));
    let doubled = "warning: certificates ec.pem and ec2.pem both have a key of the kind ECDSA P-256 for a.example: \
                   while the first is valid, the second is not used for it\n";
    assert_eq!(with(&["ec", "rsa", "ec2"]).err, doubled);
}
