//! Tests of the `token` scheme: what one credential opens, and that nothing else does.

use std::net::IpAddr;

use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::config::{OriginKind, PathPattern, Secret, SignedKey, SignedScheme};
use crate::http::uri::normalise_path;
use crate::signed::Scope;

const NOW: u64 = 1_000_000;

fn secret() -> Secret {
    Secret::new("a secret of our own")
}

fn scheme(clock_skew: u64, max_lifetime: Option<u64>) -> Token {
    Token::new(&config::Signed {
        scheme: SignedScheme::Token,
        paths: vec![PathPattern::new("/*")],
        keys: vec![
            SignedKey { id: "new".into(), secret: Secret::new("another secret") },
            SignedKey { id: "old".into(), secret: secret() },
        ],
        clock_skew: Duration::from_secs(clock_skew),
        max_lifetime: max_lifetime.map(Duration::from_secs),
        param: "token".into(),
    })
}

fn claims() -> Claims<'static> {
    Claims {
        key_id: "old",
        expires: NOW + 60,
        scope: Scope::Path("/a"),
        client: None,
        host: None,
        not_before: None,
        issued_at: None,
    }
}

fn request<'a>(path_token: &'a str, headers: &'a HeaderMap) -> SignedRequest<'a> {
    SignedRequest {
        method: &Method::GET,
        host: "photos.example.com",
        path: "/a",
        origin: OriginKind::Http,
        path_token: Some(path_token),
        query: None,
        headers,
        client: IpAddr::from([203, 0, 113, 7]),
    }
}

fn judge_at(scheme: &Token, token: &str, millis: u64) -> Result<Proof, DenyReason> {
    scheme.verify(&request(token, &HeaderMap::new()), Time(millis))
}

fn judge(token: &str) -> Result<Proof, DenyReason> {
    judge_at(&scheme(0, None), token, NOW * 1000)
}

#[test]
fn a_good_token_tells_its_key_and_its_end() {
    let proof = judge(&sign(&claims(), &secret()).unwrap()).unwrap();
    assert_eq!((&*proof.key_id, proof.expires), ("old", Time::from_secs(NOW + 60)));
}

#[test]
fn a_signature_of_ours_is_the_first_condition() {
    use DenyReason::{BadSignature, Malformed, UnknownKey};
    let good = sign(&claims(), &secret()).unwrap();
    let (signed, mac) = good.rsplit_once('.').unwrap();
    let expired = sign(&Claims { expires: 1, ..claims() }, &Secret::new("not ours")).unwrap();
    let swapped = sign(&Claims { key_id: "new", ..claims() }, &secret()).unwrap();
    let unknown = sign(&Claims { key_id: "x", ..claims() }, &secret()).unwrap();
    let long_path = format!("/{}", "a".repeat(4000));
    let long = sign(&Claims { scope: Scope::Path(&long_path), ..claims() }, &secret()).unwrap();
    let same_mac_without_domain = {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret().expose().as_bytes());
        format!("{signed}.{}", BASE64.encode(hmac::sign(&key, signed.as_bytes())))
    };
    for (token, reason) in [
        ("", Malformed),
        ("v1", Malformed),
        ("v1.", Malformed),
        ("v1..", Malformed),
        (&good.replace("v1.", "v2."), Malformed),
        (signed, Malformed),
        (&format!("{signed}."), BadSignature),
        (&format!("{signed}.{}", &mac[..40]), BadSignature),
        (&format!("{good}A"), BadSignature),
        (&format!("{good}="), Malformed),
        (&format!(" {good}"), Malformed),
        (&format!("{signed}A.{mac}"), Malformed),
        (&long, Malformed),
        (&expired, BadSignature),
        (&swapped, BadSignature),
        (&unknown, UnknownKey),
        (&same_mac_without_domain, BadSignature),
    ] {
        assert_eq!(judge(token).unwrap_err(), reason, "{token}");
    }
}

#[test]
fn a_token_is_bound_to_what_it_says() {
    use DenyReason::{WrongClient, WrongHost, WrongMethod, WrongPath};
    let bound = Claims {
        client: Some("203.0.113.0/24".parse().unwrap()),
        host: Some("photos.example.com"),
        ..claims()
    };
    let token = sign(&bound, &secret()).unwrap();
    let (scheme, headers) = (scheme(0, None), HeaderMap::new());
    let ask = |change: &dyn Fn(&mut SignedRequest<'_>)| {
        let mut request = request(&token, &headers);
        change(&mut request);
        scheme.verify(&request, Time::from_secs(NOW)).map(|_| ())
    };
    assert_eq!(ask(&|_| {}), Ok(()));
    assert_eq!(ask(&|r| r.path = "/b"), Err(WrongPath));
    assert_eq!(ask(&|r| r.host = "photos.example.com:8443"), Ok(()));
    assert_eq!(ask(&|r| r.host = "example.com"), Err(WrongHost));
    assert_eq!(ask(&|r| r.client = "::ffff:203.0.113.9".parse().unwrap()), Ok(()));
    assert_eq!(ask(&|r| r.client = "203.0.114.1".parse().unwrap()), Err(WrongClient));
    assert_eq!(ask(&|r| r.client = "2001:db8::1".parse().unwrap()), Err(WrongClient));
    assert_eq!(ask(&|r| r.method = &Method::HEAD), Ok(()));
    assert_eq!(ask(&|r| r.method = &Method::PUT), Err(WrongMethod));
}

#[test]
fn hosts_lose_their_ports() {
    for (host, name) in [("a", "a"), ("a:80", "a"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]")] {
        assert_eq!(without_port(host), name);
    }
}

#[test]
fn times_hold_to_the_millisecond() {
    use DenyReason::{Expired, LifetimeTooLong, NotYetValid};
    let start = NOW * 1000;
    let from = |not_before, issued_at, expires| Claims { not_before, issued_at, expires, ..claims() };
    type Row = (Claims<'static>, u64, Option<u64>, u64, Result<(), DenyReason>);
    let rows: &[Row] = &[
        (from(None, None, NOW), 0, None, start - 1, Ok(())),
        (from(None, None, NOW), 0, None, start, Err(Expired)),
        (from(None, None, NOW), 5, None, start + 4999, Ok(())),
        (from(None, None, NOW), 5, None, start + 5000, Err(Expired)),
        (from(Some(NOW), None, NOW + 60), 0, None, start - 1, Err(NotYetValid)),
        (from(Some(NOW), None, NOW + 60), 0, None, start, Ok(())),
        (from(Some(NOW), None, NOW + 60), 5, None, start - 5000, Ok(())),
        // Nothing says when it was made: what is left of it must be short.
        (from(None, None, NOW + 60), 0, Some(60), start, Ok(())),
        (from(None, None, NOW + 61), 0, Some(60), start, Err(LifetimeTooLong)),
        (from(None, None, NOW + 61), 1, Some(60), start, Ok(())),
        // It says so: the whole of it must be short, however little is left.
        (from(None, Some(NOW), NOW + 61), 0, Some(60), start + 59_000, Err(LifetimeTooLong)),
        (from(Some(NOW), Some(NOW - 30), NOW + 60), 0, Some(60), start, Ok(())),
        (from(Some(NOW), None, NOW + 61), 0, Some(60), start + 59_000, Err(LifetimeTooLong)),
        // A start in the future does not stretch it.
        (from(None, Some(NOW + 100), NOW + 120), 0, Some(60), start, Err(LifetimeTooLong)),
        (from(None, None, 999_999_999_999), 0, None, start, Ok(())),
        (from(None, None, 0), 0, None, start, Err(Expired)),
    ];
    for (claims, skew, max_lifetime, at, expected) in rows {
        let token = sign(claims, &secret()).unwrap();
        let judged = judge_at(&scheme(*skew, *max_lifetime), &token, *at).map(|_| ());
        assert_eq!(judged, *expected, "{claims:?} skew {skew} max {max_lifetime:?} at {at}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_verified(
        path in "/[!$&-.0-9:;=@A-Z_a-z~]{0,20}",
        key_id in "[ -~]{1,20}",
        prefix_len in proptest::option::of(0u8..=32),
        life in 1u64..1000,
    ) {
        let table = config::Signed {
            scheme: SignedScheme::Token,
            paths: vec![PathPattern::new("/*")],
            keys: vec![SignedKey { id: key_id.clone(), secret: secret() }],
            clock_skew: Duration::ZERO,
            max_lifetime: None,
            param: "token".into(),
        };
        let client = prefix_len.map(|bits| ipnet::IpNet::new(IpAddr::from([203, 0, 113, 7]), bits).unwrap());
        let scope = Scope::Path(&path);
        let claims = Claims { key_id: &key_id, expires: NOW + life, scope, client, ..claims() };
        let Ok(asked) = normalise_path(&path) else {
            prop_assert!(sign(&claims, &secret()).is_err(), "nobody can ask for {path:?}");
            return Ok(());
        };
        let token = sign(&claims, &secret()).unwrap();
        let headers = HeaderMap::new();
        let request = SignedRequest { path: &asked, ..request(&token, &headers) };
        let proof = Token::new(&table).verify(&request, Time::from_secs(NOW));
        prop_assert_eq!(proof.map(|proof| proof.expires), Ok(Time::from_secs(NOW + life)));
    }

    #[test]
    fn any_flipped_bit_is_denied(at in any::<proptest::sample::Index>(), bit in 0u32..8) {
        let mut token = sign(&claims(), &secret()).unwrap().into_bytes();
        let at = at.index(token.len());
        token[at] ^= 1 << bit;
        let judged = match String::from_utf8(token) {
            Ok(token) => judge(&token).map(|_| ()),
            Err(_) => Err(DenyReason::Malformed),
        };
        prop_assert!(judged.is_err());
    }

    #[test]
    fn garbage_is_denied(token in "\\PC{0,64}", claims in "[ -~\n]{0,64}") {
        let encoded = format!("v1.{}.{}", BASE64.encode(&claims), BASE64.encode(&token));
        for garbage in [format!("v1.{token}.{token}"), token, encoded] {
            prop_assert!(judge(&garbage).is_err());
        }
    }
}
