//! Traces are what they are said to be.

use super::generate::{Parameters, Trace};

fn small() -> Parameters {
    let mut with = Parameters::default();
    for (name, value) in [("requests", "100000"), ("objects", "20000"), ("alpha", "0.8"), ("drift", "50")] {
        with.set(name, value).unwrap();
    }
    with
}

#[test]
fn a_trace_is_the_same_each_time_and_another_with_another_seed() {
    let (a, b) = (Trace::zipf(&small()), Trace::zipf(&small()));
    assert_eq!((&a.requests, &a.sizes), (&b.requests, &b.sizes));
    let other = Trace::zipf(&Parameters { seed: 2, ..small() });
    assert_ne!(a.requests, other.requests);
    assert_eq!((a.name, Parameters::default().set("alhpa", "1")), ("zipf", None));
}

#[test]
fn it_has_its_one_hit_wonders_and_its_sizes() {
    let trace = Trace::zipf(&small());
    let (objects, once, bytes) = trace.footprint();
    assert_eq!(trace.requests.len(), 100_000);
    assert!((13_000..15_000).contains(&once), "{once} asked for once");
    assert!(objects > 19_000 && objects <= 20_000, "{objects} asked for");
    let mut sizes = trace.sizes.clone();
    sizes.sort_unstable();
    assert!((19_000..22_000).contains(&sizes[10_000]), "median {}", sizes[10_000]);
    assert_eq!(sizes[19_999], 1 << 20);
    assert!((70..90).contains(&(bytes / objects as u64 / 1024)), "mean {}", bytes / objects as u64);
    assert!(trace.bytes() > bytes);
}

#[test]
fn what_is_popular_first_is_so_no_more_later() {
    let top = |requests: &[u32]| {
        let mut asked = vec![0; 7_000];
        requests.iter().filter(|id| **id < 7_000).for_each(|id| asked[*id as usize] += 1);
        let mut ids: Vec<usize> = (0..7_000).collect();
        ids.sort_by_key(|id| std::cmp::Reverse(asked[*id]));
        ids.truncate(100);
        ids
    };
    let still = |drift| {
        let requests = Trace::zipf(&Parameters { drift, ..small() }).requests;
        let (first, last) = (top(&requests[..30_000]), top(&requests[70_000..]));
        first.iter().filter(|id| last.contains(id)).count()
    };
    assert!(still(1_000_000) > 75, "{}", still(1_000_000));
    assert!((20..75).contains(&still(1_000)), "{}", still(1_000));
    assert!(still(50) < 20, "{}", still(50));
}

#[test]
fn a_scan_is_in_the_middle_and_asks_for_each_object_once() {
    let (zipf, scan) = (Trace::zipf(&small()), Trace::scan(&small(), 1 << 30));
    let cold = |id: &u32| *id as usize >= zipf.sizes.len();
    let rest: Vec<u32> = scan.requests.iter().copied().filter(|id| !cold(id)).collect();
    assert_eq!(rest, zipf.requests);
    let swept: Vec<u32> = scan.requests.iter().copied().filter(cold).collect();
    assert!(swept.is_sorted_by(|a, b| a < b) && swept.len() > 10_000);
    assert!(scan.bytes() - zipf.bytes() >= 1 << 30);
    let (first, last) = (scan.requests.iter().position(cold), scan.requests.iter().rposition(cold));
    assert!(first > Some(33_000) && last < Some(100_000), "{first:?} to {last:?}");
}

#[test]
fn equal_means_equal() {
    let trace = Trace::equal(&small(), 100 << 20);
    let mut asked = vec![0; trace.sizes.len()];
    trace.requests.iter().for_each(|id| asked[*id as usize] += 1);
    assert!(asked.len() > 1_000 && *asked.iter().max().unwrap() < 35);
}
