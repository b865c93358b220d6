//! Cache-Status: what this cache did with a request, for whoever reads the response (RFC 9211).

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::decimal;
use super::list::{elements, is_tchar, split, trim, unquote};

/// `cache-status`
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went forward (RFC 9211 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fwd {
    /// The cache was told not to handle it.
    Bypass,
    /// The method has to be forwarded.
    Method,
    /// Nothing stored under the URI.
    UriMiss,
    /// Something stored, but for other selecting fields.
    VaryMiss,
    /// Nothing stored that would do, and more is not known.
    Miss,
    /// The request's Cache-Control demanded it.
    Request,
    /// What is stored is stale.
    Stale,
    /// Only a part is stored.
    Partial,
}

impl Fwd {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Bypass,
        Self::Method,
        Self::UriMiss,
        Self::VaryMiss,
        Self::Miss,
        Self::Request,
        Self::Stale,
        Self::Partial,
    ];

    /// The token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// Whether the request went forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// Answered from the cache (RFC 9211 §2.1).
    Hit,
    /// Neither: the answer is this node's own (RFC 9211 §2).
    Own,
    /// Sent to the origin.
    Forwarded {
        /// `fwd`
        reason: Fwd,
        /// `fwd-status`: what the origin answered, if that differs from what the client gets (RFC 9211 §2.3).
        status: Option<u16>,
        /// `stored`: the response is being stored (RFC 9211 §2.5).
        stored: bool,
        /// `collapsed`: it followed another request's fetch (RFC 9211 §2.6).
        collapsed: bool,
    },
}

/// This cache's member of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus<'a> {
    cache: &'a str,
    handling: Handling,
    ttl: Option<i64>,
    detail: Option<&'a str>,
}

impl<'a> CacheStatus<'a> {
    /// Answered from the cache named `cache`.
    pub const fn hit(cache: &'a str) -> Self {
        Self { cache, handling: Handling::Hit, ttl: None, detail: None }
    }

    /// Answered by the node named `cache` itself, without asking cache or origin.
    pub const fn own(cache: &'a str) -> Self {
        Self { cache, handling: Handling::Own, ttl: None, detail: None }
    }

    /// Sent to the origin.
    pub const fn forwarded(cache: &'a str, reason: Fwd) -> Self {
        let handling = Handling::Forwarded { reason, status: None, stored: false, collapsed: false };
        Self { cache, handling, ttl: None, detail: None }
    }

    /// Seconds of freshness left, negative when stale (RFC 9211 §2.4).
    pub const fn ttl(mut self, seconds: i64) -> Self {
        self.ttl = Some(seconds);
        self
    }

    /// A word of ours (RFC 9211 §2.8).
    pub const fn detail(mut self, detail: &'a str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// The origin's status; of no effect on a hit.
    pub const fn fwd_status(mut self, code: u16) -> Self {
        if let Handling::Forwarded { ref mut status, .. } = self.handling {
            *status = Some(code);
        }
        self
    }

    /// The response is being stored; of no effect on a hit.
    pub const fn stored(mut self) -> Self {
        if let Handling::Forwarded { ref mut stored, .. } = self.handling {
            *stored = true;
        }
        self
    }

    /// It followed another request's fetch; of no effect on a hit.
    pub const fn collapsed(mut self) -> Self {
        if let Handling::Forwarded { ref mut collapsed, .. } = self.handling {
            *collapsed = true;
        }
        self
    }

    /// As a field value.
    pub fn to_value(self) -> HeaderValue {
        let mut out = SmallVec::<[u8; 128]>::new();
        write_item(&mut out, self.cache);
        match self.handling {
            Handling::Hit => out.extend_from_slice(b"; hit"),
            Handling::Own => {}
            Handling::Forwarded { reason, status, stored, collapsed } => {
                out.extend_from_slice(b"; fwd=");
                out.extend_from_slice(reason.as_str().as_bytes());
                if let Some(status) = status {
                    write_number(&mut out, "; fwd-status=", i64::from(status));
                }
                out.extend_from_slice(if stored { b"; stored" } else { b"" });
                out.extend_from_slice(if collapsed { b"; collapsed" } else { b"" });
            }
        }
        if let Some(ttl) = self.ttl {
            write_number(&mut out, "; ttl=", ttl);
        }
        if let Some(detail) = self.detail {
            out.extend_from_slice(b"; detail=");
            write_item(&mut out, detail);
        }
        // Only printable ASCII was written, so the fallback is never taken.
        HeaderValue::from_bytes(&out).unwrap_or_else(|_| HeaderValue::from_static("seawall"))
    }

    /// Adds it at the end of the list, after the caches nearer to the origin (RFC 9211 §2).
    pub fn append_to(self, headers: &mut HeaderMap) {
        headers.append(CACHE_STATUS, self.to_value());
    }
}

/// Numbers of structured fields have at most 15 digits (RFC 9651 §3.3.1).
const MAX_INTEGER: i64 = 999_999_999_999_999;

fn write_number(out: &mut SmallVec<[u8; 128]>, name: &str, number: i64) {
    out.extend_from_slice(name.as_bytes());
    if number < 0 {
        out.push(b'-');
    }
    decimal::push(out, number.clamp(-MAX_INTEGER, MAX_INTEGER).unsigned_abs());
}

/// A token if it can be one, else a string (RFC 9651 §3.3.3, §3.3.4). What neither may have becomes `?`.
fn write_item(out: &mut SmallVec<[u8; 128]>, text: &str) {
    let token = text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'*')
        && text.bytes().all(|byte| is_tchar(byte) || matches!(byte, b':' | b'/'));
    if token {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}

/// A member of a received Cache-Status list, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The cache's name.
    pub cache: String,
    /// Parameters in order, without quotes; one without a value has an empty one.
    pub params: Vec<(String, String)>,
}

impl Member {
    /// The value of a parameter; the last counts (RFC 9651 §3.1.2).
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = split(text, b';');
        let cache = plain(parts.next()?)?;
        let param = |part: &[u8]| match memchr::memchr(b'=', part) {
            Some(at) => Some((plain(part.get(..at)?)?, plain(part.get(at + 1..)?)?)),
            None => Some((plain(part)?, String::new())),
        };
        Some(Self { cache, params: parts.map(param).collect::<Option<_>>()? })
    }
}

fn plain(text: &[u8]) -> Option<String> {
    String::from_utf8(unquote(trim(text))?.into_owned()).ok()
}

/// The members of all Cache-Status lines, the origin's nearest first; those that cannot be read are left out.
pub fn members(headers: &HeaderMap) -> Vec<Member> {
    elements(headers, &CACHE_STATUS).filter_map(Member::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HIT: CacheStatus<'_> = CacheStatus::hit("seawall");

    fn fwd(reason: Fwd) -> CacheStatus<'static> {
        CacheStatus::forwarded("seawall", reason)
    }

    #[test]
    fn as_written() {
        for (status, expected) in [
            (HIT.ttl(30), "seawall; hit; ttl=30"),
            (HIT.ttl(-3).detail("stale-if-error"), "seawall; hit; ttl=-3; detail=stale-if-error"),
            (HIT.stored().collapsed().fwd_status(200), "seawall; hit"),
            (HIT.ttl(i64::MIN), "seawall; hit; ttl=-999999999999999"),
            (fwd(Fwd::UriMiss).stored().collapsed(), "seawall; fwd=uri-miss; stored; collapsed"),
            (fwd(Fwd::Stale).fwd_status(304), "seawall; fwd=stale; fwd-status=304"),
            (fwd(Fwd::Bypass).detail("rule"), "seawall; fwd=bypass; detail=rule"),
            (fwd(Fwd::Miss).detail("a \"b\"\\\n"), r#"seawall; fwd=miss; detail="a \"b\"\\?""#),
            (fwd(Fwd::Miss).detail(""), r#"seawall; fwd=miss; detail="""#),
            (CacheStatus::hit("10.0.0.1"), r#""10.0.0.1"; hit"#),
            (CacheStatus::hit("edge/1:a"), "edge/1:a; hit"),
        ] {
            assert_eq!(status.to_value(), expected);
        }
    }

    #[test]
    fn reasons_are_the_tokens_of_the_rfc() {
        let tokens = Fwd::ALL.map(Fwd::as_str);
        assert_eq!(
            tokens,
            ["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"]
        );
    }

    #[test]
    fn ours_comes_after_the_origins() {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_STATUS, r#"Shield; fwd=miss;ttl=5, "b,c"; hit; detail="x;y""#.parse().unwrap());
        headers.append(CACHE_STATUS, "=; hit".parse().unwrap());
        HIT.ttl(1).append_to(&mut headers);
        let all = members(&headers);
        let names: Vec<_> = all.iter().map(|member| member.cache.as_str()).collect();
        assert_eq!(names, ["Shield", "b,c", "=", "seawall"]);
        assert_eq!(all[0].param("fwd"), Some("miss"));
        assert_eq!(all[1].param("detail"), Some("x;y"));
        assert_eq!(all[3].param("hit"), Some(""));
        assert_eq!(all[3].param("stored"), None);
    }

    #[test]
    fn unreadable_members_are_left_out() {
        let headers = HeaderMap::from_iter([(CACHE_STATUS, r#""a"b; hit, c; x=, d"#.parse().unwrap())]);
        assert_eq!(members(&headers), [Member { cache: "d".into(), params: vec![] }]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cache in "[ -~]{1,20}", detail in "[ -~]{0,20}", ttl in -MAX_INTEGER..MAX_INTEGER) {
            let mut headers = HeaderMap::new();
            CacheStatus::hit(&cache).ttl(ttl).detail(&detail).append_to(&mut headers);
            let all = members(&headers);
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!(&all[0].cache, &cache);
            prop_assert_eq!(all[0].param("ttl").and_then(|text| text.parse().ok()), Some(ttl));
            prop_assert_eq!(all[0].param("detail"), Some(detail.as_str()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&text) {
                members(&HeaderMap::from_iter([(CACHE_STATUS, value)]));
            }
        }
    }
}
