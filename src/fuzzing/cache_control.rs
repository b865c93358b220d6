//! Cache-Control of both sides: nothing that forbids is overlooked, whatever stands around it; no lifetime overflows.

use http::header::CACHE_CONTROL;

use super::input::{Input, field};
use crate::http::cache_control::{FieldScope, RequestDirectives, ResponseDirectives};
use crate::http::directive::{MAX_DELTA, for_each};

pub(super) fn run(data: &[u8]) {
    let headers = Input(data).fields();
    let said = ResponseDirectives::parse(&headers);
    bounded(&said);
    let asked = RequestDirectives::parse(&headers);
    for delta in [asked.max_age, asked.min_fresh, asked.stale_if_error].into_iter().flatten() {
        assert!(delta <= MAX_DELTA);
    }
    for line in headers.get_all(CACHE_CONTROL) {
        let mut taken = 0;
        for_each(line.as_bytes(), |directive| {
            assert!(!directive.name.is_empty() || directive.argument.is_some());
            taken += directive.name.len() + directive.argument.map_or(0, |argument| argument.len());
        });
        assert!(taken <= line.len());
    }

    // Where no quote stands, commas separate: a naive reader finds what is forbidden as well.
    let plain = data.iter().all(|byte| *byte != b'"');
    let lines = headers.get_all(CACHE_CONTROL).iter().flat_map(|line| line.as_bytes().split(|&b| b == b','));
    let names: Vec<Vec<u8>> = lines.map(|member| member.trim_ascii().to_ascii_lowercase()).collect();
    let naive = |name: &[u8]| names.iter().any(|member| member == name);
    if plain && !said.targeted {
        assert_eq!(said.no_store, names.iter().any(|member| name_of(member) == b"no-store"));
        assert!(!naive(b"private") || said.private == FieldScope::All);
        assert!(!naive(b"no-cache") || said.no_cache == FieldScope::All);
        assert!(!naive(b"must-revalidate") || said.must_revalidate);
    }

    // A further line never takes a prohibition back.
    let mut more: Vec<&[u8]> = headers.get_all(CACHE_CONTROL).iter().map(|line| line.as_bytes()).collect();
    more.push(b"public, max-age=9");
    let more = ResponseDirectives::parse(&field(CACHE_CONTROL, &more));
    if !said.targeted {
        assert!(more.no_store >= said.no_store && more.public);
        assert_eq!((&more.private, &more.no_cache), (&said.private, &said.no_cache));
        assert_eq!(said.max_age.is_some(), more.max_age == said.max_age);
    }
}

fn name_of(member: &[u8]) -> &[u8] {
    member.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii()
}

fn bounded(said: &ResponseDirectives) {
    let deltas = [said.max_age, said.s_maxage, said.stale_while_revalidate, said.stale_if_error];
    assert!(deltas.into_iter().flatten().all(|delta| delta <= MAX_DELTA));
}
