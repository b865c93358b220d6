//! WebSocket over a stream (RFC 8441): the handler sees the Upgrade that HTTP/1.1 would have made of it.
//!
//! The key and its answer, which show HTTP/1.1 that nobody in between took the handshake for something else, are ours:
//! the client of an extended CONNECT has none.

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What shows that an origin has understood a key: the Sec-WebSocket-Accept it must send.
pub struct Accept(HeaderValue);

/// A tunnel that is asked for.
pub struct Opening<V> {
    accept: Accept,
    /// The client's bytes.
    stream: V,
}

impl Accept {
    /// Turns an extended CONNECT for a WebSocket, as its `protocol` says, into a GET that asks for an Upgrade. Anything else
    /// stays as it is.
    pub fn begin(parts: &mut Parts, protocol: Option<&[u8]>) -> Option<Self> {
        let protocol = protocol?;
        // A tunnel has no message whose length there could be.
        if !protocol.eq_ignore_ascii_case(b"websocket") || parts.headers.contains_key(header::CONTENT_LENGTH)
        {
            return None;
        }
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).ok()?;
        let key = STANDARD.encode(nonce);
        let accept = HeaderValue::try_from(accept(&key)).ok()?;
        let key = HeaderValue::try_from(key).ok()?;
        parts.method = Method::GET;
        let headers = &mut parts.headers;
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        Some(Self(accept))
    }
}

impl<V> Opening<V> {
    /// One that is answered when this comes.
    pub fn new(accept: Accept, stream: V) -> Self {
        Self { accept, stream }
    }

    /// Whether a 101 with these fields is the answer to our key (RFC 6455 §4.1).
    pub fn is_accepted_by(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter();
        values.next() == Some(&self.accept.0) && values.next().is_none()
    }

    /// The client's bytes.
    pub fn into_stream(self) -> V {
        self.stream
    }
}

fn accept(key: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finish())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_example_of_rfc_6455() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_a_websocket_becomes_an_upgrade() {
        let asks = |length: bool| {
            let mut request = Request::connect("https://x/chat").header("sec-websocket-key", "theirs");
            if length {
                request = request.header("content-length", "0");
            }
            request.body(()).unwrap().into_parts().0
        };
        let mut parts = asks(false);
        let expected = Accept::begin(&mut parts, Some(b"websocket")).unwrap().0;
        let key = parts.headers["sec-websocket-key"].to_str().unwrap();
        assert_eq!(
            (accept(key), STANDARD.decode(key).unwrap().len()),
            (expected.to_str().unwrap().into(), 16)
        );
        assert_eq!((&parts.method, parts.uri.path()), (&Method::GET, "/chat"));
        assert_eq!(
            (&parts.headers["connection"], &parts.headers["upgrade"]),
            (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
        for (protocol, length) in [(None, false), (Some("connect-udp"), false), (Some("websocket"), true)] {
            let mut parts = asks(length);
            assert!(
                Accept::begin(&mut parts, protocol.map(str::as_bytes)).is_none(),
                "{protocol:?} {length}"
            );
            assert_eq!(parts.method, Method::CONNECT);
            assert!(!parts.headers.contains_key("upgrade"));
        }
    }
}
