//! Stage 1 as a whole: method, target, version and fields of any request; what comes out has one reading.

use http::{HeaderMap, Method, Uri, Version};

use super::input::Input;
use crate::config::OriginKind;
use crate::edge::request::fields::{Fields, is_steering, strip_steering};
use crate::edge::request::sanitize::{Target, host, path_and_query};
use crate::http::host::Scheme;

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut line = input.line().splitn(3, |&byte| byte == b' ');
    let method = Method::from_bytes(line.next().unwrap_or_default()).unwrap_or(Method::GET);
    let uri = line.next().and_then(|target| Uri::try_from(target).ok());
    let version = match line.next() {
        Some(b"HTTP/1.0") => Version::HTTP_10,
        Some(b"HTTP/2") => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    let headers = input.fields();
    fields(&headers);
    let Some(uri) = uri else { return };
    if let Ok(Some(host)) = host(&uri, &headers, version, Scheme::Http) {
        let bare = host.without_port();
        assert!(bare.port().is_none() && !bare.as_str().contains(['/', '@', '\n']));
        assert!(version != Version::HTTP_11 || headers.contains_key("host"));
        if let (Some(one), Some(two)) = (uri.host(), headers.get("host")) {
            let two = String::from_utf8_lossy(two.as_bytes()).to_ascii_lowercase();
            let one = one.to_ascii_lowercase();
            let name = one.strip_suffix('.').unwrap_or(&one);
            assert!(two.starts_with(name) || name.starts_with('['), "{one} or {two}?");
        }
    }
    let Ok(given) = path_and_query(&method, &uri) else { return };
    let Ok(target) = Target::new(given) else { return };
    assert!(target.path().starts_with('/') && target.path().bytes().all(|byte| byte.is_ascii_graphic()));
    for read in [target.path(), target.routed_path()] {
        assert!(!read.split('/').any(|segment| matches!(segment, "." | "..")), "{read}");
        assert!(!read.contains(['?', '#', '\\', '\n']), "{read}");
    }
    assert!(
        target.query().is_none_or(|query| !query.is_empty() && query.bytes().all(|b| b.is_ascii_graphic()))
    );
    // Its own spelling, read again, is itself.
    let again = Target::new(target.to_string().parse().expect("a target")).expect("its own spelling");
    assert_eq!((again.path(), again.query()), (target.path(), target.query()));
    assert_eq!(again.routed_path(), target.routed_path());
    // So is a key's.
    let mut key = target.clone();
    key.identify(OriginKind::S3);
    assert_eq!((key.path(), key.query()), (target.routed_path(), target.query()));
    let mut again = Target::new(key.to_string().parse().expect("a target")).expect("a key's spelling");
    again.identify(OriginKind::S3);
    assert_eq!(again.path(), key.path());
}

fn fields(headers: &HeaderMap) {
    let scanned = Fields::scan(headers);
    let single = ["host", "content-length", "range", "authorization", "content-type", "if-range"];
    let repeated = single.iter().any(|name| headers.get_all(*name).iter().count() > 1);
    assert!(!repeated || scanned.is_err(), "a field that may stand once stands twice");
    let Ok(scanned) = scanned else { return };
    let steering = headers.keys().any(|name| is_steering(name.as_str()));
    assert_eq!(scanned.has(Fields::STEERING), steering);
    let mut stripped = headers.clone();
    strip_steering(&mut stripped);
    assert!(!stripped.keys().any(|name| is_steering(name.as_str())));
    let framing = headers.contains_key("content-length") || headers.contains_key("transfer-encoding");
    assert_eq!(scanned.has(Fields::FRAMING), framing);
    assert_eq!(scanned.has(Fields::COOKIE), headers.contains_key("cookie"));
    assert_eq!(scanned.has(Fields::RANGE), headers.contains_key("range"));
}
