//! Signed URLs: made-up tokens open nothing wherever they stand; a sound one opens its scope, and one byte off nothing.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::input::Input;
use crate::config::{OriginKind, PathPattern, Secret, Signed, SignedKey, SignedScheme};
use crate::http::time::Time;
use crate::signed::{Change, Claims, SignedRequest, Verifiers, split_path_token, token};

const NOW: Time = Time(1_000_000_000);

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [at, bit] = input.numbers();
    let (path, query, claims) = (input.text(), input.text(), input.text().replace('|', "\n"));
    let headers = input.fields();
    let taken = split_path_token(path);
    assert!(taken.is_none_or(|taken| taken.path.starts_with('/') && path.ends_with(taken.path)));
    let rest = taken.map_or(path, |taken| taken.path);
    if !rest.starts_with('/') {
        return;
    }
    let verifiers = verifiers();
    let asked = request(rest, taken.map(|taken| taken.token), Some(query), &headers);
    let verdict = verifiers.verify(&asked, NOW);
    assert!(verdict.is_err(), "a made-up token opens {rest}");

    let Some(claims) = Claims::parse(&claims) else { return };
    let text = claims.to_text().expect("what was read can be written");
    // A network is written without the bits of a host in it; all else is as it was.
    let again = Claims::parse(&text).expect("what was written can be read");
    assert_eq!(again.to_text().as_ref(), Ok(&text));
    assert_eq!((again.scope, again.expires, again.key_id), (claims.scope, claims.expires, claims.key_id));
    let Ok(token) = token::sign(&claims, &Secret::new("a secret that nobody guesses")) else { return };
    opens_its_scope(&verifiers, &claims, &token, rest);
    let mut bytes = token.clone().into_bytes();
    let place = at as usize % bytes.len();
    bytes[place] ^= 1 << (bit % 7);
    let Ok(damaged) = String::from_utf8(bytes) else { return };
    if damaged.bytes().all(|byte| byte != b'&') {
        let none = HeaderMap::new();
        let verdict = verifiers.verify(&request(rest, Some(&damaged), None, &none), NOW);
        assert!(verdict.is_err(), "{token} damaged to {damaged} opens {rest}");
    }
}

fn opens_its_scope(verifiers: &Verifiers, claims: &Claims<'_>, token: &str, path: &str) {
    let query = format!("a=1&token={token}&b=2");
    let none = HeaderMap::new();
    if let Ok(grant) = verifiers.verify(&request(path, None, Some(&query), &none), NOW) {
        assert!(
            claims.scope.contains(path, OriginKind::Http)
                && claims.key_id == "k"
                && NOW < Time::from_secs(claims.expires)
        );
        assert!(claims.host.is_none_or(|host| host == "a.example"));
        assert_eq!(
            grant.changes.query,
            Change::Replaced(Some("a=1&b=2".into())),
            "the token leaves the query"
        );
    } else {
        let client = claims.client.is_none_or(|net| net.contains(&IpAddr::from([192, 0, 2, 1])));
        let host = claims.host.is_none_or(|host| host == "a.example");
        let times = NOW < Time::from_secs(claims.expires)
            && claims.not_before.is_none_or(|at| NOW >= Time::from_secs(at));
        let opens =
            claims.key_id == "k" && client && host && times && claims.scope.contains(path, OriginKind::Http);
        assert!(!opens || token.len() > 4096, "a sound token does not open {path}");
    }
}

fn verifiers() -> Verifiers {
    Verifiers::new(&[Signed {
        scheme: SignedScheme::Token,
        paths: vec![PathPattern::new("/*")],
        keys: vec![SignedKey { id: "k".into(), secret: Secret::new("a secret that nobody guesses") }],
        clock_skew: Duration::ZERO,
        max_lifetime: None,
        param: "token".into(),
    }])
}

fn request<'a>(
    path: &'a str,
    path_token: Option<&'a str>,
    query: Option<&'a str>,
    headers: &'a HeaderMap,
) -> SignedRequest<'a> {
    let client = IpAddr::from([192, 0, 2, 1]);
    SignedRequest {
        method: &Method::GET,
        host: "a.example",
        path,
        origin: OriginKind::Http,
        path_token,
        query,
        headers,
        client,
    }
}
