//! Dates relative to the world's clock: `{now}`, `{now-10s}`, `{now+60s}` in what an origin or a client says.

use std::time::{Duration, SystemTime};

use seawall::http::time::Time;

/// `time` as an IMF-fixdate.
pub fn http_date(time: Time) -> String {
    httpdate::fmt_http_date(SystemTime::from(time))
}

/// `text` with each placeholder replaced by the date it stands for.
///
/// # Panics
/// On a placeholder that is not one of the three forms: it is a mistake in the test.
pub fn fill_in(text: &str, now: Time) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{now") {
        filled.push_str(&rest[..start]);
        let inside = &rest[start + 4..];
        let end = inside.find('}').unwrap_or_else(|| panic!("no }} after {{now in {text:?}"));
        filled.push_str(&http_date(shifted(now, &inside[..end])));
        rest = &inside[end + 1..];
    }
    filled.push_str(rest);
    filled
}

fn shifted(now: Time, by: &str) -> Time {
    if by.is_empty() {
        return now;
    }
    let seconds = by[1..].strip_suffix('s').and_then(|n| n.parse().ok());
    let seconds: u64 = seconds.unwrap_or_else(|| panic!("{{now{by}}} is not {{now+Ns}} or {{now-Ns}}"));
    match by.as_bytes()[0] {
        b'+' => now.plus(Duration::from_secs(seconds)),
        b'-' => Time::from_secs(now.secs().saturating_sub(seconds)),
        _ => panic!("{{now{by}}} is not {{now+Ns}} or {{now-Ns}}"),
    }
}
