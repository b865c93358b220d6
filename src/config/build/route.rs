//! What a site's requests are handled by, and a rule's on top of it.

use http::HeaderName;

use super::fields::{header_name, headers, is_token};
use super::pool::Named;
use super::signed;
use crate::config::error::nearest;
use crate::config::node::{Node, quoted};
use crate::config::section::Section;
use crate::config::units::parse_duration;
use crate::config::{CacheRules, OriginKind, PoolId, QueryKey, RouteSettings};

pub(super) fn of_site(site: Section<'_>, pools: &[Named]) -> RouteSettings {
    let pool = pool(site, pools).unwrap_or(PoolId(0));
    RouteSettings {
        pool,
        origin: origin(pool, pools),
        cache: cache(site.section("cache")),
        headers: headers(site.section("headers"), None),
        signed: signed::all(site),
    }
}

/// A rule overrides what it names: cache keys one by one, headers by field, `pool` and `signed` as a whole.
pub(super) fn of_rule(
    rule: Section<'_>,
    site: Section<'_>,
    under: &RouteSettings,
    pools: &[Named],
) -> RouteSettings {
    let overlaid = |key| rule.section(key).over(site.section(key));
    let pool = pool(rule, pools).unwrap_or(under.pool);
    RouteSettings {
        pool,
        origin: origin(pool, pools),
        cache: cache(overlaid("cache")),
        headers: headers(overlaid("headers"), Some(&under.headers)),
        signed: match rule.node("signed") {
            Some(_) => signed::all(rule),
            None => under.signed.clone(),
        },
    }
}

fn pool(section: Section<'_>, pools: &[Named]) -> Option<PoolId> {
    let name = section.filled("pool")?;
    let found = pools.iter().position(|named| named.pool.name == name);
    if found.is_none() && section.cx.pools_are_known() {
        let known = pools.iter().map(|named| named.pool.name.as_str());
        let message = format!("{} names an unknown pool {}", section.name(), section.shown("pool"));
        section.nearest("pool", message, nearest(&name, known));
    }
    found.map(PoolId)
}

fn origin(pool: PoolId, pools: &[Named]) -> OriginKind {
    match pools.get(pool.0).is_some_and(|named| named.pool.s3.is_some()) {
        true => OriginKind::S3,
        false => OriginKind::Http,
    }
}

fn cache(section: Section<'_>) -> CacheRules {
    let (min_ttl, max_ttl) = (section.maybe_duration("min_ttl"), section.maybe_duration("max_ttl"));
    if min_ttl.zip(max_ttl).is_some_and(|(min, max)| min > max) {
        // A rule may have brought either: the place is the rule's.
        let key = if section.owns("max_ttl") && !section.owns("min_ttl") { "max_ttl" } else { "min_ttl" };
        section.error(key, "\"min_ttl\" is longer than \"max_ttl\"");
    }
    let slice = section.size("slice");
    if !slice.is_power_of_two() && section.is_sound("slice") {
        section.error("slice", "\"slice\" must be a power of two from 64KiB to 64MiB");
    }
    CacheRules {
        enabled: section.flag("enabled"),
        default_ttl: section.maybe_duration("default_ttl"),
        min_ttl,
        max_ttl,
        override_ttl: section.maybe_duration("override_ttl"),
        status_ttl: status_ttl(section),
        stale_while_revalidate: section.maybe_duration("stale_while_revalidate"),
        stale_if_error: section.maybe_duration("stale_if_error"),
        query: query(section),
        sort_query: section.flag("sort_query"),
        headers: key_headers(section),
        cookies: cookies(section),
        ignore_request_no_cache: section.flag("ignore_request_no_cache"),
        slice,
        collapse: section.flag("collapse"),
        collapse_timeout: section.duration("collapse_timeout"),
    }
}

fn status_ttl(section: Section<'_>) -> Vec<(u16, std::time::Duration)> {
    let mut ttls = Vec::new();
    for (status, node) in section.entries("status_ttl") {
        let code = status.parse::<u16>().ok().filter(|code| status.len() == 3 && (200..600).contains(code));
        match (code, node.text().and_then(parse_duration)) {
            (Some(code), Some(ttl)) => ttls.push((code, ttl)),
            (None, _) => {
                let message =
                    format!("\"status_ttl\" has {}, which is not a status from 200 to 599", quoted(&status));
                section.cx.error(&node.place, &node.path, message);
            }
            (Some(_), None) => {}
        }
    }
    ttls
}

fn query(section: Section<'_>) -> QueryKey {
    // A rule's word must not be looked up in its site's table, so the node decides.
    let Some(node) = section.node("query").filter(|node| node.table().is_some()) else {
        return match section.text("query").as_deref() {
            Some("none") => QueryKey::None,
            _ => QueryKey::All,
        };
    };
    let names = |key: &str| {
        let items = node.get(key).and_then(Node::list)?;
        Some(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect::<Vec<_>>())
    };
    match (names("include"), names("exclude")) {
        (Some(include), None) => QueryKey::Include(include),
        (None, Some(exclude)) => QueryKey::Exclude(exclude),
        _ => {
            if node.get("include").is_some() == node.get("exclude").is_some() {
                section.error("query", "\"query\" must have either \"include\" or \"exclude\"");
            }
            QueryKey::All
        }
    }
}

fn key_headers(section: Section<'_>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for node in section.texts("headers") {
        match header_name(node.text().unwrap_or_default()) {
            Ok(name) => names.push(name),
            Err(message) => section.cx.error(&node.place, &node.path, message),
        }
    }
    names
}

fn cookies(section: Section<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for node in section.texts("cookies") {
        match node.text().filter(|name| is_token(name)) {
            Some(name) => names.push(name.to_owned()),
            None => {
                section.cx.error(&node.place, &node.path, format!("{} is not a cookie name", node.shown()))
            }
        }
    }
    names
}
