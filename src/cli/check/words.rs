//! Configuration values in words.

use std::fmt::Display;
use std::time::Duration;

use crate::config::{
    CacheRules, HeaderRules, HostPattern, ListenAddress, Pool, QueryKey, RouteSettings, S3, S3Credentials,
    S3Style, Signed, show_duration, show_size,
};

pub(super) fn address(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

pub(super) fn host(host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Suffix(parent) => format!("*{parent}"),
        HostPattern::Any => "*".to_owned(),
    }
}

/// One line for each thing that a rule may change: a rule shows the lines in which it differs.
pub(super) fn route(settings: &RouteSettings, pools: &[Pool]) -> Vec<String> {
    let pool = pools.get(settings.pool.0).map_or("", |pool| pool.name.as_str());
    let mut lines = vec![format!("pool {pool}")];
    lines.extend(cache(&settings.cache));
    lines.extend(headers(&settings.headers));
    if settings.signed.is_empty() {
        lines.push("public".to_owned());
    }
    lines.extend(settings.signed.iter().map(signed));
    lines
}

fn cache(cache: &CacheRules) -> Vec<String> {
    if !cache.enabled {
        return vec!["not cached".to_owned()];
    }
    let mut lines = vec!["cached".to_owned(), lifetime(cache)];
    let each = cache.status_ttl.iter().map(|(code, ttl)| format!("{code} for {}", show_duration(*ttl)));
    let each = if cache.status_ttl.is_empty() { "no rule by status".to_owned() } else { list(each) };
    lines.push(format!("without explicit freshness: {each}"));
    let stale = [
        (cache.stale_while_revalidate, "while the origin is asked"),
        (cache.stale_if_error, "when the origin fails"),
    ];
    // Said either way, so that a rule that takes it back shows it.
    lines.extend(stale.map(|(ttl, when)| match ttl {
        Some(ttl) => format!("served stale for {} {when}, unless it says otherwise", show_duration(ttl)),
        None => format!("not served stale {when}, unless it says so"),
    }));
    lines.push(key(cache));
    lines.push(match cache.ignore_request_no_cache {
        true => "a client's no-cache is ignored".to_owned(),
        false => "a client's no-cache goes to the origin".to_owned(),
    });
    lines.push(format!("slices of {}", show_size(cache.slice)));
    lines.push(match cache.collapse {
        true => format!(
            "concurrent misses are one fetch, waited for up to {}",
            show_duration(cache.collapse_timeout)
        ),
        false => "each miss is a fetch of its own".to_owned(),
    });
    lines
}

fn lifetime(cache: &CacheRules) -> String {
    if let Some(ttl) = cache.override_ttl {
        return format!(
            "fresh for {} whatever the origin says, except for no-store and private",
            show_duration(ttl)
        );
    }
    let mut text = "fresh for as long as the origin says".to_owned();
    let mut bound = |word: &str, ttl: Option<Duration>| {
        if let Some(ttl) = ttl {
            text.push_str(&format!(", {word} {}", show_duration(ttl)));
        }
    };
    bound("at least", cache.min_ttl);
    bound("at most", cache.max_ttl);
    match cache.default_ttl {
        Some(ttl) => format!("{text}; for {} if it says nothing", show_duration(ttl)),
        None => format!("{text}; by the heuristic of RFC 9111 if it says nothing"),
    }
}

fn key(cache: &CacheRules) -> String {
    let mut parts = vec!["host".to_owned(), "path".to_owned()];
    match &cache.query {
        QueryKey::All => parts.push("query".to_owned()),
        QueryKey::None => {}
        QueryKey::Include(names) => parts.push(format!("the query parameters {}", list(names))),
        QueryKey::Exclude(names) => parts.push(format!("the query without {}", list(names))),
    }
    if cache.sort_query && cache.query != QueryKey::None {
        parts.push("with sorted parameters".to_owned());
    }
    parts.extend(cache.headers.iter().map(|name| format!("header {name}")));
    parts.extend(cache.cookies.iter().map(|name| format!("cookie {name}")));
    format!("key: {}", list(parts))
}

fn headers(headers: &HeaderRules) -> Vec<String> {
    let sides = [("to the origin", &headers.request), ("to the client", &headers.response)];
    let mut lines = Vec::new();
    for (side, fields) in sides {
        // Values stay out: one may be a secret of the origin's.
        for (name, value) in fields {
            let verb = if value.is_some() { "set" } else { "removed" };
            lines.push(format!("{name} is {verb} on the way {side}"));
        }
    }
    lines.push(if headers.debug { "debug headers" } else { "no debug headers" }.to_owned());
    lines
}

fn signed(signed: &Signed) -> String {
    let paths = list(signed.paths.iter().map(|path| path.as_str()));
    let keys = list(signed.keys.iter().map(|key| key.id.as_str()));
    let mut text = format!("signed: {paths} by token in \"{}\", keys {keys}", signed.param);
    if let Some(longest) = signed.max_lifetime {
        text.push_str(&format!(", valid for at most {}", show_duration(longest)));
    }
    if !signed.clock_skew.is_zero() {
        text.push_str(&format!(", clocks may differ by {}", show_duration(signed.clock_skew)));
    }
    text
}

pub(super) fn s3(s3: &S3) -> String {
    let bucket = s3
        .bucket
        .as_deref()
        .map_or("the bucket that the Host names".to_owned(), |name| format!("bucket {name}"));
    let style = match s3.style {
        S3Style::Path => "path",
        S3Style::VirtualHost => "virtual-host",
    };
    let credentials = match &s3.credentials {
        S3Credentials::Default => {
            "credentials from the environment, profile file, web identity, container or instance metadata"
                .to_owned()
        }
        S3Credentials::Anonymous => "requests are not signed".to_owned(),
        S3Credentials::Static { access_key_id, session_token, .. } => {
            let token = if session_token.is_some() { " with a session token" } else { "" };
            format!("credentials from the configuration, access key {access_key_id}{token}")
        }
    };
    let prefix = if s3.prefix.is_empty() { String::new() } else { format!(", keys under {}", s3.prefix) };
    let index = s3.index.as_ref().map_or(String::new(), |index| format!(", {index} for folders"));
    format!("S3: {bucket} in {}, {style} style{prefix}{index}; {credentials}", s3.region)
}

/// `a, b, c`
pub(super) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
