//! Makes the validated types from the checked tree: one file per part of `edge.toml`.

mod certificates;
mod fields;
mod hosts;
mod listener;
mod operate;
mod pool;
mod route;
mod s3;
mod server;
mod signed;
mod site;

use std::path::Path;

use super::key::{Key, Keys, Many};
use super::keys::{self, CACHE, DISK, FILE, MEMORY};
use super::node::quoted;
use super::section::Section;
use super::units::show_size;
use super::{Cache, Config, Disk, Memory};

/// Reads the whole. What it gives is worth something only if no error was recorded.
pub(super) fn config(root: Section<'_, keys::File>) -> Config {
    let listeners = listener::all(root);
    let admin = operate::admin(root.table(&FILE.admin), &listeners);
    let pools = pool::all(root);
    let sites = site::all(root, &pools);
    needed(root, &FILE.listener);
    needed(root, &FILE.site);
    Config {
        server: server::server(root.table(&FILE.server)),
        listeners,
        cache: Cache {
            memory: memory(root.table(&FILE.cache).table(&CACHE.memory)),
            disk: disk(root.table(&FILE.cache).table(&CACHE.disk)),
        },
        pools: pools.into_iter().map(|pool| pool.pool).collect(),
        sites,
        admin,
        log: operate::log(root.table(&FILE.log)),
    }
}

/// At least one of these tables must be there.
fn needed<T: Keys>(root: Section<'_, keys::File>, key: &Key<keys::File, Many<T>>) {
    if !root.written_list(key) && !root.cx.misnamed.contains(key.name()) {
        root.error(key, format!("there is no [[{}]]", key.name()));
    }
}

fn memory(memory: Section<'_, keys::Memory>) -> Memory {
    let capacity = memory.get(&MEMORY.capacity);
    let max_object = memory.get(&MEMORY.max_object);
    if memory.node(&MEMORY.max_object).is_none() {
        return Memory { capacity, max_object: max_object.min(capacity) };
    }
    if capacity > 0 && max_object > capacity {
        memory.error(
            &MEMORY.max_object,
            "\"cache.memory.max_object\" is larger than \"cache.memory.capacity\"",
        );
    }
    Memory { capacity, max_object }
}

fn disk(disk: Section<'_, keys::Disk>) -> Option<Disk> {
    if !disk.written() {
        return None;
    }
    let path = disk.get(&DISK.path);
    if path.is_none() && disk.is_sound(&DISK.path) {
        disk.error(&DISK.path, "\"cache.disk.path\" is empty");
    }
    let capacity = disk.get(&DISK.capacity);
    let place = path.as_deref().and_then(|path| path.ancestors().find(|path| path.exists()));
    if let Some(place) = place {
        let shown = quoted(&place.to_string_lossy());
        // No errors: an edge whose disk is not there serves without it, and tries again.
        if !place.is_dir() {
            let message = format!(
                "\"cache.disk.path\" must be a folder, and {shown} is a file: the edge would serve without its disk"
            );
            disk.remark(&DISK.path, message);
        } else if let Some(size) = file_system_size(place).filter(|size| *size < capacity) {
            let (asked, size) = (show_size(capacity), show_size(size >> 20 << 20));
            let message = format!(
                "\"cache.disk.capacity\" is {asked}, and the file system of {shown} has {size} in all"
            );
            disk.remark(&DISK.capacity, message);
        }
    }
    Some(Disk { path: path.unwrap_or_default(), capacity, admission: disk.get(&DISK.admission) })
}

/// Bytes of the file system that a path is on, used or not.
fn file_system_size(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    stat.f_blocks.checked_mul(stat.f_frsize)
}

/// Whether a file could be made at a path, as far as its folder goes.
fn is_in_a_folder(path: &Path) -> bool {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => true,
        Some(folder) => folder.is_dir(),
        None => false,
    }
}
