//! What a status code means for storing.

use http::StatusCode;

/// Interim and impossible codes; 304, which is about another response; 412 and 416, answers to preconditions
/// and ranges that are no part of the key; and those RFC 6585 forbids to store.
pub(super) fn never_stored(status: StatusCode) -> bool {
    matches!(status.as_u16(), ..200 | 304 | 412 | 416 | 428 | 429 | 431 | 511 | 600..)
}

/// "Heuristically cacheable" (RFC 9110 §15.1, RFC 7725 §3).
pub(super) fn cacheable_by_default(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 451 | 501)
}

/// Codes whose caching requirements this cache knows: those of RFC 9110 §15 and 451.
pub(super) fn understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=206 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 451 | 500..=505)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(class: fn(StatusCode) -> bool) -> Vec<u16> {
        (100..=999).filter(|&code| class(StatusCode::from_u16(code).unwrap())).collect()
    }

    #[test]
    fn never() {
        let codes = codes(never_stored);
        let within: Vec<u16> = codes.into_iter().filter(|code| (200..600).contains(code)).collect();
        assert_eq!(within, [304, 412, 416, 428, 429, 431, 511]);
        assert!(never_stored(StatusCode::SWITCHING_PROTOCOLS));
        assert!(never_stored(StatusCode::from_u16(600).unwrap()));
    }

    #[test]
    fn by_default() {
        let expected = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 451, 501];
        assert_eq!(codes(cacheable_by_default), expected);
    }

    #[test]
    fn known() {
        let codes = codes(understood);
        for code in [200, 206, 302, 404, 451, 503] {
            assert!(codes.contains(&code), "{code}");
        }
        for code in [299, 304, 306, 425, 499, 506, 599] {
            assert!(!codes.contains(&code), "{code}");
        }
    }
}
