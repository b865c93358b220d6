//! The thread that owns the files: recovers the index, writes, and tries again after a failure.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::key::KeyHash;
use super::engine::{Inner, Status};
use super::folder::Folder;
use super::index::Ticket;
use super::log::Log;
use super::queue::{Batch, Item};
use super::recover::recover;

/// Entries that come within this time are written together.
const LINGER: Duration = Duration::from_millis(5);

/// Runs until the tier is closed.
pub(super) fn run(inner: &Arc<Inner>) {
    let mut folder = None;
    loop {
        match session(inner, &mut folder) {
            Ok(()) => return inner.set(Status::Closed),
            Err(error) => {
                let given_up = inner.queue.down();
                inner.metrics.shed.with_label_values(&["down"]).inc_by(given_up as u64);
                inner.metrics.errors.with_label_values(&["write"]).inc();
                // ENOSPC and EDQUOT.
                let is_full =
                    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                inner.metrics.full.set(i64::from(is_full));
                inner.set(Status::Down(error.to_string()));
            }
        }
        if inner.queue.wait_closed(inner.options.retry) {
            return inner.set(Status::Closed);
        }
    }
}

/// From opening the folder to a failure, or the end.
fn session(inner: &Inner, held: &mut Option<Folder>) -> io::Result<()> {
    // The folder is kept over a failure while it is still the same, and with it the index.
    if held.as_ref().is_some_and(|folder| folder.check().is_err()) {
        *held = None;
    }
    let folder = match held.take() {
        Some(folder) => {
            let folder = held.insert(folder);
            folder.probe()?;
            folder
        }
        None => {
            inner.forget_all();
            let folder = Folder::open(&inner.options.path, inner.options.faults.clone())?;
            inner.set(Status::Recovering);
            let began = Instant::now();
            // While it recovers, entries wait as they do for a slow disk.
            inner.queue.up();
            recover(inner, &folder).inspect_err(|_| inner.forget_all())?;
            inner.metrics.recovery.set(began.elapsed().as_secs_f64());
            let (entries, took) = (inner.index.len(), began.elapsed());
            tracing::info!(target: "seawall::disk", entries, ?took, "index read");
            held.insert(folder)
        }
    };
    inner.queue.up();
    inner.metrics.full.set(0);
    inner.set(Status::Up);
    let mut log = Log::new(inner, folder);
    loop {
        let batch = inner.queue.take(inner.options.retry);
        if batch.items.is_empty() && !batch.closed && !batch.forget {
            folder.check()?;
            inner.probe_reads();
            continue;
        }
        let (closed, forget) = (batch.closed, batch.forget);
        let removals = removals(&batch);
        if let Err(error) = write(inner, folder, &mut log, batch) {
            inner.queue.give_back(removals, forget);
            log.abandon();
            return Err(error);
        }
        if closed {
            return Ok(());
        }
        std::thread::sleep(LINGER);
    }
}

/// Writing a removal twice does no harm, so after a failure all of the batch's are due again.
fn removals(batch: &Batch) -> Vec<(KeyHash, Ticket)> {
    let removal = |item: &Item| match item {
        Item::Remove { hash, ticket } => Some((*hash, *ticket)),
        Item::Put { .. } => None,
    };
    batch.items.iter().filter_map(removal).collect()
}

fn write<'a>(inner: &'a Inner, folder: &'a Folder, log: &mut Log<'a>, batch: Batch) -> io::Result<()> {
    if batch.forget {
        tracing::warn!(target: "seawall::disk", "too many removals waited: everything is forgotten");
        let kept = batch.items.first().map_or(0, Item::ticket);
        inner.index.clear();
        inner.index.lift_before(kept);
        *log = Log::new(inner, folder);
        inner.segments.clear();
        for (id, _) in folder.segments()? {
            folder.delete(id)?;
        }
        inner.forgotten();
    }
    for item in batch.items {
        match item {
            Item::Put { hash, ticket, entry } => log.put(hash, ticket, &entry)?,
            Item::Remove { hash, ticket } => log.remove(hash, ticket)?,
        }
    }
    log.flush()
}
