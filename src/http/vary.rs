//! Vary: which request fields chose a response, and the canonical bytes of their values (RFC 9111 §4.1).

use http::{HeaderMap, HeaderName, header};
use smallvec::SmallVec;

use super::accept_encoding::Codings;
use super::accept_language::Languages;
use super::list::{split, trim};

/// Names of selecting fields: sorted, each once, lower case as every `HeaderName` is.
pub type VaryNames = SmallVec<[HeaderName; 2]>;

/// What a response's Vary says (RFC 9110 §12.5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vary {
    /// `*`, or something that is no field name: no other request may be answered with this response.
    Any,
    /// These fields chose it; none at all if the field is absent or empty.
    Names(VaryNames),
}

impl Vary {
    /// Reads all Vary lines of a response.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut names = VaryNames::new();
        for line in headers.get_all(header::VARY) {
            // Names have no quotes, so a comma is always a separator here.
            for name in line.as_bytes().split(|&byte| byte == b',').map(trim).filter(|name| !name.is_empty())
            {
                match HeaderName::from_bytes(name) {
                    Ok(name) if name != "*" => names.push(name),
                    _ => return Self::Any,
                }
            }
        }
        names.sort_unstable_by(|one, two| one.as_str().cmp(two.as_str()));
        names.dedup();
        Self::Names(names)
    }
}

/// Canonical bytes of selecting values; equal exactly if two requests may share a response.
pub type SelectingKey = SmallVec<[u8; 128]>;

/// The canonical bytes of the values that `headers` has for `names`.
///
/// Lines are combined with `, `, white space around them and around commas is made uniform; absent differs from
/// empty. Accept-Encoding becomes the set of codings it accepts, Accept-Language the set of languages with their weights.
/// Of fields that are no lists a comma is content, and they are taken as they are.
///
/// Each value carries its name and length, so no two different requests give the same bytes.
pub fn selecting_key(names: &[HeaderName], headers: &HeaderMap) -> SelectingKey {
    let mut key = SelectingKey::new();
    for name in names {
        key.extend_from_slice(name.as_str().as_bytes());
        let head_at = key.len();
        key.extend_from_slice(&[0; 5]);
        let value_at = key.len();
        let form = write_value(name, headers, &mut key);
        let length = u32::try_from(key.len() - value_at).unwrap_or(u32::MAX);
        if let Some([form_place, length_place @ ..]) = key.get_mut(head_at..value_at) {
            *form_place = form as u8;
            length_place.copy_from_slice(&length.to_be_bytes());
        }
    }
    key
}

/// What a value in the key is; its byte also ends the name, in which it may not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Absent = 0,
    /// As it was sent, but for white space and letter case.
    Text = 1,
    /// A set of codings, which is not to be taken for a text that looks like it.
    Codings = 2,
    /// A set of languages with their weights.
    Languages = 3,
}

fn write_value(name: &HeaderName, headers: &HeaderMap, out: &mut SelectingKey) -> Form {
    if !headers.contains_key(name) {
        return Form::Absent;
    }
    let write: fn(&[u8], &mut SelectingKey) = match *name {
        header::ACCEPT_ENCODING => match Codings::of(headers) {
            Some(codings) => {
                codings.write_to(out);
                return Form::Codings;
            }
            None => write_list,
        },
        header::ACCEPT_LANGUAGE => match Languages::of(headers) {
            Some(languages) => {
                languages.write_to(out);
                return Form::Languages;
            }
            None => write_list,
        },
        header::ORIGIN
        | header::COOKIE
        | header::AUTHORIZATION
        | header::USER_AGENT
        | header::REFERER
        | header::HOST
        | header::FROM
        | header::CONTENT_TYPE => |line, out| out.extend_from_slice(trim(line)),
        _ => write_list,
    };
    for (at, line) in headers.get_all(name).into_iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        write(line.as_bytes(), out);
    }
    Form::Text
}

fn write_list(line: &[u8], out: &mut SelectingKey) {
    for (at, element) in split(line, b',').enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn vary_is_read_over_lines() {
        for (lines, expected) in [
            (&[][..], Some(vec![])),
            (&[""], Some(vec![])),
            (&["Accept-Encoding"], Some(vec!["accept-encoding"])),
            (&["X-B, accept", " x-b ,,X-A"], Some(vec!["accept", "x-a", "x-b"])),
            (&["*"], None),
            (&["accept, *"], None),
            (&["accept", "*"], None),
            (&["a b"], None),
            (&["\"accept\""], None),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
            let expected = match &expected {
                Some(names) => Vary::Names(
                    names.iter().map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap()).collect(),
                ),
                None => Vary::Any,
            };
            assert_eq!(Vary::of(&headers(&lines)), expected, "{lines:?}");
        }
    }

    fn same(name: &str, one: &[&str], two: &[&str]) -> bool {
        let key = |values: &[&str]| {
            let lines: Vec<_> = values.iter().map(|value| (name, *value)).collect();
            selecting_key(&[HeaderName::try_from(name).unwrap()], &headers(&lines))
        };
        key(one) == key(two)
    }

    #[test]
    fn requests_that_may_share_a_response() {
        for (name, one, two) in [
            ("foo", &["1, 2"][..], &["1", "2"][..]),
            ("foo", &["1,2"], &["1 ,\t2 "]),
            ("accept-encoding", &["gzip, br"], &["br;q=0.5", "gzip"]),
            ("accept-encoding", &["gzip"], &["gzip, zstd;q=0"]),
            ("accept-language", &["de-DE , en;q=0.5"], &["de-de,EN ; q=0.5"]),
            ("accept-language", &["de, en"], &["en", "de"]),
            ("accept-language", &["en;q=0.5, de"], &["de;q=1.0, en;q=0.50"]),
            ("accept", &["text/html , image/*"], &["text/html,image/*"]),
            ("cookie", &[" a=1"], &["a=1 "]),
        ] {
            assert!(same(name, one, two), "{name}: {one:?} {two:?}");
        }
    }

    #[test]
    fn requests_that_may_not() {
        for (name, one, two) in [
            ("foo", &[][..], &[""][..]),
            ("foo", &["1, 2"], &["2, 1"]),
            ("foo", &["a"], &["A"]),
            ("foo", &["\"a,b\""], &["\"a, b\""]),
            ("accept-encoding", &[], &["gzip"]),
            ("accept-encoding", &[""], &["gzip"]),
            ("accept-encoding", &["gzip, identity;q=0"], &["gzip"]),
            ("accept-encoding", &["deflate"], &["identity"]),
            ("accept-encoding", &["gzip identity"], &["gzip"]),
            ("accept-language", &["de, en;q=0.5"], &["en, de;q=0.5"]),
            ("accept-language", &["de, en;q=0.5"], &["de, en;q=0.6"]),
            ("accept-language", &["de"], &["de, en;q=0"]),
            ("accept-language", &[], &[""]),
            ("accept-language", &["de;level=1, en"], &["en, de;level=1"]),
            ("origin", &["https://a.example"], &["https://A.example"]),
            ("cookie", &["a=1,2"], &["a=1, 2"]),
        ] {
            assert!(!same(name, one, two), "{name}: {one:?} {two:?}");
        }
    }

    #[test]
    fn values_do_not_run_into_each_other() {
        let names = ["a", "b"].map(HeaderName::from_static);
        let one = selecting_key(&names, &headers(&[("a", "x"), ("b", "y")]));
        let two = selecting_key(&names, &headers(&[("a", "xb"), ("b", "y")]));
        let three = selecting_key(&names, &headers(&[("a", "x")]));
        assert!(one != two && two != three && one != three);
        assert_eq!(three.as_slice(), b"a\x01\x00\x00\x00\x01xb\x00\x00\x00\x00\x00");
        assert!(selecting_key(&[], &headers(&[("a", "x")])).is_empty());
    }

    proptest! {
        #[test]
        fn different_plain_values_have_different_keys(one in "[a-z]{0,6}(, [a-z]{1,6}){0,2}", two in "[a-z]{0,6}(, [a-z]{1,6}){0,2}") {
            let normal = |text: &str| text.trim_start_matches(", ").to_owned();
            prop_assert_eq!(same("foo", &[&one], &[&two]), normal(&one) == normal(&two));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let names = ["accept-encoding", "accept-language", "foo", "origin"].map(HeaderName::from_static);
            if let Ok(value) = http::HeaderValue::from_bytes(&text) {
                let mut all = HeaderMap::new();
                for name in &names {
                    all.insert(name.clone(), value.clone());
                }
                prop_assert_eq!(selecting_key(&names, &all), selecting_key(&names, &all.clone()));
                all.insert(header::VARY, value);
                if let Vary::Names(found) = Vary::of(&all) {
                    prop_assert!(found.is_sorted_by(|one, two| one.as_str() < two.as_str()));
                }
            }
        }
    }
}
