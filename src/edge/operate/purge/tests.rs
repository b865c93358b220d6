//! What an operator may name, and what it selects.

use super::*;
use crate::cache::invalidation::site;
use crate::config;

fn sites() -> Sites {
    let text = r#"
[[listener]]
address = "127.0.0.1:0"
[[pool]]
name = "p"
members = [{ url = "http://a" }]
[[site]]
hosts = ["Photos.example", "*.photos.example"]
pool = "p"
[site.cache]
query = { exclude = ["utm_*"] }
headers = ["accept-language"]
[[site]]
hosts = ["other.example"]
pool = "p"
"#;
    let config = config::load_from(text, "e.toml", std::iter::empty::<(String, String)>());
    Settings::offline(&config.unwrap_or_else(|errors| panic!("{errors}"))).unwrap().sites
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn a_url_is_read_as_a_request_for_it_would_be() {
    let sites = sites();
    for (url, line) in [
        ("https://photos.example/a", "photos.example/a"),
        ("HTTP://PHOTOS.example:8080/%7ea/../b", "photos.example/b"),
        ("https://photos.example", "photos.example/"),
        ("https://x.photos.example/a?b=2&utm_source=x&a=1", "x.photos.example/a?a=1&b=2"),
        ("https://photos.example/a?", "photos.example/a"),
    ] {
        let purge = Purge { urls: list(&[url]), ..Purge::default() };
        assert_eq!(purge.selectors(&sites).unwrap(), [Selector::url(line.as_bytes())], "{url}");
    }
}

#[test]
fn an_asterisk_at_the_end_makes_a_prefix() {
    for url in ["https://photos.example/dir/*", "https://photos.example/x/../dir/*"] {
        for purge in [
            Purge { urls: list(&[url]), ..Purge::default() },
            Purge { prefixes: list(&[url]), ..Purge::default() },
        ] {
            assert_eq!(
                purge.selectors(&sites()).unwrap(),
                [Selector::prefix(b"photos.example/dir/")],
                "{url}"
            );
        }
    }
}

#[test]
fn many_selectors_make_one_purge() {
    let purge = Purge {
        urls: list(&["https://photos.example/a", "https://other.example/b"]),
        prefixes: list(&["https://photos.example/dir/"]),
        tags: list(&["a:b"]),
        sites: list(&["*.photos.example", "OTHER.example"]),
        everything: true,
        soft: true,
    };
    let expected = [
        Selector::url(b"photos.example/a"),
        Selector::url(b"other.example/b"),
        Selector::prefix(b"photos.example/dir/"),
        Selector::tag(b"a:b"),
        Selector::Site(site("Photos.example")),
        Selector::Site(site("other.example")),
        Selector::Everything,
    ];
    assert_eq!(purge.selectors(&sites()).unwrap(), expected);
    assert_eq!(purge.mode(), Mode::Soft);
}

#[test]
fn what_means_nothing_is_named() {
    let sites = sites();
    let long = "x".repeat(MAX_TAG + 1);
    let good = "https://photos.example/a";
    for (field, value, why) in [
        ("urls", "/a", "begins with http"),
        ("urls", "photos.example/a", "begins with http"),
        ("urls", "ftp://photos.example/a", "begins with http"),
        ("urls", "https://photos.example/a#b", "fragment"),
        ("urls", "https://u:p@photos.example/a", "user name"),
        ("urls", "https://unknown.example/a", "no site serves"),
        ("urls", "https://photos.example/%zz", "refuse"),
        ("urls", "", "begins with http"),
        ("prefixes", "https://photos.example/a?b", "no query"),
        ("prefixes", "https://photos.example/*.jpg", "the prefix https://photos.example/ takes"),
        ("urls", "https://photos.example/*.jpg", "the prefix https://photos.example/ takes"),
        ("urls", "https://photos.example/a?*", "any query"),
        ("urls", "https://unknown.example/*", "no site serves"),
        ("tags", "album-*", "name each tag"),
        ("prefixes", "https://unknown.example/", "no site serves"),
        ("tags", "", "1 to 256"),
        ("tags", &long, "1 to 256"),
        ("tags", " a", "spaces around"),
        ("tags", "a\nb", "control"),
        ("tags", "a b", "no comma and no space"),
        ("tags", "a,", "no comma and no space"),
        ("sites", "unknown.example", "a host that a site lists"),
        ("sites", "x.photos.example", "a host that a site lists"),
        ("sites", "*", "a host that a site lists"),
    ] {
        let mut purge = Purge::default();
        let (list, good) = match field {
            "urls" => (&mut purge.urls, good),
            "prefixes" => (&mut purge.prefixes, good),
            "tags" => (&mut purge.tags, "t"),
            _ => (&mut purge.sites, "other.example"),
        };
        list.extend([good.to_owned(), value.to_owned()]);
        let error = purge.selectors(&sites).unwrap_err();
        assert_eq!(error.field, format!("{field}[1]"), "{value}");
        assert!(error.why.contains(why), "{value}: {error}");
    }
}
