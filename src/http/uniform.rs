//! The one spelling in which rules and guards read a path.
//!
//! `$` and `%24` are different to RFC 3986 §2.2, so neither the key nor the origin may see one for the other. Yet S3
//! and most origins decode a path before they look anything up, so a rule for `/private$/*` must hold for
//! `/private%24/a` as well, and one for `/private/*` for `/private%2Fa`. What is written in a pattern is read the
//! same way. An asterisk in a path is `%2A`: in a pattern, `*` stands for anything.

use std::borrow::Cow;

/// Delimiters that a path segment may have unescaped (RFC 3986 §3.3), and the slash. Not the asterisk.
const DELIMITERS: &[u8] = b"!$&'()+,;=:@/";

/// A normalised path (see [`normalise_path`](super::uri::normalise_path)) as rules read it.
pub fn path(path: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'*', path.as_bytes()).is_none() {
        return Cow::Borrowed(path);
    }
    Cow::Owned(respelled(path, true))
}

/// The path with repeated slashes as one, as many origins read it, if it has any; to S3 they are part of a key.
pub fn merged(path: &str) -> Option<String> {
    path.contains("//").then(|| {
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
        format!("/{}{end}", segments.join("/"))
    })
}

/// A pattern for such paths. Its author may have escaped what need not be escaped, and in lower case.
pub fn pattern(pattern: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', pattern.as_bytes()).is_none() {
        return Cow::Borrowed(pattern);
    }
    Cow::Owned(respelled(pattern, false))
}

fn respelled(text: &str, escape_asterisk: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, byte) = match escaped(rest.as_bytes()) {
            Some(byte) => (3, Some(byte)),
            None => (first.len_utf8(), None),
        };
        match byte {
            Some(byte) if DELIMITERS.contains(&byte) || is_unreserved(byte) => out.push(byte.into()),
            Some(byte) => out.push_str(percent_encoding::percent_encode_byte(byte)),
            None if first == '*' && escape_asterisk => out.push_str("%2A"),
            None => out.push(first),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// The byte that `%XX` at the beginning stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    match text.first() {
        Some(b'%') => u8::try_from(digit(1)? << 4 | digit(2)?).ok(),
        _ => None,
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings() {
        for (given, read) in [
            ("/a", "/a"),
            ("/a%24b$c", "/a$b$c"),
            ("/a%2Fb", "/a/b"),
            ("/%21%26%27%28%29%2B%2C%3B%3D%3A%40", "/!&'()+,;=:@"),
            ("/a%20b%25%3F", "/a%20b%25%3F"),
            ("/f%C3%BCr", "/f%C3%BCr"),
            ("/a*%2A", "/a%2A%2A"),
        ] {
            assert_eq!(path(given), read, "{given}");
        }
        for (given, read) in [
            ("/a/*", "/a/*"),
            ("/a%24/*", "/a$/*"),
            ("/f%c3%bcr%41/*%2a", "/f%C3%BCrA/*%2A"),
            ("/100%", "/100%"),
            ("/ü%24", "/ü$"),
        ] {
            assert_eq!(pattern(given), read, "{given}");
        }
    }

    #[test]
    fn repeated_slashes() {
        for (given, read) in [("//a", "/a"), ("/a//b///", "/a/b/"), ("//", "/")] {
            assert_eq!(merged(given).as_deref(), Some(read), "{given}");
        }
        assert_eq!(merged("/a/b/"), None);
    }

    proptest! {
        #[test]
        fn once_is_enough(text in "/([a-z$*+:@]|%[0-9A-F]{2}|ü)*") {
            let once = path(&text).into_owned();
            prop_assert_eq!(path(&once), &*once);
            let once = pattern(&text).into_owned();
            prop_assert_eq!(pattern(&once), &*once);
        }
    }
}
