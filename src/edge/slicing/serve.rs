//! An answer from an object in slices: as from a whole one, but that some bytes may have to be fetched first.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use super::missing::Slices;
use crate::cache::growing::Broken;
use crate::cache::object::Object;
use crate::cache::slice::Manifest;
use crate::edge::body::Source;
use crate::edge::keyed::Keyed;
use crate::edge::lookup::lookup;
use crate::edge::refuse::Refused;
use crate::edge::respond::{self, Answer, Served};
use crate::edge::worker::Worker;
use crate::http::refusal::Refusal;
use crate::telemetry::Pending;

/// An answer to be.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Refused>> + Send + 'a>>;

impl Worker {
    /// Answers from an object in slices. Its head goes out when the first byte is there: if the version turns out
    /// to be gone by then, the client is answered from the new one.
    pub(in crate::edge) fn sliced<'a>(
        &'a self,
        object: Arc<Object>,
        manifest: Arc<Manifest>,
        keyed: &'a Keyed,
        served: Served,
        pending: &'a mut Pending,
    ) -> Answering<'a> {
        Box::pin(async move {
            let now = self.shared.clock.now();
            let slices = Arc::new(Slices::new(self, keyed, &object, &manifest, served));
            let mut answer = respond::from_slices(&slices, keyed, served, &self.shared.server_name, now);
            let Source::Sliced(reader) = answer.response.body_mut() else { return Ok(answer) };
            if reader.all_here() {
                return Ok(answer);
            }
            let all_cached = reader.all_cached();
            if keyed.directives.only_if_cached && !all_cached {
                return Err(Refusal::OnlyIfCached.into());
            }
            match poll_fn(|cx| reader.poll_primed(cx)).await {
                Ok(()) => {}
                // Learnt from the origin a moment ago, and changed again: not to be run after.
                Err(Broken::Changed) if !matches!(served, Served::Filled { .. }) => {
                    let looked = lookup(keyed, &self.shared, self.shared.clock.now());
                    return self.fetch(keyed, looked, pending).await;
                }
                Err(Broken::Answered { status, retry_after }) => {
                    return Err(Refused::as_origin(status, retry_after));
                }
                Err(Broken::Unanswered(refusal)) => return Err(refusal.into()),
                Err(_) => return Err(Refusal::OriginBroken.into()),
            }
            if all_cached {
                return Ok(answer);
            }
            respond::complete_in_part(&mut answer, &object.meta, served, &self.shared.server_name, now);
            Ok(answer)
        })
    }
}
