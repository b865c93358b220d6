//! `seawall sign`: makes a signed URL that the edge will accept.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use http::Uri;
use ipnet::IpNet;

use super::ConfigFile;
use crate::config::{Config, OriginKind, Secret, Signed, SignedScheme, show_duration};
use crate::edge::request::resource_url::ResourceUrl;
use crate::edge::settings::Settings;
use crate::http::time::Time;
use crate::http::uniform;
use crate::http::uri::normalise_path;
use crate::signed::{Claims, PATH_MARKER, Scope, guards, token};

const EXAMPLES: &str = "\
Examples:
  The key of the rule that guards the path, good for a quarter of an hour:
    seawall sign edge.toml --url https://photos.example.com/private/report.pdf

  Everything below a path for two hours, with the token in the path so that a playlist's relative links work:
    seawall sign edge.toml --url https://photos.example.com/private/hls/master.m3u8 \\
        --prefix /private/hls/ --as path --expires-in 2h

  As a cookie, for one network:
    curl --cookie \"$(seawall sign edge.toml --as cookie --prefix /private/ \\
        --client-ip 203.0.113.0/24 --url https://photos.example.com/private/)\" ...

  Without the edge's file, where only the key is known:
    seawall sign --key-id 2026-11 --secret-env SEAWALL_TOKEN_KEY --url https://photos.example.com/private/report.pdf";

/// Make a signed URL (scheme "token").
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SignArgs {
    /// Where the key is: in the table that guards the URL's path
    #[command(flatten)]
    pub file: ConfigFile,

    /// The key's id [default: the first key of the table that guards the path]
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,

    /// Read the secret from this environment variable; the configuration file is not read
    #[arg(long, value_name = "NAME", requires = "key_id", conflicts_with_all = ["file", "config"])]
    pub secret_env: Option<String>,

    /// The URL to sign, percent-encoded as a browser would send it
    #[arg(long)]
    pub url: Uri,

    /// How long it is good for: 90s, 15m, 2h, 7d
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub expires_in: Duration,

    /// Open every path that begins so (must end in "/") instead of the URL's path only
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<String>,

    /// Only for this client address, or network in CIDR form
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    pub client_ip: Option<IpNet>,

    /// Only for the URL's host; without it the token is good for every host that has the key
    #[arg(long)]
    pub bind_host: bool,

    /// Where the token stands: in the query, in the path, or on its own as a cookie
    #[arg(long = "as", value_name = "CARRIER", default_value = "query")]
    pub carrier: Carrier,

    /// The query parameter or cookie, with --secret-env; otherwise the table's `param` counts
    #[arg(long, value_name = "NAME", requires = "secret_env", default_value = "token")]
    pub param: String,
}

/// Where the token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Carrier {
    /// `?token=TOKEN`
    Query,
    /// `/_t/TOKEN/path`
    Path,
    /// `token=TOKEN`
    Cookie,
}

/// Writes the signed URL, or the cookie, as one line. `load` reads the configuration file.
///
/// # Errors
/// When nothing guards the URL's path, the key is not there, or the claims cannot stand in a token.
pub fn run(
    args: &SignArgs,
    load: impl FnOnce(&Path) -> anyhow::Result<Config>,
    now: Time,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let host = args.url.host().context("--url must be absolute: https://host/path")?.to_ascii_lowercase();
    let path = &*normalise_path(args.url.path()).context("--url")?;
    let signer = match &args.secret_env {
        Some(variable) => Signer::from_environment(variable, args)?,
        None => Signer::from_config(&load(args.file.path())?, args)?,
    };
    let keyed = match signer.origin {
        OriginKind::Http => Cow::Borrowed(path),
        OriginKind::S3 => uniform::path(path),
    };
    let claims = Claims {
        key_id: &signer.key_id,
        expires: now.plus(args.expires_in).secs(),
        scope: args.prefix.as_deref().map_or(Scope::Path(path), Scope::Prefix),
        client: args.client_ip,
        host: args.bind_host.then_some(host.as_str()),
        not_before: None,
        issued_at: Some(now.secs()),
    };
    ensure!(
        claims.scope.contains(&keyed, signer.origin),
        "--prefix {:?} does not cover the URL's path {path:?}",
        claims.scope.as_str()
    );
    let token = token::sign(&claims, &signer.secret)?;
    writeln!(out, "{}", carry(&args.url, args.carrier, &signer.param, &token)?)?;
    Ok(())
}

struct Signer {
    key_id: String,
    secret: Secret,
    param: String,
    origin: OriginKind,
}

impl Signer {
    fn from_environment(name: &str, args: &SignArgs) -> anyhow::Result<Self> {
        let key_id = args.key_id.as_ref().context("--secret-env needs --key-id")?;
        let secret = std::env::var(name).with_context(|| format!("--secret-env {name}"))?;
        ensure!(!secret.is_empty(), "--secret-env {name}: the variable is empty");
        let (key_id, param) = (key_id.clone(), args.param.clone());
        Ok(Self { key_id, secret: Secret::new(secret), param, origin: OriginKind::Http })
    }

    fn from_config(config: &Config, args: &SignArgs) -> anyhow::Result<Self> {
        let url = args.url.to_string();
        let sites = Settings::offline(config)?.sites;
        let named = ResourceUrl::parse(&url, &sites).with_context(|| format!("--url {url}"))?;
        let path = named.target.path();
        let guarding = |table: &&Signed| table.scheme == SignedScheme::Token && guards(table, path);
        let mut tables = named.route.settings.signed.iter().filter(guarding).peekable();
        ensure!(
            tables.peek().is_some(),
            "{path:?} is public on {}: no signed table lists it",
            named.host.as_str()
        );
        let wanted = |id: &str| args.key_id.as_deref().is_none_or(|wanted| wanted == id);
        let (table, key) = tables
            .find_map(|table| table.keys.iter().find(|key| wanted(&key.id)).map(|key| (table, key)))
            .with_context(|| {
                format!(
                    "no key {:?} in the tables that guard {path:?}",
                    args.key_id.as_deref().unwrap_or_default()
                )
            })?;
        if let Some(longest) = table.max_lifetime {
            let (asked, longest_shown) = (show_duration(args.expires_in), show_duration(longest));
            ensure!(
                args.expires_in <= longest,
                "--expires-in {asked} is longer than the max_lifetime of {longest_shown} that guards {path:?}"
            );
        }
        let origin = named.route.settings.origin;
        Ok(Self { key_id: key.id.clone(), secret: key.secret.clone(), param: table.param.clone(), origin })
    }
}

fn carry(url: &Uri, carrier: Carrier, param: &str, token: &str) -> anyhow::Result<String> {
    let before = format!(
        "{}://{}",
        url.scheme_str().unwrap_or("https"),
        url.authority().map_or("", |authority| authority.as_str())
    );
    let (path, query) = (url.path(), url.query());
    Ok(match carrier {
        Carrier::Cookie => format!("{param}={token}"),
        Carrier::Path => {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("{before}{PATH_MARKER}{token}{path}{query}")
        }
        Carrier::Query => {
            let name = |parameter: &str| parameter.split('=').next() == Some(param);
            let query = query.filter(|query| !query.is_empty());
            ensure!(
                !query.is_some_and(|q| q.split('&').any(name)),
                "the URL has a parameter {param:?} already"
            );
            let query = query.map(|query| format!("{query}&")).unwrap_or_default();
            format!("{before}{path}?{query}{param}={token}")
        }
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a whole number and a unit: 90s, 15m, 2h, 7d".to_owned();
    let (number, seconds) = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "an address or a network: 203.0.113.7, 203.0.113.0/24, 2001:db8::/32".to_owned())
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
