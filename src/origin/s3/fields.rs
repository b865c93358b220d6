//! The fields that are between the edge and a storage service: neither side's clients say or see them.

use http::{HeaderMap, HeaderName, header};

/// What the fields of S3 and of those who speak its protocol begin with, and which of them are an object's own
/// metadata. Listed in docs/s3.md.
const VENDORS: [(&str, &str); 21] = [
    ("x-amz-", "x-amz-meta-"),
    ("x-amzn-", ""),
    ("x-bce-", "x-bce-meta-"),
    ("x-bz-", "x-bz-info-"),
    ("x-ceph-", ""),
    ("x-cos-", "x-cos-meta-"),
    ("x-do-", ""),
    ("x-emc-", "x-emc-meta-"),
    ("x-goog-", "x-goog-meta-"),
    ("x-guploader-", ""),
    ("x-ibm-", ""),
    ("x-minio-", "x-minio-meta-"),
    ("x-ms-", "x-ms-meta-"),
    ("x-ntap-", ""),
    ("x-obs-", "x-obs-meta-"),
    ("x-oss-", "x-oss-meta-"),
    ("x-rgw-", ""),
    ("x-scal-", ""),
    ("x-swift-", ""),
    ("x-tos-", "x-tos-meta-"),
    ("x-wasabi-", ""),
];

/// Fields that name the server, its request, or where it wants to hear of trouble with its own endpoint.
const OF_THE_SERVER: [&str; 14] = [
    "alt-svc",
    "cf-cache-status",
    "cf-ray",
    "expect-ct",
    "nel",
    "report-to",
    "reporting-endpoints",
    "server",
    "x-cache",
    "x-id-2",
    "x-openstack-request-id",
    "x-powered-by",
    "x-request-id",
    "x-trans-id",
];

/// Whether a request's field is not sent to S3: what a client must not say in the edge's name, and what is none of
/// S3's business.
pub(crate) fn is_kept_back(name: &HeaderName) -> bool {
    matches!(*name, header::AUTHORIZATION | header::COOKIE) || vendor(name).is_some()
}

/// Removes them.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    strip(headers, is_kept_back);
}

/// Removes what tells who is behind. An object's own metadata stays.
pub(super) fn strip_response(headers: &mut HeaderMap) {
    strip(headers, |name| {
        let of_vendor = vendor(name).is_some_and(|own| own.is_empty() || !name.as_str().starts_with(own));
        of_vendor || OF_THE_SERVER.contains(&name.as_str())
    });
}

/// Whose field it is: what that vendor's metadata begins with.
fn vendor(name: &HeaderName) -> Option<&'static str> {
    let name = name.as_str();
    if !name.starts_with("x-") {
        return None;
    }
    VENDORS.iter().find(|(begins, _)| name.starts_with(begins)).map(|(_, own)| *own)
}

fn strip(headers: &mut HeaderMap, goes: impl Fn(&HeaderName) -> bool) {
    let going: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    for name in going {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn left(names: &[&'static str], strip: impl Fn(&mut HeaderMap)) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.insert(*name, HeaderValue::from_static("x"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(ToString::to_string).collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn clients_do_not_speak_to_s3() {
        let said = [
            "authorization",
            "cookie",
            "x-amz-acl",
            "x-amz-copy-source",
            "x-goog-user-project",
            "x-minio-extract",
            "x-ms-lease-id",
            "x-oss-security-token",
            "range",
            "if-match",
        ];
        assert_eq!(left(&said, strip_request), ["if-match", "range"]);
    }

    #[test]
    fn nothing_tells_who_is_behind() {
        let said = [
            "server",
            "alt-svc",
            "cf-ray",
            "x-amz-request-id",
            "x-amz-id-2",
            "x-amz-version-id",
            "x-amzn-trace-id",
            "x-goog-hash",
            "x-guploader-uploadid",
            "x-minio-deployment-id",
            "x-ms-version",
            "x-oss-request-id",
            "x-rgw-object-type",
        ];
        assert!(left(&said, strip_response).is_empty());
    }

    #[test]
    fn what_is_the_objects_own_stays() {
        let said = [
            "etag",
            "strict-transport-security",
            "x-amz-meta-author",
            "x-frame-options",
            "x-goog-meta-author",
            "x-ms-meta-author",
            "x-oss-meta-author",
        ];
        assert_eq!(left(&said, strip_response), said);
    }

    #[test]
    fn every_vendor_is_documented() {
        let page = include_str!("../../../docs/s3.md");
        let prefixes = VENDORS.iter().flat_map(|(begins, own)| [format!("{begins}*"), format!("{own}*")]);
        let names = OF_THE_SERVER.iter().map(|name| (*name).to_owned());
        for name in prefixes.chain(names).filter(|name| name != "*") {
            assert!(page.to_lowercase().contains(&format!("`{name}`")), "docs/s3.md does not list {name}");
        }
    }
}
