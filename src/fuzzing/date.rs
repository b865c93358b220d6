//! HTTP dates: what is read is written as IMF-fixdate, and that reads back as the same second.

use super::input::Input;
use crate::http::date::{format, parse};
use crate::http::time::Time;

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [number] = input.numbers();
    if let Some(at) = parse(input.0) {
        assert!(at.secs() <= LAST && at.0 % 1000 == 0);
        assert_eq!(parse(format(at).as_bytes()), Some(at));
        // What the strict reader of another hand takes is the same second.
        if let Some(strict) =
            std::str::from_utf8(input.0).ok().and_then(|text| httpdate::parse_http_date(text).ok())
        {
            assert_eq!(Time::from(strict), at);
        }
    }
    let at = Time(number);
    let written = format(at);
    assert_eq!(written.len(), 29);
    assert_eq!(parse(written.as_bytes()), Some(Time::from_secs(at.secs().min(LAST))));
}
