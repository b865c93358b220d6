//! One spelling for each path and query (RFC 3986 §6.2.2), and refusal of what can be read in two ways.
//!
//! Keys, signatures, rules and the origin all see what comes out of here, so nothing can be let in under one
//! spelling and served under another. Decisions: duplicate slashes stay, they are part of S3 keys; `%2F` stays and is
//! no separator; a raw backslash in a path is refused because some origins take it for a slash, `%5C` stays.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

pub use super::host::{Host, HostError, Scheme};

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// `%` without two hexadecimal digits.
    #[error("the path has broken percent-encoding")]
    BadPercent,
    /// A control character, raw or encoded.
    #[error("the path has a control character")]
    Control,
    /// A raw backslash.
    #[error("the path has a backslash")]
    Backslash,
    /// `..` beyond the root.
    #[error("the path climbs above the root")]
    AboveRoot,
}

/// Why a query is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// `%` without two hexadecimal digits.
    #[error("the query has broken percent-encoding")]
    BadPercent,
    /// A raw control character, or `%00`.
    #[error("the query has a control character")]
    Control,
}

/// What a byte is to the normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stays as it is, and is decoded where it comes encoded (RFC 3986 §2.3).
    Unreserved,
    /// Stays as it is, encoded or not.
    Reserved,
    /// `%`
    Percent,
    /// Below 0x20, and DEL.
    Control,
    /// May not stand in a URI: is encoded.
    Foreign,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Foreign; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'%' => Class::Percent,
            ..=0x1f | 0x7f => Class::Control,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Class::Unreserved,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
            | b'/' => Class::Reserved,
            _ => Class::Foreign,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Foreign)
}

/// The value of two hexadecimal digits.
fn hex_pair(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(value(high)? << 4 | value(low)?)
}

/// The path in its one spelling; borrowed if it had it already.
///
/// Idempotent. At most three times as long as `path`, which the caller has bounded.
pub fn normalise_path(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    let path = if path.bytes().all(|byte| matches!(class(byte), Class::Unreserved | Class::Reserved)) {
        Cow::Borrowed(path)
    } else {
        respell_path(path)?
    };
    if has_dot_segment(&path) { remove_dot_segments(&path).map(Cow::Owned) } else { Ok(path) }
}

fn respell_path(path: &str) -> Result<Cow<'_, str>, PathError> {
    respell(
        path,
        |byte| class(byte) == Class::Reserved,
        |fault| match fault {
            Fault::BadPercent => Err(PathError::BadPercent),
            Fault::RawControl | Fault::EncodedControl(_) => Err(PathError::Control),
            Fault::RawBackslash => Err(PathError::Backslash),
        },
    )
}

/// The query in its one spelling, without its `?`; `None` if it is empty, which equals no query.
///
/// The order of parameters stays. Idempotent. At most three times as long as `query`.
pub fn normalise_query(query: &str) -> Result<Option<Cow<'_, str>>, QueryError> {
    if query.is_empty() {
        return Ok(None);
    }
    let reserved = |byte| class(byte) == Class::Reserved || byte == b'?';
    let query = respell(query, reserved, |fault| match fault {
        Fault::BadPercent => Err(QueryError::BadPercent),
        Fault::RawControl | Fault::EncodedControl(0) => Err(QueryError::Control),
        // Line ends in a parameter are data; nothing downstream reads them as structure.
        Fault::EncodedControl(_) | Fault::RawBackslash => Ok(()),
    })?;
    Ok(Some(query))
}

/// What a path or a query may forbid.
#[derive(Debug, Clone, Copy)]
enum Fault {
    BadPercent,
    RawControl,
    EncodedControl(u8),
    RawBackslash,
}

/// Upper-case hex, unreserved bytes decoded, foreign bytes encoded (RFC 3986 §6.2.2.1, §6.2.2.2).
fn respell<E>(
    text: &str,
    reserved: impl Fn(u8) -> bool,
    allow: impl Fn(Fault) -> Result<(), E>,
) -> Result<Cow<'_, str>, E> {
    let bytes = text.as_bytes();
    let mut out: Option<String> = None;
    // Made at the first difference, from what was the same until there.
    let changed = |out: &mut Option<String>, until: usize| {
        if out.is_none() {
            let mut copy = String::with_capacity(text.len() + 16);
            copy.push_str(text.get(..until).unwrap_or_default());
            *out = Some(copy);
        }
    };
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let mut taken = 1;
        match class(byte) {
            Class::Unreserved => push(&mut out, byte),
            _ if reserved(byte) => push(&mut out, byte),
            Class::Percent => {
                taken = 3;
                let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
                // `allow` refuses this fault everywhere; were it not to, the `%` would be encoded.
                let Some(value) = hex_pair(digits) else {
                    allow(Fault::BadPercent)?;
                    changed(&mut out, at);
                    push_encoded(&mut out, byte);
                    at += 1;
                    continue;
                };
                match class(value) {
                    Class::Control => allow(Fault::EncodedControl(value))?,
                    Class::Unreserved => changed(&mut out, at),
                    _ => {}
                }
                if digits.iter().any(u8::is_ascii_lowercase) {
                    changed(&mut out, at);
                }
                if class(value) == Class::Unreserved {
                    push(&mut out, value);
                } else {
                    push_encoded(&mut out, value);
                }
            }
            kind => {
                match (kind, byte) {
                    (Class::Control, _) => allow(Fault::RawControl)?,
                    (_, b'\\') => allow(Fault::RawBackslash)?,
                    _ => {}
                }
                changed(&mut out, at);
                push_encoded(&mut out, byte);
            }
        }
        at += taken;
    }
    Ok(out.map_or(Cow::Borrowed(text), Cow::Owned))
}

/// Nothing to do as long as the text is unchanged.
fn push(out: &mut Option<String>, byte: u8) {
    if let Some(out) = out {
        out.push(char::from(byte));
    }
}

fn push_encoded(out: &mut Option<String>, byte: u8) {
    if let Some(out) = out {
        out.push_str(percent_encoding::percent_encode_byte(byte));
    }
}

fn has_dot_segment(path: &str) -> bool {
    memchr::memmem::find_iter(path.as_bytes(), b"/.").any(|at| {
        let segment = path.get(at + 1..).unwrap_or_default();
        matches!(segment.split('/').next(), Some("." | ".."))
    })
}

/// RFC 3986 §5.2.4, but climbing above the root is an error. An empty segment is a segment.
fn remove_dot_segments(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                let parent = out.rfind('/').ok_or(PathError::AboveRoot)?;
                out.truncate(parent);
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
        if last && matches!(segment, "." | "..") {
            out.push('/');
        }
    }
    Ok(out)
}

/// A piece of a query, still percent-encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// Before the first `=`.
    pub name: &'a str,
    /// After it; empty if there is none.
    pub value: &'a str,
    /// Both, as written: tells `a` from `a=`.
    pub whole: &'a str,
}

/// The pieces of a query between `&`; empty ones are left out.
pub fn split_params(query: &str) -> impl Iterator<Item = Param<'_>> + Clone {
    query.split('&').filter(|whole| !whole.is_empty()).map(|whole| {
        let (name, value) = whole.split_once('=').unwrap_or((whole, ""));
        Param { name, value, whole }
    })
}

/// Percent-decodes a component; a `%` without two hexadecimal digits stands for itself.
pub fn decode_component(text: &str) -> Cow<'_, [u8]> {
    percent_decode_str(text).into()
}

/// As [`decode_component`], with `+` for a space as forms write it.
pub fn decode_form(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return decode_component(text);
    }
    Cow::Owned(percent_decode_str(&text.replace('+', " ")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_in_one_spelling() {
        for (path, expected) in [
            ("/", Ok("/")),
            ("/a/b.jpg", Ok("/a/b.jpg")),
            ("/a//b/", Ok("/a//b/")),
            ("//", Ok("//")),
            ("/a;v=1,2/@b:c!$&'()*+", Ok("/a;v=1,2/@b:c!$&'()*+")),
            ("/%7euser/%41%2d", Ok("/~user/A-")),
            ("/a%2fb%2Fc", Ok("/a%2Fb%2Fc")),
            ("/%c3%a9", Ok("/%C3%A9")),
            ("/é", Ok("/%C3%A9")),
            ("/a b\"<>|^`{}[]#?", Ok("/a%20b%22%3C%3E%7C%5E%60%7B%7D%5B%5D%23%3F")),
            ("/%252e%252e/", Ok("/%252e%252e/")),
            ("/%5c", Ok("/%5C")),
            // dot segments
            ("/./a", Ok("/a")),
            ("/a/.", Ok("/a/")),
            ("/a/b/..", Ok("/a/")),
            ("/a/..", Ok("/")),
            ("/a/b/../../c", Ok("/c")),
            ("/a/%2e%2E/b", Ok("/b")),
            ("/a/%2e/b", Ok("/a/b")),
            ("/a//../b", Ok("/a/b")),
            ("/.well-known/..a/a./...", Ok("/.well-known/..a/a./...")),
            // refused
            ("/..", Err(PathError::AboveRoot)),
            ("/a/../..", Err(PathError::AboveRoot)),
            ("/./../a", Err(PathError::AboveRoot)),
            ("/%2e%2e/etc/passwd", Err(PathError::AboveRoot)),
            ("", Err(PathError::NotAbsolute)),
            ("*", Err(PathError::NotAbsolute)),
            ("a/b", Err(PathError::NotAbsolute)),
            ("/%", Err(PathError::BadPercent)),
            ("/%4", Err(PathError::BadPercent)),
            ("/%g0", Err(PathError::BadPercent)),
            ("/%é", Err(PathError::BadPercent)),
            ("/%+1", Err(PathError::BadPercent)),
            ("/%00", Err(PathError::Control)),
            ("/a%0d%0ab", Err(PathError::Control)),
            ("/a\tb", Err(PathError::Control)),
            ("/%7f", Err(PathError::Control)),
            ("/..\\..", Err(PathError::Backslash)),
        ] {
            assert_eq!(normalise_path(path).as_deref(), expected.as_ref().copied(), "{path}");
        }
    }

    #[test]
    fn nothing_is_copied_when_nothing_changes() {
        for path in ["/", "/photos/2026//a_b~c-1.jpg", "/a%2Fb%C3%A9/.x"] {
            assert!(matches!(normalise_path(path), Ok(Cow::Borrowed(_))), "{path}");
        }
        for query in ["a=1&b=%2F?", "x"] {
            assert!(matches!(normalise_query(query), Ok(Some(Cow::Borrowed(_)))), "{query}");
        }
    }

    #[test]
    fn queries_in_one_spelling() {
        for (query, expected) in [
            ("", Ok(None)),
            ("a=1&b=2", Ok(Some("a=1&b=2"))),
            ("b=2&a=1&&", Ok(Some("b=2&a=1&&"))),
            ("a=%7e%3d+%2b", Ok(Some("a=~%3D+%2B"))),
            ("a=/../?x", Ok(Some("a=/../?x"))),
            ("a=\"é\\", Ok(Some("a=%22%C3%A9%5C"))),
            ("a=%0a", Ok(Some("a=%0A"))),
            ("a=%0", Err(QueryError::BadPercent)),
            ("100%", Err(QueryError::BadPercent)),
            ("a=%00", Err(QueryError::Control)),
            ("a=\r\n", Err(QueryError::Control)),
        ] {
            let normal = normalise_query(query);
            assert_eq!(normal.as_ref().map(|query| query.as_deref()), expected.as_ref().copied(), "{query}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(PathError::AboveRoot.to_string(), "the path climbs above the root");
        assert_eq!(QueryError::Control.to_string(), "the query has a control character");
    }

    #[test]
    fn parameters_come_apart() {
        let all: Vec<_> = split_params("&a=1&&b&c=&=d&e=f=g&")
            .map(|param| (param.name, param.value, param.whole))
            .collect();
        assert_eq!(
            all,
            [("a", "1", "a=1"), ("b", "", "b"), ("c", "", "c="), ("", "d", "=d"), ("e", "f=g", "e=f=g")]
        );
    }

    #[test]
    fn components_are_decoded() {
        assert!(matches!(decode_component("a+b"), Cow::Borrowed(b"a+b")));
        assert_eq!(decode_component("%41%2").as_ref(), b"A%2");
        assert_eq!(decode_form("a+b%2B%ff").as_ref(), b"a b+\xff");
        assert!(matches!(decode_form("ab"), Cow::Borrowed(b"ab")));
    }

    proptest! {
        #[test]
        fn paths_are_idempotent(path in "(/|[a-c]|\\.|%2[eEfF5]|%5c|%[0-9a-fA-F]{2}|\\PC){0,20}") {
            let path = format!("/{path}");
            if let Ok(once) = normalise_path(&path) {
                prop_assert!(once.starts_with('/') && once.is_ascii());
                prop_assert!(!once.split('/').any(|segment| segment == "." || segment == ".."));
                prop_assert_eq!(normalise_path(&once), Ok(Cow::Borrowed(once.as_ref())));
            }
        }

        #[test]
        fn spelling_keeps_the_bytes(path in "(/[a-c %|é]?(%[2-9a-fA-F][0-9a-eA-E])?){1,20}") {
            if let Ok(normal) = normalise_path(&path) {
                let has_dots = decode_component(&path).split(|&byte| byte == b'/').any(|segment| matches!(segment, b"." | b".."));
                prop_assert!(has_dots || decode_component(&path) == decode_component(&normal));
            }
        }

        #[test]
        fn queries_are_idempotent_and_keep_the_bytes(query in "(&|=|[a-c]|%[0-9a-fA-F]{2}|\\PC){1,20}") {
            if let Ok(Some(once)) = normalise_query(&query) {
                prop_assert_eq!(decode_component(&query), decode_component(&once));
                prop_assert_eq!(normalise_query(&once), Ok(Some(Cow::Borrowed(once.as_ref()))));
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = normalise_path(&text);
            let _ = normalise_query(&text);
            split_params(&text).for_each(|param| drop(decode_form(param.whole)));
        }
    }
}
