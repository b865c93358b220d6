//! S3's 307: for some minutes after a bucket was made, and whenever it is asked for in another region, S3 names the
//! endpoint to ask instead. It is followed, with a signature for that endpoint, and remembered for the bucket.
//!
//! A Location is what an answer says, and our signature goes where it points. So it is followed only within Amazon,
//! or within the domain of the member that said it, and never from TLS to none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Uri};
use parking_lot::Mutex;

use super::S3;
use super::plan::Object;
use super::sign::Endpoint;
use crate::config::{self, S3Style};
use crate::http::host::{Host, Scheme};
use crate::origin::member::Member;
use crate::origin::origins::Maker;
use crate::origin::resolve::pair;

/// How long a redirect is remembered. S3's own are said to be temporary.
const REMEMBER: Duration = Duration::from_secs(300);
/// Buckets that are remembered.
const MAX_BUCKETS: usize = 64;

/// Where a bucket is asked for instead.
pub(in crate::origin) struct Elsewhere {
    pub member: Arc<Member>,
    region: String,
    style: S3Style,
    until: Instant,
}

impl Elsewhere {
    /// What a request there is signed for.
    pub(in crate::origin) fn endpoint(&self) -> Endpoint<'_> {
        Endpoint { authority: &self.member.origin.authority, style: self.style, region: &self.region }
    }
}

/// By bucket.
#[derive(Default)]
pub(super) struct Redirects(Mutex<HashMap<String, Arc<Elsewhere>>>);

impl S3 {
    /// Where the object's bucket was found the last time.
    pub(in crate::origin) fn elsewhere(&self, object: &Object) -> Option<Arc<Elsewhere>> {
        let mut all = self.redirects.0.lock();
        let known = all.get(&object.bucket)?;
        if known.until <= Instant::now() {
            all.remove(&object.bucket);
            return None;
        }
        Some(known.clone())
    }

    /// It is not there, or not any more.
    pub(in crate::origin) fn forget(&self, object: &Object) {
        self.redirects.0.lock().remove(&object.bucket);
    }

    /// Whether `from` may send the request to `location`, and that is there; it is then remembered.
    pub(in crate::origin) async fn redirected(
        &self,
        object: &Object,
        from: &Member,
        location: &HeaderValue,
        maker: &Maker,
        limit: Duration,
    ) -> bool {
        let location = location.to_str().ok();
        let Some(target) = location.and_then(|location| Target::read(location, object, from)) else {
            tracing::warn!(member = %from.label, location, "S3 redirects to where it is not followed");
            return false;
        };
        let resolving = tokio::net::lookup_host((target.member.host.as_str(), target.member.port));
        let addresses: Vec<_> = match tokio::time::timeout(limit, resolving).await {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let address = pair(&addresses, target.member.port).into_iter().next();
        let (Some(address), Ok(origin)) = (address, maker.origin(&target.member, false)) else {
            tracing::warn!(member = %from.label, location, "the endpoint that S3 redirects to is not there");
            return false;
        };
        tracing::info!(bucket = object.bucket, endpoint = %origin.name, "S3 redirects to another endpoint");
        let elsewhere = Elsewhere {
            member: Arc::new(Member::new(origin, address)),
            region: target.region.unwrap_or_else(|| self.config.region.clone()),
            style: target.style,
            until: Instant::now() + REMEMBER,
        };
        let mut all = self.redirects.0.lock();
        if all.len() >= MAX_BUCKETS && !all.contains_key(&object.bucket) {
            let oldest = all.iter().min_by_key(|(_, known)| known.until).map(|(bucket, _)| bucket.clone());
            oldest.map(|bucket| all.remove(&bucket));
        }
        all.insert(object.bucket.clone(), Arc::new(elsewhere));
        true
    }
}

/// A Location that may be followed.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub(super) member: config::Member,
    region: Option<String>,
    style: S3Style,
}

impl Target {
    fn read(location: &str, object: &Object, from: &Member) -> Option<Self> {
        let known = from.origin.name.rsplit_once(':').map_or("", |(host, _)| host.trim_matches(['[', ']']));
        Self::within(location, object, known, from.origin.tls.is_some())
    }

    /// `known` is the host that answered, asked over TLS or not.
    pub(super) fn within(location: &str, object: &Object, known: &str, over_tls: bool) -> Option<Self> {
        let uri: Uri = location.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        if tls != over_tls {
            return None;
        }
        // `Uri` takes more for an authority than is one, of `photos.[::1]` for example.
        let scheme = if tls { Scheme::Https } else { Scheme::Http };
        let authority = Host::parse(uri.authority()?.as_str().as_bytes(), scheme).ok()?;
        let host = authority.name().trim_matches(['[', ']']).to_owned();
        let (style, endpoint) = match host.strip_prefix(&format!("{}.", object.bucket)) {
            Some(endpoint) => (S3Style::VirtualHost, endpoint.to_owned()),
            None if uri.path().strip_prefix('/')?.strip_prefix(&object.bucket)?.starts_with('/') => {
                (S3Style::Path, host)
            }
            None => return None,
        };
        is_near(&endpoint, known).then(|| Self {
            region: region(&endpoint),
            style,
            member: config::Member {
                tls,
                port: authority.port().unwrap_or(scheme.default_port()),
                host: endpoint,
                srv: false,
                socket: None,
                weight: 1,
                zone: String::new(),
            },
        })
    }
}

/// Whether `host` is Amazon's, or a sister of the one that named it.
fn is_near(host: &str, known: &str) -> bool {
    let amazons = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    let is_name = known.parse::<std::net::IpAddr>().is_err();
    let sister = known
        .split_once('.')
        .filter(|(_, parent)| is_name && parent.contains('.'))
        .is_some_and(|(_, parent)| host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')));
    host == known || amazons || sister
}

/// `eu-west-1` of `s3.eu-west-1.amazonaws.com`, `s3-eu-west-1.…` and `s3.dualstack.eu-west-1.…`.
fn region(host: &str) -> Option<String> {
    let rest = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let last = rest.rsplit('.').next()?;
    let region = last.strip_prefix("s3-").unwrap_or(last);
    (region != "s3" && region.contains('-')).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::tests;

    fn member(url_host: &str) -> Member {
        let pool = tests::bare_pool(url_host, 80);
        let metrics = crate::origin::OriginMetrics::register(&prometheus::Registry::new()).unwrap();
        let origin = Maker::new(&pool.config, &metrics).unwrap().member(&pool.config.members[0]).unwrap();
        Member::new(origin, pair(&["192.0.2.1".parse().unwrap()], 80)[0])
    }

    #[test]
    fn where_a_redirect_may_lead() {
        let object = Object { bucket: "photos".into(), path: "/a".into(), query: String::new() };
        let from = |host, location| {
            let target = Target::read(location, &object, &member(host))?;
            Some((target.member.host, target.member.port, target.region, target.style))
        };
        let amazon = "s3.amazonaws.com";
        let to = |host: &str, port, region: Option<&str>, style| {
            Some((host.to_owned(), port, region.map(str::to_owned), style))
        };
        let (host, path) = (S3Style::VirtualHost, S3Style::Path);
        for (known, location, target) in [
            (
                amazon,
                "http://photos.s3-eu-west-1.amazonaws.com/a",
                to("s3-eu-west-1.amazonaws.com", 80, Some("eu-west-1"), host),
            ),
            (
                amazon,
                "http://s3.eu-west-1.amazonaws.com/photos/a",
                to("s3.eu-west-1.amazonaws.com", 80, Some("eu-west-1"), path),
            ),
            (amazon, "http://photos.s3.amazonaws.com/a", to(amazon, 80, None, host)),
            ("a.store.example", "http://b.store.example:81/photos/a", to("b.store.example", 81, None, path)),
            ("127.0.0.1", "http://127.0.0.1:9000/photos/a", to("127.0.0.1", 9000, None, path)),
            ("127.0.0.1", "http://10.0.0.1:9000/photos/a", None),
            ("10.0.0.1", "http://9.0.0.1/photos/a", None),
            (amazon, "https://photos.s3.amazonaws.com/a", None),
            (amazon, "http://evil.example/photos/a", None),
            (amazon, "http://photos.evilamazonaws.com/a", None),
            (amazon, "http://me@s3.amazonaws.com/photos/a", None),
            (amazon, "http://photos..amazonaws.com/a", None),
            (amazon, "http://s3.amazonaws.com/other/a", None),
            (amazon, "http://s3.amazonaws.com/photosother/a", None),
            ("store.example", "http://evil.example/photos/a", None),
            (amazon, "/photos/a", None),
            (amazon, "ftp://s3.amazonaws.com/photos/a", None),
        ] {
            assert_eq!(from(known, location), target, "{known} {location}");
        }
        // No host at all is nobody's sister.
        assert_eq!(Target::within("http://photos.[::1]/a", &object, "", false), None);
    }
}
