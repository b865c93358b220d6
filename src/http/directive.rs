//! A list of directives with optional arguments, the shape of Cache-Control, Pragma and Surrogate-Control.

use std::borrow::Cow;
use std::time::Duration;

use smallvec::SmallVec;

/// What a larger number of seconds is taken as (RFC 9111 §1.2.2): 2^31, some 68 years.
pub const MAX_DELTA: Duration = Duration::from_secs(1 << 31);

/// `delta-seconds` (§1.2.2): digits only, capped at [`MAX_DELTA`].
pub fn seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0u64, |sum, &b| sum.saturating_mul(10).saturating_add(u64::from(b - b'0')));
    Some(Duration::from_secs(value).min(MAX_DELTA))
}

/// One directive as it stands in the field.
pub struct Directive<'a> {
    /// In the case it was sent in.
    pub name: &'a [u8],
    /// Unquoted and unescaped.
    pub argument: Option<Cow<'a, [u8]>>,
    /// Whitespace around `=`: what it means is doubtful, so a number there is none.
    pub spaced: bool,
}

impl<'a> Directive<'a> {
    /// One that was read by another grammar.
    pub fn new(name: &'a [u8], argument: Option<&'a [u8]>) -> Self {
        Self { name, argument: argument.map(Cow::Borrowed), spaced: false }
    }

    /// Names are case-insensitive.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// For matching. Names longer than any we know are cut: they match nothing either way.
    pub fn lowercase(&self) -> SmallVec<[u8; 32]> {
        self.name.iter().take(32).map(u8::to_ascii_lowercase).collect()
    }

    /// The argument as `delta-seconds`; `None` if there is none or it is no number.
    pub fn seconds(&self) -> Option<Duration> {
        if self.spaced { None } else { seconds(self.argument.as_deref()?) }
    }
}

/// Calls `each` for every directive of a line, in order.
///
/// A quoted string is one only right after `=`, and only if it is closed: a stray quote must not swallow the
/// `no-store` that follows it.
pub fn for_each<'a>(line: &'a [u8], mut each: impl FnMut(Directive<'a>)) {
    let mut rest = line;
    while !rest.is_empty() {
        let name_end = rest.iter().position(|&b| matches!(b, b'=' | b',')).unwrap_or(rest.len());
        let name = &rest[..name_end];
        if rest.get(name_end) != Some(&b'=') {
            rest = rest.get(name_end + 1..).unwrap_or_default();
            let name = name.trim_ascii();
            if !name.is_empty() {
                each(Directive { name, argument: None, spaced: false });
            }
            continue;
        }
        let value = &rest[name_end + 1..];
        let blank = value.len() - value.trim_ascii_start().len();
        let quoted = quoted_string(&value[blank..]);
        let tail = quoted.as_ref().map_or(0, |(_, length)| blank + length);
        let end = tail + value[tail..].iter().position(|&b| b == b',').unwrap_or(value.len() - tail);
        let garbage = !value[tail..end].trim_ascii().is_empty();
        let argument = match quoted {
            Some((text, _)) if !garbage => text,
            _ => Cow::Borrowed(value[..end].trim_ascii()),
        };
        let spaced = blank > 0 || name.last().is_some_and(u8::is_ascii_whitespace);
        each(Directive { name: name.trim_ascii(), argument: Some(argument), spaced });
        rest = value.get(end + 1..).unwrap_or_default();
    }
}

/// The text of a quoted string that `value` begins with, and how many bytes it takes.
fn quoted_string(value: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    let inner = value.strip_prefix(b"\"")?;
    let mut unescaped: Option<Vec<u8>> = None;
    let mut i = 0;
    loop {
        match *inner.get(i)? {
            b'"' => {
                let text = unescaped.map_or(Cow::Borrowed(&inner[..i]), Cow::Owned);
                return Some((text, i + 2));
            }
            b'\\' => {
                let escaped = *inner.get(i + 1)?;
                unescaped.get_or_insert_with(|| inner[..i].to_vec()).push(escaped);
                i += 2;
            }
            plain => {
                if let Some(text) = &mut unescaped {
                    text.push(plain);
                }
                i += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Vec<(String, Option<String>, bool)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut found = Vec::new();
        for_each(line.as_bytes(), |d| found.push((text(d.name), d.argument.as_deref().map(text), d.spaced)));
        found
    }

    #[test]
    fn directives() {
        type Found<'a> = (&'a str, Option<&'a str>, bool);
        let cases: [(&str, &[Found<'_>]); 14] = [
            ("", &[]),
            (" , ,", &[]),
            ("a", &[("a", None, false)]),
            ("a , b=1", &[("a", None, false), ("b", Some("1"), false)]),
            ("a=\"x, y\",b", &[("a", Some("x, y"), false), ("b", None, false)]),
            ("a=\"x\\\"y\\\\\"", &[("a", Some("x\"y\\"), false)]),
            ("a=", &[("a", Some(""), false)]),
            ("a=,b", &[("a", Some(""), false), ("b", None, false)]),
            ("a =1", &[("a", Some("1"), true)]),
            ("a= \"1\"", &[("a", Some("1"), true)]),
            ("a=\"x\"y, b", &[("a", Some("\"x\"y"), false), ("b", None, false)]),
            ("a=\"x, b", &[("a", Some("\"x"), false), ("b", None, false)]),
            ("a=\"x\\", &[("a", Some("\"x\\"), false)]),
            ("a=b=c", &[("a", Some("b=c"), false)]),
        ];
        for (line, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(n, a, s)| ((*n).to_owned(), a.map(str::to_owned), *s)).collect();
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn delta_seconds() {
        let secs = |n| Some(Duration::from_secs(n));
        for (digits, expected) in [
            ("0", secs(0)),
            ("007", secs(7)),
            ("2147483648", Some(MAX_DELTA)),
            ("99999999999999999999999", Some(MAX_DELTA)),
        ] {
            assert_eq!(seconds(digits.as_bytes()), expected);
        }
        for digits in ["", "-1", "+1", "1.0", " 1", "1s"] {
            assert_eq!(seconds(digits.as_bytes()), None, "{digits}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in proptest::collection::vec(any::<u8>(), 0..64)) {
            for_each(&line, |d| { let _ = (d.seconds(), d.lowercase(), d.is("a")); });
        }

        #[test]
        fn quoted_text_survives(text in "[ -~]{0,20}") {
            let line = format!("k=\"{}\", l", text.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(read(&line), vec![("k".into(), Some(text), false), ("l".into(), None, false)]);
        }
    }
}
