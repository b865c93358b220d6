//! Damage: a miss, and what is older is validated.

use super::*;

#[tokio::test]
async fn a_torn_end_loses_what_was_being_written() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "whole", 300);
    put(&tier, "torn", 300);
    listed(&tier, "torn").await;
    tier.close();
    let file = world.files().pop().unwrap();
    let bytes = fs::read(&file).unwrap();
    let record = (bytes.len() - super::record::SEGMENT_HEAD as usize) / 2;
    // Every length that cuts the last record, its padding aside.
    for cut in (9..=record).step_by(1) {
        fs::write(&file, &bytes[..bytes.len() - cut]).unwrap();
        let tier = world.open().await;
        assert!(has(&tier, "whole", 300).await, "{cut} bytes are missing");
        assert!(!tier.contains(hash("torn")), "{cut} bytes are missing");
        assert!(!read(&tier, "whole").await.unwrap().meta.freshness.always_validate, "torn is not damaged");
        tier.close();
        world.files().iter().filter(|path| **path != file).for_each(|path| fs::remove_file(path).unwrap());
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_a_miss_and_no_more() {
    let world = World::new();
    let tier = world.open().await;
    for name in ["a", "b", "c"] {
        put(&tier, name, 200);
        listed(&tier, name).await;
    }
    tier.close();
    let file = world.files().pop().unwrap();
    let len = fs::metadata(&file).unwrap().len();
    let bytes = fs::read(&file).unwrap();
    for at in 0..len {
        flip(&file, at, 1 << (at % 8));
        let tier = world.open().await;
        let mut found = 0;
        for name in ["a", "b", "c"] {
            found += u32::from(has(&tier, name, 200).await);
        }
        // A segment's head is needed for all of it.
        let least = if at < super::record::SEGMENT_HEAD.into() { 0 } else { 2 };
        assert!(found >= least, "byte {at}: {found} are left");
        tier.close();
        world.files().iter().for_each(|path| fs::remove_file(path).unwrap());
        fs::write(&file, &bytes).unwrap();
    }
}

#[tokio::test]
async fn a_bit_flipped_under_a_running_tier_is_a_miss() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 2000);
    listed(&tier, "a").await;
    let file = world.files().pop().unwrap();
    flip(&file, fs::metadata(&file).unwrap().len() - 500, 4);
    assert!(read(&tier, "a").await.is_none());
    assert!(!tier.contains(hash("a")), "it is not tried again");
    put(&tier, "a", 2000);
    listed(&tier, "a").await;
    assert!(has(&tier, "a", 2000).await);
}

#[tokio::test]
async fn what_is_older_than_damage_is_validated_before_use() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "older", 100);
    listed(&tier, "older").await;
    put(&tier, "hit", 100);
    listed(&tier, "hit").await;
    let at = fs::metadata(world.files().pop().unwrap()).unwrap().len() - 1;
    put(&tier, "newer", 100);
    listed(&tier, "newer").await;
    tier.close();
    // The head of "hit" may have been that of a removal of "older".
    let record = fs::read(world.files().pop().unwrap()).unwrap();
    let head = record.windows(4).enumerate().filter(|(_, window)| *window == b"sWr\x01").map(|(at, _)| at);
    let heads: Vec<_> = head.collect();
    assert!(heads.len() == 3 && heads[1] < at as usize);
    flip(&world.files().pop().unwrap(), heads[1] as u64 + 12, 1);
    let tier = world.open().await;
    assert!(!tier.contains(hash("hit")));
    assert!(read(&tier, "older").await.unwrap().meta.freshness.always_validate);
    assert!(!read(&tier, "newer").await.unwrap().meta.freshness.always_validate);
}

#[tokio::test]
async fn a_missing_or_shortened_segment_makes_what_is_older_suspect() {
    for shortened in [true, false] {
        let world = World { capacity: 2 << 20, ..World::new() };
        let tier = world.open().await;
        put_all(&tier, &names(400), 1000).await;
        tier.close();
        let files = world.files();
        assert!(files.len() > 4);
        if shortened {
            let file = fs::OpenOptions::new().write(true).open(&files[2]).unwrap();
            file.set_len(30_000).unwrap();
        } else {
            fs::remove_file(&files[2]).unwrap();
        }
        let tier = world.open().await;
        assert!(read(&tier, "n0").await.unwrap().meta.freshness.always_validate);
        assert!(!read(&tier, "n399").await.unwrap().meta.freshness.always_validate);
    }
}

#[tokio::test]
async fn foreign_and_foreign_version_files_do_no_harm() {
    let world = World::new();
    let tier = world.open().await;
    put(&tier, "a", 100);
    listed(&tier, "a").await;
    tier.close();
    let mut other_version = fs::read(&world.files()[0]).unwrap();
    other_version[7] += 1;
    fs::write(world.path().join("00000000.seg"), other_version).unwrap();
    fs::write(world.path().join("00000077.seg"), "short").unwrap();
    fs::write(world.path().join("readme.txt"), "mine").unwrap();
    let tier = world.open().await;
    assert!(has(&tier, "a", 100).await);
    put(&tier, "b", 100);
    listed(&tier, "b").await;
    assert!(world.path().join("readme.txt").exists());
}
