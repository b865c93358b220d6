//! Host names: what a site answers to, and what a member is called.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config::HostPattern;

/// One of a site's `hosts`.
///
/// # Errors
/// Why it is none, to follow the value in a message.
pub(super) fn pattern(text: &str) -> Result<HostPattern, String> {
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    if let Some((_, rest)) = text.split_once("://") {
        return Err(format!("has a scheme: write \"{}\"", rest.split('/').next().unwrap_or_default()));
    }
    if let Some((name, _)) = text.split_once('/') {
        return Err(format!("has a path: write \"{name}\""));
    }
    if let Some(parent) = text.strip_prefix("*.") {
        return name(parent).map(|name| HostPattern::Suffix(format!(".{name}")));
    }
    if text.contains('*') {
        return Err("may have a \"*\" only alone or as the first label: \"*.example.com\"".to_owned());
    }
    if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = literal.parse().map_err(|_| "is not an IPv6 address".to_owned())?;
        return Ok(HostPattern::Exact(format!("[{address}]")));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("is an IPv6 address: write \"[{text}]\", as in the Host header"));
    }
    if text.contains(':') {
        return Err("has a port: write it without".to_owned());
    }
    name(text).map(HostPattern::Exact)
}

/// A DNS name or an IPv4 address, in lower case. Underscores are let through: they exist.
///
/// # Errors
/// Why it is none.
pub(super) fn name(text: &str) -> Result<String, String> {
    if !text.is_ascii() {
        return Err("is not ASCII: write the xn-- form".to_owned());
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text.len() > 253 || !text.split('.').all(label) {
        return Err("is not a host name".to_owned());
    }
    // RFC 3986 §3.2.2 reads what looks like an IPv4 address as one; "127.1" would be taken differently by everybody.
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if numeric && text.parse::<Ipv4Addr>().is_err() {
        return Err("is not an IPv4 address".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        let exact = |text: &str| Ok(HostPattern::Exact(text.to_owned()));
        assert_eq!(pattern("Photos.Example.com"), exact("photos.example.com"));
        assert_eq!(pattern("127.0.0.1"), exact("127.0.0.1"));
        assert_eq!(pattern("[0:0::1]"), exact("[::1]"));
        assert_eq!(pattern("*"), Ok(HostPattern::Any));
        assert_eq!(pattern("*.example.com"), Ok(HostPattern::Suffix(".example.com".to_owned())));
        for bad in [
            "",
            "::1",
            "a:80",
            "a.*.b",
            "*a",
            "*.",
            "a..b",
            "a.",
            "-a",
            "127.1",
            "1.2.3.4.5",
            "bücher.de",
            "a b",
            "[::1",
            "a/b",
        ] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_lower_case_ascii(text: String) {
            if let Ok(HostPattern::Exact(host) | HostPattern::Suffix(host)) = pattern(&text) {
                prop_assert!(host.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()));
            }
        }
    }
}
