//! SigV4: encoding loses nothing, queries are canonical in any order, and one changed byte is another signature.

use percent_encoding::percent_decode_str;

use super::input::Input;
use crate::sigv4::{
    CanonicalRequest, EMPTY_SHA256, Scope, SigningKey, Timestamp, canonical_query, encode_into, encode_path,
};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let (secret, region, date) = (input.text(), input.text(), input.text());
    let (path, value) = (input.line(), input.text());
    let pairs: Vec<(&[u8], &[u8])> = input
        .0
        .split(|&byte| byte == b'&')
        .take(20)
        .map(|pair| pair.split_at(pair.iter().position(|&b| b == b'=').unwrap_or(pair.len())))
        .collect();

    let encoded = encode_path(path);
    assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)));
    assert_eq!(percent_decode_str(&encoded).collect::<Vec<u8>>(), path);
    let mut all = String::new();
    encode_into(&mut all, path, false);
    assert!(!all.contains('/') && percent_decode_str(&all).eq(path.iter().copied()));

    let query = canonical_query(pairs.iter().copied());
    assert_eq!(canonical_query(pairs.iter().rev().copied()), query);
    let mut decoded: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .map(|pair| pair.split_once('=').expect("a pair"))
        .map(|(name, value)| (percent_decode_str(name).collect(), percent_decode_str(value).collect()))
        .collect();
    let mut given: Vec<_> = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    decoded.sort();
    given.sort();
    assert_eq!(decoded, given);

    let at = Timestamp::parse(date).unwrap_or(Timestamp::parse("20260101T000000Z").unwrap());
    assert!(Timestamp::parse(date).is_none_or(|at| at.as_str() == date && date.starts_with(at.date())));
    let scope = Scope { date: at.date(), region, service: "s3" };
    let key = SigningKey::derive(secret, scope);
    let headers = [("host", "a.example"), ("x-amz-meta-a", value)];
    let request = CanonicalRequest {
        method: "GET",
        path: &encoded,
        query: &query,
        headers: &headers,
        payload: EMPTY_SHA256,
    };
    let text = request.text();
    // A value cannot add a line: `input` has none in it, as no field value has.
    assert_eq!(text.lines().count(), 8, "{text}");
    let to_sign = request.string_to_sign(&at, scope);
    let signature = key.sign(&to_sign);
    assert!(key.verify(&to_sign, &signature));
    assert!(!key.verify(&to_sign, &signature[1..]) && !key.verify(&format!("{to_sign} "), &signature));
    let longer = format!("{encoded}x");
    assert_ne!(CanonicalRequest { path: &longer, ..request }.string_to_sign(&at, scope), to_sign);
}
