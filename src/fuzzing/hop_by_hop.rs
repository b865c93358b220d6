//! Connection: nothing hop-by-hop goes on, and nothing that the cache depends on can be named away.

use super::input::Input;
use crate::http::hop_by_hop::{accepts_trailers, is_hop_by_hop, is_protected, strip_request, strip_response};

pub(super) fn run(data: &[u8]) {
    let headers = Input(data).fields();
    let _ = accepts_trailers(&headers);
    let mut request = headers.clone();
    let stripped = strip_request(&mut request);
    let mut response = headers.clone();
    strip_response(&mut response);
    if stripped.is_ok() {
        assert_eq!(request, response);
    } else {
        assert_eq!(request, headers, "a request that is refused is left as it was");
    }
    assert!(!response.keys().any(is_hop_by_hop));
    for name in headers.keys().filter(|name| is_protected(name)) {
        assert!(!is_hop_by_hop(name));
        assert!(headers.get_all(name).iter().eq(response.get_all(name).iter()), "{name} was named away");
    }
    let mut twice = response.clone();
    strip_response(&mut twice);
    assert_eq!(twice, response);
}
