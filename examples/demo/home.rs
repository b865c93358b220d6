//! The page at `/`: pictures, and what to try on the ports and with the secrets of this run.

use std::time::Duration;

use anyhow::Context;
use seawall::cli::sign::Carrier;
use seawall::config::Config;
use seawall::http::time::Time;

use crate::common::objects::Object;
use crate::edge::Addresses;
use crate::lines::{self, ALBUM, HEAD, SECRET};

/// The key that `pool.s3.index` makes of `/`.
pub const KEY: &str = "index.html";

/// How long its links are good.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The object to put in place of the bucket's own `index.html`.
pub fn object(config: &Config, at: &Addresses, now: Time) -> anyhow::Result<Object> {
    let site = at.site();
    let signed = |key: &str, carrier, prefix| -> anyhow::Result<String> {
        let url = lines::signed(config, &format!("{site}/{key}"), now, DAY, carrier, prefix)?;
        // Without scheme and port, so that a link works on the plain listener too.
        Ok(url.strip_prefix(&site).context("a signed URL keeps its site")?.to_owned())
    };
    let report = signed(SECRET, Carrier::Query, None)?;
    let album = signed(ALBUM, Carrier::Path, Some(format!("/{ALBUM}")))?;
    let body = include_str!("home.html")
        .replace("{site}", &site)
        .replace("{admin}", &format!("http://{}/", at.admin))
        .replace("{curl}", HEAD)
        .replace("{report}", &report)
        .replace("{album}", &album);
    Ok(Object {
        key: KEY.into(),
        content_type: "text/html; charset=utf-8",
        // A browser must not keep it: the next run has other secrets.
        cache_control: "max-age=0, s-maxage=60",
        body: body.into(),
    })
}
