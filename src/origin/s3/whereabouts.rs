//! What S3 says of where a bucket is, and how far that is believed.
//!
//! | answer | says | done |
//! |---|---|---|
//! | 307, 302 | `Location` | asked there |
//! | 301 PermanentRedirect | `<Endpoint>`, `x-amz-bucket-region` | asked there; of a HEAD, at the region's endpoint |
//! | 400 AuthorizationHeaderMalformed | `<Region>`, `x-amz-bucket-region` | signed for that region |
//!
//! An answer is what anybody may say, and our signature goes where it points. So it is followed only within Amazon,
//! or within the domain of the member that said it, and never from TLS to none.

use http::{HeaderMap, Uri, header};

use super::answer::{MAX_PAGE, PAGE_TIMEOUT, element};
use super::plan::Object;
use crate::config::{self, S3Style};
use crate::http::host::{Host, Scheme};
use crate::origin::member::Member;
use crate::origin::request::OriginResponse;

/// What an answer says, believed or not.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Said {
    /// A URL under which the object, or at least its bucket, is.
    pub location: Option<String>,
    region: Option<String>,
}

impl Said {
    /// Of a redirect, or of a 400.
    pub(super) async fn read(response: &mut OriginResponse, object: &Object, from: &Member) -> Self {
        let field = |headers: &HeaderMap, name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let redirects = response.status.is_redirection();
        let location = field(&response.headers, header::LOCATION.as_str()).filter(|_| redirects);
        let region = field(&response.headers, "x-amz-bucket-region").filter(|region| is_region(region));
        let mut said = Self { location, region };
        if said.location.is_none() && (redirects || said.region.is_none()) {
            let page = response.body.peek(MAX_PAGE, PAGE_TIMEOUT).await;
            said.add_page(&page, redirects, object, from);
        }
        said
    }

    fn add_page(&mut self, page: &[u8], redirects: bool, object: &Object, from: &Member) {
        if let Some(endpoint) = element(page, "Endpoint").filter(|_| redirects) {
            let scheme = if from.origin.tls.is_some() { "https" } else { "http" };
            self.location = Some(format!("{scheme}://{endpoint}/{}/", object.bucket));
        }
        if self.region.is_none() {
            self.region = element(page, "Region").filter(|region| is_region(region)).map(str::to_owned);
        }
    }

    /// Where to ask instead of `from`, which was asked in `region`; nowhere if that is nothing new, or not to be
    /// believed.
    pub(super) fn target(
        &self,
        object: &Object,
        from: &Member,
        region: &str,
        style: S3Style,
    ) -> Option<Target> {
        if let Some(location) = &self.location {
            let mut target = Target::read(location, object, from)?;
            target.region = target.region.or_else(|| self.region.clone());
            return Some(target);
        }
        let other = self.region.as_deref().filter(|other| *other != region)?;
        let host = host_of(from);
        let member = regional(host, other).filter(|endpoint| endpoint != host).map(|host| config::Member {
            tls: from.origin.tls.is_some(),
            port: from.address.primary.port(),
            host,
            srv: false,
            socket: None,
            weight: 1,
            zone: String::new(),
        });
        Some(Target { member, region: Some(other.to_owned()), style })
    }
}

/// Where an object may be asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    /// Whom to ask; `None` is those who were asked, in another region's name.
    pub member: Option<config::Member>,
    /// If it is known.
    pub region: Option<String>,
    /// How its bucket is addressed there.
    pub style: S3Style,
}

impl Target {
    fn read(location: &str, object: &Object, from: &Member) -> Option<Self> {
        Self::within(location, object, host_of(from), from.origin.tls.is_some())
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
            member: Some(config::Member {
                tls,
                port: authority.port().unwrap_or(scheme.default_port()),
                host: endpoint,
                srv: false,
                socket: None,
                weight: 1,
                zone: String::new(),
            }),
        })
    }
}

fn host_of(member: &Member) -> &str {
    member.origin.name.rsplit_once(':').map_or("", |(host, _)| host.trim_matches(['[', ']']))
}

fn is_region(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
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
pub(crate) fn region(host: &str) -> Option<String> {
    let rest = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let last = rest.rsplit('.').next()?;
    let region = last.strip_prefix("s3-").unwrap_or(last);
    (region != "s3" && region.contains('-')).then(|| region.to_owned())
}

/// The endpoint of a region, next to an endpoint of Amazon's; `None` next to anybody else's, or to one that is not
/// a region's: an accelerated one, or one of a private network.
fn regional(host: &str, region: &str) -> Option<String> {
    let suffix = ["amazonaws.com", "amazonaws.com.cn"].into_iter().find(|suffix| {
        host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.') && !rest.contains("vpce"))
    })?;
    let kind = ["s3.dualstack.", "s3-fips.", "s3.", "s3-"].into_iter().find(|kind| host.starts_with(kind))?;
    let kind = if kind == "s3-" { "s3." } else { kind };
    (!host.starts_with("s3-accelerate")).then(|| format!("{kind}{region}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::maker::Maker;
    use crate::origin::resolve::pair;
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
            let member = target.member.unwrap();
            Some((member.host, member.port, target.region, target.style))
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

    #[test]
    fn what_pages_and_fields_say() {
        let object = Object { bucket: "photos".into(), path: "/a".into(), query: String::new() };
        let page = |text: &str, redirects, from: &str| {
            let mut said = Said::default();
            said.add_page(text.as_bytes(), redirects, &object, &member(from));
            let target = said.target(&object, &member(from), "us-east-1", S3Style::Path)?;
            Some((target.member.map(|m| format!("{}:{}", m.host, m.port)), target.region, target.style))
        };
        let moved =
            "<Error><Code>PermanentRedirect</Code><Endpoint>photos.s3.eu-west-1.amazonaws.com</Endpoint>";
        let (amazon, eu) = ("s3.us-east-1.amazonaws.com", Some("eu-west-1".to_owned()));
        let there = Some("s3.eu-west-1.amazonaws.com:80".to_owned());
        assert_eq!(page(moved, true, amazon), Some((there.clone(), eu.clone(), S3Style::VirtualHost)));
        assert_eq!(page(moved, false, amazon), None, "a 400 names no endpoint");
        let foreign = "<Endpoint>evil.example</Endpoint><Region>eu-west-1</Region>";
        assert_eq!(page(foreign, true, "store.example"), None, "not even its region is believed");
        let region = "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>";
        assert_eq!(page(region, false, amazon), Some((there, eu.clone(), S3Style::Path)));
        for same in ["s3.eu-west-1.amazonaws.com", "store.example", "127.0.0.1"] {
            assert_eq!(page(region, false, same), Some((None, eu.clone(), S3Style::Path)), "{same}");
        }
        for nothing in ["<Region>us-east-1</Region>", "<Region>A b</Region>", "<Region></Region>", ""] {
            assert_eq!(page(nothing, false, amazon), None, "{nothing}");
        }
    }

    #[test]
    fn endpoints_of_regions() {
        for (host, other) in [
            ("s3.amazonaws.com", Some("s3.eu-west-1.amazonaws.com")),
            ("s3-us-west-2.amazonaws.com", Some("s3.eu-west-1.amazonaws.com")),
            ("s3.dualstack.us-east-1.amazonaws.com", Some("s3.dualstack.eu-west-1.amazonaws.com")),
            ("s3-fips.us-east-1.amazonaws.com", Some("s3-fips.eu-west-1.amazonaws.com")),
            ("s3.cn-north-1.amazonaws.com.cn", Some("s3.eu-west-1.amazonaws.com.cn")),
            ("s3-accelerate.amazonaws.com", None),
            ("bucket.vpce-1-2.s3.us-east-1.vpce.amazonaws.com", None),
            ("s3.evilamazonaws.com", None),
            ("s3.store.example", None),
        ] {
            assert_eq!(regional(host, "eu-west-1").as_deref(), other, "{host}");
        }
    }
}
