//! Listeners and origins with certificate files.

use super::*;

fn write_pair(folder: &Path, name: &str) {
    let pair = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), pair.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), pair.signing_key.serialize_pem()).unwrap();
}

/// The messages for a listener with this inside its `[listener.tls]`, without the place.
fn messages(folder: &Path, tls: &str) -> Vec<String> {
    let text = format!("{BASE}[[listener]]\naddress = \"127.0.0.1:0\"\n[listener.tls]\n{tls}\n");
    let file = folder.join("e.toml");
    match load_from(&text, file.to_str().unwrap(), environment(&[])) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            let folder = format!("{}/", folder.display());
            errors.iter().map(|error| error.message.replace(&folder, "")).collect()
        }
    }
}

#[test]
fn a_pair_must_be_there_and_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), "one");
    write_pair(folder.path(), "two");
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(folder.path().join("broken.pem"), broken).unwrap();
    let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write(
        "encrypted.key",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00";
    write(
        "old.key",
        format!("-----BEGIN RSA PRIVATE KEY-----\n{headers}\n\nMIIB\n-----END RSA PRIVATE KEY-----\n")
            .as_bytes(),
    );
    write("ssh.key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n");
    // A chain: with the mark taken for a part of the first line, the second would be the leaf.
    write("marked.pem", format!("\u{feff}{}{}", file("one.pem"), file("two.pem")).as_bytes());
    write("marked.key", format!("\u{feff}{}", file("one.key")).as_bytes());
    write("wide.pem", b"\xff\xfe-\0-\0");
    write("der.pem", b"\x30\x82\x01\0");
    let pair = |cert: &str, key: &str| format!(r#"certificates = [{{ cert = "{cert}", key = "{key}" }}]"#);
    let table = [
        (pair("one.pem", "one.key"), ""),
        (format!("{}\nclient_ca = \"two.pem\"", pair("one.pem", "one.key")), ""),
        ("self_signed = true".to_owned(), ""),
        (pair("one.pem", "two.key"), r#""two.key" is not the key of "one.pem""#),
        (pair("none.pem", "one.key"), r#""none.pem" cannot be read: No such file or directory (os error 2)"#),
        (pair("one.pem", "none.key"), r#""none.key" cannot be read: No such file or directory (os error 2)"#),
        (pair("empty.pem", "one.key"), r#""empty.pem" holds no certificate"#),
        (pair("broken.pem", "one.key"), r#""broken.pem" holds a broken certificate"#),
        (pair("one.pem", "one.pem"), r#""one.pem" holds no private key"#),
        (
            pair("one.pem", "encrypted.key"),
            r#""encrypted.key" holds an encrypted private key; "openssl pkey -in encrypted.key -out NEW" decrypts it"#,
        ),
        (
            pair("one.pem", "old.key"),
            r#""old.key" holds an encrypted private key; "openssl pkey -in old.key -out NEW" decrypts it"#,
        ),
        (pair("one.pem", "ssh.key"), r#""ssh.key" holds an OpenSSH key, not a key of a certificate"#),
        (pair("marked.pem", "marked.key"), ""),
        (
            pair("wide.pem", "one.key"),
            r#""wide.pem" is text in UTF-16; save it as plain text (ASCII or UTF-8)"#,
        ),
        (
            pair("der.pem", "one.key"),
            r#""der.pem" is DER, not PEM; "openssl x509 -inform der -in der.pem -out NEW" converts it"#,
        ),
        (
            "self_signed = true\nclient_ca = \"none.pem\"".to_owned(),
            r#""none.pem" cannot be read: No such file or directory (os error 2)"#,
        ),
    ];
    for (tls, message) in table {
        assert_eq!(messages(folder.path(), &tls).join("\n"), message, "{tls}");
    }
}

#[test]
fn an_origin_may_have_certificate_files() {
    let folder = tempfile::tempdir().unwrap();
    write_pair(folder.path(), "one");
    let text = format!(
        "{BASE}[[pool]]\nname = \"b\"\nmembers = [{{ url = \"https://b\" }}]\ntls = {{ ca = \"one.pem\", client_cert = \"one.pem\", client_key = \"one.key\" }}\n"
    );
    let file = folder.path().join("e.toml");
    let config = load_from(&text, file.to_str().unwrap(), environment(&[])).unwrap();
    let client = config.pools[1].tls.client.as_ref().unwrap();
    assert_eq!(client.key, folder.path().join("one.key"));
}
