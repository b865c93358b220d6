//! S3's answer without what is S3's: its error pages, its own fields, and its word for a key that is not there.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, Version, header};

use super::S3;
use super::fields::strip_response;
use crate::origin::body::OriginBody;
use crate::origin::error::FetchError;
use crate::origin::request::OriginResponse;
use crate::origin::trip::Trip;

/// An error page is read up to here; S3's are under 1 KiB.
pub(super) const MAX_PAGE: usize = 64 * 1024;
/// And for so long.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// No element that counts is longer.
const MAX_WORD: usize = 128;

/// Why there is nothing to be had under a path.
const NO_SUCH_OBJECT: &str = "no_such_object";
/// What says something of S3's page, or of an object that is not what the client gets.
const OF_THE_PAGE: [header::HeaderName; 12] = [
    header::ACCEPT_RANGES,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// Codes that mean the edge itself is at fault: key, clock, region, bucket, bucket policy of the whole account.
const OURS: [&str; 18] = [
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "CredentialsNotSupported",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidSecurity",
    "InvalidToken",
    "MissingSecurityHeader",
    "NoSuchBucket",
    "NotSignedUp",
    "PermanentRedirect",
    "RequestExpired",
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
    let mut response = OriginResponse {
        status,
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
        body: OriginBody::empty(),
        tunnel: None,
        trip,
    };
    say(&mut response, NO_SUCH_OBJECT);
    response
}

/// In place of S3's page: one line with the status and the reason, as in the edge's own refusals.
fn say(response: &mut OriginResponse, reason: &str) {
    let name = response.status.canonical_reason().unwrap_or("Error");
    let line = format!("{} {name}: {reason}\n", response.status.as_u16());
    for name in OF_THE_PAGE {
        response.headers.remove(name);
    }
    response.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers.insert(header::CONTENT_LENGTH, line.len().into());
    response.body = OriginBody::once(line.into());
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
        let code = element(&page, "Code").map(str::to_owned);
        response.status = self.status_for(response.status, code.as_deref()).inspect_err(|error| {
            tracing::error!(pool = %response.trip.pool, member = %response.trip.member, %error, "S3 refuses the edge");
        })?;
        let reason = reason(response.status, self.not_found);
        say(&mut response, reason);
        Ok(response)
    }

    fn status_for(&self, status: StatusCode, code: Option<&str>) -> Result<StatusCode, FetchError> {
        let refused = |code: &str| Err(FetchError::Refused { code: code.to_owned() });
        match (status.as_u16(), code) {
            // A bucket that the client named by its Host.
            (404, Some("NoSuchBucket")) | (400, Some("InvalidBucketName"))
                if self.config.bucket.is_none() =>
            {
                Ok(self.not_found)
            }
            (_, Some(code)) if OURS.contains(&code) => refused(code),
            // The REST interface redirects only to another region.
            (300..=399, code) => refused(code.unwrap_or("redirect")),
            (403, None | Some("AccessDenied")) => {
                // It may also be a right the edge lacks; who looks for that needs a trace of it.
                tracing::debug!(
                    bucket = self.config.bucket.as_deref().unwrap_or_default(),
                    "S3 denies a key; answered as not found"
                );
                Ok(self.not_found)
            }
            _ => Ok(status),
        }
    }
}

/// The word that says why, in the body of the answer.
fn reason(status: StatusCode, not_found: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => NO_SUCH_OBJECT,
        _ if status == not_found => NO_SUCH_OBJECT,
        412 => "precondition_failed",
        416 => "range_not_satisfiable",
        429 | 503 => "origin_busy",
        _ if status.is_server_error() => "origin_error",
        _ => "origin_refused_request",
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
            (404, Some("NoSuchBucket"), Err("NoSuchBucket")),
            (404, None, Ok(404)),
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
