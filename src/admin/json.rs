//! The JSON that operators send, read strictly: what is not understood is named, and nothing is done.

use serde_json::Value;

use crate::edge::operate::prefetch::{MAX_URLS, Wanted};
use crate::edge::operate::purge::{BadPurge, Purge};
use crate::edge::request::route::Sites;

/// Things that one purge names: what hits can wait for.
const MAX_SELECTORS: usize = 10_000;

const PURGE: &str = "urls, prefixes, tags, sites, everything, soft";

/// The body of `POST /purge`.
///
/// # Errors
/// The first field that is wrong.
pub(super) fn purge(body: &[u8]) -> Result<Purge, BadPurge> {
    let mut purge = Purge::default();
    for (name, value) in object(body)? {
        match name.as_str() {
            "urls" => purge.urls = strings(&name, value)?,
            "prefixes" => purge.prefixes = strings(&name, value)?,
            "tags" => purge.tags = strings(&name, value)?,
            "sites" => purge.sites = strings(&name, value)?,
            "everything" => purge.everything = flag(&name, &value)?,
            "soft" => purge.soft = flag(&name, &value)?,
            _ => return Err(bad(name, format!("is not a known field; the fields are {PURGE}"))),
        }
    }
    let Purge { urls, prefixes, tags, sites, everything, .. } = &purge;
    if !everything && [urls, prefixes, tags, sites].iter().all(|list| list.is_empty()) {
        return Err(bad("body", "names nothing: give urls, prefixes, tags, sites, or \"everything\": true"));
    }
    if [urls, prefixes, tags, sites].iter().map(|list| list.len()).sum::<usize>() > MAX_SELECTORS {
        return Err(bad("body", format!("names more than {MAX_SELECTORS} things: send several requests")));
    }
    Ok(purge)
}

/// The body of `POST /prefetch`.
///
/// # Errors
/// The first field that is wrong.
pub(super) fn prefetch(body: &[u8], sites: &Sites) -> Result<Vec<Wanted>, BadPurge> {
    let mut urls = Vec::new();
    for (name, value) in object(body)? {
        match name.as_str() {
            "urls" => urls = strings(&name, value)?,
            _ => return Err(bad(name, "is not a known field; the only one is urls")),
        }
    }
    if urls.is_empty() || urls.len() > MAX_URLS {
        return Err(bad("urls", format!("must have 1 to {MAX_URLS} URLs")));
    }
    let wanted = urls.iter().enumerate().map(|(index, url)| {
        Wanted::parse(url, sites).map_err(|error| bad(format!("urls[{index}]"), error.to_string()))
    });
    wanted.collect()
}

fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, BadPurge> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(bad("body", "must be a JSON object")),
        Err(error) => Err(bad("body", format!("is not JSON: {error}"))),
    }
}

fn strings(name: &str, value: Value) -> Result<Vec<String>, BadPurge> {
    let Value::Array(values) = value else { return Err(bad(name, "must be a list of strings")) };
    let strings = values.into_iter().enumerate().map(|(index, value)| match value {
        Value::String(text) => Ok(text),
        _ => Err(bad(format!("{name}[{index}]"), "must be a string")),
    });
    strings.collect()
}

fn flag(name: &str, value: &Value) -> Result<bool, BadPurge> {
    value.as_bool().ok_or_else(|| bad(name, "must be true or false"))
}

fn bad(field: impl Into<String>, why: impl Into<String>) -> BadPurge {
    BadPurge { field: field.into(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::settings::Settings;
    use proptest::prelude::*;

    #[test]
    fn a_whole_purge() {
        let body = br#"{"urls":["u"],"prefixes":["p"],"tags":["t","t2"],"sites":["s"],"everything":true,"soft":true}"#;
        let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let expected = Purge {
            urls: list(&["u"]),
            prefixes: list(&["p"]),
            tags: list(&["t", "t2"]),
            sites: list(&["s"]),
            everything: true,
            soft: true,
        };
        assert_eq!(purge(body).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, error) in [
            ("", r#""body" is not JSON"#),
            ("[]", r#""body" must be a JSON object"#),
            ("{}", r#""body" names nothing"#),
            (r#"{"soft":true}"#, r#""body" names nothing"#),
            (r#"{"everything":false,"urls":[]}"#, r#""body" names nothing"#),
            (r#"{"everything":1}"#, r#""everything" must be true or false"#),
            (r#"{"url":["a"]}"#, r#""url" is not a known field; the fields are urls"#),
            (r#"{"tags":"a"}"#, r#""tags" must be a list of strings"#),
            (r#"{"tags":["a",1]}"#, r#""tags[1]" must be a string"#),
            (r#"{"everything":true} x"#, r#""body" is not JSON"#),
        ] {
            let said = purge(body.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with(error), "{body}: {said}");
        }
        let many = format!("{{\"tags\":[{}\"\"]}}", "\"t\",".repeat(MAX_SELECTORS));
        assert!(purge(many.as_bytes()).unwrap_err().why.contains("more than 10000"));
        let sites = Settings::offline(&crate::edge::build::testing::config("a.example")).unwrap().sites;
        for (body, error) in [
            ("{}", r#""urls" must have 1 to 10000 URLs"#),
            (r#"{"urls":["x"]}"#, r#""urls[0]" must be a URL"#),
            (r#"{"urls":["http://unknown/"]}"#, r#""urls[0]" has a host that no site serves"#),
            (r#"{"urls":[],"n":1}"#, r#""n" is not a known field"#),
        ] {
            let said = prefetch(body.as_bytes(), &sites).unwrap_err().to_string();
            assert!(said.starts_with(error), "{body}: {said}");
        }
    }

    proptest! {
        #[test]
        fn noise_purges_nothing(body in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(purge(&body).is_err());
        }
    }
}
