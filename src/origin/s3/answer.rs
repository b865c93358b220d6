//! S3's answer without what is S3's: its error pages, its own fields, and its word for a key that is not there.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, Version, header};

use super::S3;
use crate::origin::body::OriginBody;
use crate::origin::error::FetchError;
use crate::origin::request::{OriginResponse, Trip};

/// An error page is read up to here; S3's are under 1 KiB.
pub(super) const MAX_PAGE: usize = 64 * 1024;
/// And for so long.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// No element that counts is longer.
const MAX_WORD: usize = 128;

/// Codes that mean the edge itself is at fault: key, clock, region, bucket policy of the whole account.
const OURS: [&str; 13] = [
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "CredentialsNotSupported",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "MissingSecurityHeader",
    "NotSignedUp",
    "PermanentRedirect",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TemporaryRedirect",
];

/// The answer to a request that S3 is not asked.
pub(in crate::origin) fn local_answer(pool: &Arc<str>, status: StatusCode) -> OriginResponse {
    let trip = Trip {
        pool: pool.clone(),
        member: "local".into(),
        attempts: 0,
        first_byte: None,
        error: None,
        request_id: None,
    };
    let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("0"))]);
    OriginResponse {
        status,
        version: Version::HTTP_11,
        headers,
        body: OriginBody::empty(),
        tunnel: None,
        trip,
    }
}

impl S3 {
    /// What a client may see of a response.
    ///
    /// # Errors
    /// `Refused` if S3 does not accept the edge.
    pub(in crate::origin) async fn tidy(
        &self,
        mut response: OriginResponse,
    ) -> Result<OriginResponse, FetchError> {
        let id = response.headers.get("x-amz-request-id").and_then(|id| id.to_str().ok());
        response.trip.request_id = id.map(|id| id.get(..id.len().min(MAX_WORD)).unwrap_or_default().into());
        strip_response(&mut response.headers);
        if response.status.is_success() || response.status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let page = response.body.peek(MAX_PAGE, PAGE_TIMEOUT).await;
        response.body = OriginBody::empty();
        let code = element(&page, "Code").map(str::to_owned);
        response.status = self.status_for(response.status, code.as_deref()).inspect_err(|error| {
            tracing::error!(pool = %response.trip.pool, member = %response.trip.member, %error, "S3 refuses the edge");
        })?;
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::TRANSFER_ENCODING, header::ETAG]
        {
            response.headers.remove(name);
        }
        response.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        Ok(response)
    }

    fn status_for(&self, status: StatusCode, code: Option<&str>) -> Result<StatusCode, FetchError> {
        let refused = |code: &str| Err(FetchError::Refused { code: code.to_owned() });
        match (status.as_u16(), code) {
            (_, Some(code)) if OURS.contains(&code) => refused(code),
            // The REST interface redirects only to another region.
            (300..=399, code) => refused(code.unwrap_or("redirect")),
            // HEAD has no page, so its 403 can only be taken for a missing key.
            (403, None | Some("AccessDenied")) => {
                // It may also be a right the edge lacks; who looks for that needs a trace of it.
                tracing::debug!(
                    bucket = self.config.bucket.as_deref().unwrap_or_default(),
                    "S3 denies a key; answered as not found"
                );
                Ok(self.not_found)
            }
            (404, Some("NoSuchBucket")) => {
                tracing::error!(bucket = self.config.bucket.as_deref().unwrap_or_default(), "no such bucket");
                Ok(status)
            }
            _ => Ok(status),
        }
    }
}

/// Drops `x-amz-*` but for an object's own metadata.
pub(super) fn strip_response(headers: &mut HeaderMap) {
    let amazons: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-") && !name.as_str().starts_with("x-amz-meta-"))
        .cloned()
        .collect();
    for name in amazons {
        headers.remove(name);
    }
}

/// The text of the first `<name>`, if it is a plain word: a code, a region, an endpoint.
pub(super) fn element<'p>(page: &'p [u8], name: &str) -> Option<&'p str> {
    let tag = format!("<{name}>");
    let rest = page.get(memchr::memmem::find(page, tag.as_bytes())? + tag.len()..)?;
    let text = &rest[..memchr::memchr(b'<', rest)?];
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_');
    let sound = (1..=MAX_WORD).contains(&text.len()) && text.iter().all(plain);
    std::str::from_utf8(text).ok().filter(|_| sound)
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::s3;
    use super::*;

    #[test]
    fn what_a_client_sees_of_an_error() {
        let s3 = s3(|_| {});
        for (status, code, seen) in [
            (403, Some("AccessDenied"), Ok(404)),
            (403, None, Ok(404)),
            (403, Some("InvalidObjectState"), Ok(403)),
            (403, Some("SignatureDoesNotMatch"), Err("SignatureDoesNotMatch")),
            (403, Some("InvalidAccessKeyId"), Err("InvalidAccessKeyId")),
            (403, Some("RequestTimeTooSkewed"), Err("RequestTimeTooSkewed")),
            (400, Some("ExpiredToken"), Err("ExpiredToken")),
            (301, Some("PermanentRedirect"), Err("PermanentRedirect")),
            (307, None, Err("redirect")),
            (404, Some("NoSuchKey"), Ok(404)),
            (404, Some("NoSuchBucket"), Ok(404)),
            (412, Some("PreconditionFailed"), Ok(412)),
            (416, Some("InvalidRange"), Ok(416)),
            (503, Some("SlowDown"), Ok(503)),
        ] {
            let answer = s3.status_for(StatusCode::from_u16(status).unwrap(), code);
            let seen = match seen {
                Ok(status) => Ok(StatusCode::from_u16(status).unwrap()),
                Err(code) => Err(FetchError::Refused { code: code.into() }),
            };
            assert_eq!(answer, seen, "{status} {code:?}");
        }
    }

    #[test]
    fn elements() {
        let page = "<?xml?><Error><Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-1.amazonaws.com:80</Endpoint>";
        assert_eq!(element(page.as_bytes(), "Endpoint"), Some("b.s3.eu-west-1.amazonaws.com:80"));
        assert_eq!(element(page.as_bytes(), "Region"), None);
        let long = format!("<Code>{}</Code>", "a".repeat(MAX_WORD + 1));
        for (page, code) in [
            ("<?xml?><Error><Code>NoSuchKey</Code><Message>..", Some("NoSuchKey")),
            ("<Code>a b</Code>", None),
            ("<Code></Code>", None),
            ("<Code>NoSuchKey", None),
            (long.as_str(), None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(element(page.as_bytes(), "Code"), code, "{page}");
        }
    }

    #[test]
    fn fields_of_amazon() {
        let mut headers = HeaderMap::new();
        for name in ["x-amz-request-id", "x-amz-id-2", "x-amz-version-id", "x-amz-meta-author", "etag"] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        strip_response(&mut headers);
        let mut left: Vec<_> = headers.keys().map(|n| n.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["etag", "x-amz-meta-author"]);
    }

    proptest::proptest! {
        #[test]
        fn any_page_can_be_looked_at(before in ".{0,20}", code in "[a-zA-Z<>. ]{0,140}", after in ".{0,20}") {
            let page = format!("{before}<Code>{code}</Code>{after}");
            let found = element(page.as_bytes(), "Code");
            let sound = |c: &str| {
                (1..=MAX_WORD).contains(&c.len()) && c.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_".contains(&b))
            };
            proptest::prop_assert!(found.is_none_or(sound));
            if sound(&code) && !before.contains('<') {
                proptest::prop_assert_eq!(found, Some(code.as_str()));
            }
        }
    }
}
