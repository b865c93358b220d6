//! The host a request is for, in one spelling.

use std::net::Ipv6Addr;

use smallvec::SmallVec;

use super::decimal;

/// How a request arrived, or how the first proxy says it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As in a URI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URI need not name.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why something is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing there.
    #[error("the host is empty")]
    Empty,
    /// More than [`MAX_LEN`] bytes.
    #[error("the host is longer than {MAX_LEN} bytes")]
    TooLong,
    /// Something other than letters, digits, `-`, `.` and `_`, or an empty label.
    #[error("the host is not a name")]
    BadName,
    /// Brackets around something that is no IPv6 address. Zones and IPvFuture are refused too.
    #[error("the host is not an IPv6 address")]
    BadAddress,
    /// Not a number from 1 to 65535.
    #[error("the port is not a port")]
    BadPort,
}

/// The longest host, its port not counted (RFC 1035 §2.3.4).
pub const MAX_LEN: usize = 255;

/// A host, with its port if that is not the scheme's.
///
/// Lower case, without a dot at the end, IPv6 as RFC 5952 writes it, in brackets (RFC 3986 §3.2.2, §6.2.2, §6.2.3).
/// Internationalised names have to come as A-labels. Held in place: no allocation up to 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host {
    text: SmallVec<[u8; 64]>,
    /// Where the port's colon stands, or the end.
    name_len: usize,
    port: Option<u16>,
}

impl Host {
    /// From a Host field or an authority without user information, which came over `scheme`.
    pub fn parse(value: &[u8], scheme: Scheme) -> Result<Self, HostError> {
        let (name, port) = split_port(value)?;
        let port = parse_port(port)?.filter(|port| *port != scheme.default_port());
        let mut text = SmallVec::new();
        match name {
            [b'[', address @ .., b']'] => write_address(address, &mut text)?,
            _ => write_name(name, &mut text)?,
        }
        let name_len = text.len();
        if let Some(port) = port {
            text.push(b':');
            decimal::push(&mut text, u64::from(port));
        }
        Ok(Self { text, name_len, port })
    }

    /// Name and port.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Name and port.
    pub fn as_str(&self) -> &str {
        ascii(&self.text)
    }

    /// Without the port; an IPv6 address has its brackets.
    pub fn name(&self) -> &str {
        ascii(self.text.get(..self.name_len).unwrap_or_default())
    }

    /// The host alone.
    pub fn without_port(mut self) -> Self {
        self.text.truncate(self.name_len);
        self.port = None;
        self
    }

    /// The port, unless it is the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All that is written into a [`Host`] is ASCII.
fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

fn split_port(value: &[u8]) -> Result<(&[u8], &[u8]), HostError> {
    let name_len = match value {
        [b'[', ..] => memchr::memchr(b']', value).ok_or(HostError::BadAddress)? + 1,
        _ => memchr::memchr(b':', value).unwrap_or(value.len()),
    };
    let (name, port) = value.split_at_checked(name_len).ok_or(HostError::BadName)?;
    match port {
        [] => Ok((name, port)),
        [b':', port @ ..] => Ok((name, port)),
        _ => Err(HostError::BadAddress),
    }
}

/// An empty port is none (RFC 3986 §6.2.3).
fn parse_port(text: &[u8]) -> Result<Option<u16>, HostError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > 5 {
        return Err(HostError::BadPort);
    }
    let port = decimal::parse(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    port.map(Some).ok_or(HostError::BadPort)
}

fn write_address(address: &[u8], out: &mut SmallVec<[u8; 64]>) -> Result<(), HostError> {
    let text = std::str::from_utf8(address).map_err(|_| HostError::BadAddress)?;
    let address: Ipv6Addr = text.parse().map_err(|_| HostError::BadAddress)?;
    out.extend_from_slice(format!("[{address}]").as_bytes());
    Ok(())
}

fn write_name(name: &[u8], out: &mut SmallVec<[u8; 64]>) -> Result<(), HostError> {
    if name.len() > MAX_LEN {
        return Err(HostError::TooLong);
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    let mut after_dot = true;
    for &byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => after_dot = false,
            b'.' if !after_dot => after_dot = true,
            _ => return Err(HostError::BadName),
        }
    }
    if after_dot {
        return Err(HostError::BadName);
    }
    out.extend_from_slice(name);
    out.make_ascii_lowercase();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_spelling() {
        for (text, scheme, expected) in [
            ("example.com", Scheme::Http, "example.com"),
            ("EXAMPLE.Com.", Scheme::Http, "example.com"),
            ("example.com:80", Scheme::Http, "example.com"),
            ("example.com:80", Scheme::Https, "example.com:80"),
            ("example.com.:443", Scheme::Https, "example.com"),
            ("example.com:", Scheme::Https, "example.com"),
            ("example.com:08080", Scheme::Http, "example.com:8080"),
            ("my_bucket.s3", Scheme::Http, "my_bucket.s3"),
            ("xn--bcher-kva.example", Scheme::Http, "xn--bcher-kva.example"),
            ("127.0.0.1:8080", Scheme::Http, "127.0.0.1:8080"),
            ("[::1]", Scheme::Http, "[::1]"),
            ("[0:0:0:0:0:0:0:1]:443", Scheme::Https, "[::1]"),
            ("[2001:DB8::0:1]:444", Scheme::Https, "[2001:db8::1]:444"),
            ("[::ffff:1.2.3.4]", Scheme::Http, "[::ffff:1.2.3.4]"),
        ] {
            let host = Host::parse(text.as_bytes(), scheme).unwrap();
            assert_eq!(host.as_str(), expected, "{text}");
            assert_eq!(host.as_bytes(), expected.as_bytes());
            assert_eq!(host.to_string(), expected);
        }
    }

    #[test]
    fn name_and_port_come_apart() {
        let host = Host::parse(b"[::1]:8443", Scheme::Https).unwrap();
        assert_eq!((host.name(), host.port()), ("[::1]", Some(8443)));
        let host = Host::parse(b"a.example", Scheme::Http).unwrap();
        assert_eq!((host.name(), host.port()), ("a.example", None));
        assert_eq!((Scheme::Http.as_str(), Scheme::Https.as_str()), ("http", "https"));
    }

    #[test]
    fn what_is_no_host() {
        let long = "a".repeat(256);
        for (text, expected) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            (":80", HostError::Empty),
            (long.as_str(), HostError::TooLong),
            ("a b", HostError::BadName),
            ("a/b", HostError::BadName),
            ("user@a", HostError::BadName),
            ("a,b", HostError::BadName),
            ("a%2e", HostError::BadName),
            ("bücher", HostError::BadName),
            (".a", HostError::BadName),
            ("a..b", HostError::BadName),
            ("a..", HostError::BadName),
            ("a\0", HostError::BadName),
            ("[::1", HostError::BadAddress),
            ("[]", HostError::BadAddress),
            ("[::1%25lo]", HostError::BadAddress),
            ("[v1.x]", HostError::BadAddress),
            ("[::1]80", HostError::BadAddress),
            ("[é]", HostError::BadAddress),
            ("::1", HostError::BadPort),
            ("a:0", HostError::BadPort),
            ("a:65536", HostError::BadPort),
            ("a:000080", HostError::BadPort),
            ("a:80:80", HostError::BadPort),
            ("a:+80", HostError::BadPort),
        ] {
            assert_eq!(Host::parse(text.as_bytes(), Scheme::Http), Err(expected), "{text}");
            assert!(!expected.to_string().is_empty());
        }
        assert!(Host::parse("a".repeat(255).as_bytes(), Scheme::Http).is_ok());
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent(text in "\\[?[a-zA-Z0-9._:-]{0,40}\\]?(:[0-9]{0,6})?", tls: bool) {
            let scheme = if tls { Scheme::Https } else { Scheme::Http };
            if let Ok(host) = Host::parse(text.as_bytes(), scheme) {
                prop_assert_eq!(Host::parse(host.as_bytes(), scheme), Ok(host));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(host) = Host::parse(&text, Scheme::Http) {
                prop_assert!(host.as_str().is_ascii() && host.name().len() <= MAX_LEN && !host.name().is_empty());
            }
        }

        #[test]
        fn addresses_are_kept(address: u128, port in 1u16..) {
            let address = Ipv6Addr::from(address);
            let host = Host::parse(format!("[{address}]:{port}").as_bytes(), Scheme::Http).unwrap();
            prop_assert_eq!(host.name(), format!("[{address}]"));
        }
    }
}
