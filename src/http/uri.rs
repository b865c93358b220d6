//! One spelling for each path and query (RFC 3986 §6.2.2), and refusal of what can be read in two ways.
//!
//! Keys, signatures, rules and the origin all see what comes out of here, so nothing can be let in under one
//! spelling and served under another. Decisions: duplicate slashes stay, they are part of S3 keys; `%2F` stays and is
//! no separator; a raw backslash in a path is refused because some origins take it for a slash, `%5C` stays.

use std::borrow::Cow;

use percent_encoding::percent_encode_byte;

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
    let path = respell(path, Part::Path).map_err(|fault| match fault {
        Fault::BadPercent => PathError::BadPercent,
        Fault::Control => PathError::Control,
        Fault::Backslash => PathError::Backslash,
    })?;
    if has_dot_segment(&path) { remove_dot_segments(&path).map(Cow::Owned) } else { Ok(path) }
}

/// The query in its one spelling, without its `?`; `None` if it is empty, which equals no query.
///
/// The order of parameters stays. Idempotent. At most three times as long as `query`.
pub fn normalise_query(query: &str) -> Result<Option<Cow<'_, str>>, QueryError> {
    if query.is_empty() {
        return Ok(None);
    }
    respell(query, Part::Query).map(Some).map_err(|fault| match fault {
        Fault::BadPercent => QueryError::BadPercent,
        Fault::Control | Fault::Backslash => QueryError::Control,
    })
}

/// What is normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Query,
}

impl Part {
    /// Line ends in a parameter are data, nothing downstream reads them as structure; NUL ends a C string.
    fn forbids_encoded(self, value: u8) -> bool {
        class(value) == Class::Control && (self == Self::Path || value == 0)
    }
}

/// Why a text has no normal spelling.
#[derive(Debug, Clone, Copy)]
enum Fault {
    BadPercent,
    Control,
    Backslash,
}

/// Upper-case hex, unreserved bytes decoded, foreign bytes encoded (RFC 3986 §6.2.2.1, §6.2.2.2).
fn respell(text: &str, part: Part) -> Result<Cow<'_, str>, Fault> {
    let bytes = text.as_bytes();
    let mut out = Respelled { text, changed: None };
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match class(byte) {
            Class::Unreserved | Class::Reserved => out.keep(byte),
            Class::Percent => {
                let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
                let value = hex_pair(digits).ok_or(Fault::BadPercent)?;
                if part.forbids_encoded(value) {
                    return Err(Fault::Control);
                }
                if class(value) == Class::Unreserved {
                    out.change(at).push(char::from(value));
                } else if digits.iter().any(u8::is_ascii_lowercase) {
                    out.change(at).push_str(percent_encode_byte(value));
                } else {
                    [byte].iter().chain(digits).for_each(|&byte| out.keep(byte));
                }
                at += digits.len();
            }
            Class::Control => return Err(Fault::Control),
            Class::Foreign if byte == b'?' && part == Part::Query => out.keep(byte),
            Class::Foreign if byte == b'\\' && part == Part::Path => return Err(Fault::Backslash),
            Class::Foreign => out.change(at).push_str(percent_encode_byte(byte)),
        }
        at += 1;
    }
    Ok(out.changed.map_or(Cow::Borrowed(text), Cow::Owned))
}

/// A text that is copied at the first difference.
struct Respelled<'a> {
    text: &'a str,
    changed: Option<String>,
}

impl Respelled<'_> {
    /// The next byte of the text stays.
    fn keep(&mut self, byte: u8) {
        if let Some(changed) = &mut self.changed {
            changed.push(char::from(byte));
        }
    }

    /// From byte `at` of the text on there is a difference: what to append to.
    fn change(&mut self, at: usize) -> &mut String {
        self.changed.get_or_insert_with(|| {
            let mut copy = String::with_capacity(self.text.len() + 16);
            copy.push_str(self.text.get(..at).unwrap_or_default());
            copy
        })
    }
}

fn has_dot_segment(path: &str) -> bool {
    let bytes = path.as_bytes();
    memchr::memchr_iter(b'.', bytes).any(|at| {
        let begins_segment = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'/');
        begins_segment
            && matches!(bytes.get(at + 1..).unwrap_or_default(), [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..])
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

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
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

    fn decode_component(text: &str) -> Vec<u8> {
        percent_decode_str(text).collect()
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
        }
    }
}
