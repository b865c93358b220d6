//! `seawall prefetch`: asks a running edge to fetch a list of URLs into its cache.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::client::{AdminArgs, Client, counted};

/// Between two questions how far the job is.
const PAUSE: Duration = Duration::from_millis(200);

/// Fetch URLs into the cache of a running edge.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  seawall prefetch https://photos.example.com/a.jpg https://photos.example.com/b.jpg
  seawall prefetch --from urls.txt --no-wait

Exit code: 0 if every URL was answered with a status below 400, else 1.")]
pub struct PrefetchArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// A file with one URL a line; - is standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Do not wait until all are fetched
    #[arg(long)]
    no_wait: bool,
    /// URLs
    #[arg(value_name = "URL")]
    urls: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// The edge can't be reached, or refuses: then nothing is fetched.
pub fn run(args: &PrefetchArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut urls = args.urls.clone();
    if let Some(path) = &args.from {
        urls.extend(lines(path).with_context(|| format!("--from {}", path.display()))?);
    }
    ensure!(!urls.is_empty(), "name what to fetch: one or more URLs, or --from FILE");
    let client = Client::new(&args.admin)?;
    let mut job = client.json(Method::POST, "/prefetch", Some(&json!({ "urls": urls })))?;
    let number = |job: &Value, name: &str| job.get(name).and_then(Value::as_u64);
    let id = number(&job, "id").context("not the answer of an edge")?;
    if args.no_wait {
        writeln!(out, "job {id}: {} to fetch", counted(urls.len() as u64, "URL"))?;
        return Ok(ExitCode::SUCCESS);
    }
    while job.get("state").and_then(Value::as_str) != Some("finished") {
        std::thread::sleep(PAUSE);
        job = client.json(Method::GET, &format!("/prefetch/{id}"), None)?;
    }
    let count = |name| number(&job, name).unwrap_or_default();
    let (total, ok, cached, failed) = (count("total"), count("ok"), count("cached"), count("failed"));
    writeln!(out, "{}: {ok} fetched, {cached} in the cache, {failed} failed", counted(total, "URL"))?;
    for failure in job.get("failures").and_then(Value::as_array).into_iter().flatten() {
        let text = |name| failure.get(name).and_then(Value::as_str).unwrap_or_default();
        writeln!(out, "  {}: {}", text("url"), text("reason"))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let lines: Vec<String> = match path == Path::new("-") {
        true => std::io::stdin().lock().lines().collect::<Result<_, _>>()?,
        false => std::io::BufReader::new(std::fs::File::open(path)?).lines().collect::<Result<_, _>>()?,
    };
    Ok(lines.into_iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::testing::admin;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: PrefetchArgs,
    }

    #[test]
    fn a_list_is_fetched_and_what_failed_is_told() {
        let admin = admin(None);
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("urls");
        std::fs::write(&list, "http://a.example/x\n\n https://a.example/y \n").unwrap();
        let run = |more: &[&str]| {
            let words = ["prefetch", "--admin", &admin.url].into_iter().chain(more.iter().copied());
            let mut out = Vec::new();
            let code = run(&Cli::try_parse_from(words).unwrap().args, &mut out)?;
            anyhow::Ok((code, String::from_utf8(out)?))
        };
        // The edge has no origin behind it.
        let (code, text) = run(&["http://a.example/z", "--from", list.to_str().unwrap()]).unwrap();
        assert_eq!(code, ExitCode::FAILURE);
        assert!(text.starts_with("3 URLs: 0 fetched, 0 in the cache, 3 failed\n"), "{text}");
        assert!(text.contains("  https://a.example/y: status 502\n"), "{text}");
        let (code, text) = run(&["http://a.example/z", "--no-wait"]).unwrap();
        assert_eq!((code, text.as_str()), (ExitCode::SUCCESS, "job 2: 1 URL to fetch\n"));
        assert!(run(&[]).unwrap_err().to_string().contains("name what to fetch"));
        assert!(run(&["http://b.example/"]).unwrap_err().to_string().contains("urls[0]"));
        admin.state.prefetcher.stop();
    }
}
