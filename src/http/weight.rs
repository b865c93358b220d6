//! How much a client likes one of several: `q=0.5` (RFC 9110 §12.4.2).

use super::list::trim;

/// The highest weight, which is that of what has none.
pub const ONE: u16 = 1000;

/// In thousandths; `None` if it is malformed.
pub fn parse(weight: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', value @ ..] = trim(weight) else { return None };
    match value {
        [b'0'] => Some(0),
        [b'1'] => Some(ONE),
        [b'0', b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => {
            let digit = |at| digits.get(at).map_or(0, |digit: &u8| u16::from(digit - b'0'));
            Some(100 * digit(0) + 10 * digit(1) + digit(2))
        }
        [b'1', b'.', zeros @ ..] if zeros.len() <= 3 && zeros.iter().all(|&digit| digit == b'0') => Some(ONE),
        _ => None,
    }
}

/// A member of a list in two: what it is about, not yet checked, and its weight. `None` if what stands behind the first
/// semicolon is no weight.
pub fn member(member: &[u8]) -> Option<(&[u8], u16)> {
    match memchr::memchr(b';', member) {
        None => Some((member, ONE)),
        Some(at) => Some((trim(member.get(..at)?), parse(member.get(at + 1..)?)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        for (text, expected) in [
            ("q=0", Some(0)),
            ("q=0.", Some(0)),
            ("q=0.000", Some(0)),
            ("q=0.001", Some(1)),
            ("q=0.5", Some(500)),
            (" Q=0.05\t", Some(50)),
            ("q=0.987", Some(987)),
            ("q=1", Some(1000)),
            ("q=1.000", Some(1000)),
            ("q=1.001", None),
            ("q=0.1234", None),
            ("q=0.+1", None),
            ("q=-1", None),
            ("q=2", None),
            ("q=.5", None),
            ("q=", None),
            ("q =1", None),
            ("level=1", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn members() {
        assert_eq!(member(b"de"), Some((&b"de"[..], 1000)));
        assert_eq!(member(b"de ; q=0.5"), Some((&b"de"[..], 500)));
        assert_eq!(member(b";q=0"), Some((&b""[..], 0)));
        assert_eq!(member(b"de;"), None);
        assert_eq!(member(b"de;q=1;q=1"), None);
    }
}
