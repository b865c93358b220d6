//! `seawall status`, `objects`, `hot` and `healthcheck`: what a running edge says of itself.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{AdminArgs, Client, counted};

/// Say whether a running edge is well, and what it is doing.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  seawall status
  seawall status --admin http://10.0.0.7:9090

Exit code: 0 if the edge is ready for requests, else 1.")]
pub struct StatusArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Show what a running edge has cached for a URL.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  seawall objects https://photos.example.com/a.jpg")]
pub struct ObjectsArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Print the edge's answer as it is
    #[arg(long)]
    json: bool,
    /// The URL
    url: String,
}

/// Show the busiest cache keys of the last minutes.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  seawall hot -n 50")]
pub struct HotArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// How many, 1000 at most
    #[arg(short, value_name = "COUNT", default_value_t = 20)]
    n: u32,
    /// Print the edge's answer as it is
    #[arg(long)]
    json: bool,
}

/// Ask a running edge whether it lives, for a container's health check: exit code 0 or 1.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  seawall healthcheck
  seawall healthcheck --ready")]
pub struct HealthcheckArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Whether it should get requests too: not while it starts or drains
    #[arg(long)]
    ready: bool,
}

/// Runs `seawall healthcheck`.
///
/// # Errors
/// The edge can't be reached: that is no health either.
pub fn healthcheck(args: &HealthcheckArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let said = Client::new(&args.admin)?.ask(Method::GET, path, None)?;
    writeln!(out, "{}", String::from_utf8_lossy(&said.body).trim())?;
    Ok(if said.status == StatusCode::OK { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs `seawall status`.
///
/// # Errors
/// The edge can't be reached.
pub fn status(args: &StatusArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.admin)?;
    let said = client.ask(Method::GET, "/readyz", None)?;
    let readiness = said.json();
    let words = |name: &str| -> Vec<String> {
        let list = readiness.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let is_ready = readiness.get("ready").and_then(Value::as_bool).context("not the answer of an edge")?;
    match is_ready {
        true => writeln!(out, "ready")?,
        false => writeln!(out, "not ready: {}", words("reasons").join(", "))?,
    }
    let impaired = words("impaired");
    if !impaired.is_empty() {
        writeln!(out, "impaired: {}", impaired.join(", "))?;
    }
    let metrics = client.ask(Method::GET, "/metrics", None)?;
    match metrics.status {
        StatusCode::OK => figures(&String::from_utf8_lossy(&metrics.body), out)?,
        _ => writeln!(out, "no figures: /metrics says {}", client.refusal(&metrics))?,
    }
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The few numbers that one wants first.
fn figures(text: &str, out: &mut impl Write) -> anyhow::Result<()> {
    let sum = |name: &str, labels: &[(&str, &str)]| -> u64 {
        let fitting = samples(text, name).filter(|(found, _)| has_all(found, labels));
        fitting.map(|(_, value)| value as u64).sum()
    };
    let build = samples(text, "seawall_build_info").next();
    let version = build.and_then(|(labels, _)| labels.split("version=\"").nth(1)?.split('"').next());
    let up = std::time::Duration::from_secs(sum("seawall_uptime_seconds", &[]));
    writeln!(out, "version {}, up for {}", version.unwrap_or("unknown"), crate::config::show_duration(up))?;
    let outcomes = ["hit", "stale", "revalidated", "miss", "pass", "edge"];
    let counts = outcomes.map(|outcome| sum("seawall_requests_total", &[("outcome", outcome)]));
    let told: Vec<String> = outcomes.iter().zip(counts).map(|(word, n)| format!("{n} {word}")).collect();
    writeln!(out, "requests: {} ({})", counts.iter().sum::<u64>(), told.join(", "))?;
    let refused = sum("seawall_refusals_total", &[]);
    writeln!(out, "refused: {refused}; in flight: {}", sum("seawall_requests_in_flight", &[]))?;
    for tier in ["memory", "disk"] {
        let of = |name: &str| sum(name, &[("tier", tier)]);
        let capacity = of("seawall_cache_capacity_bytes");
        if let Some(share) = of("seawall_cache_bytes").saturating_mul(100).checked_div(capacity) {
            let (bytes, entries) = (of("seawall_cache_bytes"), of("seawall_cache_entries"));
            let (bytes, capacity) = (mib(bytes), mib(capacity));
            writeln!(out, "{tier}: {entries} entries, {bytes} of {capacity} MiB ({share}%)")?;
        }
    }
    Ok(())
}

/// The labels and values of a metric. The edge writes them, so nothing here is checked.
fn samples<'a>(text: &'a str, name: &str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let (labels, value) =
            line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?.rsplit_once(' ')?;
        Some((labels, value.parse().ok()?))
    })
}

fn has_all(labels: &str, wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(name, value)| labels.contains(&format!("{name}=\"{value}\"")))
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// Runs `seawall objects`.
///
/// # Errors
/// The edge can't be reached, or the URL means nothing to it.
pub fn objects(args: &ObjectsArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let target = format!("/objects?url={}", utf8_percent_encode(&args.url, NON_ALPHANUMERIC));
    let cached = Client::new(&args.admin)?.json(Method::GET, &target, None)?;
    if args.json {
        writeln!(out, "{cached}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let objects = cached.get("objects").and_then(Value::as_array).context("not the answer of an edge")?;
    writeln!(out, "{}: {}", args.url, counted(objects.len() as u64, "object"))?;
    if cached.get("uncacheable").and_then(Value::as_bool) == Some(true) {
        writeln!(out, "  its responses could not be stored lately")?;
    }
    for object in objects {
        let text = |name: &str| object.get(name).map(shown).unwrap_or_default();
        writeln!(
            out,
            "  {} in {}: status {}, {} bytes, age {}s, ttl {}s, {}",
            text("state"),
            text("tier"),
            text("status"),
            text("size"),
            text("age"),
            text("ttl"),
            counted(object.get("hits").and_then(Value::as_u64).unwrap_or_default(), "hit"),
        )?;
        for (name, label) in [("selected_by", "variant"), ("etag", "etag"), ("tags", "tags")] {
            let value = text(name);
            if !value.is_empty() {
                writeln!(out, "    {label}: {value}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `seawall hot`.
///
/// # Errors
/// The edge can't be reached, or refuses.
pub fn hot(args: &HotArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let hot = Client::new(&args.admin)?.json(Method::GET, &format!("/hot?n={}", args.n), None)?;
    if args.json {
        writeln!(out, "{hot}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let keys = hot.get("keys").and_then(Value::as_array).context("not the answer of an edge")?;
    writeln!(out, "{:>10} {:>14} {:>10}  key", "hits", "bytes", "rate")?;
    for key in keys {
        let text = |name: &str| key.get(name).map(shown).unwrap_or_default();
        let rate = key.get("rate").and_then(Value::as_f64).unwrap_or_default();
        writeln!(out, "{:>10} {:>14} {rate:>8.1}/s  {}", text("hits"), text("bytes"), text("key"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// On one line, and nothing that a terminal would obey: keys hold what clients sent.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim_end().chars().flat_map(plain).collect(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn plain(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Readiness;
    use crate::cli::client::testing::{Admin, admin};
    use clap::Parser;

    fn arguments<T: Args>(admin: &Admin, more: &[&str]) -> T {
        #[derive(Parser)]
        struct Cli<T: Args> {
            #[command(flatten)]
            arguments: T,
        }
        let words = ["x", "--admin", &admin.url].into_iter().chain(more.iter().copied());
        Cli::<T>::try_parse_from(words).unwrap().arguments
    }

    fn said(run: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<ExitCode>) -> (ExitCode, String) {
        let mut out = Vec::new();
        let code = run(&mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn health_is_the_exit_code() {
        let admin = admin(Some("a-token-that-health-needs-not"));
        let check = |more: &[&str]| said(|out| healthcheck(&arguments(&admin, more), out));
        assert_eq!(check(&[]), (ExitCode::SUCCESS, "ok\n".to_owned()));
        assert_eq!(check(&["--ready"]).0, ExitCode::FAILURE);
        admin.state.readiness.set(Readiness::STARTING, false);
        assert_eq!(check(&["--ready"]).0, ExitCode::SUCCESS);
    }

    #[test]
    fn status_tells_what_is_wrong_and_the_first_figures() {
        let admin = admin(None);
        let ask = || said(|out| status(&arguments(&admin, &[]), out));
        let (code, text) = ask();
        assert_eq!(code, ExitCode::FAILURE);
        assert!(text.starts_with("not ready: starting\n"), "{text}");
        admin.state.readiness.set(Readiness::STARTING, false);
        admin.state.readiness.impair(Readiness::DISK_CACHE, true);
        let (code, text) = ask();
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(text.starts_with("ready\nimpaired: disk_cache\nversion "), "{text}");
        assert!(text.contains("requests: 0 (0 hit, "), "{text}");
    }

    #[test]
    fn keys_are_listed_without_what_a_terminal_obeys() {
        let admin = admin(None);
        let now = admin.state.clock.now();
        admin.state.hot.shard(now).touch(now, 7, 10, || "a.example/\u{1b}[2J");
        let (_, text) = said(|out| hot(&arguments(&admin, &["-n", "1"]), out));
        let line = text.lines().nth(1).unwrap();
        assert!(line.contains(" 1 ") && line.ends_with("a.example/\\u{1b}[2J"), "{text}");
        let (_, json) = said(|out| hot(&arguments(&admin, &["--json"]), out));
        assert!(json.starts_with("{\"keys\":[{"), "{json}");
    }

    #[test]
    fn what_is_not_cached_is_no_error() {
        let admin = admin(None);
        let (_, text) = said(|out| objects(&arguments(&admin, &["http://a.example/x?y=1&z=ä"]), out));
        assert_eq!(text, "http://a.example/x?y=1&z=ä: 0 objects\n");
        let unknown = objects(&arguments(&admin, &["http://b.example/x"]), &mut Vec::new()).unwrap_err();
        assert!(unknown.to_string().starts_with("400 Bad Request: "), "{unknown}");
    }

    #[test]
    fn a_missing_token_is_told_with_the_option_for_it() {
        let admin = admin(Some("s3cret"));
        let error = hot(&arguments(&admin, &[]), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("401 Unauthorized") && error.contains("--token-env NAME"), "{error}");
    }
}
