//! An origin fetch that many requests wait for.
//!
//! The first miss of a key starts a [`Fill`]; whoever misses the same key meanwhile finds it in [`Fills`] and
//! waits for what its head turns out to be. The fetch runs on its own: no request owns it, so a client that
//! leaves does not stop it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::flight::Interest;
use super::growing::Growing;
use super::key::{KeyHash, Prehashed};
use super::object::{Meta, Object};
use super::reason::Released;
use crate::http::refusal::Refusal;
use crate::policy::outcome::Outcome;

/// What those who wait for a fill are told, once.
#[derive(Debug, Clone)]
pub enum Progress {
    /// The head is here, the response is being stored, and the body can be followed.
    Storing(Arc<Arriving>),
    /// The head is here, the body is kept in slices, and some of them are on their way.
    Sliced(Arc<Sliced>),
    /// There is a whole object to serve: the origin confirmed what was stored, or failed while it may stand in.
    Settled(Settled),
    /// The response is not for sharing; whoever waits goes to the origin on its own.
    Released(Released),
    /// The origin failed, and nothing stored may stand in.
    Failed(Refusal),
}

/// A response that is being stored.
#[derive(Debug)]
pub struct Arriving {
    /// The head.
    pub meta: Meta,
    /// Its length, when the head said so.
    pub length: Option<u64>,
    /// The bytes.
    pub body: Arc<Growing>,
}

/// A response that is kept in slices.
#[derive(Debug)]
pub struct Sliced {
    /// Head and manifest.
    pub object: Arc<Object>,
    /// Keeps what brings the first slices going until those who were told have begun to read.
    pub interest: Option<Interest>,
}

/// An object to serve at the end of a fill.
#[derive(Debug, Clone)]
pub struct Settled {
    /// What to serve.
    pub object: Arc<Object>,
    /// `Revalidated`, `Stale` when the origin failed, or `Miss` for a part that was fetched.
    pub outcome: Outcome,
    /// The origin's status, if it answered.
    pub origin_status: Option<u16>,
}

/// One fetch and those who wait for it.
#[derive(Debug, Default)]
pub struct Fill {
    state: Mutex<State>,
    began: OnceLock<u64>,
}

#[derive(Debug, Default)]
struct State {
    progress: Option<Progress>,
    waiting: Vec<Waker>,
}

impl Fill {
    /// Tells all who wait, and who will. The first word counts.
    pub fn tell(&self, progress: Progress) {
        let mut state = self.state.lock();
        state.progress.get_or_insert(progress);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Says which purge was the last before the origin was asked.
    pub fn begin(&self, sequence: u64) {
        let _ = self.began.set(sequence);
    }

    /// Which purge was the last before the origin was asked, once that is known.
    pub fn began(&self) -> Option<u64> {
        self.began.get().copied()
    }

    /// What has been told so far.
    pub fn progress(&self) -> Option<Progress> {
        self.state.lock().progress.clone()
    }

    /// Waits for [`Fill::tell`].
    pub async fn told(&self) -> Progress {
        let mut place = None;
        poll_fn(|cx| self.poll_told(cx, &mut place)).await
    }

    fn poll_told(&self, cx: &mut Context<'_>, place: &mut Option<usize>) -> Poll<Progress> {
        let mut state = self.state.lock();
        if let Some(progress) = &state.progress {
            return Poll::Ready(progress.clone());
        }
        // `waiting` is emptied only when `progress` is set, so a place in it holds until then.
        match *place {
            Some(place) => state.waiting[place].clone_from(cx.waker()),
            None => {
                *place = Some(state.waiting.len());
                state.waiting.push(cx.waker().clone());
            }
        }
        Poll::Pending
    }
}

const SHARDS: usize = 64;

/// The fills under way, by where their object would be kept.
#[derive(Debug)]
pub struct Fills {
    shards: [Mutex<HashMap<KeyHash, Arc<Fill>, Prehashed>>; SHARDS],
}

impl Default for Fills {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

/// Which side of a fill a request is on.
#[derive(Debug)]
pub enum Side {
    /// It must start the fetch; the fill is listed until the guard is dropped.
    Lead(Leading),
    /// Somebody else did.
    Follow(Arc<Fill>),
}

/// Keeps a fill listed. Dropped without a word (a panic, an aborted task), it releases all who wait.
#[derive(Debug)]
pub struct Leading {
    listed: Option<(Arc<Fills>, KeyHash)>,
    fill: Arc<Fill>,
}

impl Fills {
    /// Joins the fill at `hash`, or begins one.
    pub fn join(self: &Arc<Self>, hash: KeyHash) -> Side {
        let mut shard = self.shard(hash).lock();
        if let Some(fill) = shard.get(&hash) {
            return Side::Follow(Arc::clone(fill));
        }
        let fill = Arc::new(Fill::default());
        shard.insert(hash, Arc::clone(&fill));
        Side::Lead(Leading { listed: Some((Arc::clone(self), hash)), fill })
    }

    /// The fill under way at `hash`.
    pub fn get(&self, hash: KeyHash) -> Option<Arc<Fill>> {
        self.shard(hash).lock().get(&hash).cloned()
    }

    /// Takes a fill off the list, if it is still there: who comes now does not want what it brings.
    pub fn unlist(&self, hash: KeyHash, fill: &Arc<Fill>) {
        let mut shard = self.shard(hash).lock();
        if shard.get(&hash).is_some_and(|listed| Arc::ptr_eq(listed, fill)) {
            shard.remove(&hash);
        }
    }

    fn shard(&self, hash: KeyHash) -> &Mutex<HashMap<KeyHash, Arc<Fill>, Prehashed>> {
        // The map inside uses the low bits.
        &self.shards[(hash.0 >> 120) as usize % SHARDS]
    }
}

impl Leading {
    /// Of a fill that nobody else can find.
    pub fn alone() -> Self {
        Self { listed: None, fill: Arc::default() }
    }

    /// The fill.
    pub fn fill(&self) -> &Arc<Fill> {
        &self.fill
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        if let Some((fills, hash)) = &self.listed {
            fills.unlist(*hash, &self.fill);
        }
        self.fill.tell(Progress::Released(Released::Abandoned));
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::NotStored;
    use super::*;
    use crate::policy::storable::NoStore;

    const PRIVATE: Released = Released::NotStored(NotStored::Policy(NoStore::Private));

    fn lead(fills: &Arc<Fills>, hash: u128) -> Leading {
        match fills.join(KeyHash(hash)) {
            Side::Lead(leading) => leading,
            Side::Follow(_) => panic!("somebody leads already"),
        }
    }

    #[tokio::test]
    async fn one_leads_and_the_others_are_told() {
        let fills = Arc::new(Fills::default());
        let leading = lead(&fills, 1);
        let Side::Follow(followed) = fills.join(KeyHash(1)) else { panic!("two lead") };
        let waiting = tokio::spawn(async move { followed.told().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        leading.fill().tell(Progress::Failed(Refusal::OriginTimeout));
        assert!(matches!(waiting.await.unwrap(), Progress::Failed(Refusal::OriginTimeout)));
        drop(lead(&fills, 2));
    }

    #[tokio::test]
    async fn a_leader_that_vanishes_releases_its_followers() {
        let fills = Arc::new(Fills::default());
        let leading = lead(&fills, 1);
        let followed = fills.get(KeyHash(1)).unwrap();
        drop(leading);
        assert!(matches!(followed.told().await, Progress::Released(Released::Abandoned)));
        drop(lead(&fills, 1));
    }

    #[test]
    fn a_fill_that_is_off_the_list_does_not_take_its_successor_along() {
        let fills = Arc::new(Fills::default());
        let first = lead(&fills, 1);
        fills.unlist(KeyHash(1), first.fill());
        let second = lead(&fills, 1);
        drop(first);
        let listed = fills.get(KeyHash(1)).unwrap();
        assert!(Arc::ptr_eq(&listed, second.fill()));
    }

    #[tokio::test]
    async fn the_first_word_counts() {
        let fill = Fill::default();
        fill.tell(Progress::Released(PRIVATE));
        fill.tell(Progress::Failed(Refusal::OriginTimeout));
        assert!(matches!(fill.told().await, Progress::Released(PRIVATE)));
    }
}
