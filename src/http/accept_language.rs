//! Which languages a client likes how much, whatever the order and the letters it says so in: Accept-Language,
//! RFC 9110 §12.5.4.

use http::{HeaderMap, header};
use smallvec::{Array, SmallVec};

use super::list::trim;
use super::weight;

/// More ranges than anybody has. A longer list is left as it is, so that nobody can have the edge sort for him.
const MOST: usize = 32;

/// A weight, and the range that has it in lower case.
type Liking = (u16, SmallVec<[u8; 16]>);

/// The language ranges of a client with their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Languages {
    /// The best liked first, those liked alike by the alphabet. "This behavior cannot be relied upon", says §12.5.4 of
    /// origins that take the order in which these stand for another preference.
    ranges: SmallVec<[Liking; 4]>,
}

impl Languages {
    /// What the request says. `None`: the field is absent, very long, or breaks its grammar.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(header::ACCEPT_LANGUAGE)?;
        let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter();
        // The grammar has no quoted strings, so every comma separates.
        let members = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(trim);
        let mut ranges: SmallVec<[Liking; 4]> = SmallVec::new();
        for member in members.filter(|member| !member.is_empty()) {
            let (range, weight) = weight::member(member)?;
            if ranges.len() == MOST || !is_range(range) {
                return None;
            }
            let mut range = SmallVec::from_slice(range);
            range.make_ascii_lowercase();
            ranges.push((weight, range));
        }
        ranges.sort_unstable_by(|(one, a), (two, b)| two.cmp(one).then_with(|| a.cmp(b)));
        ranges.dedup();
        Some(Self { ranges })
    }

    /// The canonical text: equal exactly if two requests like the same languages as much. Weights are kept as they
    /// are, since an origin may multiply them with its own.
    pub fn write_to<A: Array<Item = u8>>(&self, out: &mut SmallVec<A>) {
        for (at, (weight, range)) in self.ranges.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(range);
            if *weight != weight::ONE {
                out.push(b';');
                super::decimal::push(out, u64::from(*weight));
            }
        }
    }
}

/// Whether it could be a language range (RFC 4647 §2.1, §2.2).
fn is_range(range: &[u8]) -> bool {
    !range.is_empty() && range.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_LANGUAGE, line.parse().unwrap());
        }
        let mut out = SmallVec::<[u8; 64]>::new();
        Languages::of(&headers)?.write_to(&mut out);
        Some(String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn what_a_client_likes() {
        for (lines, expected) in [
            (&[][..], None),
            (&[""], Some("")),
            (&["en, de"], Some("de en")),
            (&["de", "en"], Some("de en")),
            (&["de,,EN ,"], Some("de en")),
            (&["de-DE, de;q=0.9, en;q=0.9, *;q=0.05"], Some("de-de de;900 en;900 *;50")),
            (&["fr;q=0.1, en;q=0.2"], Some("en;200 fr;100")),
            (&["en;q=1.0, de ; Q=1"], Some("de en")),
            (&["en, en;q=0, en"], Some("en en;0")),
            (&["en;q=0.80, de;q=0.8"], Some("de;800 en;800")),
            (&["en;q=2"], None),
            (&["en;level=1"], None),
            (&["en de"], None),
            (&["en_GB"], None),
            (&["\"en, de\""], None),
            (&[";q=1"], None),
        ] {
            assert_eq!(read(lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_very_long_list_is_left_alone() {
        assert!(read(&["en,".repeat(MOST).as_str()]).is_some());
        assert!(read(&["en,".repeat(MOST + 1).as_str()]).is_none());
    }

    fn likings() -> impl Strategy<Value = Vec<(String, u16)>> {
        let one = ("[a-c]{1,2}", 0u16..=3).prop_map(|(range, weight)| (range, weight * 250 + 250));
        proptest::collection::vec(one, 0..6)
    }

    fn said(likings: &[(String, u16)]) -> String {
        let members =
            likings.iter().map(|(range, weight)| format!("{range};q={}", f32::from(*weight) / 1000.0));
        members.collect::<Vec<_>>().join(", ")
    }

    proptest! {
        #[test]
        fn order_says_nothing_and_weights_do(one in likings(), two in likings()) {
            let set = |likings: &[(String, u16)]| likings.iter().cloned().collect::<std::collections::BTreeSet<_>>();
            let backwards: Vec<_> = one.iter().rev().cloned().collect();
            let read = |likings: &[(String, u16)]| read(&[&said(likings)]).unwrap();
            prop_assert_eq!(read(&one), read(&backwards));
            prop_assert_eq!(read(&one) == read(&two), set(&one) == set(&two));
        }
    }
}
