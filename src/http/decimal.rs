//! Decimal numbers as fields write them: `1*DIGIT`, no sign, no white space.

use smallvec::{Array, SmallVec};

/// The number; `None` if it is empty, has other bytes, or does not fit.
pub fn parse(text: &[u8]) -> Option<u64> {
    fold(text, |number, digit| number.checked_mul(10)?.checked_add(digit))
}

/// As [`parse`], but what does not fit is `u64::MAX`.
pub fn parse_saturating(text: &[u8]) -> Option<u64> {
    fold(text, |number, digit| Some(number.saturating_mul(10).saturating_add(digit)))
}

fn fold(text: &[u8], append: impl Fn(u64, u64) -> Option<u64>) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        append(number, digit)
    })
}

/// Appends a number, without the formatting machinery: this is on the way of every hit.
pub fn push<A: Array<Item = u8>>(out: &mut SmallVec<A>, number: u64) {
    let first_digit = out.len();
    let mut rest = number;
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(first_digit..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_digits_that_fit() {
        for (text, exact, saturated) in [
            ("0", Some(0), Some(0)),
            ("007", Some(7), Some(7)),
            ("18446744073709551615", Some(u64::MAX), Some(u64::MAX)),
            ("18446744073709551616", None, Some(u64::MAX)),
            ("99999999999999999999999", None, Some(u64::MAX)),
            ("", None, None),
            ("+1", None, None),
            ("1 ", None, None),
            ("0x1", None, None),
            ("٣", None, None),
        ] {
            assert_eq!(parse(text.as_bytes()), exact, "{text}");
            assert_eq!(parse_saturating(text.as_bytes()), saturated, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number: u64) {
            let mut out = SmallVec::<[u8; 16]>::from_slice(b"x");
            push(&mut out, number);
            let text = number.to_string();
            prop_assert_eq!(&out[1..], text.as_bytes());
            prop_assert_eq!(parse(&out[1..]), Some(number));
        }
    }
}
