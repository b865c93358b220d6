//! A body on its way into the store, read by others meanwhile.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::cache::growing::{Broken, Growing};
use crate::cache::object::{Whole, WholeBuilder};
use crate::cache::reason::NotStored;
use crate::origin::OriginBody;

/// A body on its way is in memory twice: as it came, for those who read it, and as it will be kept.
pub const COPIES: u64 = 2;
/// What is set aside at once for a body of unknown length.
pub const STEP: u64 = 256 * 1024;
/// What is held of a body for which there was no memory any more while it came.
const NARROW: u64 = 1 << 20;
/// Whoever has been told of a body that can't be kept begins to read it within this, or is gone.
const BEGIN_WITHIN: Duration = Duration::from_millis(250);

/// Reads a body into `growing`, which has memory set aside for it.
pub struct Receiver<'a> {
    /// Where it is read from meanwhile.
    pub growing: &'a Growing,
    /// Bytes, if announced.
    pub length: Option<u64>,
    /// Bytes of a body that is kept whole.
    pub most: u64,
    /// Told, while the body still comes, why it will not be kept.
    pub gave_up: &'a (dyn Fn(NotStored) + Sync),
}

impl Receiver<'_> {
    /// Everything that arrives, or `None` when it was too much to keep.
    ///
    /// # Errors
    /// The body broke off, or came to another length than was announced.
    pub async fn receive(&self, mut body: OriginBody) -> Result<Option<Whole>, Broken> {
        let mut whole = Some(WholeBuilder::new(self.length));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                tracing::debug!(target: "seawall::origin", %error, "body broke off");
                Broken::Origin
            })?;
            let Ok(data) = frame.into_data() else { continue };
            whole = whole.and_then(|builder| self.add(builder, &data));
            self.push(data).await?;
        }
        match (&whole, self.length) {
            (Some(builder), Some(length)) if builder.len() != length => Err(Broken::Origin),
            _ => Ok(whole.map(WholeBuilder::finish)),
        }
    }

    /// With `data`, if there is room for it.
    fn add(&self, mut builder: WholeBuilder, data: &[u8]) -> Option<WholeBuilder> {
        builder.push(data);
        let room = COPIES * builder.len().next_multiple_of(STEP);
        let (window, why) = if builder.len() > self.most {
            (self.most, NotStored::TooLarge)
        } else if self.length.is_none() && !self.growing.may_hold(room) {
            (NARROW, NotStored::NoRoom)
        } else {
            return Some(builder);
        };
        self.growing.set_window(window);
        (self.gave_up)(why);
        None
    }

    async fn push(&self, data: Bytes) -> Result<(), Broken> {
        self.growing.push(data);
        // Who is told of it may have left before it could begin.
        let _ = tokio::time::timeout(BEGIN_WITHIN, poll_fn(|cx| self.growing.poll_begun(cx))).await;
        // Only a body too large to keep has a window, and then nobody's reading means nobody's loss.
        poll_fn(|cx| self.growing.poll_room(cx)).await.map_err(|()| Broken::Behind)
    }
}
