//! `seawall purge`: asks a running edge's admin listener to let go of what it has cached.

use std::io::Write;

use anyhow::{Context, bail, ensure};
use clap::Args;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{AdminArgs, Client, counted};

const EXAMPLES: &str = "\
Examples:
  One URL with all its variants; the next request goes to the origin:
    seawall purge --url https://photos.example.com/a.jpg

  A folder (--url 'https://photos.example.com/albums/7/*' is the same), and everything that the origin tagged album-7:
    seawall purge --prefix https://photos.example.com/albums/7/ --tag album-7

  A whole site, softly: confirmed before it is served again, and good while the origin is down:
    seawall purge --site photos.example.com --soft

  An edge elsewhere, with the token of its admin.token:
    seawall purge --admin http://10.0.0.7:9090 --token-env SEAWALL_ADMIN_TOKEN --all

It is in effect when the command ends. Several selectors make one purge: all of it,
or none and exit code 1.";

/// Make a running edge let go of what it has cached.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PurgeArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// A resource with all its variants; may be repeated
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Everything that begins with this URL, byte for byte; may be repeated
    #[arg(long, value_name = "URL")]
    prefix: Vec<String>,
    /// Everything that the origin gave this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Everything of the site that lists this host; may be repeated
    #[arg(long, value_name = "HOST")]
    site: Vec<String>,
    /// Everything there is
    #[arg(long)]
    all: bool,
    /// Stale rather than gone
    #[arg(long)]
    soft: bool,
}

/// Runs the command.
///
/// # Errors
/// The edge can't be reached, or refuses: then nothing was purged.
pub fn run(args: &PurgeArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let PurgeArgs { url, prefix, tag, site, all, soft, .. } = args;
    ensure!(
        *all || [url, prefix, tag, site].iter().any(|list| !list.is_empty()),
        "name what to purge: --url, --prefix, --tag, --site or --all"
    );
    let body = json!({
        "urls": url, "prefixes": prefix, "tags": tag, "sites": site, "everything": all, "soft": soft
    });
    let client = Client::new(&args.admin)?;
    let said = client.ask(Method::POST, "/purge", Some(&body))?;
    if said.status != StatusCode::OK {
        let (refusal, answer) = (client.refusal(&said), said.json());
        let field = answer.get("field").and_then(Value::as_str).unwrap_or_default();
        match in_our_words(args, field) {
            Some(ours) => bail!("{}", refusal.replace(&format!("\"{field}\""), &ours)),
            None => bail!("{refusal}"),
        }
    }
    let sequence =
        said.json().get("sequence").and_then(Value::as_u64).context("not the answer of an edge")?;
    let softly = if *soft { ", softly" } else { "" };
    writeln!(out, "purged {}{softly} (sequence {sequence})", summary(args))?;
    Ok(())
}

/// What was purged, as a person counts it.
fn summary(args: &PurgeArgs) -> String {
    let counts = [(&args.url, "URL"), (&args.prefix, "prefix"), (&args.tag, "tag"), (&args.site, "site")];
    let named =
        counts.iter().filter(|(list, _)| !list.is_empty()).map(|(list, noun)| match (list.len(), *noun) {
            (2.., "prefix") => format!("{} prefixes", list.len()),
            (count, noun) => counted(count as u64, noun),
        });
    named.chain(args.all.then(|| "everything".to_owned())).collect::<Vec<_>>().join(", ")
}

/// The edge names a field of its API, `urls[1]`: here that is an option and its value.
fn in_our_words(args: &PurgeArgs, field: &str) -> Option<String> {
    let (list, rest) = field.split_once('[')?;
    let (option, values) = match list {
        "urls" => ("--url", &args.url),
        "prefixes" => ("--prefix", &args.prefix),
        "tags" => ("--tag", &args.tag),
        "sites" => ("--site", &args.site),
        _ => return None,
    };
    let value = values.get(rest.strip_suffix(']')?.parse::<usize>().ok()?)?;
    Some(format!("{option} {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::admin;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: PurgeArgs,
    }

    fn failure(arguments: &[&str]) -> String {
        let command = Command::try_parse_from(std::iter::once(&"purge").chain(arguments)).unwrap();
        format!("{:#}", run(&command.args, &mut Vec::new()).unwrap_err())
    }

    #[test]
    fn what_can_not_be_done_is_said() {
        assert!(failure(&[]).contains("name what to purge"));
        assert!(failure(&["--soft"]).contains("name what to purge"));
        assert!(
            failure(&["--all", "--token-env", "SEAWALL_NO_SUCH_VARIABLE"])
                .contains("SEAWALL_NO_SUCH_VARIABLE")
        );
        assert!(failure(&["--all", "--admin", "https://127.0.0.1:1"]).contains("must be like"));
        assert!(
            failure(&["--all", "--admin", "http://127.0.0.1:1"])
                .contains("POST /purge at http://127.0.0.1:1/: is the edge running")
        );
    }

    #[test]
    fn what_was_purged_is_counted_in_plain_words() {
        let admin = admin(None);
        let purge = |more: &[&str]| {
            let words = ["purge", "--admin", &admin.url].into_iter().chain(more.iter().copied());
            let mut out = Vec::new();
            run(&Command::try_parse_from(words).unwrap().args, &mut out)?;
            anyhow::Ok(String::from_utf8(out)?)
        };
        for (arguments, said) in [
            (&["--tag", "a"][..], "purged 1 tag (sequence 1)\n"),
            (
                &["--tag", "a", "--tag", "b", "--url", "http://a.example/x", "--soft"],
                "purged 1 URL, 2 tags, softly (sequence 2)\n",
            ),
            (
                &["--prefix", "http://a.example/", "--prefix", "http://a.example/b", "--all"],
                "purged 2 prefixes, everything (sequence 3)\n",
            ),
        ] {
            assert_eq!(purge(arguments).unwrap(), said);
        }
        let refused = purge(&["--url", "http://a.example/*.jpg"]).unwrap_err().to_string();
        assert_eq!(
            refused,
            "400 Bad Request: --url http://a.example/*.jpg has a * that is not at its end: the prefix http://a.example/ takes all that it could mean"
        );
        assert_eq!(admin.state.edge.store.purge_head(), 3, "nothing of it is purged");
    }
}
