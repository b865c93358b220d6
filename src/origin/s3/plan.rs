//! Which object a request is for, if it is for one.
//!
//! An edge's client may read objects. It must not be able to list, or to reach any other operation of S3: those
//! are asked for by the path `/` or by query parameters, so a request without a key is answered here, and of the
//! query only `versionId` is sent. A URL that the client has signed itself is passed on whole, where we do not sign.

use http::{HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode;

use super::S3;
use crate::config;
use crate::origin::error::FetchError;
use crate::sigv4;

/// The longest key S3 has.
const MAX_KEY: usize = 1024;

/// What is done about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::origin) enum Plan {
    /// This object is asked for.
    Send(Object),
    /// S3 is not asked.
    Answer(StatusCode),
}

/// An object, as it stands in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::origin) struct Object {
    pub(super) bucket: String,
    /// Encoded as AWS does, with a leading slash.
    pub(super) path: String,
    /// `versionId=…`, or nothing.
    pub(super) query: String,
}

impl Object {
    /// Whether the client has signed the request for it.
    pub(in crate::origin) fn is_presigned(&self) -> bool {
        is_presigned(self.query.as_bytes())
    }
}

impl S3 {
    /// OPTIONS is for CORS: S3 answers a preflight by the bucket's rules, without a signature.
    ///
    /// # Errors
    /// `Method` for anything but GET, HEAD and OPTIONS.
    pub(in crate::origin) fn plan(
        &self,
        method: &Method,
        path: &[u8],
        query: Option<&[u8]>,
        host: &HeaderValue,
    ) -> Result<Plan, FetchError> {
        if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
            return Err(FetchError::Method);
        }
        let bucket = match &self.config.bucket {
            Some(bucket) => Some(bucket.clone()),
            None => host.to_str().ok().and_then(|host| self.bucket_of(host)),
        };
        Ok(match (bucket, self.key(path)) {
            (Some(bucket), Some(key)) => {
                let path = sigv4::encode_path(&[b"/", key.as_slice()].concat());
                let query = match query.filter(|query| self.is_anonymous() && is_presigned(query)) {
                    // The client's own right, which covers the whole query: whoever signed it says what it is for.
                    Some(presigned) => String::from_utf8_lossy(presigned).into_owned(),
                    None => {
                        let version = query.and_then(version_id);
                        sigv4::canonical_query(version.map(|version| ("versionId", version)))
                    }
                };
                Plan::Send(Object { bucket, path, query })
            }
            _ => Plan::Answer(self.not_found),
        })
    }

    fn is_anonymous(&self) -> bool {
        matches!(self.config.credentials, config::S3Credentials::Anonymous)
    }

    /// The key for a path; `None` if there can be no such object.
    fn key(&self, path: &[u8]) -> Option<Vec<u8>> {
        // "%2F" is "/", as it is to the rules and guards of the site.
        let path: Vec<u8> = percent_decode(path.strip_prefix(b"/")?).collect();
        let mut key = self.config.prefix.clone().into_bytes();
        key.extend_from_slice(&path);
        if (path.is_empty() || path.ends_with(b"/"))
            && let Some(index) = &self.config.index
        {
            key.extend_from_slice(index.as_bytes());
        }
        // Amazon takes "." and ".." for parts of a name; other servers may take them for directories, and so
        // leave the prefix or the bucket. A key of slashes alone is the bucket itself to some.
        let climbs = key.split(|b| *b == b'/').any(|part| part == b"." || part == b"..");
        let nothing = key.iter().all(|b| *b == b'/');
        (!climbs && !nothing && key.len() <= MAX_KEY).then_some(key)
    }

    /// `<bucket>.<parent>`, for a parent of one of the sites.
    fn bucket_of(&self, host: &str) -> Option<String> {
        let host = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(h, _)| h);
        let host = host.to_ascii_lowercase();
        self.parents
            .iter()
            .filter_map(|parent| host.strip_suffix(parent.as_str()))
            .find(|b| is_bucket(b))
            .map(Into::into)
    }
}

/// A bucket's name, as S3 allows it; so one from a Host can not change the path or the host it is put in.
fn is_bucket(name: &str) -> bool {
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && !name.contains("..")
}

/// Whether a query is signed by itself (`X-Amz-Signature`, SigV4).
fn is_presigned(query: &[u8]) -> bool {
    query.split(|b| *b == b'&').any(|pair| pair.starts_with(b"X-Amz-Signature="))
}

/// The first `versionId` with a value, decoded.
fn version_id(query: &[u8]) -> Option<Vec<u8>> {
    query
        .split(|b| *b == b'&')
        .find_map(|pair| pair.strip_prefix(b"versionId="))
        .filter(|value| !value.is_empty() && value.len() <= MAX_KEY)
        .map(|value| percent_decode(value).collect())
}

#[cfg(test)]
pub(in crate::origin) mod tests {
    use super::*;
    use crate::config::{S3Credentials, S3Style, Secret};
    use crate::origin::s3::credentials::Source;

    /// A pool's S3 side without a pool.
    pub(in crate::origin) fn s3(change: impl FnOnce(&mut config::S3)) -> S3 {
        let mut config = config::S3 {
            bucket: Some("photos".into()),
            region: "eu-central-1".into(),
            style: S3Style::Path,
            prefix: String::new(),
            index: None,
            credentials: S3Credentials::Static {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                session_token: None,
            },
            not_found: 404,
        };
        change(&mut config);
        let credentials = Source::new(&config.credentials, "r", &|_| None);
        S3 {
            config,
            credentials,
            parents: vec![".cdn.example".into()],
            not_found: StatusCode::NOT_FOUND,
            redirects: Default::default(),
        }
    }

    fn path_of(s3: &S3, path: &str, query: Option<&str>) -> Option<String> {
        let host = HeaderValue::from_static("h");
        match s3.plan(&Method::GET, path.as_bytes(), query.map(str::as_bytes), &host).unwrap() {
            Plan::Send(object) if object.query.is_empty() => Some(object.path),
            Plan::Send(object) => Some(format!("{}?{}", object.path, object.query)),
            Plan::Answer(_) => None,
        }
    }

    #[test]
    fn keys() {
        let plain = s3(|_| {});
        for (path, sent) in [
            ("/a.jpg", Some("/a.jpg")),
            ("/a%20b+c%2B%25.jpg", Some("/a%20b%2Bc%2B%25.jpg")),
            ("/f%c3%bcr/(1)", Some("/f%C3%BCr/%281%29")),
            ("/a//b/", Some("/a//b/")),
            ("/dir/", Some("/dir/")),
            ("/a%0Ab%00%7F", Some("/a%0Ab%00%7F")),
            ("/%2525%252F", Some("/%2525%252F")),
            ("//a/..b/c..", Some("//a/..b/c..")),
            ("/", None),
            ("//", None),
            ("/private%2Fa", Some("/private/a")),
            ("/private%2fa", Some("/private/a")),
            ("/a%2F..%2Fb", None),
            ("/%2e%2e%2fb", None),
            ("/%2F", None),
            ("/a/../b", None),
            ("/a/%2E%2e/b", None),
            ("/..", None),
            ("/...", Some("/...")),
            ("", None),
        ] {
            assert_eq!(path_of(&plain, path, None).as_deref(), sent, "{path}");
        }
        assert_eq!(path_of(&plain, &format!("/{}", "a".repeat(1025)), None), None);
    }

    #[test]
    fn prefix_and_index() {
        let site = s3(|s3| {
            s3.prefix = "www/".into();
            s3.index = Some("index.html".into());
        });
        assert_eq!(path_of(&site, "/", None).as_deref(), Some("/www/index.html"));
        assert_eq!(path_of(&site, "/docs/", None).as_deref(), Some("/www/docs/index.html"));
        assert_eq!(path_of(&site, "/docs", None).as_deref(), Some("/www/docs"));
        assert_eq!(path_of(&site, "/../secret", None), None);
    }

    #[test]
    fn no_operation_but_reading_an_object() {
        let plain = s3(|_| {});
        for query in
            ["list-type=2", "acl", "policy", "uploads", "versions", "response-content-type=text/html", ""]
        {
            assert_eq!(path_of(&plain, "/a", Some(query)).as_deref(), Some("/a"), "{query}");
            assert_eq!(path_of(&plain, "/", Some(query)), None, "{query}");
        }
        let version = path_of(&plain, "/a", Some("acl&versionId=x%2By%26acl&versionId=2"));
        assert_eq!(version.as_deref(), Some("/a?versionId=x%2By%26acl"));
        let host = HeaderValue::from_static("h");
        for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
            assert_eq!(plain.plan(&method, b"/a", None, &host), Err(FetchError::Method));
        }
    }

    #[test]
    fn a_presigned_url_is_passed_on_whole_where_we_do_not_sign() {
        let query = "response-content-type=text%2Fplain&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=abc";
        let whole = format!("/a?{query}");
        let anonymous = s3(|s3| s3.credentials = S3Credentials::Anonymous);
        assert_eq!(path_of(&anonymous, "/a", Some(query)).as_deref(), Some(whole.as_str()));
        assert_eq!(path_of(&anonymous, "/", Some(query)), None, "still no listing");
        assert_eq!(path_of(&anonymous, "/a", Some("X-Amz-Signatures=1&acl")).as_deref(), Some("/a"));
        assert_eq!(path_of(&s3(|_| {}), "/a", Some(query)).as_deref(), Some("/a"), "ours is the signature");
    }

    #[test]
    fn buckets_from_hosts() {
        let s3 = s3(|s3| s3.bucket = None);
        for (host, bucket) in [
            ("photos.cdn.example", Some("photos")),
            ("Photos.CDN.example:8443", Some("photos")),
            ("a.b.cdn.example", Some("a.b")),
            ("cdn.example", None),
            ("photos.other.example", None),
            ("ab.cdn.example", None),
            ("a_b_c.cdn.example", None),
            ("a..b.cdn.example", None),
            ("-abc.cdn.example", None),
        ] {
            let plan = s3.plan(&Method::GET, b"/a", None, &HeaderValue::from_str(host).unwrap()).unwrap();
            match plan {
                Plan::Send(object) => assert_eq!(Some(object.bucket.as_str()), bucket, "{host}"),
                Plan::Answer(status) => assert_eq!((status.as_u16(), None), (404, bucket), "{host}"),
            }
        }
    }

    /// A path as a request for it may have it: each byte as it is, where it may stand in a path, or encoded.
    fn spelled(key: &[u8], choices: &[u8]) -> String {
        let mut path = String::from("/");
        for (byte, choice) in key.iter().zip(choices.iter().cycle()) {
            let plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(byte);
            match choice % 3 {
                0 if plain => path.push(char::from(*byte)),
                1 => path.push_str(&format!("%{byte:02x}")),
                _ => path.push_str(&format!("%{byte:02X}")),
            }
        }
        path
    }

    fn key() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
        use proptest::prelude::Strategy;
        let byte = proptest::prop_oneof![
            proptest::sample::select(&b"ab/.+*!'(),;:@=&$~-_ %#?[]|^\\"[..]),
            proptest::prelude::any::<u8>(),
        ];
        proptest::collection::vec(byte, 1..8).prop_filter("a key that a path can name", |key| {
            let climbs = key.split(|b| *b == b'/').any(|part| part == b"." || part == b"..");
            let control = key.iter().any(u8::is_ascii_control);
            !climbs && !control && key.iter().any(|b| *b != b'/')
        })
    }

    proptest::proptest! {
        #[test]
        fn a_key_is_one_resource_and_another_key_another(a in key(), b in key(), how: [[u8; 8]; 2]) {
            let s3 = s3(|_| {});
            // What is keyed, and what S3 is asked for.
            let of = |key: &[u8], how: &[u8]| {
                let path = spelled(key, how);
                let normal = crate::http::uri::normalise_path(&path).unwrap();
                let canonical = crate::http::uniform::path(&normal).into_owned();
                let sent = path_of(&s3, &canonical, None);
                (canonical, sent.unwrap())
            };
            let [one, other] = [of(&a, &how[0]), of(&a, &how[1])];
            proptest::prop_assert_eq!(&one, &other);
            let second = of(&b, &how[1]);
            proptest::prop_assert_eq!(one.0 == second.0, a == b);
            proptest::prop_assert_eq!(one.1 == second.1, a == b);
        }

        #[test]
        fn no_path_leaves_the_prefix(path in "/([a./%2eEfF0-]|%2[EeFf])*", query in "[a-zA-Z=&%-]*") {
            let s3 = s3(|s3| s3.prefix = "www/".into());
            let host = HeaderValue::from_static("h");
            let plan = s3.plan(&Method::GET, path.as_bytes(), Some(query.as_bytes()), &host).unwrap();
            if let Plan::Send(object) = plan {
                proptest::prop_assert!(object.path.starts_with("/www/"));
                proptest::prop_assert!(object.path.split('/').all(|part| part != "." && part != ".."));
                proptest::prop_assert!(object.query.is_empty() || object.query.starts_with("versionId="));
            }
        }
    }
}
