//! The text a signature is over: one canonical form of a request, then the string to sign.

use aws_lc_rs::digest;

use super::key::{Scope, Timestamp, hex};
use super::sign::ALGORITHM;

/// The SHA-256 of no bytes: what a request without a body declares.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// In place of a body's hash: the body is not part of the signature.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// A request in the parts that are signed.
#[derive(Debug, Clone, Copy)]
pub struct CanonicalRequest<'a> {
    /// `GET`
    pub method: &'a str,
    /// From [`encode_path`](super::encode_path).
    pub path: &'a str,
    /// From [`canonical_query`](super::canonical_query), without any `X-Amz-Signature`.
    pub query: &'a str,
    /// The signed headers: names in lower case, sorted, each once.
    pub headers: &'a [(&'a str, &'a str)],
    /// Hex SHA-256 of the body, or [`UNSIGNED_PAYLOAD`].
    pub payload: &'a str,
}

impl CanonicalRequest<'_> {
    /// The names of the signed headers, joined by `;`.
    pub fn signed_headers(&self) -> String {
        let mut out = String::new();
        for (i, (name, _)) in self.headers.iter().enumerate() {
            if i > 0 {
                out.push(';');
            }
            out.push_str(name);
        }
        out
    }

    /// The canonical request.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(256 + self.path.len() + self.query.len());
        for part in [self.method, self.path, self.query] {
            out.push_str(part);
            out.push('\n');
        }
        for (name, value) in self.headers {
            out.push_str(name);
            out.push(':');
            push_folded(&mut out, value);
            out.push('\n');
        }
        out.push('\n');
        out.push_str(&self.signed_headers());
        out.push('\n');
        out.push_str(self.payload);
        out
    }

    /// What the key signs.
    pub fn string_to_sign(&self, at: &Timestamp, scope: Scope<'_>) -> String {
        let hash = hex(digest::digest(&digest::SHA256, self.text().as_bytes()).as_ref());
        format!("{ALGORITHM}\n{}\n{scope}\n{hash}", at.as_str())
    }
}

/// A header's value without outer blanks and with inner runs of them made one.
fn push_folded(out: &mut String, value: &str) {
    for (i, word) in value.split([' ', '\t']).filter(|w| !w.is_empty()).enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_canonical_request() {
        let request = CanonicalRequest {
            method: "GET",
            path: "/test.txt",
            query: "",
            headers: &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("range", "bytes=0-9"),
                ("x-amz-content-sha256", EMPTY_SHA256),
                ("x-amz-date", "20130524T000000Z"),
            ],
            payload: EMPTY_SHA256,
        };
        let at = Timestamp::parse("20130524T000000Z").unwrap();
        let scope = Scope { date: at.date(), region: "us-east-1", service: "s3" };
        assert_eq!(
            request.string_to_sign(&at, scope),
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
             7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
        );
    }

    #[test]
    fn blanks_in_values_are_folded() {
        let mut out = String::new();
        push_folded(&mut out, "  a   b\t c ");
        assert_eq!(out, "a b c");
    }

    #[test]
    fn the_hash_of_nothing() {
        assert_eq!(hex(digest::digest(&digest::SHA256, b"").as_ref()), EMPTY_SHA256);
    }
}
