//! What the origin says: Cache-Control (RFC 9111 §5.2.2) and the fields that take its place for a CDN.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use crate::http::directive::{Directive, for_each, seconds};
use crate::http::structured::{self, Bare};

/// RFC 9213's field for CDNs. It is passed on: a CDN behind this one may read it too.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// W3C Edge Architecture's field for the surrogate nearest the origin. Must not reach clients.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// What `no-cache` or `private` speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FieldScope {
    /// The directive is absent.
    #[default]
    None,
    /// The whole response.
    All,
    /// Only these fields.
    Fields(SmallVec<[HeaderName; 2]>),
}

impl FieldScope {
    /// The fields named; empty for the other two.
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            FieldScope::Fields(names) => names,
            FieldScope::None | FieldScope::All => &[],
        }
    }

    /// Adds one occurrence of the directive. A list that names no field, or something that is no field name,
    /// is read in the stricter way: the whole response.
    fn add(&mut self, list: Option<&[u8]>) {
        let names = list.map(|list| {
            list.split(|&b| b == b',')
                .map(<[u8]>::trim_ascii)
                .filter(|name| !name.is_empty())
                .map(HeaderName::from_bytes)
                .collect::<Result<SmallVec<[HeaderName; 2]>, _>>()
        });
        match names {
            Some(Ok(names)) if !names.is_empty() => match self {
                FieldScope::All => {}
                FieldScope::None => *self = FieldScope::Fields(names),
                FieldScope::Fields(known) => known.extend(names),
            },
            _ => *self = FieldScope::All,
        }
    }
}

/// What the origin says about caching, from the one field that applies to this cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseDirectives {
    /// §5.2.2.5
    pub no_store: bool,
    /// §5.2.2.4
    pub no_cache: FieldScope,
    /// §5.2.2.7
    pub private: FieldScope,
    /// §5.2.2.9
    pub public: bool,
    /// §5.2.2.2
    pub must_revalidate: bool,
    /// §5.2.2.8
    pub proxy_revalidate: bool,
    /// §5.2.2.3
    pub must_understand: bool,
    /// RFC 8246. Says nothing about lifetime; a stale response is validated all the same.
    pub immutable: bool,
    /// §5.2.2.6
    pub no_transform: bool,
    /// §5.2.2.1. A value that is no number is zero: such a response should count as stale (§4.2.1).
    pub max_age: Option<Duration>,
    /// §5.2.2.10; as `max_age`.
    pub s_maxage: Option<Duration>,
    /// RFC 5861 §3
    pub stale_while_revalidate: Option<Duration>,
    /// RFC 5861 §4
    pub stale_if_error: Option<Duration>,
    /// From CDN-Cache-Control or Surrogate-Control: Cache-Control and Expires do not count (RFC 9213 §2.2).
    pub targeted: bool,
}

impl ResponseDirectives {
    /// Reads the first of CDN-Cache-Control, Surrogate-Control and Cache-Control that is valid and not empty.
    pub fn parse(headers: &HeaderMap) -> Self {
        if headers.contains_key(CDN_CACHE_CONTROL)
            && let Some(directives) = Self::cdn(headers)
        {
            return directives;
        }
        if headers.contains_key(SURROGATE_CONTROL)
            && let Some(directives) = Self::surrogate(headers)
        {
            return directives;
        }
        let mut directives = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            for_each(line.as_bytes(), |directive| {
                directives.set(&directive);
            });
        }
        directives
    }

    /// RFC 9213 §2.1: a field that is empty, breaks the grammar, or has a value of the wrong type is ignored.
    fn cdn(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(CDN_CACHE_CONTROL).iter().map(|line| line.as_bytes());
        let members = structured::dictionary(lines).ok().filter(|members| !members.is_empty())?;
        let mut directives = Self { targeted: true, ..Self::default() };
        for (name, value) in &members {
            let name = name.as_bytes();
            let number;
            let argument = match value {
                Bare::Integer(value @ 0..) if takes_seconds(name) => {
                    number = value.to_string();
                    Some(number.as_bytes())
                }
                _ if takes_seconds(name) => return None,
                Bare::Boolean(false) => continue,
                Bare::String(value) => Some(value.as_bytes()),
                _ => None,
            };
            directives.set(&Directive::new(name, argument));
        }
        Some(directives)
    }

    /// W3C Edge Architecture §2.2: `max-age=seconds[+stale seconds]`, `no-store`; a directive with a target
    /// (`;name`) is for another device. `None` if it says nothing to this one.
    fn surrogate(headers: &HeaderMap) -> Option<Self> {
        let mut directives = Self { targeted: true, ..Self::default() };
        let mut relevant = false;
        for line in headers.get_all(SURROGATE_CONTROL) {
            for_each(line.as_bytes(), |mut directive| {
                let argument = directive.argument.take();
                if argument.as_deref().unwrap_or(directive.name).contains(&b';') {
                    return;
                }
                if directive.is("max-age") {
                    let (fresh, stale) = split_once(argument.as_deref().unwrap_or_default(), b'+');
                    if let Some(stale) = stale.and_then(seconds) {
                        directives.stale_while_revalidate = Some(stale);
                    }
                    directives.set(&Directive { argument: Some(fresh.into()), ..directive });
                    relevant = true;
                } else if directive.is("no-store") {
                    directives.no_store = true;
                    relevant = true;
                }
            });
        }
        relevant.then_some(directives)
    }

    /// Of a repeated directive the first counts (§4.2.1).
    fn set(&mut self, directive: &Directive<'_>) {
        let delta = || Some(directive.seconds().unwrap_or(Duration::ZERO));
        match directive.lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache.add(directive.argument.as_deref()),
            b"private" => self.private.add(directive.argument.as_deref()),
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"immutable" => self.immutable = true,
            b"no-transform" => self.no_transform = true,
            b"max-age" => self.max_age = self.max_age.or_else(delta),
            b"s-maxage" => self.s_maxage = self.s_maxage.or_else(delta),
            b"stale-while-revalidate" => {
                self.stale_while_revalidate = self.stale_while_revalidate.or_else(delta);
            }
            b"stale-if-error" => self.stale_if_error = self.stale_if_error.or_else(delta),
            _ => {}
        }
    }
}

fn takes_seconds(name: &[u8]) -> bool {
    matches!(name, b"max-age" | b"s-maxage" | b"stale-while-revalidate" | b"stale-if-error")
}

fn split_once(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|&b| b == at) {
        Some(i) => (&bytes[..i], Some(&bytes[i + 1..])),
        None => (bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn response(value: &str) -> ResponseDirectives {
        ResponseDirectives::parse(&headers(&[("cache-control", value)]))
    }

    fn secs(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    fn names(list: &[&'static str]) -> FieldScope {
        FieldScope::Fields(list.iter().map(|name| HeaderName::from_static(name)).collect())
    }

    #[test]
    fn max_age() {
        let cases = [
            ("", None),
            ("max-age=3600", secs(3600)),
            ("MaX-aGe=3600", secs(3600)),
            ("foobar, max-age=3600", secs(3600)),
            ("max-age=003600", secs(3600)),
            ("max-age=\"3600\"", secs(3600)),
            ("max-age=2147483649", secs(1 << 31)),
            ("max-age=99999999999999999999999", secs(1 << 31)),
            ("max-age=1800, max-age=1", secs(1800)),
            ("extension=\"max-age=3600\", max-age=1", secs(1)),
            ("max-age=1, extension=\"max-age=3600\"", secs(1)),
            ("extension=\"a, max-age=3600\"", None),
            ("max-age", secs(0)),
            ("max-age=", secs(0)),
            ("max-age='3600'", secs(0)),
            ("max-age=3600.0", secs(0)),
            ("max-age=-3600", secs(0)),
            ("max-age=a3600", secs(0)),
            ("max-age=3600a", secs(0)),
            ("max-age=\"3600\"a", secs(0)),
            ("max-age =3600", secs(0)),
            ("max-age= 3600", secs(0)),
            ("max-age=3600 foo", secs(0)),
        ];
        for (value, expected) in cases {
            assert_eq!(response(value).max_age, expected, "{value}");
        }
    }

    #[test]
    fn flags() {
        let all = response(
            "No-Store, public, must-revalidate,proxy-revalidate , must-understand=1, immutable, no-transform, \
             no-cache, private, s-maxage=1, stale-while-revalidate=2, stale-if-error=3",
        );
        let expected = ResponseDirectives {
            no_store: true,
            no_cache: FieldScope::All,
            private: FieldScope::All,
            public: true,
            must_revalidate: true,
            proxy_revalidate: true,
            must_understand: true,
            immutable: true,
            no_transform: true,
            max_age: None,
            s_maxage: secs(1),
            stale_while_revalidate: secs(2),
            stale_if_error: secs(3),
            targeted: false,
        };
        assert_eq!(all, expected);
        assert_eq!(response("no-storex, xpublic, "), ResponseDirectives::default());
    }

    #[test]
    fn a_stray_quote_hides_nothing() {
        for value in ["x=\"y, no-store", "x=y\", no-store, z=\"", "x\"y, no-store, z\"", "\"no, no-store"] {
            assert!(response(value).no_store, "{value}");
        }
        assert!(!response("x=\"y, no-store\"").no_store);
        assert!(!response("x=\"y\\\", no-store\"").no_store);
    }

    #[test]
    fn fields_of_no_cache_and_private() {
        let cases = [
            ("no-cache", FieldScope::All),
            ("no-cache=\"a\"", names(&["a"])),
            ("no-cache=\"a, B\"", names(&["a", "b"])),
            ("no-cache=a", names(&["a"])),
            ("no-cache=\"a\", no-cache=\"b\"", names(&["a", "b"])),
            ("no-cache=\"a\", no-cache", FieldScope::All),
            ("no-cache, no-cache=\"a\"", FieldScope::All),
            ("no-cache=\"\"", FieldScope::All),
            ("no-cache=", FieldScope::All),
            ("no-cache=\"a b\"", FieldScope::All),
        ];
        for (value, expected) in cases {
            assert_eq!(response(value).no_cache, expected, "{value}");
        }
        assert_eq!(response("private=\"set-cookie\"").private.fields(), ["set-cookie"]);
        assert!(response("private").private.fields().is_empty());
    }

    #[test]
    fn lines_are_one_field() {
        let map = headers(&[("cache-control", "max-age=5"), ("cache-control", "no-cache=\"a\", max-age=6")]);
        let directives = ResponseDirectives::parse(&map);
        assert_eq!((directives.max_age, directives.no_cache), (secs(5), names(&["a"])));
    }

    #[test]
    fn cdn_cache_control_takes_the_place() {
        let cases = [
            (
                "max-age=60",
                "no-store",
                ResponseDirectives { max_age: secs(60), targeted: true, ..Default::default() },
            ),
            (
                "no-store",
                "max-age=60",
                ResponseDirectives { no_store: true, targeted: true, ..Default::default() },
            ),
            (
                "private, no-cache=\"a\"",
                "max-age=60",
                ResponseDirectives {
                    private: FieldScope::All,
                    no_cache: names(&["a"]),
                    targeted: true,
                    ..Default::default()
                },
            ),
            (
                "no-cache=tok",
                "public",
                ResponseDirectives { no_cache: FieldScope::All, targeted: true, ..Default::default() },
            ),
            ("no-store=?0, foo", "public", ResponseDirectives { targeted: true, ..Default::default() }),
        ];
        for (cdn, plain, expected) in cases {
            let map = headers(&[("cdn-cache-control", cdn), ("cache-control", plain)]);
            assert_eq!(ResponseDirectives::parse(&map), expected, "{cdn}");
        }
    }

    #[test]
    fn a_broken_cdn_cache_control_is_absent() {
        for cdn in [
            "",
            "max-age=10000, &&&&&",
            "max-age=\"10000\"",
            "max-age",
            "max-age=-1",
            "max-age=1.5",
            "Max-Age=5",
        ] {
            let map = headers(&[("cdn-cache-control", cdn), ("cache-control", "no-store")]);
            let expected = ResponseDirectives { no_store: true, ..Default::default() };
            assert_eq!(ResponseDirectives::parse(&map), expected, "{cdn}");
        }
    }

    #[test]
    fn surrogate_control() {
        let cases = [
            ("max-age=60", secs(60), None, true, false),
            ("MaX-aGe=60", secs(60), None, true, false),
            ("foobar, max-age=60+30", secs(60), secs(30), true, false),
            ("no-store, content=\"ESI/1.0\"", None, None, true, true),
            ("max-age=60;other", secs(1), None, false, false),
            ("no-store;other", secs(1), None, false, false),
            ("content=\"ESI/1.0\"", secs(1), None, false, false),
        ];
        for (value, max_age, swr, targeted, no_store) in cases {
            let map = headers(&[("surrogate-control", value), ("cache-control", "max-age=1")]);
            let found = ResponseDirectives::parse(&map);
            let got = (found.max_age, found.stale_while_revalidate, found.targeted, found.no_store);
            assert_eq!(got, (max_age, swr, targeted, no_store), "{value}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in proptest::collection::vec(prop_oneof![32u8..127, 128u8..=255], 0..64)) {
            let mut map = HeaderMap::new();
            for name in [CACHE_CONTROL, CDN_CACHE_CONTROL, SURROGATE_CONTROL] {
                map.insert(name, HeaderValue::from_bytes(&line).unwrap());
            }
            let _ = ResponseDirectives::parse(&map);
            map.remove(CDN_CACHE_CONTROL);
            let _ = ResponseDirectives::parse(&map);
            map.remove(SURROGATE_CONTROL);
            let _ = ResponseDirectives::parse(&map);
        }

        #[test]
        fn no_store_is_found_among_anything(
            before in "[a-z]{1,5}(=([a-z0-9]{0,4}|\"[a-z ,=]{0,6}\"))?",
            after in "[ -~]{0,20}",
        ) {
            let line = format!("{before} , no-store,{after}");
            prop_assert!(response(&line).no_store);
        }
    }
}
