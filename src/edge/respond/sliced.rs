//! An answer from an object in slices: as from a whole one, but that some bytes may have to be fetched first.

use std::future::poll_fn;
use std::sync::Arc;

use super::body::Source;
use super::refusal::Refused;
use super::response::{self, Answer};
use super::served::Served;
use crate::cache::growing::Broken;
use crate::cache::object::Object;
use crate::cache::slice::Manifest;
use crate::edge::request::key::Keyed;
use crate::edge::slices::missing::Slices;
use crate::edge::worker::Worker;
use crate::http::refusal::Refusal;

/// Why there is no answer.
pub enum Unanswered {
    /// The version is gone: the client is to be answered from the new one.
    Changed,
    /// The client is told this.
    Refused(Refused),
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// Answers from an object in slices. Its head goes out when the first byte is there.
///
/// # Errors
/// The first byte did not come.
pub async fn from_slices(
    worker: &Worker,
    object: &Arc<Object>,
    manifest: &Arc<Manifest>,
    keyed: &Keyed,
    served: Served,
) -> Result<Answer, Unanswered> {
    let now = worker.now();
    let was_here = !matches!(served, Served::Filled { .. });
    let slices = Arc::new(Slices::new(worker, keyed, object, manifest, was_here));
    let mut answer = response::from_slices(&slices, keyed, served, now);
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
        Err(Broken::Changed) if was_here => return Err(Unanswered::Changed),
        Err(Broken::Answered { status, retry_after }) => {
            return Err(Unanswered::Refused(Refused::as_origin(status, retry_after)));
        }
        Err(Broken::Unanswered(refusal)) => return Err(refusal.into()),
        Err(_) => return Err(Refusal::OriginBroken.into()),
    }
    if !all_cached {
        response::complete_in_part(&mut answer, &object.meta, keyed, served, now);
    }
    Ok(answer)
}
