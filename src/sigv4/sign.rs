//! Where a signature goes: an `Authorization` field, or the query of a pre-signed URL.

use std::time::Duration;

use super::canonical::{CanonicalRequest, UNSIGNED_PAYLOAD};
use super::encode::canonical_query;
use super::key::{Scope, SigningKey, Timestamp};

/// The only algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who signs.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Public half.
    pub access_key_id: &'a str,
    /// Secret half.
    pub secret_access_key: &'a str,
    /// Of temporary credentials. In a header signature the caller sends and signs it as `x-amz-security-token`.
    pub session_token: Option<&'a str>,
}

/// The value of `Authorization` for a request whose `headers` include `host`, `x-amz-date` (= `at`) and all
/// other `x-amz-*` that are sent; S3 refuses a signature that leaves one of those out.
pub fn authorization(
    request: &CanonicalRequest<'_>,
    credentials: Credentials<'_>,
    region: &str,
    service: &str,
    at: &Timestamp,
) -> String {
    let scope = Scope { date: at.date(), region, service };
    let key = SigningKey::derive(credentials.secret_access_key, scope);
    let signature = key.sign(&request.string_to_sign(at, scope));
    format!(
        "{ALGORITHM} Credential={}/{scope},SignedHeaders={},Signature={signature}",
        credentials.access_key_id,
        request.signed_headers()
    )
}

/// The whole query of a URL that opens `path` on `host` for `expires`, with only `host` signed and the body not.
/// `extra` are further parameters, decoded.
pub fn presigned_query(
    (method, host, path): (&str, &str, &str),
    extra: &[(&str, &str)],
    credentials: Credentials<'_>,
    (region, service): (&str, &str),
    at: &Timestamp,
    expires: Duration,
) -> String {
    let scope = Scope { date: at.date(), region, service };
    let credential = format!("{}/{scope}", credentials.access_key_id);
    let expires = expires.as_secs().to_string();
    let mut pairs: Vec<(&str, &str)> = vec![
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", at.as_str()),
        ("X-Amz-Expires", &expires),
        ("X-Amz-SignedHeaders", "host"),
    ];
    pairs.extend(credentials.session_token.map(|token| ("X-Amz-Security-Token", token)));
    pairs.extend_from_slice(extra);
    let query = canonical_query(pairs);
    let headers = [("host", host)];
    let request =
        CanonicalRequest { method, path, query: &query, headers: &headers, payload: UNSIGNED_PAYLOAD };
    let key = SigningKey::derive(credentials.secret_access_key, scope);
    let signature = key.sign(&request.string_to_sign(at, scope));
    format!("{query}&X-Amz-Signature={signature}")
}

#[cfg(test)]
mod tests {
    use super::super::EMPTY_SHA256;
    use super::*;

    // "Signature Calculations for the Authorization Header" and "Authenticating Requests: Using Query
    // Parameters" in the Amazon S3 API Reference.
    const HOST: &str = "examplebucket.s3.amazonaws.com";
    const CREDENTIALS: Credentials<'_> = Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        session_token: None,
    };

    fn at() -> Timestamp {
        Timestamp::parse("20130524T000000Z").unwrap()
    }

    fn signature(method: &str, path: &str, query: &str, headers: &[(&str, &str)], payload: &str) -> String {
        let request = CanonicalRequest { method, path, query, headers, payload };
        let value = authorization(&request, CREDENTIALS, "us-east-1", "s3", &at());
        value.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn published_header_signatures() {
        let date = ("x-amz-date", "20130524T000000Z");
        let empty = ("x-amz-content-sha256", EMPTY_SHA256);
        assert_eq!(
            signature(
                "GET",
                "/test.txt",
                "",
                &[("host", HOST), ("range", "bytes=0-9"), empty, date],
                EMPTY_SHA256
            ),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let welcome = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        assert_eq!(
            signature(
                "PUT",
                "/test%24file.text",
                "",
                &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("host", HOST),
                    ("x-amz-content-sha256", welcome),
                    date,
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY")
                ],
                welcome
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        for (query, expected) in [
            ("lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            assert_eq!(signature("GET", "/", query, &[("host", HOST), empty, date], EMPTY_SHA256), expected);
        }
    }

    #[test]
    fn the_published_header() {
        let headers = [("host", HOST), ("x-amz-date", "20130524T000000Z")];
        let request = CanonicalRequest {
            method: "GET",
            path: "/",
            query: "",
            headers: &headers,
            payload: EMPTY_SHA256,
        };
        let value = authorization(&request, CREDENTIALS, "us-east-1", "s3", &at());
        assert!(value.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;x-amz-date,Signature="
        ));
    }

    #[test]
    fn the_published_presigned_url() {
        let query = presigned_query(
            ("GET", HOST, "/test.txt"),
            &[],
            CREDENTIALS,
            ("us-east-1", "s3"),
            &at(),
            Duration::from_secs(86400),
        );
        assert_eq!(
            query,
            "X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }
}
