//! Keys: what two requests differ in that the site counts, their keys differ in; the origin sees no more of the query.

use http::HeaderMap;
use http::header::HeaderName;

use super::input::Input;
use crate::config::{CacheRules, QueryKey};
use crate::policy::key::{KeyText, key_text, keyed_query};
use crate::policy::testing;

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [which] = input.numbers();
    let patterns: Vec<String> = input.text().split(' ').map(str::to_owned).collect();
    let rules = CacheRules {
        query: match which % 4 {
            0 => QueryKey::All,
            1 => QueryKey::None,
            2 => QueryKey::Include(patterns),
            _ => QueryKey::Exclude(patterns),
        },
        sort_query: which & 4 == 0,
        headers: vec![HeaderName::from_static("x-a"), HeaderName::from_static("x-b")],
        cookies: vec!["lang".into(), "ab".into()],
        ..testing::rules()
    };
    // A break is refused in a path and a query long before.
    let one = Request { path: input.text(), query: Some(input.text()), fields: input.fields() };
    let two = Request { path: input.text(), query: Some(input.text()), fields: input.fields() };
    if [one.path, two.path].iter().any(|path| path.contains('?') || !path.starts_with('/')) {
        return;
    }
    let (key, other) = (one.key(&rules), two.key(&rules));
    assert_eq!(key.iter().filter(|byte| **byte == b'\n').count(), 4, "a value broke its line");
    if key == other {
        assert_eq!(one.path, two.path);
        for name in ["x-a", "x-b"] {
            assert_eq!(one.joined(name), two.joined(name), "{name}");
        }
        for name in ["lang", "ab"] {
            assert_eq!(one.cookies(name), two.cookies(name), "{name}");
        }
    }
    // What an origin may see of a query has the same key as the whole of it.
    let seen = keyed_query(one.query.unwrap(), &rules).map(std::borrow::Cow::into_owned);
    let kept = Request { path: one.path, query: seen.as_deref(), fields: one.fields.clone() };
    assert_eq!(kept.key(&rules), key, "{seen:?}");
}

struct Request<'a> {
    path: &'a str,
    query: Option<&'a str>,
    fields: HeaderMap,
}

impl Request<'_> {
    fn key(&self, rules: &CacheRules) -> KeyText {
        let mut key = KeyText::new();
        key_text(&mut key, "a.example", self.path, self.query, &self.fields, rules);
        key
    }

    fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let lines: Vec<&[u8]> =
            self.fields.get_all(name).iter().map(|line| line.as_bytes().trim_ascii()).collect();
        (!lines.is_empty()).then(|| lines.join(&b", "[..]))
    }

    /// Every value of a cookie: which of several an origin takes is its own affair.
    fn cookies(&self, name: &str) -> Vec<Vec<u8>> {
        let lines =
            self.fields.get_all("cookie").iter().flat_map(|line| line.as_bytes().split(|&b| b == b';'));
        let pairs = lines.filter_map(|pair| {
            let equals = pair.iter().position(|&b| b == b'=')?;
            (pair[..equals].trim_ascii() == name.as_bytes()).then(|| pair[equals + 1..].trim_ascii().to_vec())
        });
        pairs.collect()
    }
}
