//! HTTP dates (RFC 9110 §5.6.7): all three formats in, IMF-fixdate out.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::time::Time;

/// The longest valid date is RFC 850's "Wednesday, 06-Nov-94 08:49:37 GMT".
const LONGEST: usize = 33;

/// The last second of the year 9999: no later date has an HTTP form.
const LAST: u64 = 253_402_300_799;

/// Reads a date in any of the three formats, in any case.
///
/// The grammar is case-sensitive, but recipients are to be lenient where nothing is ambiguous; everything
/// else (other zones, single digits, missing commas) is no date. A weekday that is not that day's is one: the
/// rest says which day is meant. Two-digit years 70 to 99 are the last century's.
pub fn parse(value: &[u8]) -> Option<Time> {
    let value = value.trim_ascii();
    if value.len() > LONGEST || !value.is_ascii() {
        return None;
    }
    let mut canonical = [0; LONGEST];
    let canonical = canonical.get_mut(..value.len())?;
    let mut inside_word = false;
    for (to, &from) in canonical.iter_mut().zip(value) {
        *to = if inside_word { from.to_ascii_lowercase() } else { from.to_ascii_uppercase() };
        inside_word = from.is_ascii_alphabetic();
    }
    if let Some(zone) = canonical.last_chunk_mut::<4>()
        && zone == b" Gmt"
    {
        zone.copy_from_slice(b" GMT");
    }
    let text = std::str::from_utf8(canonical).ok()?;
    strict(text).or_else(|| on_any_weekday(text))
}

fn strict(text: &str) -> Option<Time> {
    if let Ok(at) = httpdate::parse_http_date(text) {
        return Some(at.into());
    }
    // A leap second (RFC 9110 §5.6.7), which the Unix clock counts as the second after it.
    let at = text.find(":59:60")?;
    let before = format!("{}:59:59{}", text.get(..at)?, text.get(at + 6..)?);
    let before = Time::from(httpdate::parse_http_date(&before).ok()?);
    Some(Time::from_secs(before.secs() + 1))
}

/// The date with the weekday that it falls on in place of its own.
fn on_any_weekday(text: &str) -> Option<Time> {
    const WEEKDAYS: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let (word, rest) = text.split_at(text.find(|c: char| !c.is_ascii_alphabetic())?);
    let long = WEEKDAYS.contains(&word);
    if !long && !WEEKDAYS.iter().any(|day| day[..3] == *word) {
        return None;
    }
    WEEKDAYS.iter().find_map(|day| strict(&format!("{}{rest}", if long { day } else { &day[..3] })))
}

/// The date in a field that may stand once: `None` if it is absent, repeated with another value, or no date.
pub fn field(headers: &HeaderMap, name: &HeaderName) -> Option<Time> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    if lines.any(|line| line != first) {
        return None;
    }
    parse(first.as_bytes())
}

/// As IMF-fixdate. Times past the year 9999 are written as its last second.
pub fn format(at: Time) -> HeaderValue {
    let at = Time::from_secs(at.secs().min(LAST));
    let text = httpdate::fmt_http_date(SystemTime::from(at));
    // fmt_http_date writes visible ASCII only, so the fallback is unreachable.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::EXPIRES;
    use proptest::prelude::*;

    #[test]
    fn three_formats_are_one_date() {
        let at = Some(Time::from_secs(784_111_777));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "  Sun, 06 Nov 1994 08:49:37 GMT ",
            "SUN, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 NOV 1994 08:49:37 GMT",
            "sun, 06 nov 1994 08:49:37 gMT",
            "SUNDAY, 06-NOV-94 08:49:37 gmt",
            "sun nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn a_wrong_weekday_misleads_nobody() {
        let at = Some(Time::from_secs(784_111_777));
        for text in
            ["Mon, 06 Nov 1994 08:49:37 GMT", "Wednesday, 06-Nov-94 08:49:37 GMT", "THU Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(text.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_the_one_after_it() {
        let at = Some(Time::from_secs(1_483_228_800));
        for text in [
            "Sat, 31 Dec 2016 23:59:60 GMT",
            "Saturday, 31-Dec-16 23:59:60 GMT",
            "Sat Dec 31 23:59:60 2016",
            "Sun, 01 Jan 2017 00:00:00 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), at, "{text}");
        }
        for text in
            ["Sat, 31 Dec 2016 23:58:60 GMT", "Sat, 31 Dec 2016 23:59:61 GMT", "Sat, 31 Dec 2016 23:59:60"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn future_dates() {
        for text in [
            "Tue, 19 Jan 2038 14:14:08 GMT",
            "Sun, 21 Nov 2286 04:46:39 GMT",
            "Thursday, 18-Aug-50 02:01:18 GMT",
            "Thu Aug  8 02:01:18 2050",
            "Wednesday, 09-Nov-94 08:49:37 GMT",
        ] {
            assert!(parse(text.as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "0",
            "-1",
            "foo",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 2050 02:01:18 +0000",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Day, 18 Aug 2050 02:01:18 GMT",
            "Thursday, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18-Aug-50 02:01:18 GMT",
            "Thu, 31 Feb 2050 02:01:18 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 N\u{f6}v 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_field_stands_once() {
        let good = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        let mut headers = HeaderMap::new();
        assert_eq!(field(&headers, &EXPIRES), None);
        headers.append(EXPIRES, good.clone());
        assert_eq!(field(&headers, &EXPIRES), Some(Time::from_secs(784_111_777)));
        headers.append(EXPIRES, good);
        assert_eq!(field(&headers, &EXPIRES), Some(Time::from_secs(784_111_777)));
        headers.append(EXPIRES, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:38 GMT"));
        assert_eq!(field(&headers, &EXPIRES), None);
    }

    #[test]
    fn the_end_of_time_has_a_form() {
        assert_eq!(format(Time(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(format(Time(784_111_777_999)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(secs in 0..=LAST) {
            prop_assert_eq!(parse(format(Time::from_secs(secs)).as_bytes()), Some(Time::from_secs(secs)));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn near_misses_do_not_panic(text in "[A-Za-z]{3,9},? ?[0-9]{0,2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{0,8}( GMT)?") {
            let _ = parse(text.as_bytes());
        }
    }
}
