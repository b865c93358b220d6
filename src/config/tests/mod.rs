//! Whole files in, configurations or error lines out.

#[rustfmt::skip] // a table: one line, one file
mod broken;
mod certificates;
mod defaults;
mod merge;

use super::*;

/// Eight lines that are right; what a test appends starts on line 9, inside the `[[site]]`.
const BASE: &str = r#"[[listener]]
address = "127.0.0.1:0"
[[pool]]
name = "photos"
members = [{ url = "http://a" }]
[[site]]
hosts = ["a.example"]
pool = "photos"
"#;

fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>().into_iter()
}

fn loaded(text: &str, env: &[(&str, &str)]) -> Config {
    load_from(text, "e.toml", environment(env)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    match load_from(text, "e.toml", environment(env)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_error_of_a_file_is_said_at_once_in_its_order() {
    let text = format!(
        "{BASE}[site.cache]\ndefault_tll = \"1s\"\nslice = \"3MiB\"\n[server]\nthreads = 0\n[[pool]]\nname = \"b\"\n"
    );
    let expected = [
        r#"e.toml:10: unknown key "site.cache.default_tll"; did you mean "default_ttl"?"#,
        r#"e.toml:11: "slice" must be a power of two from 64KiB to 64MiB"#,
        r#"e.toml:13: "server.threads" must be "auto" or a whole number from 1 to 1024, not 0"#,
        r#"e.toml:14: pool "b" has no members"#,
        r#"SEAWALL_LOG__SAMPLE: "log.sample" must be a number from 0 to 1, not "2""#,
    ];
    assert_eq!(errors(&text, &[("SEAWALL_LOG__SAMPLE", "2")]), expected);
}

#[test]
fn an_error_knows_its_parts() {
    let text = format!("{BASE}[server]\n  thread = 1\n");
    let errors = load_from(&text, "e.toml", environment(&[])).unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!(error.place, Place::Line { file: "e.toml".into(), line: 10, column: 3 });
    assert_eq!((error.key.as_str(), error.nearest.as_deref()), ("server.thread", Some("threads")));
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let errors = load(&folder.path().join("none.toml")).unwrap_err();
    assert!(errors.to_string().contains("none.toml: cannot be read: "), "{errors}");
}

#[test]
fn the_demo_passes() {
    let text = include_str!("../../../edge.toml");
    let secret = "0123456789abcdef";
    let env =
        [("SEAWALL_S3_ACCESS_KEY", "AK"), ("SEAWALL_S3_SECRET_KEY", secret), ("SEAWALL_TOKEN_KEY", secret)];
    let config = loaded(text, &env);
    assert_eq!(config.sites[0].rules[0].settings.signed[0].keys[0].secret.expose(), secret);
    assert_eq!(config.pools[0].s3.as_ref().unwrap().bucket.as_deref(), Some("photos"));
    assert!(config.listeners[1].tls.as_ref().unwrap().self_signed);
    assert!(config.sites[0].hosts.contains(&HostPattern::Exact("[::1]".to_owned())));
    let unset = errors(text, &[]);
    assert_eq!(unset.len(), 3, "{unset:?}");
}

mod never_panics {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn on_depth() {
        let deep = |open: &str, close: &str| format!("x = {}{}", open.repeat(20_000), close.repeat(20_000));
        let dotted = format!("{}x = 1", "a.".repeat(20_000));
        let header = format!("[{}x]", "a.".repeat(20_000));
        for text in [deep("[", "]"), deep("{a=", "}"), dotted, header] {
            assert!(!errors(&text, &[]).is_empty());
        }
        let name = format!("SEAWALL{}", "__A".repeat(20_000));
        let value = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        assert_eq!(errors(BASE, &[(&name, "1")]).len(), 1);
        assert!(
            !errors(BASE, &[("SEAWALL_POOL", "1"), ("SEAWALL_SERVER__TRUSTED_PROXIES", &value)]).is_empty()
        );
    }

    /// Fragments that are nearly right reach further than noise does.
    const WORDS: [&str; 24] = [
        "[[pool]]",
        "[[site]]",
        "[[listener]]",
        "[listener.tls]",
        "[site.cache]",
        "[[site.rule]]",
        "[[site.signed]]",
        "name",
        "members",
        "hosts",
        "pool",
        "path",
        "keys",
        "cache",
        "status_ttl",
        "=",
        "= {}",
        "= []",
        "= \"\"",
        "= \"${X}\"",
        "= [{ url = \"http://a\" }]",
        "= 1",
        "\n",
        "= \"file:/\"",
    ];

    proptest! {
        #[test]
        fn on_noise(text: String, value: String) {
            let _ = errors(&text, &[("SEAWALL_POOL__0__MEMBERS", &value), ("SEAWALL_SITE__0", &value)]);
        }

        #[test]
        fn on_what_looks_like_a_file(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..60)) {
            let text = words.join(" ").replace("\n ", "\n").replace(" [", "\n[");
            let _ = errors(&text, &[("X", "1")]);
            let _ = errors(&format!("{BASE}{text}"), &[("X", "[")]);
        }

        #[test]
        fn on_any_variable(name in "SEAWALL_[A-Z_0-9]{0,12}__[A-Z_0-9]{0,16}", value in ".{0,20}") {
            let _ = errors(BASE, &[(&name, &value)]);
        }
    }
}
