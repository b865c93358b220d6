//! What an origin says when it is asked for more of a version that is known.

use http::header::ETAG;
use http::{HeaderMap, StatusCode};

use crate::cache::slice::Manifest;
use crate::edge::request::requested_range::content_range;
use crate::http::range::ByteRange;

/// What its response says about that version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The bytes that were asked for.
    Part,
    /// All of the same version: the origin does not know ranges.
    Whole,
    /// The version is gone.
    Changed,
    /// Nothing about the version: the origin failed.
    Failed,
}

/// Judges the response to a request for `range` of what the manifest describes. `body` is its length, if announced.
pub fn judge(
    manifest: &Manifest,
    range: ByteRange,
    status: StatusCode,
    head: &HeaderMap,
    body: Option<u64>,
) -> Said {
    if status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    {
        return Said::Failed;
    }
    // Both are strong, or one differs: then bytes are what the tag says.
    let same = head.get(ETAG) == Some(manifest.etag());
    match status {
        StatusCode::PARTIAL_CONTENT
            if same
                && content_range(head) == Some((range, manifest.complete()))
                && body.is_none_or(|len| len == range.len()) =>
        {
            Said::Part
        }
        StatusCode::OK if same && body == Some(manifest.complete()) => Said::Whole,
        _ => Said::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::{Key, KeyText};
    use http::header::CONTENT_RANGE;
    use http::{HeaderName, HeaderValue};

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        pairs.fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
    }

    #[test]
    fn more_of_a_version_is_of_that_version() {
        let key = Key::new(KeyText::from_slice(b"k"));
        let manifest =
            Manifest::new(&key, None, Some(&HeaderValue::from_static("\"a\"")), 40, 16, 0).unwrap();
        let range = ByteRange { first: 16, last: 31 };
        for (status, etag, says, body, expected) in [
            (206, "\"a\"", "bytes 16-31/40", Some(16), Said::Part),
            (206, "\"a\"", "bytes 16-31/40", None, Said::Part),
            (206, "\"a\"", "bytes 16-31/40", Some(15), Said::Changed),
            (206, "\"b\"", "bytes 16-31/40", Some(16), Said::Changed),
            (206, "W/\"a\"", "bytes 16-31/40", Some(16), Said::Changed),
            (206, "\"a\"", "bytes 16-31/41", Some(16), Said::Changed),
            (206, "\"a\"", "bytes 16-30/40", Some(15), Said::Changed),
            (206, "\"a\"", "bytes 0-15/40", Some(16), Said::Changed),
            (200, "\"a\"", "-", Some(40), Said::Whole),
            (200, "\"a\"", "-", Some(41), Said::Changed),
            (200, "\"a\"", "-", None, Said::Changed),
            (200, "\"b\"", "-", Some(40), Said::Changed),
            (412, "\"a\"", "-", None, Said::Changed),
            (416, "\"a\"", "bytes */10", None, Said::Changed),
            (404, "\"a\"", "-", None, Said::Changed),
            (503, "\"a\"", "-", None, Said::Failed),
            (429, "\"a\"", "-", None, Said::Failed),
        ] {
            let head = headers(&[(ETAG, etag), (CONTENT_RANGE, says)]);
            let said = judge(&manifest, range, StatusCode::from_u16(status).unwrap(), &head, body);
            assert_eq!(said, expected, "{status} {etag} {says} {body:?}");
        }
    }
}
