//! What a token says: lines of `name=value`, checked the same way when written and when read.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use crate::config::OriginKind;
use crate::http::uniform;
use crate::http::uri::normalise_path;

/// The claims of a token. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims<'a> {
    /// `key`: which secret signed; 1 to 128 bytes without control characters.
    pub key_id: &'a str,
    /// `exp`: from this second on the token is refused.
    pub expires: u64,
    /// `path` or `prefix`: what it opens.
    pub scope: Scope<'a>,
    /// `ip`: the clients that may use it; an address is a network of one.
    pub client: Option<IpNet>,
    /// `host`: the only host it is good for, lower case and without a port; `None` is any host whose site has the key.
    pub host: Option<&'a str>,
    /// `nbf`: before this second the token is refused.
    pub not_before: Option<u64>,
    /// `iat`: when it was made; counted by `max_lifetime` where `nbf` is not there.
    pub issued_at: Option<u64>,
}

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// This path and no other.
    Path(&'a str),
    /// All paths that begin with this; it begins and ends with `/`, so that `/a/` never opens `/ab`.
    Prefix(&'a str),
}

/// Claims that no verifier would accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// The key id is empty, too long, or has control characters.
    #[error("key id {0:?} must be 1 to 128 bytes without control characters")]
    KeyId(String),
    /// The path cannot stand in a URL as it is.
    #[error(
        "path {0:?} must begin with \"/\" and be percent-encoded: no space, \"?\", \"#\", bare \"%\" or non-ASCII character"
    )]
    Path(String),
    /// The prefix ends inside a segment.
    #[error("prefix {0:?} must end with \"/\"")]
    Prefix(String),
    /// The host has a port, upper case or a character no host has.
    #[error("host {0:?} must be lower case, without a port")]
    Host(String),
}

impl<'a> Scope<'a> {
    /// The path or prefix itself.
    pub fn as_str(&self) -> &'a str {
        match self {
            Scope::Path(text) | Scope::Prefix(text) => text,
        }
    }

    /// Whether `path`, in the spelling by which such a pool's resources are keyed, is inside.
    ///
    /// The signer may have written unreserved characters percent-encoded or hex digits in lower case;
    /// that is the same path (RFC 3986 §6.2.2). Where paths are S3 keys, so is any other spelling of the key.
    pub fn contains(&self, path: &str, origin: OriginKind) -> bool {
        let Ok(normal) = normalise_path(self.as_str()) else { return false };
        let normal = match origin {
            OriginKind::Http => Cow::Borrowed(&*normal),
            OriginKind::S3 => uniform::path(&normal),
        };
        match self {
            Scope::Path(_) => normal == path,
            Scope::Prefix(_) => path.strip_prefix(&*normal).is_some_and(|rest| !climbs(rest)),
        }
    }
}

/// `..%2F` is no dot segment to us (RFC 3986 §3.3), but an origin that decodes first would leave the prefix by it.
fn climbs(rest: &str) -> bool {
    if !rest.contains("..") && !rest.contains('%') {
        return false;
    }
    let decoded: Cow<'_, [u8]> = percent_decode_str(rest).into();
    decoded.split(|&b| b == b'/' || b == b'\\').any(|segment| segment == b"..")
}

impl<'a> Claims<'a> {
    /// The text that is signed, after a check.
    ///
    /// # Errors
    /// When a value could not be read back: [`ClaimsError`] names it.
    pub fn to_text(&self) -> Result<String, ClaimsError> {
        self.check()?;
        let mut text = format!("key={}\nexp={}", self.key_id, self.expires);
        let scope = match self.scope {
            Scope::Path(_) => "path",
            Scope::Prefix(_) => "prefix",
        };
        let client = self.client.map(|network| match network.prefix_len() == network.max_prefix_len() {
            true => network.addr().to_string(),
            false => network.trunc().to_string(),
        });
        let lines = [
            (scope, Some(Cow::Borrowed(self.scope.as_str()))),
            ("ip", client.map(Cow::Owned)),
            ("host", self.host.map(Cow::Borrowed)),
            ("nbf", self.not_before.map(|at| Cow::Owned(at.to_string()))),
            ("iat", self.issued_at.map(|at| Cow::Owned(at.to_string()))),
        ];
        for (name, value) in lines.iter().filter_map(|(name, value)| value.as_ref().map(|v| (name, v))) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{name}={value}");
        }
        Ok(text)
    }

    /// Reads what [`Claims::to_text`] wrote, in any order of lines. `None` for a missing, repeated,
    /// unknown or malformed line: a restriction that is not understood must not be ignored.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut key_id = None;
        let mut expires = None;
        let mut scope = None;
        let mut client = None;
        let mut host = None;
        let mut not_before = None;
        let mut issued_at = None;
        for line in text.split('\n') {
            let (name, value) = line.split_once('=')?;
            match name {
                "key" => set(&mut key_id, value)?,
                "exp" => set(&mut expires, seconds(value)?)?,
                "path" => set(&mut scope, Scope::Path(value))?,
                "prefix" => set(&mut scope, Scope::Prefix(value))?,
                "ip" => set(&mut client, network(value)?)?,
                "host" => set(&mut host, value)?,
                "nbf" => set(&mut not_before, seconds(value)?)?,
                "iat" => set(&mut issued_at, seconds(value)?)?,
                _ => return None,
            }
        }
        let claims =
            Self { key_id: key_id?, expires: expires?, scope: scope?, client, host, not_before, issued_at };
        claims.check().ok().map(|()| claims)
    }

    fn check(&self) -> Result<(), ClaimsError> {
        if !(1..=128).contains(&self.key_id.len()) || self.key_id.chars().any(char::is_control) {
            return Err(ClaimsError::KeyId(self.key_id.into()));
        }
        let path = self.scope.as_str();
        let in_url = |b: u8| b.is_ascii_graphic() && !b"?#\\".contains(&b);
        if !path.bytes().all(in_url) || normalise_path(path).is_err() {
            return Err(ClaimsError::Path(path.into()));
        }
        if matches!(self.scope, Scope::Prefix(prefix) if !prefix.ends_with('/')) {
            return Err(ClaimsError::Prefix(path.into()));
        }
        match self.host {
            Some(host) if !is_host(host) => Err(ClaimsError::Host(host.into())),
            _ => Ok(()),
        }
    }
}

fn is_host(host: &str) -> bool {
    let in_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(in_name),
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// At most twelve digits, beyond the year 30000; no sign, which `u64::from_str` would take.
fn seconds(value: &str) -> Option<u64> {
    let digits = value.len() <= 12 && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().ok()).flatten()
}

fn network(value: &str) -> Option<IpNet> {
    match value.contains('/') {
        true => value.parse().ok(),
        false => value.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_documented_and_reads_back() {
        let mut claims = Claims {
            key_id: "2026-11",
            expires: 1_764_000_000,
            scope: Scope::Path("/a/b.jpg"),
            client: None,
            host: None,
            not_before: None,
            issued_at: None,
        };
        assert_eq!(claims.to_text().unwrap(), "key=2026-11\nexp=1764000000\npath=/a/b.jpg");
        claims.scope = Scope::Prefix("/a/");
        claims.client = Some("203.0.113.0/24".parse().unwrap());
        claims.host = Some("photos.example.com");
        claims.not_before = Some(1);
        claims.issued_at = Some(2);
        let text = claims.to_text().unwrap();
        assert_eq!(
            text,
            "key=2026-11\nexp=1764000000\nprefix=/a/\nip=203.0.113.0/24\nhost=photos.example.com\nnbf=1\niat=2"
        );
        assert_eq!(Claims::parse(&text), Some(claims));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let good = "key=k\nexp=1\npath=/a";
        assert!(Claims::parse(good).is_some());
        for bad in [
            "",
            "key=k\nexp=1",
            "key=k\npath=/a",
            "exp=1\npath=/a",
            "key=k\nexp=1\npath=/a\nprefix=/a/",
            "key=k\nexp=1\nexp=2\npath=/a",
            "key=k\nexp=1\npath=/a\n",
            "key=k\nexp=1\npath=/a\nmethod=GET",
            "key=k\nexp=+1\npath=/a",
            "key=k\nexp=-1\npath=/a",
            "key=k\nexp=1.5\npath=/a",
            "key=k\nexp=\npath=/a",
            "key=k\nexp=1234567890123\npath=/a",
            "key=\nexp=1\npath=/a",
            "key=k\r\nexp=1\npath=/a",
            "key=k\nexp=1\npath=a",
            "key=k\nexp=1\npath=/a b",
            "key=k\nexp=1\npath=/a?b",
            "key=k\nexp=1\npath=/a%2",
            "key=k\nexp=1\npath=/../a",
            "key=k\nexp=1\nprefix=/a",
            "key=k\nexp=1\nprefix=",
            "key=k\nexp=1\npath=/a\nip=1.2.3",
            "key=k\nexp=1\npath=/a\nip=1.2.3.4/33",
            "key=k\nexp=1\npath=/a\nhost=",
            "key=k\nexp=1\npath=/a\nhost=a:80",
            "key=k\nexp=1\npath=/a\nhost=A",
        ] {
            assert_eq!(Claims::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn scopes_contain_paths() {
        for (scope, path, inside) in [
            (Scope::Path("/a/b"), "/a/b", true),
            (Scope::Path("/a/b"), "/a/b/", false),
            (Scope::Path("/a/b"), "/a/B", false),
            (Scope::Path("/%61/%c3%a9"), "/a/%C3%A9", true),
            (Scope::Path("/a%2fb"), "/a/b", false),
            (Scope::Path("/a%2fb"), "/a%2Fb", true),
            (Scope::Path("/a%"), "/a%25", false),
            (Scope::Path("/a%+f"), "/a%0F", false),
            (Scope::Prefix("/a/../b/"), "/b/c", true),
            (Scope::Prefix("/a/../b/"), "/a/c", false),
            (Scope::Path("/a[1]%5b"), "/a%5B1%5D%5B", true),
            (Scope::Path("/a+b"), "/a%2Bb", false),
            (Scope::Prefix("/a/"), "/a/", true),
            (Scope::Prefix("/a/"), "/a/b/c", true),
            (Scope::Prefix("/a/"), "/ab", false),
            (Scope::Prefix("/a/"), "/a", false),
            (Scope::Prefix("/%61/"), "/a/b", true),
            (Scope::Prefix("/a/"), "/a/..%2Fb", false),
            (Scope::Prefix("/a/"), "/a/%2E%2E%5Cb", false),
            (Scope::Prefix("/a/"), "/a/x..y%2Fb", true),
            (Scope::Prefix("/"), "/anything", true),
        ] {
            assert_eq!(scope.contains(path, OriginKind::Http), inside, "{scope:?} {path}");
        }
    }
}
