//! How far an origin's clock is from ours, as its Date says: where it is far, what it sends is stale at once or fresh for
//! too long (RFC 9111 §4.2.3), and nothing else shows why.

use http::{HeaderMap, header};

use super::member::Member;
use crate::http::date;
use crate::http::time::Time;

/// So many seconds are worth a word. Clocks that nobody sets are off by less for a day, and a response can be on its way for
/// some seconds.
const FAR: i64 = 60;

/// Notes what a response head says of its sender's clock.
pub(super) fn note(member: &Member, headers: &HeaderMap, now: Time) {
    let Some(offset) = offset(headers, now) else { return };
    member.origin.metrics.date_offset.set(offset);
    if offset.abs() >= FAR {
        // Whole minutes, so that the same fault says the same.
        let minutes = offset / 60;
        tracing::warn!(
            pool = %member.origin.pool, member = %member.label, minutes,
            "the origin's Date is far from this machine's clock: what it sends counts as older or younger than it is"
        );
    }
}

/// Seconds by which the sender's clock is ahead of `now`; negative: it is behind. What a cache before us has kept is as old
/// as its Age says.
fn offset(headers: &HeaderMap, now: Time) -> Option<i64> {
    let date = date::field(headers, &header::DATE)?;
    let age = match headers.get(header::AGE) {
        Some(age) => age.to_str().ok()?.trim().parse::<u32>().ok()?,
        None => 0,
    };
    let signed = |time: Time| i64::try_from(time.secs()).ok();
    signed(date)?.checked_add(i64::from(age))?.checked_sub(signed(now)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_and_the_age_say_what_the_sender_thinks_is_now() {
        let now = Time::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let table = [
            (Some("Sun, 06 Nov 1994 08:49:37 GMT"), None, Some(0)),
            (Some("Sun, 06 Nov 1994 06:49:37 GMT"), None, Some(-7200)),
            (Some("Sun, 06 Nov 1994 08:50:37 GMT"), None, Some(60)),
            (Some("Sun, 06 Nov 1994 06:49:37 GMT"), Some("7200"), Some(0)),
            (Some("Sun, 06 Nov 1994 06:49:37 GMT"), Some("soon"), None),
            (Some("today"), None, None),
            (None, Some("0"), None),
        ];
        for (date, age, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            if let Some(age) = age {
                headers.insert(header::AGE, age.parse().unwrap());
            }
            assert_eq!(offset(&headers, now), expected, "{date:?} {age:?}");
        }
    }
}
