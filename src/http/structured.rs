//! Structured fields (RFC 8941), as much as CDN-Cache-Control needs (RFC 9213): a dictionary of bare items.
//!
//! Parameters and inner lists are checked against the grammar and then dropped: RFC 9213 §2.1 gives them no
//! meaning, but a field that breaks the grammar anywhere must be ignored as a whole.

use smallvec::SmallVec;

/// A member's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// At most 15 digits.
    Integer(i64),
    /// Its value is of no use to a cache.
    Decimal,
    /// A string, unescaped.
    String(String),
    /// A token.
    Token(String),
    /// A byte sequence; its value is of no use to a cache.
    Bytes,
    /// A boolean; a key alone is true.
    Boolean(bool),
    /// An inner list; its items are of no use to a cache.
    List,
}

/// Members in order, each key once; a repeated key keeps its last value.
pub type Dictionary = SmallVec<[(String, Bare); 4]>;

/// A field is broken: it must be treated as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a structured dictionary")]
pub struct Broken;

/// Parses the lines of a field as one dictionary (RFC 8941 §4.2.2). No lines, or empty ones, are an empty one.
pub fn dictionary<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Dictionary, Broken> {
    let mut joined = Vec::new();
    for (i, line) in lines.into_iter().enumerate() {
        if i > 0 {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(line);
    }
    let mut input = Input(&joined);
    let mut members = Dictionary::new();
    input.spaces();
    while !input.0.is_empty() {
        let (key, value) = input.member()?;
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => members.push((key, value)),
        }
        input.optional_whitespace();
        if input.0.is_empty() {
            break;
        }
        input.expect(b',')?;
        input.optional_whitespace();
        if input.0.is_empty() {
            return Err(Broken); // a trailing comma
        }
    }
    Ok(members)
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn next(&mut self) -> Result<u8, Broken> {
        let (&first, rest) = self.0.split_first().ok_or(Broken)?;
        self.0 = rest;
        Ok(first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        if self.eat(byte) { Ok(()) } else { Err(Broken) }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|&b| !accept(b)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn spaces(&mut self) {
        self.take_while(|b| b == b' ');
    }

    fn optional_whitespace(&mut self) {
        self.take_while(|b| matches!(b, b' ' | b'\t'));
    }

    fn member(&mut self) -> Result<(String, Bare), Broken> {
        let key = self.key()?;
        let value = if self.eat(b'=') {
            if self.0.first() == Some(&b'(') { self.inner_list()? } else { self.bare()? }
        } else {
            Bare::Boolean(true)
        };
        self.parameters()?;
        Ok((key, value))
    }

    fn key(&mut self) -> Result<String, Broken> {
        match self.0.first() {
            Some(b'a'..=b'z' | b'*') => {}
            _ => return Err(Broken),
        }
        let key = self.take_while(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'));
        Ok(text(key))
    }

    fn parameters(&mut self) -> Result<(), Broken> {
        while self.eat(b';') {
            self.spaces();
            self.key()?;
            if self.eat(b'=') {
                self.bare()?;
            }
        }
        Ok(())
    }

    fn inner_list(&mut self) -> Result<Bare, Broken> {
        self.expect(b'(')?;
        loop {
            self.spaces();
            if self.eat(b')') {
                return Ok(Bare::List);
            }
            self.bare()?;
            self.parameters()?;
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return Err(Broken);
            }
        }
    }

    fn bare(&mut self) -> Result<Bare, Broken> {
        match self.0.first().ok_or(Broken)? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'A'..=b'Z' | b'a'..=b'z' | b'*' => {
                let token =
                    self.take_while(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b));
                Ok(Bare::Token(text(token)))
            }
            b':' => {
                self.next()?;
                self.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
                self.expect(b':')?;
                Ok(Bare::Bytes)
            }
            b'?' => {
                self.next()?;
                match self.next()? {
                    b'1' => Ok(Bare::Boolean(true)),
                    b'0' => Ok(Bare::Boolean(false)),
                    _ => Err(Broken),
                }
            }
            _ => Err(Broken),
        }
    }

    fn number(&mut self) -> Result<Bare, Broken> {
        let negative = self.eat(b'-');
        let digits = self.take_while(|b| b.is_ascii_digit());
        if digits.is_empty() {
            return Err(Broken);
        }
        if self.eat(b'.') {
            let fraction = self.take_while(|b| b.is_ascii_digit());
            let fits = digits.len() <= 12 && (1..=3).contains(&fraction.len());
            return if fits { Ok(Bare::Decimal) } else { Err(Broken) };
        }
        if digits.len() > 15 {
            return Err(Broken);
        }
        let value = digits.iter().fold(0, |sum, &b| sum * 10 + i64::from(b - b'0'));
        Ok(Bare::Integer(if negative { -value } else { value }))
    }

    fn string(&mut self) -> Result<Bare, Broken> {
        self.expect(b'"')?;
        let mut value = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Ok(Bare::String(text(&value))),
                b'\\' => match self.next()? {
                    escaped @ (b'"' | b'\\') => value.push(escaped),
                    _ => return Err(Broken),
                },
                plain @ b' '..=b'~' => value.push(plain),
                _ => return Err(Broken),
            }
        }
    }
}

/// The grammar admits ASCII only, so nothing is lost.
fn text(ascii: &[u8]) -> String {
    String::from_utf8_lossy(ascii).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Result<Vec<(String, Bare)>, Broken> {
        dictionary([line.as_bytes()]).map(|members| members.into_vec())
    }

    #[test]
    fn members() {
        let member = |key: &str, value| (key.to_owned(), value);
        let cases = [
            ("", vec![]),
            ("  ", vec![]),
            ("max-age=60", vec![member("max-age", Bare::Integer(60))]),
            ("max-age=-5", vec![member("max-age", Bare::Integer(-5))]),
            ("a=99999999999", vec![member("a", Bare::Integer(99_999_999_999))]),
            ("a=1.5", vec![member("a", Bare::Decimal)]),
            ("no-store", vec![member("no-store", Bare::Boolean(true))]),
            ("no-store=?0", vec![member("no-store", Bare::Boolean(false))]),
            ("a=?1;p=1; q=\"x\";r", vec![member("a", Bare::Boolean(true))]),
            ("a=\"x\\\"y\\\\\"", vec![member("a", Bare::String("x\"y\\".into()))]),
            ("a=tok/en:1", vec![member("a", Bare::Token("tok/en:1".into()))]),
            ("a=:aGk=:", vec![member("a", Bare::Bytes)]),
            ("a=(1 \"b\";c  d)", vec![member("a", Bare::List)]),
            ("a=()", vec![member("a", Bare::List)]),
            ("a=1, b", vec![member("a", Bare::Integer(1)), member("b", Bare::Boolean(true))]),
            ("a=1 \t,\tb", vec![member("a", Bare::Integer(1)), member("b", Bare::Boolean(true))]),
            ("a=1, b, a=2", vec![member("a", Bare::Integer(2)), member("b", Bare::Boolean(true))]),
            ("*x=1", vec![member("*x", Bare::Integer(1))]),
        ];
        for (line, expected) in cases {
            assert_eq!(one(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn broken() {
        for line in [
            "max-age=10000, &&&&&",
            "MaX-aGe=3600",
            "max-age =100",
            "max-age= 100",
            "max-age=",
            "a,",
            "a, ,b",
            ",a",
            "a=\"open",
            "a=\"bad\\n\"",
            "a=\"\u{e4}\"",
            "a=:b",
            "a=?2",
            "a=1.",
            "a=1.2345",
            "a=1234567890123.1",
            "a=1234567890123456",
            "a=-",
            "a=(1",
            "a=(1\"b\")",
            "a;=1",
            "a=1 b",
        ] {
            assert_eq!(one(line), Err(Broken), "{line}");
        }
    }

    #[test]
    fn lines_are_one_field() {
        let members = dictionary([&b"a=1"[..], b"b"]).map(|members| members.len());
        assert_eq!(members, Ok(2));
        assert_eq!(dictionary(std::iter::empty()), Ok(Dictionary::new()));
    }

    proptest! {
        #[test]
        fn nothing_panics(line in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = dictionary([line.as_slice()]);
        }

        #[test]
        fn integers_survive(value in -999_999_999_999_999i64..=999_999_999_999_999) {
            let line = format!("k={value}");
            prop_assert_eq!(one(&line), Ok(vec![("k".to_owned(), Bare::Integer(value))]));
        }

        #[test]
        fn dictionary_like_text_does_not_panic(line in "[a-z*]{0,3}(=[?01a\"()\\\\;: .-]{0,8})?(, [a-z]=[0-9.]{0,5})?") {
            let _ = one(&line);
        }
    }
}
