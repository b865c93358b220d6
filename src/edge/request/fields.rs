//! One look at a request's fields: which kinds are there, so that later stages need not search for them.

use http::HeaderMap;

use crate::http::refusal::Refusal;

/// Kinds of fields that a request has, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u16);

impl Fields {
    /// Hop-by-hop fields (RFC 9110 §7.6.1).
    pub const HOP_BY_HOP: Fields = Fields(1);
    /// `Forwarded`, `X-Forwarded-*`: believed from trusted proxies, replaced from others.
    pub const FORWARDED: Fields = Fields(1 << 1);
    /// Fields that some origins let change what is asked for, without being part of any cache key.
    pub const STEERING: Fields = Fields(1 << 2);
    /// `Cache-Control` or `Pragma`.
    pub const CACHE_CONTROL: Fields = Fields(1 << 3);
    /// `If-*` but for `If-Range`.
    pub const CONDITIONAL: Fields = Fields(1 << 4);
    /// `Range`.
    pub const RANGE: Fields = Fields(1 << 5);
    /// `Cookie`.
    pub const COOKIE: Fields = Fields(1 << 6);
    /// `Expect`.
    pub const EXPECT: Fields = Fields(1 << 7);
    /// `Upgrade`.
    pub const UPGRADE: Fields = Fields(1 << 8);
    /// `Content-Length` or `Transfer-Encoding`.
    pub const FRAMING: Fields = Fields(1 << 9);
    /// `Via`.
    pub const VIA: Fields = Fields(1 << 10);
    /// `Origin`.
    pub const ORIGIN: Fields = Fields(1 << 11);

    /// Whether any of `kinds` is there.
    pub const fn has(self, kinds: Fields) -> bool {
        self.0 & kinds.0 != 0
    }

    /// With `kinds` as well, if `there`.
    pub const fn with(self, kinds: Fields, there: bool) -> Fields {
        if there { Fields(self.0 | kinds.0) } else { self }
    }

    /// Looks at all fields once.
    ///
    /// # Errors
    /// A field that may stand only once stands twice: which of the two an origin would believe is anyone's
    /// guess, so that cache and origin could read the request differently.
    pub fn scan(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut seen = 0u16;
        let mut once = 0u16;
        for name in headers.keys() {
            let (kind, single) = classify(name.as_str());
            seen |= kind.0;
            // `keys` yields a repeated name once, so repeats are looked for only where they matter.
            if let Some(bit) = single {
                once |= bit;
            }
        }
        if once != 0 {
            refuse_repeats(headers, once)?;
        }
        Ok(Fields(seen))
    }
}

const HOST: u16 = 1;
const CONDITIONS: u16 = 1 << 1;
const RANGE: u16 = 1 << 2;
const CONTENT: u16 = 1 << 3;
const AUTHORIZATION: u16 = 1 << 4;

const SINGLE: &[(u16, &[&str])] = &[
    (HOST, &["host"]),
    (CONDITIONS, &["if-modified-since", "if-unmodified-since", "if-range"]),
    (RANGE, &["range"]),
    (CONTENT, &["content-length", "content-type", "content-encoding", "content-range"]),
    (AUTHORIZATION, &["authorization"]),
];

fn refuse_repeats(headers: &HeaderMap, once: u16) -> Result<(), Refusal> {
    for (bit, names) in SINGLE {
        if once & bit == 0 {
            continue;
        }
        for name in *names {
            if headers.get_all(*name).iter().nth(1).is_some() {
                return Err(match *name {
                    "host" => Refusal::BadHost,
                    "content-length" => Refusal::AmbiguousFraming,
                    _ => Refusal::DuplicateField,
                });
            }
        }
    }
    Ok(())
}

fn classify(name: &str) -> (Fields, Option<u16>) {
    const NONE: Fields = Fields(0);
    match name {
        "host" => (NONE, Some(HOST)),
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "te"
        | "trailer"
        | "http2-settings"
        | "proxy-authentication-info" => (Fields::HOP_BY_HOP, None),
        "transfer-encoding" => (Fields(Fields::HOP_BY_HOP.0 | Fields::FRAMING.0), None),
        "upgrade" => (Fields(Fields::HOP_BY_HOP.0 | Fields::UPGRADE.0), None),
        "content-length" => (Fields::FRAMING, Some(CONTENT)),
        "content-type" | "content-encoding" | "content-range" => (NONE, Some(CONTENT)),
        "cache-control" | "pragma" => (Fields::CACHE_CONTROL, None),
        "if-none-match" | "if-match" => (Fields::CONDITIONAL, None),
        "if-modified-since" | "if-unmodified-since" => (Fields::CONDITIONAL, Some(CONDITIONS)),
        "if-range" => (NONE, Some(CONDITIONS)),
        "range" => (Fields::RANGE, Some(RANGE)),
        "cookie" => (Fields::COOKIE, None),
        "authorization" => (NONE, Some(AUTHORIZATION)),
        "expect" => (Fields::EXPECT, None),
        "via" => (Fields::VIA, None),
        "origin" => (Fields::ORIGIN, None),
        "forwarded" => (Fields::FORWARDED, None),
        "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" => (Fields::FORWARDED, None),
        _ if is_steering(name) => (Fields::STEERING, None),
        _ => (NONE, None),
    }
}

/// Whether a field could make an origin answer for another resource, or another client, than the key says: the classic
/// means of cache poisoning. They never reach an origin.
///
/// Among them is every name with an underscore. CGI, WSGI and their like write names with underscores for hyphens, so
/// that `X_Forwarded_Host` is X-Forwarded-Host to the application behind, and no table of names would see it; nginx and
/// Apache drop them for the same reason.
pub fn is_steering(name: &str) -> bool {
    name.contains('_')
        || match name.strip_prefix("x-") {
            Some(rest) => is_steering_extension(rest),
            None => matches!(
                name,
                "cf-connecting-ip"
                    | "client-ip"
                    | "fastly-client-ip"
                    | "forwarded-for"
                    | "front-end-https"
                    // HTTP_PROXY to what runs as CGI (CVE-2016-5385).
                    | "proxy"
                    // Makes an application write ESI into its pages, which this cache would hand out as it is.
                    | "surrogate-capability"
                    | "true-client-ip"
            ),
        }
}

/// Of a name, what follows its `x-`.
fn is_steering_extension(name: &str) -> bool {
    let forwarding = matches!(name, "forwarded-for" | "forwarded-proto" | "forwarded-host");
    (name.starts_with("forwarded") && !forwarding)
        || name.starts_with("original-")
        || name.starts_with("rewrite-")
        || matches!(
            name,
            "host"
                | "http-host-override"
                | "http-method"
                | "http-method-override"
                | "method-override"
                | "real-ip"
                | "client-ip"
                | "cluster-client-ip"
                | "remote-addr"
                | "remote-ip"
                | "true-client-ip"
                | "url-scheme"
                | "scheme"
                | "proxy-url"
                | "override-url"
                | "backend-host"
        )
}

/// Removes the fields of [`is_steering`].
pub fn strip_steering(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| is_steering(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn each_kind_is_seen() {
        for (name, kind) in [
            ("connection", Fields::HOP_BY_HOP),
            ("te", Fields::HOP_BY_HOP),
            ("transfer-encoding", Fields::FRAMING),
            ("transfer-encoding", Fields::HOP_BY_HOP),
            ("content-length", Fields::FRAMING),
            ("upgrade", Fields::UPGRADE),
            ("forwarded", Fields::FORWARDED),
            ("x-forwarded-for", Fields::FORWARDED),
            ("x-forwarded-port", Fields::STEERING),
            ("x-original-url", Fields::STEERING),
            ("x-rewrite-url", Fields::STEERING),
            ("x-http-method-override", Fields::STEERING),
            ("x-host", Fields::STEERING),
            ("x-forwarded", Fields::STEERING),
            ("x_forwarded_host", Fields::STEERING),
            ("x-forwarded_host", Fields::STEERING),
            ("content_length", Fields::STEERING),
            ("proxy", Fields::STEERING),
            ("true-client-ip", Fields::STEERING),
            ("surrogate-capability", Fields::STEERING),
            ("front-end-https", Fields::STEERING),
            ("cache-control", Fields::CACHE_CONTROL),
            ("pragma", Fields::CACHE_CONTROL),
            ("if-none-match", Fields::CONDITIONAL),
            ("if-unmodified-since", Fields::CONDITIONAL),
            ("range", Fields::RANGE),
            ("cookie", Fields::COOKIE),
            ("expect", Fields::EXPECT),
            ("via", Fields::VIA),
        ] {
            assert!(Fields::scan(&headers(&[(name, "1")])).unwrap().has(kind), "{name}");
        }
        let plain = headers(&[("host", "a"), ("user-agent", "b"), ("x-custom", "c"), ("accept", "d")]);
        assert_eq!(Fields::scan(&plain), Ok(Fields::default()));
    }

    #[test]
    fn what_may_stand_once_stands_once() {
        for (name, refusal) in [
            ("host", Refusal::BadHost),
            ("content-length", Refusal::AmbiguousFraming),
            ("content-type", Refusal::DuplicateField),
            ("range", Refusal::DuplicateField),
            ("if-range", Refusal::DuplicateField),
            ("if-modified-since", Refusal::DuplicateField),
            ("authorization", Refusal::DuplicateField),
        ] {
            assert_eq!(Fields::scan(&headers(&[(name, "1"), (name, "1")])), Err(refusal), "{name}");
        }
        assert!(
            Fields::scan(&headers(&[("accept", "a"), ("accept", "b"), ("cookie", "c"), ("cookie", "d")]))
                .is_ok()
        );
    }

    #[test]
    fn steering_fields_are_removed_and_others_stay() {
        let stays = [("x-custom", "c"), ("x-forwarded-for", "192.0.2.1")];
        let mut map = headers(&[("x-original-url", "/admin"), ("x-forwarded-port", "1"), stays[0], stays[1]]);
        strip_steering(&mut map);
        assert_eq!(map, headers(&stays));
    }
}
