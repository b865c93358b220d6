//! What S3 and the providers of credentials answer: errors, redirects, documents with keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken assertion is what is looked for"
)]

use std::time::UNIX_EPOCH;

use super::answer::element;
use super::fields::strip_response;
use super::plan::Object;
use super::providers::{from_json, from_xml, may_be_asked};
use super::whereabouts::Target;
use crate::fuzzing::input::Input;

/// Error pages.
pub(crate) fn answer(data: &[u8]) {
    for name in ["Code", "Region", "Endpoint"] {
        let Some(text) = element(data, name) else { continue };
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_".contains(&b)) && !text.is_empty());
        let page = format!("<{name}>{text}<");
        assert!(memchr::memmem::find(data, page.as_bytes()).is_some());
    }
    let mut headers = Input(data).fields();
    let before = headers.len();
    strip_response(&mut headers);
    assert!(headers.len() <= before);
    let amazons = |name: &str| name.starts_with("x-amz-") && !name.starts_with("x-amz-meta-");
    assert!(!headers.keys().any(|name| amazons(name.as_str())));
}

/// Where a signature is sent because an answer said so.
pub(crate) fn redirect(data: &[u8]) {
    let mut input = Input(data);
    let (known, tls, location) = (input.text(), input.line() == b"tls", input.text());
    let object = Object { bucket: "photos".into(), path: "/a".into(), query: String::new() };
    let Some(target) = Target::within(location, &object, known, tls) else { return };
    let member = target.member.expect("a location names a host");
    let host = member.host.as_str();
    assert_eq!(member.tls, tls, "from TLS to none, or back");
    assert!(location.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")));
    assert!(
        !host.contains(['@', '/', '?', '#', ':', '\\', ' ']) || host.parse::<std::net::Ipv6Addr>().is_ok(),
        "{host}"
    );
    let amazons = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    let parent = known.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'));
    let sister = parent.is_some_and(|parent| host.ends_with(&format!(".{parent}")));
    assert!(host == known || amazons || sister, "{known} sends our signature to {host}");
    assert!(location.to_ascii_lowercase().contains(host) && !host.is_empty());
}

/// Documents with keys in them: JSON of agents, XML of STS; and the address of an agent.
pub(crate) fn credentials(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for grant in [from_json(text), from_xml(text)].into_iter().flatten() {
        assert!(!grant.keys.access_key_id.is_empty() && !grant.keys.secret_access_key.expose().is_empty());
        assert!(grant.expires >= UNIX_EPOCH);
        let shown = format!("{:?}", grant.keys);
        let secret = grant.keys.secret_access_key.expose();
        assert!(secret.len() < 8 || grant.keys.access_key_id.contains(secret) || !shown.contains(secret));
    }
    if may_be_asked(text) {
        let uri: http::Uri = text.parse().expect("a URL");
        assert!(uri.scheme_str() == Some("https") || !uri.host().unwrap_or_default().contains("example"));
    }
}
