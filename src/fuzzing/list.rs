//! Lists, quoted strings and numbers: pieces are parts of the text, in order; what is written reads back.

use smallvec::SmallVec;

use crate::http::list::{split, trim, unquote};
use crate::http::{bearer, decimal, directive};

pub(super) fn run(data: &[u8]) {
    for separator in [b',', b';'] {
        let mut from = 0;
        for piece in split(data, separator) {
            assert!(!piece.is_empty() && trim(piece) == piece);
            let at = memchr::memmem::find(&data[from..], piece).expect("a piece that is not there");
            from += at + piece.len();
        }
        if !data.contains(&b'"') {
            let naive = data.split(|&byte| byte == separator).map(trim).filter(|piece| !piece.is_empty());
            assert!(split(data, separator).eq(naive));
        }
    }
    let mut quoted = vec![b'"'];
    for &byte in data {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    assert_eq!(unquote(&quoted).as_deref(), Some(data));
    assert!(unquote(data).is_none_or(|plain| plain.len() <= data.len()));

    let number = std::str::from_utf8(data).ok().filter(|text| !text.starts_with('+'));
    assert_eq!(decimal::parse(data), number.and_then(|text| text.parse().ok()));
    let mut written = SmallVec::<[u8; 20]>::new();
    if let Some(number) = decimal::parse_saturating(data) {
        assert_eq!(number, decimal::parse(data).unwrap_or(u64::MAX));
        decimal::push(&mut written, number);
        assert_eq!(decimal::parse(&written), Some(number));
    }
    assert!(directive::seconds(data).is_none_or(|delta| delta <= directive::MAX_DELTA));
    let headers = super::input::field(http::header::AUTHORIZATION, &[data]);
    assert!(!bearer::carries(&headers, "a token that nobody guesses"));
}
