//! Ranges: inside the body, apart from each other, in the order asked for, few, and together no more than the body.

use super::input::Input;
use crate::http::range::{
    ByteRange, ContentRange, MAX_RANGES, MAX_SPECS, RangeResult, SMALL_GAP, parse, parse_unresolved, resolve,
};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [len] = input.numbers();
    let Some(value) = input.value() else { return };
    if let Some(said) = ContentRange::parse(&value) {
        assert_eq!(ContentRange::parse(&said.to_value()), Some(said));
        if let ContentRange::Satisfied { first, last, complete } = said {
            assert!(first <= last && complete.is_none_or(|complete| last < complete));
        }
    }
    let result = parse(&value, len);
    let Some(specs) = parse_unresolved(&value) else {
        return assert_eq!(result, RangeResult::Ignore);
    };
    assert!((1..=MAX_SPECS).contains(&specs.len()));
    assert_eq!(resolve(&specs, len), result);
    let wanted: Vec<ByteRange> = specs.iter().filter_map(|spec| spec.resolve(len)).collect();
    match result {
        RangeResult::Ignore => assert!(len == 0 || wanted.len() > MAX_RANGES),
        RangeResult::Unsatisfiable => assert!(wanted.is_empty()),
        RangeResult::Satisfiable(ranges) => {
            assert!((1..=MAX_RANGES).contains(&ranges.len()));
            assert!(ranges.iter().all(|range| range.first <= range.last && range.last < len));
            let mut sorted: Vec<_> = ranges.to_vec();
            sorted.sort_by_key(|range| range.first);
            assert!(sorted.windows(2).all(|two| two[1].first - two[0].last > SMALL_GAP));
            assert!(ranges.iter().map(|range| u128::from(range.len())).sum::<u128>() <= u128::from(len));
            let inside = |inner: &ByteRange| {
                ranges.iter().position(|o| o.first <= inner.first && inner.last <= o.last)
            };
            let places: Vec<usize> =
                wanted.iter().map(|range| inside(range).expect("a wanted byte is left out")).collect();
            let mut seen = 0;
            assert!(
                places.iter().all(|&place| place <= seen && {
                    seen = seen.max(place + 1);
                    true
                }),
                "out of order"
            );
        }
    }
}
