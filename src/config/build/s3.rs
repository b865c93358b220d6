//! `[pool.s3]`

use crate::config::keys::{self, CREDENTIALS, S3 as KEYS};
use crate::config::section::{Section, WordOrTable};
use crate::config::{S3, S3Credentials, Secret};

pub(super) fn s3(section: Section<'_, keys::S3>) -> S3 {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let (bucket, region) = (section.get(&KEYS.bucket), section.get(&KEYS.region));
    if bucket.as_ref().is_some_and(|bucket| !plain(bucket) || bucket.len() > 255) {
        let shown = section.shown(&KEYS.bucket);
        section.error(&KEYS.bucket, format!("\"pool.s3.bucket\" is not a bucket name: {shown}"));
    }
    if !plain(&region) || region.len() > 64 {
        let shown = section.shown(&KEYS.region);
        section.error(&KEYS.region, format!("\"pool.s3.region\" is not a region name: {shown}"));
    }
    if section.node(&KEYS.region).is_some() && region.is_empty() && section.is_sound(&KEYS.region) {
        section.error(
            &KEYS.region,
            "\"pool.s3.region\" is empty: signatures need the bucket's region, such as \"eu-central-1\"",
        );
    }
    let prefix = section.get(&KEYS.prefix);
    let index = section.get(&KEYS.index);
    if prefix.starts_with('/') {
        section.error(
            &KEYS.prefix,
            format!("\"pool.s3.prefix\" must not begin with \"/\": {}", section.shown(&KEYS.prefix)),
        );
    }
    if index.as_ref().is_some_and(|index| index.contains('/')) {
        section.error(
            &KEYS.index,
            format!("\"pool.s3.index\" must be the name of a file, not {}", section.shown(&KEYS.index)),
        );
    }
    S3 {
        bucket,
        region,
        style: section.get(&KEYS.style),
        prefix,
        index,
        credentials: credentials(section),
        not_found: section.get(&KEYS.not_found),
    }
}

fn credentials(section: Section<'_, keys::S3>) -> S3Credentials {
    let table = match section.word_or_table(&KEYS.credentials) {
        WordOrTable::Table(table) => table,
        WordOrTable::Word(word) if word == "anonymous" => return S3Credentials::Anonymous,
        WordOrTable::Word(_) => return S3Credentials::Default,
    };
    let access_key_id = table.get(&CREDENTIALS.access_key_id);
    // It is written into the Authorization field, before a "/".
    if !access_key_id.bytes().all(|b| b.is_ascii_graphic() && !b"/,".contains(&b)) {
        table.error(
            &CREDENTIALS.access_key_id,
            "\"pool.s3.credentials.access_key_id\" has characters that no access key has",
        );
    }
    S3Credentials::Static {
        access_key_id,
        secret_access_key: table.get(&CREDENTIALS.secret_access_key).unwrap_or_else(|| Secret::new("")),
        session_token: table.get(&CREDENTIALS.session_token),
    }
}
