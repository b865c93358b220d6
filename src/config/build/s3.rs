//! `[pool.s3]`

use crate::config::section::Section;
use crate::config::{S3, S3Credentials, S3Style, Secret};

pub(super) fn s3(section: Section<'_>) -> S3 {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    for (key, longest) in [("bucket", 255), ("region", 64)] {
        if section.filled(key).is_some_and(|text| !plain(&text) || text.len() > longest) {
            section.error(key, format!("\"pool.s3.{key}\" is not a {key} name: {}", section.shown(key)));
        }
    }
    if section.node("region").is_some() && section.filled("region").is_none() && section.is_sound("region") {
        section.error(
            "region",
            "\"pool.s3.region\" is empty: signatures need the bucket's region, such as \"eu-central-1\"",
        );
    }
    let prefix = section.text("prefix").unwrap_or_default();
    let index = section.filled("index");
    if prefix.starts_with('/') {
        section.error(
            "prefix",
            format!("\"pool.s3.prefix\" must not begin with \"/\": {}", section.shown("prefix")),
        );
    }
    if index.as_ref().is_some_and(|index| index.contains('/')) {
        section.error(
            "index",
            format!("\"pool.s3.index\" must be the name of a file, not {}", section.shown("index")),
        );
    }
    S3 {
        bucket: section.filled("bucket"),
        region: section.text("region").unwrap_or_default(),
        style: section.choice("style", &[("path", S3Style::Path), ("virtual-host", S3Style::VirtualHost)]),
        prefix,
        index,
        credentials: credentials(section),
        not_found: section.count("not_found"),
    }
}

fn credentials(section: Section<'_>) -> S3Credentials {
    let table = section.section("credentials");
    if !table.written() {
        return match section.text("credentials").as_deref() {
            Some("anonymous") => S3Credentials::Anonymous,
            _ => S3Credentials::Default,
        };
    }
    let access_key_id = table.text("access_key_id").unwrap_or_default();
    // It is written into the Authorization field, before a "/".
    if !access_key_id.bytes().all(|b| b.is_ascii_graphic() && !b"/,".contains(&b)) {
        table.error(
            "access_key_id",
            "\"pool.s3.credentials.access_key_id\" has characters that no access key has",
        );
    }
    S3Credentials::Static {
        access_key_id,
        secret_access_key: table.secret("secret_access_key").unwrap_or_else(|| Secret::new("")),
        session_token: table.secret("session_token"),
    }
}
