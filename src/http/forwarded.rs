//! Who asked, through whom: Via, Forwarded (RFC 7239) and the X-Forwarded-* fields, read and written.
//!
//! A field that says who the client is can be trusted as far as the peer that sent it. What an untrusted peer sent
//! is replaced, what a trusted one sent is extended.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Version, header::InvalidHeaderValue};
use ipnet::IpNet;
use smallvec::SmallVec;

use super::host::{Host, Scheme};
use super::list::{elements, is_ows, split, trim, unquote};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The values this node adds to Via, made once: one per protocol version (RFC 9110 §7.6.3).
#[derive(Debug, Clone)]
pub struct Via {
    v1_0: HeaderValue,
    v1_1: HeaderValue,
    v2: HeaderValue,
    v3: HeaderValue,
}

impl Via {
    /// For a node of this name, which should be a token. Fails if no field value can hold it.
    pub fn new(name: &str) -> Result<Self, InvalidHeaderValue> {
        let value = |version: &str| HeaderValue::try_from(format!("{version} {name}"));
        Ok(Self { v1_0: value("1.0")?, v1_1: value("1.1")?, v2: value("2")?, v3: value("3")? })
    }

    /// Adds this node after those before it. `version` is that of the message received.
    pub fn append_to(&self, headers: &mut HeaderMap, version: Version) {
        let value = match version {
            Version::HTTP_2 => &self.v2,
            Version::HTTP_3 => &self.v3,
            Version::HTTP_09 | Version::HTTP_10 => &self.v1_0,
            _ => &self.v1_1,
        };
        headers.append(header::VIA, value.clone());
    }
}

/// Whether a message already passed a node of this name: a loop. Names are compared without case.
///
/// A comma in a comment splits it; who forges a loop that way refuses only their own request.
pub fn via_contains(headers: &HeaderMap, name: &str) -> bool {
    elements(headers, &header::VIA).any(|member| {
        let mut words = member.split(|&byte| is_ows(byte)).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|received_by| received_by.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// What the edge itself knows of a request.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Whether the peer is one whose forwarding fields are believed.
    pub trusted: bool,
    /// How it came.
    pub scheme: Scheme,
    /// The host it asked for.
    pub host: &'a Host,
}

/// Sets X-Forwarded-For, -Proto, -Host and Forwarded on a request to the origin.
///
/// From an untrusted peer every X-Forwarded-* field, X-Real-IP and Forwarded is dropped first. From a trusted one the
/// lists get this hop at their end, -Proto and -Host stay as they are if they are there.
pub fn set_forwarded(headers: &mut HeaderMap, received: Received<'_>) {
    if !received.trusted {
        drop_claims(headers);
    }
    let peer = received.peer.to_canonical();
    extend_list(headers, FOR, &peer.to_string());
    extend_list(headers, header::FORWARDED, &forwarded_element(peer, received));
    keep_or_set(headers, PROTO, received.scheme.as_str().as_bytes());
    keep_or_set(headers, HOST, received.host.as_bytes());
}

fn drop_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &&HeaderName| {
        name.as_str().starts_with("x-forwarded-") || **name == header::FORWARDED || **name == REAL_IP
    };
    let claims: SmallVec<[HeaderName; 4]> = headers.keys().filter(is_claim).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// One line with all of them: many an application reads only the first.
fn extend_list(headers: &mut HeaderMap, name: HeaderName, last: &str) {
    let mut list = Vec::with_capacity(64);
    for line in headers.get_all(&name) {
        let line = trim(line.as_bytes());
        if !line.is_empty() {
            list.extend_from_slice(line);
            list.extend_from_slice(b", ");
        }
    }
    list.extend_from_slice(last.as_bytes());
    // Lines that were field values joined by ASCII are one again, so this does not fail.
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(list)) {
        headers.insert(name, value);
    }
}

fn keep_or_set(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if !headers.contains_key(&name)
        && let Ok(value) = HeaderValue::from_bytes(value)
    {
        headers.insert(name, value);
    }
}

/// RFC 7239 §4, §6: an IPv6 address is bracketed, and quoted because brackets and colons are no token.
fn forwarded_element(peer: IpAddr, received: Received<'_>) -> String {
    let (host, proto) = (received.host, received.scheme.as_str());
    let node = match peer {
        IpAddr::V4(peer) => peer.to_string(),
        IpAddr::V6(peer) => format!("\"[{peer}]\""),
    };
    let quote = if host.as_bytes().contains(&b':') { "\"" } else { "" };
    format!("for={node};host={quote}{host}{quote};proto={proto}")
}

/// Whether an address is in one of the networks. IPv4 in IPv6 (`::ffff:1.2.3.4`) counts as IPv4.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// The client's address: from the right of X-Forwarded-For, the first that is not a trusted proxy.
///
/// Begins with the peer itself, so an untrusted peer is the client whatever it sent. If all are trusted it is the
/// leftmost. Stops before an entry that is no address (`unknown`, `_hidden`). Without X-Forwarded-For the `for` of
/// Forwarded is read; where both are there, X-Forwarded-For counts, so trusted proxies must not let a foreign one pass.
pub fn client_ip(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    if headers.contains_key(&FOR) {
        walk(peer, trusted, headers.get_all(&FOR).iter().rev().flat_map(|line| rsplit(line.as_bytes())))
    } else {
        let elements: SmallVec<[&[u8]; 4]> = elements(headers, &header::FORWARDED).collect();
        let nodes = elements.iter().rev().map(|element| forwarded_param(element, b"for").unwrap_or_default());
        walk(peer, trusted, nodes)
    }
}

/// Members of a list without quoted strings, last first.
fn rsplit(line: &[u8]) -> impl Iterator<Item = SmallVec<[u8; 64]>> {
    line.rsplit(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty()).map(SmallVec::from_slice)
}

fn walk(peer: IpAddr, trusted: &[IpNet], nodes: impl Iterator<Item = SmallVec<[u8; 64]>>) -> IpAddr {
    let mut client = peer;
    for node in nodes {
        let Some(address) = parse_node(&node) else { break };
        client = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    client
}

/// An address, in brackets or not, with a port or not (RFC 7239 §6; X-Forwarded-For has no grammar).
fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// A parameter of a Forwarded element, without quotes. Names are compared without case (RFC 7239 §4).
fn forwarded_param(element: &[u8], name: &[u8]) -> Option<SmallVec<[u8; 64]>> {
    split(element, b';').find_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let (key, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        let value = trim(key).eq_ignore_ascii_case(name).then(|| unquote(trim(value)))??;
        Some(SmallVec::from_slice(&value))
    })
}

/// How the client asked. From a trusted peer the last value of X-Forwarded-Proto, else of Forwarded's `proto`: the one
/// that the peer itself set. From any other, and where that says something else than http or https, `own`.
pub fn client_proto(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet], own: Scheme) -> Scheme {
    if !is_trusted(peer, trusted) {
        return own;
    }
    let stated = match elements(headers, &PROTO).last() {
        Some(proto) => Some(SmallVec::from_slice(proto)),
        None => elements(headers, &header::FORWARDED).last().and_then(|last| forwarded_param(last, b"proto")),
    };
    let is = |scheme: Scheme| {
        stated.as_ref().is_some_and(|stated| stated.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
    };
    [Scheme::Http, Scheme::Https].into_iter().find(|scheme| is(*scheme)).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        all.sort_unstable();
        all
    }

    fn nets(all: &[&str]) -> Vec<IpNet> {
        all.iter().map(|net| net.parse().unwrap()).collect()
    }

    fn forward(sent: &[(&str, &str)], peer: &str, trusted: bool, host: &str) -> HeaderMap {
        let mut headers = headers(sent);
        let host = Host::parse(host.as_bytes(), Scheme::Https).unwrap();
        let received = Received { peer: peer.parse().unwrap(), trusted, scheme: Scheme::Https, host: &host };
        set_forwarded(&mut headers, received);
        headers
    }

    #[test]
    fn via_names_the_version_received() {
        let via = Via::new("seawall").unwrap();
        for (version, expected) in [
            (Version::HTTP_10, "1.0 seawall"),
            (Version::HTTP_11, "1.1 seawall"),
            (Version::HTTP_2, "2 seawall"),
            (Version::HTTP_3, "3 seawall"),
        ] {
            let mut message = headers(&[("via", "1.1 shield")]);
            via.append_to(&mut message, version);
            let seen: Vec<_> = message.get_all("via").iter().collect();
            assert_eq!(seen, ["1.1 shield", expected]);
        }
        assert!(Via::new("a\nb").is_err());
    }

    #[test]
    fn loops_are_seen() {
        for (value, expected) in [
            ("1.1 seawall", true),
            ("1.0 fred, 1.1  SeaWall (edge, 2)", true),
            ("HTTP/2 seawall", true),
            ("1.1 seawall-2", false),
            ("seawall", false),
            ("1.1 other (seawall)", false),
            ("", false),
        ] {
            assert_eq!(via_contains(&headers(&[("via", value)]), "seawall"), expected, "{value}");
        }
        assert!(via_contains(&headers(&[("via", "1.1 a"), ("via", "1.1 b")]), "b"));
        assert!(!via_contains(&HeaderMap::new(), "b"));
    }

    #[test]
    fn an_untrusted_peers_claims_are_replaced() {
        let sent = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-port", "1"),
            ("x-real-ip", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("forwarded", "for=6.6.6.7"),
        ];
        assert_eq!(
            lines(&forward(&sent, "192.0.2.7", false, "a.example")),
            [
                ("forwarded", "for=192.0.2.7;host=a.example;proto=https"),
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-host", "a.example"),
                ("x-forwarded-proto", "https"),
            ]
        );
    }

    #[test]
    fn a_trusted_peers_claims_are_extended() {
        let sent = [
            ("x-forwarded-for", "192.0.2.1, 192.0.2.2"),
            ("x-forwarded-for", "192.0.2.3"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=192.0.2.1"),
            ("x-real-ip", "192.0.2.1"),
        ];
        assert_eq!(
            lines(&forward(&sent, "::1", true, "a.example:444")),
            [
                ("forwarded", "for=192.0.2.1, for=\"[::1]\";host=\"a.example:444\";proto=https"),
                ("x-forwarded-for", "192.0.2.1, 192.0.2.2, 192.0.2.3, ::1"),
                ("x-forwarded-host", "a.example:444"),
                ("x-forwarded-proto", "http"),
                ("x-real-ip", "192.0.2.1"),
            ]
        );
    }

    #[test]
    fn an_empty_list_is_no_list() {
        let seen = forward(&[("x-forwarded-for", "")], "::ffff:192.0.2.7", true, "a.example");
        assert_eq!(seen.get("x-forwarded-for").unwrap(), "192.0.2.7");
    }

    #[test]
    fn the_client_is_the_first_untrusted_from_the_right() {
        let trusted = nets(&["10.0.0.0/8", "fd00::/8"]);
        for (peer, sent, expected) in [
            ("192.0.2.1", &[("x-forwarded-for", "6.6.6.6")][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("x-forwarded-for", "192.0.2.1")], "192.0.2.1"),
            ("::ffff:10.0.0.1", &[("x-forwarded-for", "::ffff:192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 192.0.2.1 ,10.0.0.2,")], "192.0.2.1"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "10.9.9.9")], "6.6.6.6"),
            ("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, unknown, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[("x-forwarded-for", "192.0.2.1:4711")], "192.0.2.1"),
            ("10.0.0.1", &[("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1"),
            ("10.0.0.1", &[("x-forwarded-for", "[2001:db8::1]")], "2001:db8::1"),
            ("fd00::1", &[("x-forwarded-for", "2001:db8::1")], "2001:db8::1"),
            (
                "10.0.0.1",
                &[("forwarded", "for=6.6.6.6, For=\"[2001:db8::1]:80\";by=x, for=10.0.0.2")],
                "2001:db8::1",
            ),
            (
                "10.0.0.1",
                &[("forwarded", "proto=https;for=192.0.2.1"), ("forwarded", "for=10.0.0.2")],
                "192.0.2.1",
            ),
            ("10.0.0.1", &[("forwarded", "for=192.0.2.1, by=x")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1"),
            ("10.0.0.1", &[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=6.6.6.6")], "192.0.2.1"),
        ] {
            let client = client_ip(&headers(sent), peer.parse().unwrap(), &trusted);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {sent:?}");
        }
    }

    #[test]
    fn the_scheme_is_what_a_trusted_peer_says() {
        let trusted = nets(&["10.0.0.0/8"]);
        for (peer, sent, expected) in [
            ("192.0.2.1", &[("x-forwarded-proto", "https")][..], Scheme::Http),
            ("10.0.0.1", &[], Scheme::Http),
            ("10.0.0.1", &[("x-forwarded-proto", "HTTPS")], Scheme::Https),
            ("10.0.0.1", &[("x-forwarded-proto", "http, https")], Scheme::Https),
            ("10.0.0.1", &[("x-forwarded-proto", "gopher")], Scheme::Http),
            ("10.0.0.1", &[("forwarded", "for=a;proto=http, for=b; Proto=\"https\"")], Scheme::Https),
            ("10.0.0.1", &[("forwarded", "proto=https, for=b")], Scheme::Http),
        ] {
            let scheme = client_proto(&headers(sent), peer.parse().unwrap(), &trusted, Scheme::Http);
            assert_eq!(scheme, expected, "{peer} {sent:?}");
        }
    }

    proptest! {
        #[test]
        fn an_untrusted_peer_cannot_say_who_it_is(text in proptest::collection::vec(any::<u8>(), 0..60), peer: u32) {
            if let Ok(value) = HeaderValue::from_bytes(&text) {
                let sent = HeaderMap::from_iter([(FOR, value.clone()), (header::FORWARDED, value)]);
                let peer = IpAddr::from(peer.to_be_bytes());
                prop_assert_eq!(client_ip(&sent, peer, &[]), peer);
                client_ip(&sent, peer, &nets(&["0.0.0.0/0"]));
                client_proto(&sent, peer, &nets(&["0.0.0.0/0"]), Scheme::Http);
            }
        }

        #[test]
        fn what_one_hop_writes_the_next_reads(client: u128, drop_xff: bool) {
            let client = IpAddr::from(client.to_be_bytes());
            let mut sent = forward(&[], &client.to_string(), false, "a.example:1");
            if drop_xff {
                sent.remove(FOR);
                sent.remove(PROTO);
            }
            let (peer, trusted) = ("10.0.0.1".parse().unwrap(), nets(&["10.0.0.1/32"]));
            prop_assert_eq!(client_ip(&sent, peer, &trusted), client.to_canonical());
            prop_assert_eq!(client_proto(&sent, peer, &trusted, Scheme::Http), Scheme::Https);
        }
    }
}
