//! Structured dictionaries: a repeated key keeps its last value, integers keep to 15 digits, lines are one field.

use super::input::lines;
use crate::http::structured::{Bare, dictionary};

pub(super) fn run(data: &[u8]) {
    let lines = lines(data);
    let Ok(members) = dictionary(lines.iter().copied()) else { return };
    for (at, (key, value)) in members.iter().enumerate() {
        assert!(key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*'));
        assert!(!members[at + 1..].iter().any(|(other, _)| other == key), "{key} twice");
        match value {
            Bare::Integer(number) => assert!(number.unsigned_abs() <= 999_999_999_999_999),
            Bare::String(text) => assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b))),
            Bare::Token(text) => assert!(!text.is_empty() && !text.contains([' ', ',', ';', '"'])),
            Bare::Decimal | Bare::Bytes | Bare::Boolean(_) | Bare::List => {}
        }
    }
    let joined = lines.join(&b", "[..]);
    assert_eq!(dictionary([joined.as_slice()]).as_ref(), Ok(&members));
    if !members.is_empty() {
        let more = dictionary(lines.iter().copied().chain([b"zz=1".as_slice()])).expect("a sound line more");
        assert_eq!(more.iter().find(|(key, _)| key == "zz").map(|(_, value)| value), Some(&Bare::Integer(1)));
        assert!(
            dictionary(lines.iter().copied().chain([b"=".as_slice()])).is_err(),
            "broken anywhere, broken as a whole"
        );
    }
}
