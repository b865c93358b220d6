//! Field values that hits repeat: a hit takes a reference instead of formatting and allocating.

use std::cell::RefCell;

use http::HeaderValue;

use crate::http::cache_status::CacheStatus;

const MEMO: usize = 1024;

/// Values by number, the last of each remainder.
struct Memo(Vec<Option<(i64, HeaderValue)>>);

impl Memo {
    fn get(&mut self, number: i64, make: impl FnOnce() -> HeaderValue) -> HeaderValue {
        if self.0.is_empty() {
            self.0.resize(MEMO, None);
        }
        let slot = &mut self.0[number.rem_euclid(MEMO as i64) as usize];
        match slot {
            Some((known, value)) if *known == number => value.clone(),
            _ => slot.insert((number, make())).1.clone(),
        }
    }
}

thread_local! {
    static AGES: RefCell<Memo> = const { RefCell::new(Memo(Vec::new())) };
    static HITS: RefCell<(String, Memo)> = const { RefCell::new((String::new(), Memo(Vec::new()))) };
}

/// The value of Age.
pub(super) fn age(seconds: u64) -> HeaderValue {
    // RFC 9111 §1.2.2: a value too large to represent is 2147483648.
    let seconds = seconds.min(1 << 31);
    AGES.with_borrow_mut(|memo| memo.get(seconds as i64, || seconds.into()))
}

/// The value of Cache-Status for a fresh hit.
pub(super) fn hit_status(cache: &str, ttl: i64) -> HeaderValue {
    HITS.with_borrow_mut(|(name, memo)| {
        if name != cache {
            cache.clone_into(name);
            memo.0.clear();
        }
        memo.get(ttl, || CacheStatus::hit(cache).ttl(ttl).to_value())
    })
}
