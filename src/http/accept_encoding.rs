//! Which content codings a client takes: Accept-Encoding, RFC 9110 §12.5.3.

use http::{HeaderMap, header};
use smallvec::SmallVec;

use super::list::{is_tchar, trim};
use super::weight;

/// A content coding the edge knows how to make, in the canonical order of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 8878
    Zstd,
    /// RFC 7932
    Br,
    /// RFC 1952; also spelled `x-gzip`
    Gzip,
    /// Not encoded.
    Identity,
}

impl Coding {
    /// All of them, in canonical order.
    pub const ALL: [Self; 4] = [Self::Zstd, Self::Br, Self::Gzip, Self::Identity];

    /// As Content-Encoding writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    fn of(token: &[u8]) -> Option<Self> {
        let coding = match token.len() {
            2 => Self::Br,
            4 if matches!(token, [b'g' | b'G', ..]) => Self::Gzip,
            4 => Self::Zstd,
            6 => return token.eq_ignore_ascii_case(b"x-gzip").then_some(Self::Gzip),
            8 => Self::Identity,
            _ => return None,
        };
        token.eq_ignore_ascii_case(coding.as_str().as_bytes()).then_some(coding)
    }
}

/// The codings a client takes at all. Which of them it likes best is lost: any of them is a right answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codings {
    /// By [`Coding::ALL`].
    known: [bool; 4],
    /// Lower case, sorted; what the edge does not know, and `*`.
    others: SmallVec<[SmallVec<[u8; 16]>; 2]>,
}

impl Codings {
    /// What the request says. `None`: the field is absent (any coding will do, identity is safest), or breaks its
    /// grammar, and then nothing can be said.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(header::ACCEPT_ENCODING)?;
        let mut stated = [None; 4];
        let mut wildcard = None;
        let mut codings = Self::default();
        for element in
            headers.get_all(header::ACCEPT_ENCODING).iter().flat_map(|line| members(line.as_bytes()))
        {
            let (token, weight) = weight::member(element)?;
            let wanted = weight > 0;
            match Coding::of(token) {
                Some(coding) => {
                    let place = stated.get_mut(coding as usize)?;
                    *place = Some(wanted || *place == Some(true));
                }
                None if token.is_empty() || !token.iter().all(|&byte| is_tchar(byte)) => return None,
                None if token == b"*" => wildcard = Some(wanted),
                None if wanted => {
                    let mut other = SmallVec::from_slice(token);
                    other.make_ascii_lowercase();
                    codings.others.push(other);
                }
                None => {}
            }
        }
        for (coding, stated) in Coding::ALL.into_iter().zip(stated) {
            // Only identity is acceptable without being named, unless `*;q=0` says otherwise.
            let unnamed = wildcard.unwrap_or(coding == Coding::Identity);
            if let Some(place) = codings.known.get_mut(coding as usize) {
                *place = stated.unwrap_or(unnamed);
            }
        }
        if wildcard == Some(true) {
            codings.others.push(SmallVec::from_slice(b"*"));
        }
        codings.others.sort_unstable();
        codings.others.dedup();
        Some(codings)
    }

    /// Whether the client takes `coding`.
    pub fn accepts(&self, coding: Coding) -> bool {
        self.known.get(coding as usize).copied().unwrap_or_default()
    }

    /// The canonical text: equal for equal sets. Codings unknown to the edge stay in it, or a response that an
    /// origin encoded with one would be found by clients that cannot read it.
    pub fn write_to<A: smallvec::Array<Item = u8>>(&self, out: &mut SmallVec<A>) {
        let known = Coding::ALL.into_iter().filter(|&coding| self.accepts(coding));
        let known = known.map(|coding| coding.as_str().as_bytes());
        for (at, name) in known.chain(self.others.iter().map(SmallVec::as_slice)).enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(name);
        }
    }
}

/// The grammar has no quoted strings, so every comma separates.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, line.parse().unwrap());
        }
        let mut out = SmallVec::<[u8; 64]>::new();
        Codings::of(&headers)?.write_to(&mut out);
        Some(String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn what_a_client_takes() {
        for (lines, expected) in [
            (&[][..], None),
            (&[""], Some("identity")),
            (&["gzip"], Some("gzip identity")),
            (&["br, GZIP"], Some("br gzip identity")),
            (&["gzip;q=0.5", "br ; q=1.000"], Some("br gzip identity")),
            (&["gzip, deflate, br, zstd"], Some("zstd br gzip identity deflate")),
            (&["x-gzip"], Some("gzip identity")),
            (&["gzip;q=0, br;q=0.001"], Some("br identity")),
            (&["gzip;q=0, x-gzip"], Some("gzip identity")),
            (&["gzip, identity;q=0"], Some("gzip")),
            (&["gzip, *;q=0"], Some("gzip")),
            (&["identity, *;q=0.000"], Some("identity")),
            (&["*"], Some("zstd br gzip identity *")),
            (&["*, gzip;Q=0."], Some("zstd br identity *")),
            (&["compress, dcb, compress, sdch;q=0"], Some("identity compress dcb")),
            (&["gzip;q=2"], None),
            (&["gzip;q=0.1234"], None),
            (&["gzip;q=1.001"], None),
            (&["gzip;level=9"], None),
            (&["gzip;q=1;q=1"], None),
            (&["gz ip"], None),
            (&[";q=1"], None),
            (&["gzip;"], None),
            (&["Br,ZSTD,Identity;q=0,brrr"], Some("zstd br brrr")),
        ] {
            assert_eq!(read(lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn accepts_answers_per_coding() {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, "br, identity;q=0".parse().unwrap())]);
        let codings = Codings::of(&headers).unwrap();
        let taken: Vec<_> = Coding::ALL.into_iter().filter(|&coding| codings.accepts(coding)).collect();
        assert_eq!(taken, [Coding::Br]);
    }

    proptest! {
        #[test]
        fn the_canonical_text_does_not_depend_on_order(mut tokens in proptest::collection::vec("(gzip|br|zstd|deflate|identity|a)(;q=0\\.[1-9])?", 0..6)) {
            let one = read(&[&tokens.join(",")]);
            tokens.reverse();
            prop_assert!(one.is_some());
            prop_assert_eq!(one, read(&[&tokens.join(" , ")]));
        }

        #[test]
        fn any_bytes_are_read_without_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = http::HeaderValue::from_bytes(&text) {
                Codings::of(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]));
            }
        }
    }
}
