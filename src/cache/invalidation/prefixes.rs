//! Which of many stored prefixes a text begins with, without looking at all of them.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Byte strings in order, each with a value.
#[derive(Debug)]
pub(super) struct Prefixes<V>(BTreeMap<Box<[u8]>, V>);

impl<V> Default for Prefixes<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> Prefixes<V> {
    pub(super) fn entry(&mut self, prefix: &[u8]) -> &mut V
    where
        V: Default,
    {
        self.0.entry(prefix.into()).or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.0.iter().map(|(prefix, value)| (&**prefix, value))
    }

    pub(super) fn remove(&mut self, prefix: &[u8]) -> Option<V> {
        self.0.remove(prefix)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The values of all stored prefixes of `text`, longest first.
    ///
    /// The greatest stored string not above `text` is either a prefix of it, or what the two have in common is all
    /// that a shorter prefix can have: whatever lies between a prefix of `text` and `text` begins with that prefix.
    /// Each step looks for a shorter string, so there are at most as many as `text` has bytes, in practice as many
    /// as there are matches and branches on the way; each costs a look into the tree.
    pub(super) fn of<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = &'a V> {
        let mut most = Bound::Included(text);
        std::iter::from_fn(move || {
            loop {
                let (found, value) = self.0.range::<[u8], _>((Bound::Unbounded, most)).next_back()?;
                let common = found.iter().zip(text).take_while(|(a, b)| a == b).count();
                let shorter = text.get(..common)?;
                if common == found.len() {
                    most = Bound::Excluded(shorter);
                    return Some(value);
                }
                most = Bound::Included(shorter);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(texts: &[Vec<u8>]) -> Prefixes<Vec<u8>> {
        let mut prefixes: Prefixes<Vec<u8>> = Prefixes::default();
        for text in texts {
            prefixes.entry(text).clone_from(text);
        }
        prefixes
    }

    #[test]
    fn prefixes_of_a_path() {
        let texts =
            ["h/", "h/a/", "h/a/b/c", "h/a0", "g/", "h/a/bb", ""].map(|text| text.as_bytes().to_vec());
        let prefixes = stored(&texts);
        let found: Vec<_> =
            prefixes.of(b"h/a/b/x").map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        assert_eq!(found, ["h/a/", "h/", ""]);
    }

    proptest! {
        #[test]
        fn exactly_the_prefixes(texts in prop::collection::vec(prop::collection::vec(0u8..3, 0..6), 0..40), text in prop::collection::vec(0u8..3, 0..8)) {
            let mut expected: Vec<_> = texts.iter().filter(|prefix| text.starts_with(prefix)).cloned().collect();
            expected.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            expected.dedup();
            let prefixes = stored(&texts);
            prop_assert_eq!(prefixes.of(&text).cloned().collect::<Vec<_>>(), expected);
        }
    }
}
