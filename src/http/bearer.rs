//! Bearer tokens (RFC 6750 §2.1).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Whether the one Authorization field carries `token`. The comparison takes the same time whatever is wrong, and
/// tells nothing of the token's length.
pub fn carries(headers: &HeaderMap, token: &str) -> bool {
    credentials(headers).is_some_and(|given| same(given, token.as_bytes()))
}

/// The credentials of the one Authorization field, if its scheme is Bearer, in any case (RFC 9110 §11.1).
fn credentials(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (field, None) = (fields.next()?.as_bytes(), fields.next()) else { return None };
    let (scheme, rest) = field.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

/// Digests have one length, so neither the length nor the content decides how long this takes.
fn same(given: &[u8], token: &[u8]) -> bool {
    let (given, token_digest) = (digest(&SHA256, given), digest(&SHA256, token));
    // An empty token is no token, whatever configuration let it through.
    verify_slices_are_equal(given.as_ref(), token_digest.as_ref()).is_ok() && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn exactly_the_token_exactly_once() {
        for (fields, carried) in [
            (&["Bearer s3cret"][..], true),
            (&["bearer  s3cret "], true),
            (&["Bearer s3cre"], false),
            (&["Basic s3cret"], false),
            (&["Bearer s3cret", "Bearer s3cret"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_static(field));
            }
            assert_eq!(carries(&headers, "s3cret"), carried, "{fields:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer "));
        assert!(!carries(&headers, ""), "an empty token is none");
    }
}
