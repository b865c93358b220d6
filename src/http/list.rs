//! Lists in field values: `#element` of RFC 9110 §5.6.1, and the same with other separators.

use http::{HeaderMap, HeaderName};

/// Whether a byte is optional white space (RFC 9110 §5.6.3).
pub const fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without white space at both ends.
pub const fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_ows(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_ows(*last)
    {
        text = rest;
    }
    text
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
pub const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The trimmed, non-empty pieces of `text` between separators that stand outside quoted strings.
///
/// A backslash inside a quoted string hides the byte after it (RFC 9110 §5.6.4). A string that is never closed
/// takes the rest. Not for lists of entity tags, in which a backslash is a plain byte.
pub fn split(text: &[u8], separator: u8) -> Split<'_> {
    Split { rest: text, separator }
}

/// Iterator of [`split`].
#[derive(Debug, Clone)]
pub struct Split<'a> {
    rest: &'a [u8],
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = piece_end(self.rest, self.separator);
            let piece = trim(self.rest.get(..end).unwrap_or_default());
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }
}

/// Where the first separator outside quoted strings stands, or the end.
fn piece_end(text: &[u8], separator: u8) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// The elements of a list field over all its lines, in order (RFC 9110 §5.3).
pub fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().flat_map(|line| split(line.as_bytes(), b','))
}

/// The value of a token or quoted string, its quotes and escapes taken off; `None` if it is neither.
pub fn unquote(text: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    let inner = match text {
        [b'"', inner @ .., b'"'] => inner,
        _ if !text.is_empty() && !text.contains(&b'"') => return Some(text.into()),
        _ => return None,
    };
    if !inner.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
        return Some(inner.into());
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => plain.push(*bytes.next()?),
            _ => plain.push(byte),
        }
    }
    Some(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str) -> Vec<&str> {
        split(text.as_bytes(), b',').map(|piece| std::str::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn separators_in_quotes_do_not_split() {
        for (text, expected) in [
            ("", vec![]),
            (" , ,\t", vec![]),
            ("a", vec!["a"]),
            (" a , b,,c ", vec!["a", "b", "c"]),
            (r#"a="1,2", b"#, vec![r#"a="1,2""#, "b"]),
            (r#""\",", x"#, vec![r#""\",""#, "x"]),
            (r#"a, "open, b"#, vec!["a", r#""open, b"#]),
            (r"a\,b", vec![r"a\", "b"]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_come_off() {
        for (text, expected) in [
            ("token", Some("token")),
            (r#""a b""#, Some("a b")),
            (r#""""#, Some("")),
            (r#""a\"b\\""#, Some(r#"a"b\"#)),
            ("", None),
            (r#"""#, None),
            (r#""a"b""#, None),
            (r#""a\""#, None),
            (r#"a"b"#, None),
        ] {
            let plain = unquote(text.as_bytes());
            assert_eq!(plain.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append("via", "a, b".parse().unwrap());
        headers.append("via", "c".parse().unwrap());
        assert_eq!(elements(&headers, &http::header::VIA).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    }

    #[test]
    fn tokens_have_no_separators() {
        let separators = b"\"(),/:;<=>?@[\\]{} \t\x7f\x80";
        assert!(separators.iter().all(|byte| !is_tchar(*byte)));
        assert!(b"!#$%&'*+-.^_`|~09azAZ".iter().all(|byte| is_tchar(*byte)));
    }

    proptest! {
        #[test]
        fn a_piece_is_trimmed_and_not_empty(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            for piece in split(&text, b',') {
                prop_assert!(!piece.is_empty());
                prop_assert_eq!(trim(piece), piece);
            }
        }

        #[test]
        fn unquote_undoes_quoting(plain in "[ -~]{0,20}") {
            let quoted = format!("\"{}\"", plain.replace('\\', r"\\").replace('"', "\\\""));
            let back = unquote(quoted.as_bytes());
            prop_assert_eq!(back.as_deref(), Some(plain.as_bytes()));
        }
    }
}
