//! Where the body of a response ends, and which heads leave that open (RFC 9112 §6.3), beyond what hyper refuses.
//!
//! ```text
//! Transfer-Encoding                              the body
//! ---------------------------------------------  ------------------------------------------------------
//! none                                           as Content-Length says, or until the connection closes
//! exactly `chunked`                              in chunks
//! only codings that nobody knows, or `identity`  until the connection closes, as after HTTP/1.0
//! anything else                                  refused
//! ```
//!
//! The third row is rule 4: without `chunked` at its end a response lasts as long as its connection. A coding that is
//! known to change bytes is refused there, since nothing here could undo it, and so is whatever resembles `chunked`,
//! since the next reader may take it for that.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::http::decimal;
use crate::http::list::{is_tchar, trim};

/// What ends a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The response itself, so that the connection can carry another one.
    Marked,
    /// The end of the connection: all that comes on it is this response's, and nothing may come after.
    Close,
}

/// Transfer codings of the IANA registry, and content codings that are met in their place: bytes under them are not the
/// representation. `trailers` is reserved for TE.
const KNOWN: [&[u8]; 13] = [
    b"aes128gcm",
    b"br",
    b"compress",
    b"dcb",
    b"dcz",
    b"deflate",
    b"exi",
    b"gzip",
    b"pack200-gzip",
    b"trailers",
    b"x-compress",
    b"x-gzip",
    b"zstd",
];

/// Says where the body of the response to a `method` ends.
///
/// # Errors
/// What is doubtful about the head, in words for a log.
pub(super) fn end_of(
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
    method: &Method,
    upgrade: bool,
) -> Result<End, &'static str> {
    if status == StatusCode::SWITCHING_PROTOCOLS && !upgrade {
        return Err("101 to a request without Upgrade");
    }
    if status == StatusCode::SWITCHING_PROTOCOLS && !headers.contains_key(UPGRADE) {
        return Err("101 to no protocol");
    }
    if status.as_u16() >= 600 {
        return Err("a status above 599");
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() || length.is_some_and(|l| !is_length(l)) {
        return Err("several lengths, or one that is no number");
    }
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(if length.is_some() || has_no_body(status, method) { End::Marked } else { End::Close });
    }
    if length.is_some() {
        return Err("Transfer-Encoding beside Content-Length");
    }
    if version != Version::HTTP_11 {
        return Err("Transfer-Encoding in a version that does not have it");
    }
    if status.is_informational() || (status == StatusCode::NO_CONTENT && *method != Method::HEAD) {
        return Err("Transfer-Encoding on a 101 or a 204");
    }
    coded(headers)
}

fn has_no_body(status: StatusCode, method: &Method) -> bool {
    let never = matches!(status.as_u16(), 101 | 204 | 304);
    never || *method == Method::HEAD
}

fn coded(headers: &HeaderMap) -> Result<End, &'static str> {
    let lines = || headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes);
    if lines().count() == 1 && lines().all(|line| line.eq_ignore_ascii_case(b"chunked")) {
        return Ok(End::Marked);
    }
    for coding in lines().flat_map(|line| line.split(|&byte| byte == b',')).map(trim) {
        let coding = coding.to_ascii_lowercase();
        if coding.is_empty() || !coding.iter().all(|&byte| is_tchar(byte)) {
            return Err("a Transfer-Encoding that names no coding");
        }
        if memchr::memmem::find(&coding, b"chunked").is_some() {
            return Err("chunked among other transfer codings, or something like it");
        }
        if KNOWN.contains(&coding.as_slice()) {
            return Err("a transfer coding that is not undone here");
        }
    }
    Ok(End::Close)
}

fn is_length(value: &HeaderValue) -> bool {
    decimal::parse(value.as_bytes()).is_some_and(|length| i64::try_from(length).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields<'a> = &'a [(&'static str, &'a str)];

    fn end(status: u16, fields: Fields<'_>, method: &Method, version: Version) -> Option<End> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        end_of(StatusCode::from_u16(status).unwrap(), version, &headers, method, false).ok()
    }

    fn to_a_get(status: u16, fields: Fields<'_>) -> Option<End> {
        end(status, fields, &Method::GET, Version::HTTP_11)
    }

    const CHUNKED: (&str, &str) = ("transfer-encoding", "Chunked");

    #[test]
    fn heads_that_say_where_they_end() {
        for (status, fields, expected) in [
            (200, &[("content-length", "5")][..], End::Marked),
            (200, &[CHUNKED], End::Marked),
            (200, &[], End::Close),
            (204, &[], End::Marked),
            (304, &[], End::Marked),
            (304, &[CHUNKED], End::Marked),
        ] {
            assert_eq!(to_a_get(status, fields), Some(expected), "{status} {fields:?}");
        }
        let to_a_head = |fields| end(200, fields, &Method::HEAD, Version::HTTP_11);
        assert_eq!(to_a_head(&[]), Some(End::Marked));
        assert_eq!(to_a_head(&[("transfer-encoding", "foo")]), Some(End::Close), "some send a body");
    }

    #[test]
    fn heads_that_do_not() {
        for (status, fields) in [
            (200, &[("content-length", "5"), ("content-length", "5")][..]),
            (200, &[("content-length", "5, 5")]),
            (200, &[("content-length", "+5")]),
            (200, &[("content-length", "")]),
            (200, &[("content-length", "9223372036854775808")]),
            (200, &[("content-length", "5"), CHUNKED]),
            (200, &[("content-length", "5"), ("transfer-encoding", "identity")]),
            (200, &[CHUNKED, CHUNKED]),
            (204, &[CHUNKED]),
            (204, &[("transfer-encoding", "identity")]),
            (101, &[]),
            (600, &[]),
        ] {
            assert_eq!(to_a_get(status, fields), None, "{status} {fields:?}");
        }
    }

    #[test]
    fn codings_that_nobody_knows_last_until_the_connection_closes() {
        for value in ["identity", "IDENTITY", "foo", "ContentABC123", "foo, identity", "foo,\tbar"] {
            assert_eq!(to_a_get(200, &[("transfer-encoding", value)]), Some(End::Close), "{value}");
        }
        let lines = [("transfer-encoding", "foo"), ("transfer-encoding", "identity")];
        assert_eq!(to_a_get(200, &lines), Some(End::Close));
    }

    #[test]
    fn other_codings_are_refused() {
        for value in [
            "gzip",
            "GZip",
            "x-gzip",
            "deflate",
            "compress",
            "br",
            "zstd",
            "trailers",
            "foo, gzip",
            "gzip, chunked",
            "foo, chunked",
            "chunked, foo",
            "chunked, chunked",
            "chunked,",
            ", chunked",
            "xchunked",
            "chunked-foo",
            "chunked;a=b",
            "\"chunked\"",
            "identity;q=1",
            "foo bar",
            "foo,,bar",
            "foo,",
            "",
            ",",
        ] {
            assert_eq!(to_a_get(200, &[("transfer-encoding", value)]), None, "{value}");
        }
        for other in ["chunked", "gzip", ""] {
            let lines = [("transfer-encoding", "foo"), ("transfer-encoding", other)];
            assert_eq!(to_a_get(200, &lines), None, "foo and {other:?}");
        }
    }

    #[test]
    fn only_http_1_1_has_transfer_codings() {
        for version in [Version::HTTP_10, Version::HTTP_2] {
            for value in ["chunked", "identity", "foo"] {
                let found = end(200, &[("transfer-encoding", value)], &Method::GET, version);
                assert_eq!(found, None, "{version:?} {value}");
            }
        }
    }
}
