//! Vary: requests that may share a response, and no others, have one selecting key.

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, VARY};

use super::input::Input;
use crate::http::accept_encoding::{Coding, Codings};
use crate::http::accept_language::Languages;
use crate::http::vary::{Vary, selecting_key};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let response = input.fields();
    let (one, two) = (input.fields(), input.fields());
    let names = match Vary::of(&response) {
        Vary::Any => return assert!(response.contains_key(VARY)),
        Vary::Names(names) => names,
    };
    assert!(names.windows(2).all(|two| two[0].as_str() < two[1].as_str()));
    assert!(!names.iter().any(|name| name == "*"));
    let same = selecting_key(&names, &one) == selecting_key(&names, &two);
    if same {
        for name in &names {
            assert_eq!(one.contains_key(name), two.contains_key(name), "absent and present share");
            let plain = |headers: &http::HeaderMap| -> Vec<u8> {
                let all = headers
                    .get_all(name)
                    .iter()
                    .flat_map(|line| line.as_bytes().iter().copied().chain([b',']));
                all.filter(|byte| !matches!(byte, b' ' | b'\t' | b',')).collect()
            };
            match *name {
                ACCEPT_ENCODING => {
                    let (one, two) = (Codings::of(&one), Codings::of(&two));
                    for coding in Coding::ALL {
                        let takes = |codings: &Option<Codings>| {
                            codings.as_ref().map(|codings| codings.accepts(coding))
                        };
                        assert_eq!(takes(&one), takes(&two), "{coding:?}");
                    }
                }
                // Its order says nothing, its weights may be written in several ways.
                ACCEPT_LANGUAGE if Languages::of(&one).is_some() => {
                    assert_eq!(Languages::of(&one), Languages::of(&two));
                }
                _ => assert!(plain(&one).eq_ignore_ascii_case(&plain(&two)), "{name} differs and shares"),
            }
        }
    }
    if names.iter().all(|name| one.get_all(name).iter().eq(two.get_all(name).iter())) {
        assert!(same, "alike, and apart");
    }
}
