//! What a site's requests are handled by, and a rule's on top of it.

use http::HeaderName;

use super::fields::{header_name, headers, is_token};
use super::pool::Named;
use super::signed;
use crate::config::error::nearest;
use crate::config::key::{Key, Keys};
use crate::config::keys::{self, QUERY, RULE, SITE, SITE_CACHE};
use crate::config::node::{Node, quoted};
use crate::config::section::{Section, WordOrTable};
use crate::config::units::parse_duration;
use crate::config::untyped;
use crate::config::{CacheRules, OriginKind, PoolId, QueryKey, RouteSettings};

pub(super) fn of_site(site: Section<'_, keys::Site>, pools: &[Named]) -> RouteSettings {
    let pool = pool(site, &SITE.pool, pools).unwrap_or(PoolId(0));
    RouteSettings {
        pool,
        origin: origin(pool, pools),
        cache: cache(site.table(&SITE.cache)),
        headers: headers(site.table(&SITE.headers), None),
        signed: signed::all(untyped::Section::of(site)),
    }
}

/// A rule overrides what it names: cache keys one by one, headers by field, `pool` and `signed` as a whole.
pub(super) fn of_rule(
    rule: Section<'_, keys::Rule>,
    site: Section<'_, keys::Site>,
    under: &RouteSettings,
    pools: &[Named],
) -> RouteSettings {
    let pool = pool(rule, &RULE.pool, pools).unwrap_or(under.pool);
    RouteSettings {
        pool,
        origin: origin(pool, pools),
        cache: cache(rule.table(&RULE.cache).over(site.table(&SITE.cache))),
        headers: headers(rule.table(&RULE.headers).over(site.table(&SITE.headers)), Some(&under.headers)),
        signed: match rule.node(&RULE.signed) {
            Some(_) => signed::all(untyped::Section::of(rule)),
            None => under.signed.clone(),
        },
    }
}

fn pool<T: Keys>(section: Section<'_, T>, key: &Key<T, Option<String>>, pools: &[Named]) -> Option<PoolId> {
    let name = section.get(key)?;
    let found = pools.iter().position(|named| named.pool.name == name);
    if found.is_none() && section.cx.pools_are_known() {
        let known = pools.iter().map(|named| named.pool.name.as_str());
        let message = format!("{} names an unknown pool {}", section.name(), section.shown(key));
        section.nearest(key, message, nearest(&name, known));
    }
    found.map(PoolId)
}

fn origin(pool: PoolId, pools: &[Named]) -> OriginKind {
    match pools.get(pool.0).is_some_and(|named| named.pool.s3.is_some()) {
        true => OriginKind::S3,
        false => OriginKind::Http,
    }
}

fn cache(section: Section<'_, keys::SiteCache>) -> CacheRules {
    let (min_ttl, max_ttl) = (section.get(&SITE_CACHE.min_ttl), section.get(&SITE_CACHE.max_ttl));
    if min_ttl.zip(max_ttl).is_some_and(|(min, max)| min > max) {
        // A rule may have brought either: the place is the rule's.
        let key = if section.owns(&SITE_CACHE.max_ttl) && !section.owns(&SITE_CACHE.min_ttl) {
            &SITE_CACHE.max_ttl
        } else {
            &SITE_CACHE.min_ttl
        };
        section.error(key, "\"min_ttl\" is longer than \"max_ttl\"");
    }
    let slice = section.get(&SITE_CACHE.slice);
    if !slice.is_power_of_two() && section.is_sound(&SITE_CACHE.slice) {
        section.error(&SITE_CACHE.slice, "\"slice\" must be a power of two from 64KiB to 64MiB");
    }
    CacheRules {
        enabled: section.get(&SITE_CACHE.enabled),
        default_ttl: section.get(&SITE_CACHE.default_ttl),
        min_ttl,
        max_ttl,
        override_ttl: section.get(&SITE_CACHE.override_ttl),
        status_ttl: status_ttl(section),
        stale_while_revalidate: section.get(&SITE_CACHE.stale_while_revalidate),
        stale_if_error: section.get(&SITE_CACHE.stale_if_error),
        query: query(section),
        sort_query: section.get(&SITE_CACHE.sort_query),
        headers: key_headers(section),
        cookies: cookies(section),
        ignore_request_no_cache: section.get(&SITE_CACHE.ignore_request_no_cache),
        slice,
        collapse: section.get(&SITE_CACHE.collapse),
        collapse_timeout: section.get(&SITE_CACHE.collapse_timeout),
    }
}

fn status_ttl(section: Section<'_, keys::SiteCache>) -> Vec<(u16, std::time::Duration)> {
    let mut ttls = Vec::new();
    for (status, node) in section.get(&SITE_CACHE.status_ttl) {
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

fn query(section: Section<'_, keys::SiteCache>) -> QueryKey {
    let table = match section.word_or_table(&SITE_CACHE.query) {
        WordOrTable::Table(table) => table,
        WordOrTable::Word(word) if word == "none" => return QueryKey::None,
        WordOrTable::Word(_) => return QueryKey::All,
    };
    let names = |key| {
        let items = table.node(key).and_then(Node::list)?;
        Some(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect::<Vec<_>>())
    };
    match (names(&QUERY.include), names(&QUERY.exclude)) {
        (Some(include), None) => QueryKey::Include(include),
        (None, Some(exclude)) => QueryKey::Exclude(exclude),
        _ => {
            if table.owns(&QUERY.include) == table.owns(&QUERY.exclude) {
                section.error(&SITE_CACHE.query, "\"query\" must have either \"include\" or \"exclude\"");
            }
            QueryKey::All
        }
    }
}

fn key_headers(section: Section<'_, keys::SiteCache>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for node in section.get(&SITE_CACHE.headers) {
        match header_name(node.text().unwrap_or_default()) {
            Ok(name) => names.push(name),
            Err(message) => section.cx.error(&node.place, &node.path, message),
        }
    }
    names
}

fn cookies(section: Section<'_, keys::SiteCache>) -> Vec<String> {
    let mut names = Vec::new();
    for node in section.get(&SITE_CACHE.cookies) {
        match node.text().filter(|name| is_token(name)) {
            Some(name) => names.push(name.to_owned()),
            None => {
                section.cx.error(&node.place, &node.path, format!("{} is not a cookie name", node.shown()))
            }
        }
    }
    names
}
