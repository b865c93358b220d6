//! Brings slices out of one origin response, no faster than they are read.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::cache::flight::{AHEAD, Claim, Interest, Run};
use crate::cache::growing::{Broken, Growing};
use crate::cache::object::{Touched, Whole, WholeBuilder};
use crate::cache::slice::{Manifest, Slice};
use crate::cache::store::Store;
use crate::origin::OriginBody;

/// Adjacent slices to bring, the next few of them claimed.
pub struct Producer {
    store: Arc<Store>,
    run: Arc<Run>,
    claims: VecDeque<Claim>,
    first: u64,
    /// The next slice to claim, and the one before which to stop.
    next: u64,
    end: u64,
}

impl Producer {
    /// Claims the first `upfront` of `indices`, as far as they are neither here nor under way; `None` if not even
    /// the first is to be brought.
    pub fn claim(
        store: &Arc<Store>,
        manifest: &Arc<Manifest>,
        indices: Range<u64>,
        upfront: u64,
    ) -> Option<Self> {
        let (first, end) = (indices.start, indices.end.min(manifest.count()));
        let run = Run::new(Arc::clone(manifest), first, end, first.saturating_add(1));
        let mut producer =
            Self { store: Arc::clone(store), run, claims: VecDeque::new(), first, next: first, end };
        producer.top_up(upfront);
        (!producer.claims.is_empty()).then_some(producer)
    }

    /// Its side of the bargain, for readers.
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Counts in a reader to be.
    pub fn interest(&self) -> Interest {
        Interest::new(&self.run)
    }

    /// Where the first slice will arrive.
    pub fn first_body(&self) -> Option<Arc<Growing>> {
        self.claims.front().map(|claim| Arc::clone(claim.body()))
    }

    /// The slices claimed; no more than those will be brought from now on.
    pub fn only_claimed(&mut self) -> Range<u64> {
        self.stop_at(self.next);
        self.first..self.end
    }

    fn stop_at(&mut self, index: u64) {
        self.end = index;
        self.run.end_at(index);
    }

    /// Claims until there are `most` claims. What is here or under way already is nobody's loss: it ends there,
    /// and whoever reads on goes on from there.
    fn top_up(&mut self, most: u64) {
        while (self.claims.len() as u64) < most && self.next < self.end {
            let flights = self.store.flights();
            let claim = flights.claim(&self.run, self.next);
            // Asked when it is claimed, so that nobody can finish it in between.
            match claim.filter(|_| !self.store.slice_is_in_memory(&self.run.manifest, self.next)) {
                Some(claim) => self.claims.push_back(claim),
                None => return self.stop_at(self.next),
            }
            self.next += 1;
        }
    }

    /// Brings slices from behind memory as long as they are found there and wanted. What is left is for the origin.
    pub async fn bring_from_behind(&mut self) -> Range<u64> {
        let manifest = Arc::clone(&self.run.manifest);
        while let Some(index) = self.claims.front().map(|claim| claim.index) {
            if !self.run.wanted(index).await {
                self.claims.clear();
                self.first = self.end;
                break;
            }
            let Some(slice) = self.store.promote_slice(&manifest, index).await else { break };
            let Some(claim) = self.claims.pop_front() else { break };
            self.run.begin(index, claim.body());
            slice.body.pieces().iter().for_each(|piece| claim.body().push(piece.clone()));
            claim.finish(Ok(()));
            self.first = index + 1;
        }
        self.first..self.end
    }

    /// Brings the slices out of a body that begins at offset `at`.
    pub async fn bring(mut self, body: OriginBody, at: u64) {
        let mut feed = Feed { body, rest: Bytes::new() };
        if let Err(broken) = self.try_bring(&mut feed, at).await {
            self.store.metrics().broken.inc();
            self.fail(broken);
        }
    }

    /// None of the slices will come.
    pub fn fail(self, broken: Broken) {
        self.claims.into_iter().for_each(|claim| claim.finish(Err(broken)));
    }

    async fn try_bring(&mut self, feed: &mut Feed, at: u64) -> Result<(), Broken> {
        let manifest = Arc::clone(&self.run.manifest);
        let mut index = manifest.within(at, manifest.complete()).start;
        feed.skip(manifest.start(index).saturating_sub(at)).await?;
        // An origin that does not know ranges begins at the beginning. What lies before is worth keeping, but
        // nobody waits for it.
        while index < self.first {
            if self.store.has_slice(&manifest, index) {
                feed.skip(manifest.end(index) - manifest.start(index)).await?;
            } else {
                let body = self.read(feed, index, None).await?;
                self.store(index, body);
            }
            index += 1;
        }
        loop {
            self.top_up(AHEAD + 1);
            let Some(claim) = self.claims.front() else { return Ok(()) };
            if !self.run.wanted(claim.index).await {
                return Ok(());
            }
            let Some(claim) = self.claims.pop_front() else { return Ok(()) };
            self.run.begin(claim.index, claim.body());
            match self.read(feed, claim.index, Some(claim.body())).await {
                Ok(body) => {
                    self.store(claim.index, body);
                    claim.finish(Ok(()));
                }
                Err(broken) => {
                    claim.finish(Err(broken));
                    return Err(broken);
                }
            }
        }
    }

    async fn read(&self, feed: &mut Feed, index: u64, to: Option<&Growing>) -> Result<Whole, Broken> {
        let mut left = self.run.manifest.end(index) - self.run.manifest.start(index);
        let mut whole = WholeBuilder::new(Some(left));
        while left > 0 {
            let bytes = feed.next(left).await?;
            left -= bytes.len() as u64;
            whole.push(&bytes);
            if let Some(to) = to {
                to.push(bytes);
            }
        }
        Ok(whole.finish())
    }

    fn store(&self, index: u64, body: Whole) {
        let slice = Slice { of: Arc::clone(&self.run.manifest), index, body, touched: Touched::default() };
        self.store.keep_slice(Arc::new(slice));
    }
}

/// A response's body, taken in pieces of a size.
struct Feed {
    body: OriginBody,
    rest: Bytes,
}

impl Feed {
    /// The next bytes: at least one, at most `most`, which is not 0.
    async fn next(&mut self, most: u64) -> Result<Bytes, Broken> {
        while self.rest.is_empty() {
            let frame = self.body.frame().await.ok_or(Broken::Origin)?;
            let frame = frame.map_err(|error| {
                tracing::debug!(target: "seawall::origin", %error, "a slice broke off");
                Broken::Origin
            })?;
            self.rest = frame.into_data().unwrap_or_default();
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.rest.len());
        Ok(self.rest.split_to(most))
    }

    async fn skip(&mut self, mut bytes: u64) -> Result<(), Broken> {
        while bytes > 0 {
            bytes -= self.next(bytes).await?.len() as u64;
        }
        Ok(())
    }
}
