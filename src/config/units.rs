//! Durations and sizes as people write them: `"250ms"`, `"7d"`, `"64KiB"`.

use std::time::Duration;

/// In milliseconds, largest first.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// In bytes, largest first.
const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A whole number and `ms`, `s`, `m`, `h` or `d`. `None` for anything else, or when it does not fit.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, factor) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor).map(Duration::from_millis)
}

/// A whole number and `B`, `KiB`, `MiB`, `GiB` or `TiB`. `None` for anything else, or when it does not fit.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// The duration that a text means which [`parse_duration`] does not take: `3600`, `1 hour`, `1h30m`, `1.5h`.
pub(super) fn meant_duration(text: &str) -> Option<Duration> {
    let mut millis = 0.0;
    for (number, unit) in parts(text)? {
        let seconds = match unit.as_str() {
            "ms" | "msec" | "millisecond" | "milliseconds" => 0.001,
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            "y" | "year" | "years" => 31_536_000.0,
            _ => return None,
        };
        millis += (number * seconds * 1_000.0_f64).round();
    }
    (millis < 1e15).then(|| Duration::from_millis(millis as u64))
}

/// The bytes that a text means which [`parse_size`] does not take: `64MB`, `64M`, `64 mib`.
pub(super) fn meant_size(text: &str) -> Option<u64> {
    let parts = parts(text)?;
    let [(number, unit)] = parts.as_slice() else { return None };
    let power = match unit.as_str() {
        "" | "b" | "byte" | "bytes" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let bytes = number * (1u64 << power) as f64;
    (bytes < 1e18).then_some(bytes as u64)
}

/// Numbers, each with the letters behind it in lower case. `None` if there is anything else.
fn parts(text: &str) -> Option<Vec<(f64, String)>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    // What is longer was not meant as one.
    while !rest.is_empty() && parts.len() < 4 {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        parts.push((number.parse().ok()?, unit.to_ascii_lowercase()));
        rest = next.trim_start();
    }
    (rest.is_empty() && !parts.is_empty()).then_some(parts)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

/// In the largest unit that leaves a whole number; milliseconds are the finest.
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fit = DURATIONS.iter().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor));
    match fit {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => "0s".to_owned(),
    }
}

/// In the largest unit that leaves a whole number.
pub fn show_size(bytes: u64) -> String {
    let fit = SIZES.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    match fit {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => "0B".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let table = [
            ("250ms", Some(250)),
            ("0s", Some(0)),
            ("10s", Some(10_000)),
            ("15m", Some(900_000)),
            ("1h", Some(3_600_000)),
            ("7d", Some(604_800_000)),
            ("10", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("10 s", None),
            ("1w", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
            ("", None),
        ];
        for (text, millis) in table {
            assert_eq!(parse_duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let table = [
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("16MiB", Some(16 << 20)),
            ("2GiB", Some(2 << 30)),
            ("1TiB", Some(1 << 40)),
            ("1KB", None),
            ("64", None),
            ("KiB", None),
            ("99999999999TiB", None),
        ];
        for (text, bytes) in table {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_guessed() {
        let shown = |text: &str| meant_duration(text).map(show_duration);
        for (text, meant) in [
            ("3600", Some("1h")),
            ("90", Some("90s")),
            ("1 hour", Some("1h")),
            ("1h30m", Some("90m")),
            ("1.5h", Some("90m")),
            ("2 Weeks", Some("14d")),
            ("250 msec", Some("250ms")),
            ("1month", None),
            ("soon", None),
            ("-1s", None),
            ("", None),
            ("1e9d", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(shown(text).as_deref(), meant, "{text}");
        }
        for (text, meant) in [
            ("64MB", Some("64MiB")),
            ("64M", Some("64MiB")),
            ("64 mib", Some("64MiB")),
            ("1.5G", Some("1536MiB")),
            ("100", Some("100B")),
            ("1GB2MB", None),
            ("big", None),
            ("999999999T", None),
        ] {
            assert_eq!(meant_size(text).map(show_size).as_deref(), meant, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0u64..1 << 50, bytes: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
            prop_assert_eq!(parse_size(&show_size(bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = (parse_duration(&text), parse_size(&text), meant_duration(&text), meant_size(&text));
        }
    }
}
