//! Cache-Status: what is written is a field value that reads back, whatever the origin's own lines look like.

use super::input::Input;
use crate::http::cache_status::{CACHE_STATUS, CacheStatus, Fwd, members};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [ttl, status, which] = input.numbers();
    let (cache, detail) = (input.text(), input.text());
    let mut headers = input.fields();
    let before = members(&headers);
    assert!(before.iter().all(|member| member.cache.len() <= data.len()));

    let ours = match which % 3 {
        0 => CacheStatus::hit(cache),
        1 => CacheStatus::own(cache),
        _ => {
            CacheStatus::forwarded(cache, Fwd::ALL[which as usize % Fwd::ALL.len()]).fwd_status(status as u16)
        }
    };
    let ours = ours.ttl(ttl as i64).detail(detail);
    ours.append_to(&mut headers);
    let value = ours.to_value();
    assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)), "{value:?}");

    let after = members(&headers);
    if headers.get_all(CACHE_STATUS).iter().count() == 1 {
        let [member] = after.as_slice() else { panic!("{value:?} is {after:?}") };
        let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(!plain(cache) || member.cache == cache, "{value:?}");
        assert!(!plain(detail) || member.param("detail") == Some(detail), "{value:?}");
        let ttl = (ttl as i64).clamp(-999_999_999_999_999, 999_999_999_999_999);
        assert_eq!(member.param("ttl").and_then(|ttl| ttl.parse().ok()), Some(ttl), "{value:?}");
        assert_eq!(member.param("hit").is_some(), which % 3 == 0);
    } else {
        assert_eq!(after.len(), before.len() + 1, "an origin's line swallowed ours");
    }
}
