//! `[[pool]]`

use std::path::PathBuf;

use http::HeaderValue;
use http::uri::Authority;

use super::{certificates, hosts, s3};
use crate::config::keys::{self, BREAKER, FILE, HEALTH, MEMBER, POOL, POOL_TLS, RETRY, TIMEOUTS};
use crate::config::node::quoted;
use crate::config::section::Section;
use crate::config::{Breaker, Health, Member, OriginTls, Pool, Retry, Timeouts};

/// A pool that sites may name, right or not: a mistake in it is no reason to call it unknown.
pub(super) struct Named {
    pub pool: Pool,
}

pub(super) fn all(root: Section<'_, keys::File>) -> Vec<Named> {
    let mut pools: Vec<Named> = Vec::new();
    for section in root.tables(&FILE.pool) {
        let pool = pool(section);
        let is_taken = pools.iter().any(|other| other.pool.name == pool.name);
        if is_taken && !pool.name.is_empty() {
            section.error(&POOL.name, format!("{} is defined twice", section.name()));
        }
        pools.push(Named { pool });
    }
    pools
}

fn pool(section: Section<'_, keys::Pool>) -> Pool {
    let name = section.get(&POOL.name);
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) || name.len() > 128 {
        section.error(
            &POOL.name,
            format!("{}: a name may have only letters, digits, \"-\", \"_\" and \".\"", section.name()),
        );
    }
    let s3 = section.table(&POOL.s3);
    if s3.written() && section.get(&POOL.host).is_some() {
        section.error(&POOL.host, format!("{} has s3, which sets its own host", section.name()));
    }
    Pool {
        name,
        balance: section.get(&POOL.balance),
        load_bound: section.get(&POOL.load_bound),
        protocol: section.get(&POOL.protocol),
        host: host(section),
        members: members(section),
        zone: section.get(&POOL.zone),
        max_requests: Some(section.get(&POOL.max_requests)).filter(|most| *most > 0),
        queue: section.get(&POOL.queue),
        queue_timeout: section.get(&POOL.queue_timeout),
        timeouts: timeouts(section.table(&POOL.timeouts)),
        retry: retry(section.table(&POOL.retry)),
        health: Some(section.table(&POOL.health)).filter(Section::written).map(health),
        breaker: breaker(section.table(&POOL.breaker)),
        tls: tls(section.table(&POOL.tls)),
        s3: s3.written().then(|| s3::s3(s3)),
    }
}

fn host(section: Section<'_, keys::Pool>) -> Option<HeaderValue> {
    let text = section.get(&POOL.host)?;
    let authority =
        text.parse::<Authority>().ok().filter(|a| !a.as_str().contains('@') && !a.host().is_empty());
    match authority.and_then(|_| HeaderValue::from_str(&text).ok()) {
        Some(value) => Some(value),
        None => {
            section.error(
                &POOL.host,
                format!("{}: host {} is not a host name", section.name(), section.shown(&POOL.host)),
            );
            None
        }
    }
}

fn members(section: Section<'_, keys::Pool>) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for entry in section.tables(&POOL.members) {
        let Some(url) = entry.get(&MEMBER.url) else { continue };
        let Endpoint { tls, host, port, srv, socket } = match endpoint(&url) {
            Ok(endpoint) => endpoint,
            Err(why) => {
                entry.error(
                    &MEMBER.url,
                    format!("{} has a member {}: {why}", section.name(), without_userinfo(&url)),
                );
                continue;
            }
        };
        if members
            .iter()
            .any(|other| (&other.host, other.port, other.srv, &other.socket) == (&host, port, srv, &socket))
        {
            entry.error(
                &MEMBER.url,
                format!("{} has the member {} twice", section.name(), entry.shown(&MEMBER.url)),
            );
        }
        let zone = entry.get(&MEMBER.zone);
        members.push(Member { tls, host, port, srv, socket, weight: entry.get(&MEMBER.weight), zone });
    }
    members
}

/// A message must not repeat a password.
fn without_userinfo(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => quoted(&format!("{scheme}://…@{rest}")),
        (None, Some((_, rest))) => quoted(&format!("…@{rest}")),
        (_, None) => quoted(url),
    }
}

/// Bytes of a socket's path: `sun_path` less its NUL.
const MAX_SOCKET: usize = 107;

/// What a member's URL says.
#[derive(Debug, PartialEq)]
struct Endpoint {
    tls: bool,
    /// Without brackets.
    host: String,
    port: u16,
    srv: bool,
    socket: Option<PathBuf>,
}

/// A path that fits into a socket's address.
fn socket(path: &str) -> Result<Endpoint, String> {
    if !path.starts_with('/') || path.ends_with('/') {
        return Err("a socket is \"unix:/path\"".to_owned());
    }
    if path.len() > MAX_SOCKET || path.contains('\0') {
        return Err(format!("a socket's path has at most {MAX_SOCKET} bytes"));
    }
    Ok(Endpoint { tls: false, host: "localhost".to_owned(), port: 80, srv: false, socket: Some(path.into()) })
}

fn endpoint(url: &str) -> Result<Endpoint, String> {
    if let Some(path) = url.strip_prefix("unix:") {
        return socket(path);
    }
    let (tls, srv, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, false, rest),
        Some(("https", rest)) => (true, false, rest),
        Some(("srv+http", rest)) => (false, true, rest),
        Some(("srv+https", rest)) => (true, true, rest),
        _ => {
            return Err(
                "a member is \"http://host:port\", \"https://host:port\", \"srv+http://name\" or \"unix:/path\"".to_owned()
            );
        }
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return Err("it must not have a user or a password".to_owned());
    }
    if authority.contains(['?', '#']) {
        return Err("it must not have a query".to_owned());
    }
    if authority.contains('/') {
        return Err("it must not have a path".to_owned());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        Some(_) if srv => return Err("the port comes from the SRV records, so write none".to_owned()),
        None if srv => 0,
        None => {
            if tls {
                443
            } else {
                80
            }
        }
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => return Err("a port is a number from 1 to 65535".to_owned()),
        },
    };
    if srv && (host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()) {
        return Err("an IP address has no SRV records".to_owned());
    }
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => literal
            .parse::<std::net::Ipv6Addr>()
            .map(|address| address.to_string())
            .map_err(|_| "its host is not an IPv6 address".to_owned())?,
        None => hosts::name(host).map_err(|why| format!("its host {why}"))?,
    };
    Ok(Endpoint { tls, host, port, srv, socket: None })
}

fn timeouts(section: Section<'_, keys::Timeouts>) -> Timeouts {
    Timeouts {
        connect: section.get(&TIMEOUTS.connect),
        first_byte: section.get(&TIMEOUTS.first_byte),
        idle: section.get(&TIMEOUTS.idle),
        event_stream: section.get(&TIMEOUTS.event_stream),
    }
}

fn retry(section: Section<'_, keys::Retry>) -> Retry {
    Retry {
        attempts: section.get(&RETRY.attempts),
        backoff: section.get(&RETRY.backoff),
        budget: section.get(&RETRY.budget),
        hedge_after: section.get(&RETRY.hedge_after),
    }
}

fn health(section: Section<'_, keys::Health>) -> Health {
    let path = section.get(&HEALTH.path);
    let is_path = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
    if !is_path && section.is_sound(&HEALTH.path) {
        section.error(
            &HEALTH.path,
            format!("\"pool.health.path\" must begin with \"/\", not {}", section.shown(&HEALTH.path)),
        );
    }
    Health {
        path,
        interval: section.get(&HEALTH.interval),
        timeout: section.get(&HEALTH.timeout),
        expect: section.get(&HEALTH.expect),
        unhealthy_after: section.get(&HEALTH.unhealthy_after),
        healthy_after: section.get(&HEALTH.healthy_after),
    }
}

fn breaker(section: Section<'_, keys::Breaker>) -> Breaker {
    Breaker {
        consecutive_failures: section.get(&BREAKER.consecutive_failures),
        error_rate: section.get(&BREAKER.error_rate),
        window: section.get(&BREAKER.window),
        min_requests: section.get(&BREAKER.min_requests),
        open_for: section.get(&BREAKER.open_for),
    }
}

fn tls(section: Section<'_, keys::PoolTls>) -> OriginTls {
    let (cert, key) =
        (section.get(&POOL_TLS.client_cert).is_some(), section.get(&POOL_TLS.client_key).is_some());
    if cert && !key && section.is_sound(&POOL_TLS.client_key) {
        section.error(&POOL_TLS.client_cert, "\"pool.tls.client_cert\" needs \"pool.tls.client_key\"");
    }
    if key && !cert && section.is_sound(&POOL_TLS.client_cert) {
        section.error(&POOL_TLS.client_key, "\"pool.tls.client_key\" needs \"pool.tls.client_cert\"");
    }
    let server_name = section.get(&POOL_TLS.server_name);
    if let Some(name) = &server_name
        && rustls_pki_types::ServerName::try_from(name.as_str()).is_err()
    {
        section.error(
            &POOL_TLS.server_name,
            format!("\"pool.tls.server_name\" {} is not a server name", section.shown(&POOL_TLS.server_name)),
        );
    }
    OriginTls {
        ca: certificates::roots(section, &POOL_TLS.ca),
        client: certificates::pair(section, &POOL_TLS.client_cert, &POOL_TLS.client_key),
        verify: section.get(&POOL_TLS.verify),
        server_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn endpoints() {
        let ok = |tls, host: &str, port| {
            Ok(Endpoint { tls, host: host.to_owned(), port, srv: false, socket: None })
        };
        let srv =
            |tls, host: &str| Ok(Endpoint { tls, host: host.to_owned(), port: 0, srv: true, socket: None });
        assert_eq!(endpoint("srv+http://_web._tcp.Origin.internal"), srv(false, "_web._tcp.origin.internal"));
        assert_eq!(
            endpoint("srv+https://_web._tcp.origin.internal/"),
            srv(true, "_web._tcp.origin.internal")
        );
        assert_eq!(endpoint("http://origin"), ok(false, "origin", 80));
        assert_eq!(endpoint("https://Origin.example/"), ok(true, "origin.example", 443));
        assert_eq!(endpoint("http://[::1]:9000"), ok(false, "::1", 9000));
        assert_eq!(endpoint("https://[::1]"), ok(true, "::1", 443));
        let found = endpoint("unix:/run/app.sock").unwrap();
        assert_eq!((found.socket, found.tls), (Some("/run/app.sock".into()), false));
        for bad in [
            "",
            "origin",
            "ftp://a",
            "http://",
            "http://a:0",
            "http://a:+1",
            "http://a:b",
            "http://a:99999",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://[::1",
            "http://::1",
            "http://a b",
            "srv+http://a:80",
            "srv+http://192.0.2.1",
            "srv+http://[::1]",
            "srv+ftp://a",
            "srv+http://",
            "unix:",
            "unix:run/app.sock",
            "unix:/run/",
            &format!("unix:/{}", "a".repeat(108)),
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        assert_eq!(without_userinfo("http://me:secret@a"), "\"http://…@a\"");
    }

    proptest! {
        #[test]
        fn any_url_is_read_or_refused(url: String, rest in "https?://.{0,40}") {
            let _ = (endpoint(&url), endpoint(&rest));
        }
    }
}
