//! What an unsafe method invalidates: only on its own host, never more than three, always a path.

use http::{Method, StatusCode};

use super::input::Input;
use crate::policy::invalidate::{invalidated, names_target};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [status] = input.numbers();
    let method = Method::from_bytes(input.line()).unwrap_or(Method::POST);
    let (host, path) = (input.text(), input.text());
    if !path.starts_with('/') {
        return;
    }
    let response = input.fields();
    let status = StatusCode::from_u16(200 + (status % 400) as u16).unwrap();
    let target = ("http", host, path);
    let stale = invalidated(&method, status, target, &response);
    assert!(stale.len() <= 3 && stale.iter().all(|path| path.starts_with('/')), "{stale:?}");
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(&method);
    let failed = status.is_client_error() || status.is_server_error();
    assert!(!(safe || failed) || stale.is_empty());
    assert!(stale.is_empty() || stale[0] == path);
    // An absolute reference to another host names nothing here.
    for named in response.values().filter_map(|value| value.to_str().ok()) {
        if let Some(rest) = named.strip_prefix("http://other.example/") {
            assert!(
                host.starts_with("other.example")
                    || !stale.iter().skip(1).any(|p| p[1..] == *rest && response.len() == 1)
            );
        }
    }
    let _ = names_target(target, &response);
}
