//! Bodies made from stored ones: kept with them, found by them, gone with them.

use std::sync::Arc;

use super::store::Store;
use crate::cache::derived::{By, Derived};
use crate::cache::key::Key;
use crate::cache::object::{Content, Object};

impl Store {
    /// Keeps a body that was made from that of `of`, unless something else is stored there by now. Says whether it was
    /// kept.
    pub fn keep_derived(&self, key: &Key, of: &Object, derived: Derived) -> bool {
        let Content::Whole(whole) = &of.body else { return false };
        self.memory.derive(of.place(key), whole, derived).is_some()
    }

    /// The body that was made from that of `of` in this way: one look through a few names, no lookup.
    pub fn find_derived<'a>(&self, of: &'a Object, by: &By) -> Option<&'a Arc<Derived>> {
        match &of.body {
            Content::Whole(whole) => whole.derived(by),
            Content::Sliced(_) | Content::Part(_) => None,
        }
    }
}
