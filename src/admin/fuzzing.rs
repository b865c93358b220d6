//! JSON and URLs that operators send: refused by name, or understood whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken assertion is what is looked for"
)]

use super::json;
use crate::config::load_from;
use crate::edge::operate::purge::Selector;
use crate::edge::request::route::Sites;
use crate::edge::settings::Settings;

const SITES: &str = r#"[[listener]]
address = "127.0.0.1:0"
[[pool]]
name = "p"
members = [{ url = "http://a" }]
[[site]]
hosts = ["a.example", "*.b.example"]
pool = "p"
"#;

pub(crate) fn run(data: &[u8]) {
    thread_local! {
        static KNOWN: Sites = Settings::offline(&load_from(SITES, "e", std::iter::empty()).unwrap()).unwrap().sites;
    }
    KNOWN.with(|sites| {
        match json::purge(data) {
            Ok(purge) => {
                let things = purge.urls.len() + purge.prefixes.len() + purge.tags.len() + purge.sites.len();
                assert!(things <= 10_000 && (things > 0 || purge.everything));
                if let Ok(selectors) = purge.selectors(sites) {
                    assert_eq!(selectors.len(), things + usize::from(purge.everything));
                    let everything = selectors.contains(&Selector::Everything);
                    assert_eq!(everything, purge.everything);
                    for selector in selectors {
                        let Selector::Prefix(text) = selector else { continue };
                        assert!(
                            text.starts_with(b"a.example/")
                                || memchr::memmem::find(&text, b".b.example/").is_some()
                        );
                    }
                }
            }
            Err(error) => assert!(!error.why.is_empty()),
        }
        if let Ok(wanted) = json::prefetch(data, sites) {
            assert!((1..=data.len()).contains(&wanted.len()));
        }
    });
}
