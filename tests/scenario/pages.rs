//! Every complete `edge.toml` that stands in README.md and docs/ is a valid configuration.

use std::path::Path;

/// The pages with their text.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let all = docs.chain([root.join("README.md"), root.join("deploy/README.md")]);
    let pages = all.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn complete_examples_are_valid() {
    // What the examples name: secrets, wherever they come from, and certificates.
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["photos.example.com".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    std::fs::create_dir(folder.path().join("tls")).unwrap();
    std::fs::write(folder.path().join("tls/fullchain.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("tls/privkey.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("secret"), "a-secret-of-more-than-sixteen-bytes").unwrap();
    let file = folder.path().join("edge.toml");
    let mut examples = 0;
    for (page, text) in pages() {
        for example in text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            if !(example.contains("[[listener]]") && example.contains("[[site]]")) {
                continue;
            }
            let secrets = example.split("\"file:").enumerate().map(|(i, part)| match i {
                0 => part.to_owned(),
                _ => format!("\"file:secret{}", &part[part.find('"').unwrap()..]),
            });
            let example: String = secrets.collect();
            // The folders of a real installation.
            let example = example.replace("\"/var/log/seawall/", "\"");
            let loaded = seawall::config::load_from(&example, &file.to_string_lossy(), std::iter::empty());
            assert!(loaded.is_ok(), "{page}: {}\n{example}", loaded.unwrap_err());
            examples += 1;
        }
    }
    assert!(examples >= 6, "{examples} examples were found");
}
