//! Damaged while nobody looks, or while it runs: a damaged record is a miss.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::client::ask;
use super::edge::Edge;
use super::origin::{Origin, version};
use super::random::{Random, cycles};

const OBJECTS: u64 = 200;

fn path(i: u64) -> String {
    format!("/{i}")
}

/// Flips bits, shortens, overwrites with noise, or deletes.
fn damage(cache: &Path, random: &mut Random) {
    let mut files: Vec<_> = fs::read_dir(cache).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    if files.is_empty() {
        // All were deleted the last time, and nothing was written since.
        return;
    }
    for _ in 0..1 + random.below(40) {
        let path = &files[random.below(files.len() as u64) as usize];
        let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { continue };
        let len = file.metadata().unwrap().len().max(1);
        let at = random.below(len);
        match random.below(40) {
            0 => file.set_len(at).unwrap(),
            1 => {
                let noise: Vec<u8> = (0..random.below(9_000)).map(|_| random.below(256) as u8).collect();
                file.write_all_at(&noise, at).unwrap();
            }
            2 if random.below(4) == 0 => fs::remove_file(path).unwrap(),
            _ => {
                let mut byte = [0];
                if file.read_at(&mut byte, at).unwrap() == 1 {
                    file.write_all_at(&[byte[0] ^ 1 << random.below(8)], at).unwrap();
                }
            }
        }
    }
}

/// Asks for everything; how many were hits.
fn read_all(edge: &mut Edge) -> u32 {
    let mut hits = 0;
    for i in 0..OBJECTS {
        let path = path(i);
        let seen = ask(edge.address, "GET", &path).unwrap();
        assert_eq!((seen.status, version(&path, &seen.body)), (200, Some(0)), "{path}");
        hits += u32::from(seen.hit);
    }
    assert!(edge.runs());
    hits
}

#[test]
fn damaged_files_cost_hits_and_nothing_else() {
    let mut random = Random::new("damage");
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let cache = folder.path().join("cache");
    for cycle in 0..cycles(4) {
        let mut edge = Edge::start(folder.path(), &origin, "512MiB");
        edge.recovered();
        read_all(&mut edge);
        let begun = std::time::Instant::now();
        while edge.metric("seawall_cache_entries{tier=\"disk\"}") < OBJECTS as f64 {
            assert!(begun.elapsed() < std::time::Duration::from_secs(20), "not all is written");
            // What was damaged and kept in RAM since is not written again: ask for it once RAM has lost it.
            read_all(&mut edge);
        }
        if random.below(2) == 0 {
            damage(&cache, &mut random);
            read_all(&mut edge);
        }
        edge.kill();
        damage(&cache, &mut random);
        let mut edge = Edge::start(folder.path(), &origin, "512MiB");
        edge.recovered();
        let hits = read_all(&mut edge);
        eprintln!("cycle {cycle}: {hits} of {OBJECTS} are hits");
        edge.kill();
    }
}
