//! Upgrade: the protocol that a request asks to change to (RFC 9110 §7.8).

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Version};

use super::list::elements;

/// What a request asks to change to (RFC 9110 §7.8), if the edge would let it. Ask before hop-by-hop fields go. On HTTP/2
/// such fields are malformed, except where the server has made them of an extended CONNECT (RFC 8441).
pub fn wanted(method: &Method, version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    if *method != Method::GET || !matches!(version, Version::HTTP_11 | Version::HTTP_2) {
        return None;
    }
    let mut values = headers.get_all(UPGRADE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let announced = elements(headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    let harmless = elements(headers, &UPGRADE).all(|protocol| {
        let name = protocol.split(|b| *b == b'/').next().unwrap_or_default().to_ascii_lowercase();
        !matches!(&name[..], b"" | b"http" | b"tls") && !name.starts_with(b"h2") && !name.starts_with(b"h3")
    });
    (announced && harmless && !value.is_empty()).then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_changed_to() {
        for (fields, protocol) in [
            (&[("connection", "Upgrade"), ("upgrade", "websocket")][..], Some("websocket")),
            (&[("connection", "keep-alive, upgrade"), ("upgrade", "WebSocket")], Some("WebSocket")),
            (&[("connection", "upgrade"), ("upgrade", "irc/6.9, foo")], Some("irc/6.9, foo")),
            (&[("upgrade", "websocket")], None),
            (&[("connection", "upgrade")], None),
            (&[("connection", "upgrade"), ("upgrade", "")], None),
            (&[("connection", "upgrade"), ("upgrade", "h2c")], None),
            (&[("connection", "upgrade"), ("upgrade", "websocket, H2C")], None),
            (&[("connection", "upgrade"), ("upgrade", "HTTP/2.0")], None),
            (&[("connection", "upgrade"), ("upgrade", "TLS/1.0")], None),
            (&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let found = wanted(&Method::GET, Version::HTTP_11, &headers);
            assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), protocol, "{fields:?}");
            assert_eq!(wanted(&Method::POST, Version::HTTP_11, &headers), None);
            assert_eq!(wanted(&Method::GET, Version::HTTP_2, &headers), found);
            assert_eq!(wanted(&Method::GET, Version::HTTP_10, &headers), None);
        }
    }
}
