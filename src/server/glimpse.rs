//! What is known of a request that no handler ever saw, for the log: it was refused, or broke off, before it was one.

use http::{HeaderMap, Request, Version, header};

/// The longest path that is kept. The access log cuts the rest.
const PATH: usize = 2048;
/// The longest method and the longest host.
const WORD: usize = 256;
/// How far into a head a Host field is looked for.
const SEARCHED: usize = 8192;

/// What was seen of a request; empty where nothing was. The client's words, cut, and of the target only the path: a
/// query may hold a signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// The method.
    pub method: String,
    /// The target up to its query.
    pub path: String,
    /// Host, or the target's authority.
    pub host: String,
    /// If it is known.
    pub version: Option<Version>,
}

impl Glimpse {
    /// Of the bytes of an HTTP/1 head, or of as many as came, which may be anything.
    pub fn of_head(head: &[u8]) -> Self {
        let head = head.get(..SEARCHED).unwrap_or(head).trim_ascii_start();
        let mut lines = head.split(|byte| *byte == b'\n');
        let mut words = lines.next().unwrap_or_default().trim_ascii_end().split(|byte| *byte == b' ');
        let mut word = |most| text(words.next().unwrap_or_default(), most);
        let (method, target) = (word(WORD), word(PATH));
        let version = match words.next() {
            Some(b"HTTP/1.0") => Some(Version::HTTP_10),
            Some(b"HTTP/1.1") => Some(Version::HTTP_11),
            _ => None,
        };
        let host = lines.find_map(|line| {
            let (name, value) = line.split_at_checked(5)?;
            name.eq_ignore_ascii_case(b"host:").then(|| text(value.trim_ascii(), WORD))
        });
        Self { method, path: path(&target).to_owned(), host: host.unwrap_or_default(), version }
    }

    /// Of a request that was parsed.
    pub fn of_request<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        let host = |headers: &HeaderMap| headers.get(header::HOST).map(|host| text(host.as_bytes(), WORD));
        Self {
            method: text(request.method().as_str().as_bytes(), WORD),
            path: text(uri.path().as_bytes(), PATH),
            host: uri.host().map(str::to_owned).or_else(|| host(request.headers())).unwrap_or_default(),
            version: Some(request.version()),
        }
    }
}

fn path(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

fn text(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(bytes.get(..most).unwrap_or(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_seen_as_there_is() {
        let seen = |head: &[u8]| {
            let Glimpse { method, path, host, version } = Glimpse::of_head(head);
            format!("{method} {path} {host} {version:?}")
        };
        for (head, expected) in [
            (
                "\r\nGET /a?token=x HTTP/1.1\r\nA: b\r\nhost: h.example \r\n\r\n",
                "GET /a h.example Some(HTTP/1.1)",
            ),
            ("PUT /a HTTP/1.0\r\n", "PUT /a  Some(HTTP/1.0)"),
            ("GET /abc", "GET /abc  None"),
            ("GE", "GE   None"),
            ("", "   None"),
            ("nonsense\r\nHost: h\r\n\r\n", "nonsense  h None"),
        ] {
            assert_eq!(seen(head.as_bytes()), expected, "{head:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(5000));
        let glimpse = Glimpse::of_head(long.as_bytes());
        assert_eq!((glimpse.path.len(), glimpse.host.as_str()), (PATH, "h"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(head: Vec<u8>) {
            let glimpse = Glimpse::of_head(&head);
            assert!(glimpse.path.len() <= 3 * PATH && !glimpse.path.contains('?'));
        }
    }
}
