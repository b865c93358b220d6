//! Which site a response is for, where its Vary does not say (Fetch §3.3.5, "CORS protocol and HTTP caches").
//!
//! S3 and many others vary by Origin without saying so to requests that have none, and some never say so. By
//! Vary alone, a response without Access-Control-Allow-Origin would be given to a page that needs one, or one
//! site's to another, and browsers would refuse it until it is stale. A cache may always decline to use what it has.

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName,
    ORIGIN,
};
use http::{HeaderMap, HeaderValue};

/// Whether a response to `request` is for requests with the same Origin only, as if Vary named it.
pub fn varies(request: &HeaderMap, response: &HeaderMap) -> bool {
    request.contains_key(ORIGIN) && !is_for_all(response)
}

/// Whether a stored response, which Vary allows for, is also for a request with this Origin.
///
/// [`varies`] makes one that was asked for with an Origin a variant, so what else could be found was asked for without.
pub fn suits(origin: &HeaderValue, stored: &HeaderMap, by_origin: bool) -> bool {
    by_origin || is_for_all(stored) || stored.get(ACCESS_CONTROL_ALLOW_ORIGIN) == Some(origin)
}

/// Whether these are fields that only tell sites apart. A request without Origin has none of them.
pub fn only_tell_sites_apart(names: &[HeaderName]) -> bool {
    const FIELDS: [HeaderName; 3] = [ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD];
    names.contains(&ORIGIN) && names.iter().all(|name| FIELDS.contains(name))
}

/// Whether any page may read it.
pub fn is_for_all(response: &HeaderMap) -> bool {
    response.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|allowed| allowed == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(origin: Option<&'static str>) -> HeaderMap {
        let value = origin.map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(origin)));
        value.into_iter().collect()
    }

    #[test]
    fn a_response_to_a_site_is_for_that_site_unless_it_is_for_all() {
        let from_site: HeaderMap = [(ORIGIN, HeaderValue::from_static("https://a"))].into_iter().collect();
        for (allowed, expected) in
            [(None, true), (Some("*"), false), (Some("https://a"), true), (Some("https://b"), true)]
        {
            assert_eq!(varies(&from_site, &allowing(allowed)), expected, "{allowed:?}");
            assert!(!varies(&HeaderMap::new(), &allowing(allowed)), "{allowed:?}");
        }
    }

    #[test]
    fn what_was_asked_for_without_a_site_suits_one_that_it_names() {
        let site = HeaderValue::from_static("https://a");
        for (allowed, expected) in
            [(None, false), (Some("*"), true), (Some("https://a"), true), (Some("https://b"), false)]
        {
            assert_eq!(suits(&site, &allowing(allowed), false), expected, "{allowed:?}");
            assert!(suits(&site, &allowing(allowed), true), "{allowed:?}");
        }
    }

    #[test]
    fn fields_of_cors_tell_sites_apart() {
        assert!(only_tell_sites_apart(&[ORIGIN]));
        assert!(only_tell_sites_apart(&[ACCESS_CONTROL_REQUEST_METHOD, ORIGIN]));
        assert!(!only_tell_sites_apart(&[ACCESS_CONTROL_REQUEST_METHOD]));
        assert!(!only_tell_sites_apart(&[http::header::ACCEPT, ORIGIN]));
        assert!(!only_tell_sites_apart(&[]));
    }
}
