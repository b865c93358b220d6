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

use super::section::Section;
use super::{Admission, Cache, Config, Disk, Memory};

/// Reads the whole. What it gives is worth something only if no error was recorded.
pub(super) fn config(root: Section<'_>) -> Config {
    let listeners = listener::all(root);
    let admin = operate::admin(root.section("admin"), &listeners);
    let pools = pool::all(root);
    let sites = site::all(root, &pools);
    for (key, present) in [("listener", root.written_list("listener")), ("site", root.written_list("site"))] {
        if !present {
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
    Some(Disk {
        path: path.unwrap_or_default(),
        capacity: disk.size("capacity"),
        admission: disk.choice("admission", &[("second-hit", Admission::SecondHit), ("all", Admission::All)]),
    })
}
