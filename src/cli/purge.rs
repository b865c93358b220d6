//! `seawall purge`: asks a running edge's admin listener to let go of what it has cached.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  One URL with all its variants; the next request goes to the origin:
    seawall purge --url https://photos.example.com/a.jpg

  A folder, and everything that the origin tagged album-7:
    seawall purge --prefix https://photos.example.com/albums/7/ --tag album-7

  A whole site, softly: confirmed before it is served again, and good while the origin is down:
    seawall purge --site photos.example.com --soft

  An edge elsewhere, with the token of its admin.token:
    seawall purge --admin http://10.0.0.7:9090 --token-env SEAWALL_ADMIN_TOKEN --all

It is in effect when the command ends. Several selectors make one purge: all of it,
or none and exit code 1.";

/// How long the edge may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of its answer.
const ANSWER: usize = 64 * 1024;

/// Make a running edge let go of what it has cached.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct PurgeArgs {
    /// The edge's admin listener
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    admin: Uri,
    /// Environment variable that holds the edge's admin.token
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
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
    let token = match &args.token_env {
        Some(name) => Some(std::env::var(name).with_context(|| format!("--token-env {name}"))?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = async { tokio::time::timeout(PATIENCE, post(&args.admin, token.as_deref(), &body)).await };
    let (status, answer) = runtime
        .block_on(asked)
        .with_context(|| format!("{} does not answer", args.admin))
        .flatten()
        .with_context(|| format!("POST /purge at {}", args.admin))?;
    let said: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if status != StatusCode::OK {
        match said.get("error").and_then(Value::as_str) {
            Some(error) => bail!("{status}: {error}"),
            None => bail!("{status}: {}", String::from_utf8_lossy(&answer).trim()),
        }
    }
    let number = |name| said.get(name).and_then(Value::as_u64).context("an answer that is no edge's");
    writeln!(out, "purge {}: {} selectors", number("sequence")?, number("purged")?)?;
    Ok(())
}

async fn post(admin: &Uri, token: Option<&str>, body: &Value) -> anyhow::Result<(StatusCode, Bytes)> {
    ensure!(
        admin.scheme_str() == Some("http") && matches!(admin.path(), "/" | ""),
        "--admin must be like http://127.0.0.1:9090"
    );
    let authority = admin.authority().context("--admin has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = tokio::net::TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::post("/purge")
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    if let Some(token) = token {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).context("the token is no header value")?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER).collect().await;
    let answer = answer.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    connection.abort();
    Ok((status, answer))
}

#[cfg(test)]
mod tests {
    use super::*;
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
                .contains("POST /purge at http://127.0.0.1:1")
        );
    }
}
