//! Via, Forwarded, X-Forwarded-*: who is not trusted says nothing of the client, and what is sent on reads back.

use std::net::{IpAddr, Ipv4Addr};

use http::Version;

use super::input::Input;
use crate::http::forwarded::{
    Received, Via, client_ip, client_proto, is_trusted, set_forwarded, via_contains,
};
use crate::http::host::{Host, Scheme};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let peer = input.text().parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let trusted: Vec<ipnet::IpNet> = input.text().split(' ').filter_map(|net| net.parse().ok()).collect();
    let host =
        Host::parse(input.line(), Scheme::Http).unwrap_or_else(|_| Host::parse(b"a", Scheme::Http).unwrap());
    let headers = input.fields();
    let known = is_trusted(peer, &trusted);

    let client = client_ip(&headers, peer, &trusted);
    let scheme = client_proto(&headers, peer, &trusted, Scheme::Http);
    assert_eq!(client, client.to_canonical());
    if !known {
        assert_eq!((client, scheme), (peer.to_canonical(), Scheme::Http));
    }

    let mut sent = headers.clone();
    set_forwarded(&mut sent, Received { peer, trusted: known, scheme, host: &host });
    assert_eq!(sent.get_all("x-forwarded-for").iter().count(), 1);
    let last = sent["x-forwarded-for"].as_bytes().rsplit(|&b| b == b',').next().unwrap().trim_ascii();
    assert_eq!(last, peer.to_canonical().to_string().as_bytes());
    if !known {
        assert_eq!(sent["x-forwarded-proto"].as_bytes(), scheme.as_str().as_bytes());
        assert_eq!(sent["x-forwarded-host"].as_bytes(), host.as_bytes());
        let claims = sent.keys().filter(|name| name.as_str().starts_with("x-forwarded-"));
        assert_eq!(claims.count(), 3);
    }
    // The next hop, which trusts us, finds our peer where we saw one.
    let us = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    if !is_trusted(peer, &[us.into()]) {
        assert_eq!(client_ip(&sent, us, &[us.into()]), peer.to_canonical());
        sent.remove("x-forwarded-for");
        if !known || !headers.contains_key("forwarded") {
            assert_eq!(client_ip(&sent, us, &[us.into()]), peer.to_canonical());
        }
    }

    let mut passed = headers.clone();
    Via::new("seawall").unwrap().append_to(&mut passed, Version::HTTP_11);
    assert!(via_contains(&passed, "SEAWALL"), "a loop is not seen");
}
