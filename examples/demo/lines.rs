//! Lines to paste into a shell, one for each thing that the edge does.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use seawall::cli::sign::{self, Carrier, SignArgs};
use seawall::config::Config;
use seawall::http::time::Time;

use crate::common::objects;
use crate::common::origin::Origin;
use crate::edge::Edge;

const PICTURE: &str = "images/seawall-512.png";
const SECRET: &str = "private/report.txt";
const ALBUM: &str = "private/album/";

/// Shows the head of the answer and throws the body away.
const HEAD: &str = "curl -k -sS -o /dev/null -D -";

/// Writes them, and that all is ready.
pub fn write(out: &mut impl Write, edge: &Edge, origin: &Origin) -> anyhow::Result<()> {
    let site = format!("https://localhost:{}", edge.https.port());
    let admin = edge.admin;
    let etag = origin.etag(PICTURE).context("the bucket has the picture")?;
    let now = Time::system();
    let an_hour_ago = Time::from_secs(now.secs().saturating_sub(3600));
    let url = |key: &str| format!("{site}/{key}");
    let works = signed(&edge.config, &url(SECRET), now, Carrier::Query, None)?;
    let expired = signed(&edge.config, &url(SECRET), an_hour_ago, Carrier::Query, None)?;
    let page = url(&format!("{ALBUM}index.html"));
    let album = signed(&edge.config, &page, now, Carrier::Path, Some(format!("/{ALBUM}")))?;

    writeln!(
        out,
        "\nready. The edge is at {site}/ and http://localhost:{}/, its origin at {}.",
        edge.http.port(),
        origin.address()
    )?;
    writeln!(out, "Look at Cache-Status and Age in what these print; Ctrl-C stops everything.\n")?;
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
        ("metrics", format!("curl -sS http://{admin}/metrics | grep '^seawall_'")),
        ("what is asked for most", format!("curl -sS http://{admin}/hot")),
    ];
    for (what, line) in steps {
        writeln!(out, "# {what}\n{line}\n")?;
    }
    out.flush()?;
    Ok(())
}

fn signed(
    config: &Config,
    url: &str,
    at: Time,
    carrier: Carrier,
    prefix: Option<String>,
) -> anyhow::Result<String> {
    let args = SignArgs {
        file: seawall::cli::ConfigFile::default(),
        key_id: None,
        secret_env: None,
        url: url.parse()?,
        expires_in: Duration::from_secs(15 * 60),
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
