//! Which HTTP a connection speaks, and how the version of a message is written in logs.

use http::Version;

/// What a connection speaks, and so which folder of `server` serves it. The versions 1.0 and 1.1 of a message are one
/// protocol: they share a connection. HTTP/3 becomes a variant here; what does not compile then is what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, and 1.0 with it (RFC 9112).
    Http1,
    /// RFC 9113.
    Http2,
}

impl Protocol {
    /// The ALPN identifier (RFC 7301), which is the `protocol` label of metrics too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Http1 => "http/1.1",
            Protocol::Http2 => "h2",
        }
    }

    /// What ALPN agreed on; HTTP/1 where it agreed on nothing that is known here.
    pub fn of_alpn(identifier: Option<&[u8]>) -> Self {
        match identifier {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }
}

/// A message's version as the access log writes it.
pub const fn version_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpn_and_back() {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            assert_eq!(Protocol::of_alpn(Some(protocol.as_str().as_bytes())), protocol);
        }
        assert_eq!(Protocol::of_alpn(None), Protocol::Http1);
        assert_eq!(Protocol::of_alpn(Some(b"http/1.0")), Protocol::Http1);
    }
}
