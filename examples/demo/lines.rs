//! Lines to paste into a shell, one for each thing that the edge does.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use seawall::cli::sign::{self, Carrier, SignArgs};
use seawall::config::Config;
use seawall::http::time::Time;

use crate::common::objects;
use crate::common::origin::Origin;
use crate::edge::Addresses;

const PICTURE: &str = "images/seawall-512.png";
/// A file that opens with a signed URL.
pub const SECRET: &str = "private/report.txt";
/// A folder that does; its page is its index.
pub const ALBUM: &str = "private/album/";

const QUARTER: Duration = Duration::from_secs(15 * 60);

/// Shows the head of the answer and throws the body away.
pub const HEAD: &str = "curl -k -sS -o /dev/null -D -";

/// Writes them, and that all is ready.
pub fn write(out: &mut impl Write, config: &Config, at: &Addresses, origin: &Origin) -> anyhow::Result<()> {
    let (site, admin) = (at.site(), at.admin);
    let etag = origin.etag(PICTURE).context("the bucket has the picture")?;
    let now = Time::from(std::time::SystemTime::now());
    let an_hour_ago = Time::from_secs(now.secs().saturating_sub(3600));
    let url = |key: &str| format!("{site}/{key}");
    let works = signed(config, &url(SECRET), now, QUARTER, Carrier::Query, None)?;
    let expired = signed(config, &url(SECRET), an_hour_ago, QUARTER, Carrier::Query, None)?;
    let album = signed(config, &url(ALBUM), now, QUARTER, Carrier::Path, Some(format!("/{ALBUM}")))?;

    writeln!(
        out,
        "\nready. Open http://localhost:{}/ in a browser, or paste the lines below.\n\
         The edge is at {site}/ too, its origin at http://{}/, its admin page at http://{admin}/.",
        at.http.port(),
        origin.address()
    )?;
    writeln!(out, "Look at Cache-Status and Age in the answers. Ctrl-C stops everything.\n")?;
    let steps = [
        (
            "the origin is private: asked directly, it refuses",
            format!("curl -sS -i http://{}/photos/{PICTURE}", origin.address()),
        ),
        ("a miss: fetched with a signature of the edge's own, and kept", format!("{HEAD} {}", url(PICTURE))),
        ("a hit", format!("{HEAD} {}", url(PICTURE))),
        (
            "a range of 64 MiB: costs the origin the slices it touches",
            format!("{HEAD} -H 'Range: bytes=5000000-5000099' {}", url(objects::LARGE)),
        ),
        ("a conditional request: 304", format!("{HEAD} -H 'If-None-Match: {etag}' {}", url(PICTURE))),
        ("a private path without a signature: 403", format!("curl -k -sS -i {}", url(SECRET))),
        ("with one, good for 15 minutes: 200", format!("curl -k -sS -i '{works}'")),
        ("with one that has expired: 403", format!("curl -k -sS -i '{expired}'")),
        (
            "a folder, with the token in the path: open it in a browser, its pictures load too",
            format!("curl -k -sS '{album}'"),
        ),
        (
            "purge the picture: the next request for it is a miss again",
            format!("curl -sS http://{admin}/purge -d '{{\"urls\": [\"{}\"]}}'", url(PICTURE)),
        ),
        ("metrics", format!("curl -sS http://{admin}/metrics | grep '^seawall_'")),
        ("what is asked for most", format!("curl -sS http://{admin}/hot")),
    ];
    for (what, line) in steps {
        writeln!(out, "# {what}\n{line}\n")?;
    }
    out.flush()?;
    Ok(())
}

/// A URL that `seawall sign` would make at that time.
pub fn signed(
    config: &Config,
    url: &str,
    at: Time,
    expires_in: Duration,
    carrier: Carrier,
    prefix: Option<String>,
) -> anyhow::Result<String> {
    let args = SignArgs {
        file: seawall::cli::ConfigFile::default(),
        key_id: None,
        secret_env: None,
        url: url.parse()?,
        expires_in,
        prefix,
        client_ip: None,
        bind_host: false,
        carrier,
        param: String::new(),
    };
    let mut line = Vec::new();
    sign::run(&args, |_| Ok(config.clone()), at, &mut line)?;
    Ok(String::from_utf8(line)?.trim_end().to_owned())
}
