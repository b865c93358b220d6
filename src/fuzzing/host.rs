//! Hosts: one spelling, which is its own; nothing in it that could end a key's host or a URL's authority.

use super::input::Input;
use crate::http::host::{Host, MAX_LEN, Scheme};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let scheme = if input.line() == b"https" { Scheme::Https } else { Scheme::Http };
    let Ok(host) = Host::parse(input.0, scheme) else { return };
    assert_eq!(Host::parse(host.as_bytes(), scheme).as_ref(), Ok(&host));
    assert!(host.name().len() <= MAX_LEN && host.as_str().len() <= MAX_LEN + 6);
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    match host.name().strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => assert!(address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => assert!(!host.name().is_empty() && host.name().bytes().all(plain), "{host}"),
    }
    assert!(!host.name().ends_with('.') && !host.name().contains(".."));
    assert_ne!(host.port(), Some(scheme.default_port()));
    let bare = host.clone().without_port();
    assert_eq!((bare.as_str(), bare.port()), (host.name(), None));
    // A URL's parser of another hand sees the same authority.
    let uri: http::Uri = format!("http://{host}/").parse().unwrap();
    assert_eq!((uri.host(), uri.port_u16()), (Some(host.name()), host.port()));
}
