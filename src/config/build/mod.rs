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

use super::node::quoted;
use super::section::Section;
use super::units::show_size;
use super::{Admission, Cache, Config, Disk, Memory};

/// Reads the whole. What it gives is worth something only if no error was recorded.
pub(super) fn config(root: Section<'_>) -> Config {
    let listeners = listener::all(root);
    let admin = operate::admin(root.section("admin"), &listeners);
    let pools = pool::all(root);
    let sites = site::all(root, &pools);
    for (key, present) in [("listener", root.written_list("listener")), ("site", root.written_list("site"))] {
        if !present && !root.cx.misnamed.contains(key) {
            root.error(key, format!("there is no [[{key}]]"));
        }
    }
    Config {
        server: server::server(root.section("server")),
        listeners,
        cache: Cache {
            memory: memory(root.section("cache").section("memory")),
            disk: disk(root.section("cache").section("disk")),
        },
        pools: pools.into_iter().map(|pool| pool.pool).collect(),
        sites,
        admin,
        log: operate::log(root.section("log")),
    }
}

fn memory(memory: Section<'_>) -> Memory {
    let capacity = memory.size("capacity");
    let max_object = memory.size("max_object");
    if memory.node("max_object").is_none() {
        return Memory { capacity, max_object: max_object.min(capacity) };
    }
    if capacity > 0 && max_object > capacity {
        memory.error("max_object", "\"cache.memory.max_object\" is larger than \"cache.memory.capacity\"");
    }
    Memory { capacity, max_object }
}

fn disk(disk: Section<'_>) -> Option<Disk> {
    if !disk.written() {
        return None;
    }
    let path = disk.path("path");
    if path.is_none() && disk.is_sound("path") {
        disk.error("path", "\"cache.disk.path\" is empty");
    }
    let capacity = disk.size("capacity");
    let place = path.as_deref().and_then(|path| path.ancestors().find(|path| path.exists()));
    if let Some(place) = place {
        let shown = quoted(&place.to_string_lossy());
        // No errors: an edge whose disk is not there serves without it, and tries again.
        if !place.is_dir() {
            let message = format!(
                "\"cache.disk.path\" must be a folder, and {shown} is a file: the edge would serve without its disk"
            );
            disk.remark("path", message);
        } else if let Some(size) = file_system_size(place).filter(|size| *size < capacity) {
            let (asked, size) = (show_size(capacity), show_size(size >> 20 << 20));
            let message = format!(
                "\"cache.disk.capacity\" is {asked}, and the file system of {shown} has {size} in all"
            );
            disk.remark("capacity", message);
        }
    }
    Some(Disk {
        path: path.unwrap_or_default(),
        capacity,
        admission: disk.choice("admission", &[("second-hit", Admission::SecondHit), ("all", Admission::All)]),
    })
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
