//! Entity tags: how two are compared, and what If-Match and If-None-Match say about one.
//!
//! Some origins send a tag without quotes, or with `w/` before it. It is no entity tag, so [`EntityTag::parse`]
//! refuses it; but clients echo it as it came and may expect a 304. [`EntityTag::parse_lenient`] therefore keeps it as
//! a *bare* tag, which weakly equals the same bare bytes, never a quoted tag, and never anything strongly: it cannot
//! tie ranges or slices together.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::list::{is_ows, trim};

/// How a tag is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    /// `"x"`
    Strong,
    /// `W/"x"`
    Weak,
    /// `x`, `w/"x"` or anything else, none of which is allowed
    Bare,
}

/// An entity tag (RFC 9110 §8.8.3). Shares the bytes of the field it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityTag {
    value: HeaderValue,
    form: Form,
}

impl EntityTag {
    /// A tag as RFC 9110 §8.8.3 writes it; `None` if the value is anything else.
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let tag = Self::parse_lenient(value).filter(|tag| tag.form != Form::Bare)?;
        tag.opaque().iter().all(|&byte| is_etagc(byte)).then_some(tag)
    }

    /// As [`parse`](Self::parse), with white space inside the quotes too, or a bare tag: anything but `*` that has no
    /// comma outside of quotes.
    pub fn parse_lenient(value: &HeaderValue) -> Option<Self> {
        let mut members = Members { rest: value.as_bytes() };
        let member = members.next()?;
        let whole = member.len() == trim(value.as_bytes()).len();
        whole.then(|| Self { value: value.clone(), form: member.form })
    }

    /// Whether it is weak, as a bare one also is.
    pub fn is_weak(&self) -> bool {
        self.form != Form::Strong
    }

    /// The opaque part, without quotes.
    pub fn opaque(&self) -> &[u8] {
        self.member().opaque
    }

    /// The field value it was read from.
    #[cfg(any(test, fuzzing))]
    pub fn as_value(&self) -> &HeaderValue {
        &self.value
    }

    /// Strong comparison (RFC 9110 §8.8.3.2): both strong, the same bytes.
    pub fn strong_eq(&self, other: &Self) -> bool {
        self.member().strong_eq(other.member())
    }

    /// Weak comparison (RFC 9110 §8.8.3.2): the same bytes.
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.member().weak_eq(other.member())
    }

    fn member(&self) -> Member<'_> {
        let text = trim(self.value.as_bytes());
        let (front, back) = match self.form {
            Form::Strong => (1, 1),
            Form::Weak => (3, 1),
            Form::Bare => (0, 0),
        };
        let end = text.len().saturating_sub(back);
        Member { form: self.form, opaque: text.get(front..end).unwrap_or_default() }
    }
}

/// What If-Match says of the current representation, by strong comparison (RFC 9110 §13.1.1).
///
/// `None`: there is no such field. `Some(false)` is answered with 412. Ask only when there is a current
/// representation: `*` is true here. `tag` is its tag, if it has one. A member that cannot be read matches nothing.
pub fn if_match(headers: &HeaderMap, tag: Option<&EntityTag>) -> Option<bool> {
    matches(headers, &header::IF_MATCH, tag, Member::strong_eq)
}

/// Whether If-None-Match names the current representation, by weak comparison (RFC 9110 §13.1.2).
///
/// `None`: there is no such field. `Some(true)` is answered with 304 to GET and HEAD, else with 412. Ask only when
/// there is a current representation: `*` is true here. A member that cannot be read matches nothing.
pub fn if_none_match(headers: &HeaderMap, tag: Option<&EntityTag>) -> Option<bool> {
    matches(headers, &header::IF_NONE_MATCH, tag, Member::weak_eq)
}

fn matches<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    tag: Option<&'a EntityTag>,
    same: fn(Member<'a>, Member<'a>) -> bool,
) -> Option<bool> {
    let mut lines = headers.get_all(name).into_iter().peekable();
    lines.peek()?;
    let current = tag.map(EntityTag::member);
    Some(lines.any(|line| {
        let text = line.as_bytes();
        trim(text) == b"*"
            || current.is_some_and(|current| Members { rest: text }.any(|member| same(member, current)))
    }))
}

/// A tag inside a field value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member<'a> {
    form: Form,
    opaque: &'a [u8],
}

impl<'a> Member<'a> {
    fn of(text: &'a [u8]) -> Self {
        let (form, quoted) = match text {
            [b'W', b'/', quoted @ ..] => (Form::Weak, quoted),
            quoted => (Form::Strong, quoted),
        };
        match quoted {
            [b'"', opaque @ .., b'"'] if !opaque.contains(&b'"') => Self { form, opaque },
            _ => Self { form: Form::Bare, opaque: text },
        }
    }

    fn strong_eq(self, other: Member<'a>) -> bool {
        self.form == Form::Strong && other.form == Form::Strong && self.opaque == other.opaque
    }

    fn weak_eq(self, other: Member<'a>) -> bool {
        (self.form == Form::Bare) == (other.form == Form::Bare) && self.opaque == other.opaque
    }

    /// Of its text.
    fn len(self) -> usize {
        self.opaque.len()
            + match self.form {
                Form::Strong => 2,
                Form::Weak => 4,
                Form::Bare => 0,
            }
    }
}

/// The members of a list of tags, between commas outside of quotes. A tag has no escapes.
struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        while !self.rest.is_empty() {
            let mut quoted = false;
            let end = self.rest.iter().position(|&byte| {
                quoted ^= byte == b'"';
                byte == b',' && !quoted
            });
            let (text, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
            self.rest = rest.get(1..).unwrap_or_default();
            match trim(text) {
                b"" | b"*" => {}
                text => return Some(Member::of(text)),
            }
        }
        None
    }
}

/// `etagc` of RFC 9110 §8.8.3: neither control, white space, quote nor DEL.
const fn is_etagc(byte: u8) -> bool {
    byte > b' ' && byte != b'"' && byte != 0x7f && !is_ows(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    fn tag(text: &str) -> EntityTag {
        EntityTag::parse_lenient(&value(text)).unwrap()
    }

    #[test]
    fn the_grammar_is_strict() {
        for (text, expected) in [
            (r#""xyzzy""#, Some((false, "xyzzy"))),
            (r#"W/"xyzzy""#, Some((true, "xyzzy"))),
            (r#""""#, Some((false, ""))),
            (r#"W/"""#, Some((true, ""))),
            (r#" "a,b\" "#, Some((false, r"a,b\"))),
            (r#"w/"a""#, None),
            ("abc", None),
            (r#""abc"#, None),
            (r#"abc""#, None),
            (r#""a b""#, None),
            (r#""a" "#, Some((false, "a"))),
            (r#""a"b"#, None),
            (r#""a", "b""#, None),
            (r#""a","#, None),
            ("*", None),
            ("", None),
            ("W/", None),
        ] {
            let parsed = EntityTag::parse(&value(text));
            let seen = parsed.as_ref().map(|tag| (tag.is_weak(), tag.opaque()));
            assert_eq!(seen, expected.map(|(weak, opaque)| (weak, opaque.as_bytes())), "{text}");
        }
    }

    #[test]
    fn comparison_as_in_the_rfcs_table() {
        for (one, two, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
            (r#""1""#, r#""2""#, false, false),
            ("1", r#""1""#, false, false),
            ("1", "1", false, true),
        ] {
            assert_eq!(tag(one).strong_eq(&tag(two)), strong, "{one} {two}");
            assert_eq!(tag(two).weak_eq(&tag(one)), weak, "{one} {two}");
        }
    }

    #[test]
    fn a_bare_tag_is_kept_only_if_asked_for() {
        let bare = tag("5d8c72a5edda8d6a");
        assert!(bare.is_weak());
        assert_eq!(bare.opaque(), b"5d8c72a5edda8d6a");
        assert_eq!(bare.as_value(), "5d8c72a5edda8d6a");
        for text in ["a,b", "*", "", " ", ","] {
            assert_eq!(EntityTag::parse_lenient(&value(text)), None, "{text}");
        }
    }

    #[test]
    fn odd_tags_equal_themselves_and_nothing_else() {
        let odd = [
            "a b",
            "a\"",
            "\"",
            "w/\"a\"",
            "W\\\"a\"",
            "W\"a\"",
            "W/a",
            "\"a\"b",
            "\"\u{fc}\"",
            "\"a b\"",
            "W/\"a, b\"",
        ];
        for (i, one) in odd.iter().enumerate() {
            for (j, two) in odd.iter().enumerate() {
                assert_eq!(tag(one).weak_eq(&tag(two)), i == j, "{one} {two}");
            }
            assert!(!tag(one).weak_eq(&tag("\"a\"")), "{one}");
        }
        assert!(
            tag("\"a b\"").strong_eq(&tag("\"a b\"")),
            "a cache need not know more of a tag than its origin"
        );
    }

    fn request(name: HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), value(line))).fold(
            HeaderMap::new(),
            |mut all, (name, line)| {
                all.append(name, line);
                all
            },
        )
    }

    #[test]
    fn if_none_match_over_lines_and_lists() {
        for (lines, current, expected) in [
            (&[][..], Some(r#""a""#), None),
            (&[r#""a""#], Some(r#""a""#), Some(true)),
            (&[r#"W/"a""#], Some(r#""a""#), Some(true)),
            (&[r#""x", "a""#], Some(r#"W/"a""#), Some(true)),
            (&[r#""x""#, r#""a""#], Some(r#""a""#), Some(true)),
            (&[r#""x,"a""#], Some(r#""a""#), Some(false)),
            (&[r#""x,y", "a""#], Some(r#""x,y""#), Some(true)),
            (&[r#""x"junk, "a""#], Some(r#""x""#), Some(false)),
            (&[r#""x"junk, "a""#], Some(r#""a""#), Some(true)),
            (&[r#""open, "#], Some(r#""open""#), Some(false)),
            (&["*"], Some(r#""a""#), Some(true)),
            (&[" * "], None, Some(true)),
            (&[r#""a", *"#], Some(r#""b""#), Some(false)),
            (&[r#""a""#], None, Some(false)),
            (&["bare"], Some("bare"), Some(true)),
            (&["bare"], Some(r#""bare""#), Some(false)),
            (&[""], Some(r#""a""#), Some(false)),
        ] {
            let headers = request(header::IF_NONE_MATCH, lines);
            let current = current.map(tag);
            assert_eq!(if_none_match(&headers, current.as_ref()), expected, "{lines:?} {current:?}");
        }
    }

    #[test]
    fn if_match_is_strong() {
        for (lines, current, expected) in [
            (&[][..], Some(r#""a""#), None),
            (&[r#""x", "a""#], Some(r#""a""#), Some(true)),
            (&[r#"W/"a""#], Some(r#""a""#), Some(false)),
            (&[r#""a""#], Some(r#"W/"a""#), Some(false)),
            (&["*"], None, Some(true)),
            (&["a"], Some("a"), Some(false)),
        ] {
            let headers = request(header::IF_MATCH, lines);
            let current = current.map(tag);
            assert_eq!(if_match(&headers, current.as_ref()), expected, "{lines:?} {current:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&text) {
                if let Some(tag) = EntityTag::parse_lenient(&value) {
                    prop_assert!(tag.weak_eq(&tag));
                    prop_assert_eq!(tag.strong_eq(&tag), !tag.is_weak());
                }
                let mut headers = HeaderMap::new();
                headers.insert(header::IF_NONE_MATCH, value);
                prop_assert!(if_none_match(&headers, None).is_some());
            }
        }

        #[test]
        fn a_written_tag_is_read_back(weak: bool, opaque in "[!#-~]{0,20}", other in "[!#-~]{0,20}") {
            let text = format!("{}\"{opaque}\"", if weak { "W/" } else { "" });
            let tag = EntityTag::parse(&value(&text)).unwrap();
            prop_assert_eq!(tag.opaque(), opaque.as_bytes());
            prop_assert_eq!(tag.is_weak(), weak);
            let headers = request(header::IF_NONE_MATCH, &[&format!("\"{other}\" ,{text}")]);
            prop_assert_eq!(if_none_match(&headers, Some(&tag)), Some(true));
        }
    }
}
