//! `seawall check`: says everything that is wrong with a configuration, or what the edge would do with it.

mod certificate;
mod explain;
mod words;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use crate::config::{
    AccessLog, Config, HostPattern, Loaded, Pool, RouteSettings, S3Style, Site, load_noting,
};
use crate::origin::s3;

/// Checks the file at `path` against this process's environment and writes to standard output or standard error.
///
/// # Errors
/// Only when nothing can be written; what is wrong with the file is in the exit code, 1.
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    check(path, SystemTime::now(), &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}

/// As [`run`], for a given time and given writers.
///
/// # Errors
/// Only when nothing can be written.
pub fn check(
    path: &Path,
    now: SystemTime,
    out: &mut impl Write,
    err: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let loaded = match load_noting(path) {
        Ok(loaded) => loaded,
        Err(errors) => {
            writeln!(err, "{errors}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut warnings = remarks(&loaded);
    let mut text = String::new();
    explain::config(&mut text, &loaded.config, now, &mut warnings)?;
    writeln!(out, "{} is a valid configuration\n\n{text}", path.display())?;
    for warning in warnings {
        writeln!(err, "warning: {warning}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is allowed and yet seldom meant.
fn remarks(loaded: &Loaded) -> Vec<String> {
    let config = &loaded.config;
    let placed = loaded.remarks.iter().map(|(place, message)| format!("{place}: {message}"));
    let secrets = loaded.literal_secrets.iter().map(|(key, place)| {
        format!("{place}: \"{key}\" is a secret in the file; \"${{NAME}}\" or \"file:PATH\" keep it out")
    });
    let mut warnings: Vec<String> = placed.chain(secrets).collect();
    for pool in config.pools.iter().filter(|pool| !pool.tls.verify) {
        warnings.push(format!("pool \"{}\" accepts any certificate: tls.verify is false", pool.name));
    }
    config.pools.iter().for_each(|pool| about_s3(pool, &mut warnings));
    for (i, pool) in config.pools.iter().enumerate() {
        if !config.sites.iter().flat_map(routes).any(|route| route.pool.0 == i) {
            warnings.push(format!("no site uses pool \"{}\"", pool.name));
        }
    }
    for network in config.server.trusted_proxies.iter().filter(|network| network.prefix_len() == 0) {
        warnings.push(format!("server.trusted_proxies has {network}: every client may claim any address"));
    }
    config.sites.iter().for_each(|site| about_site(site, &mut warnings));
    about_listeners(config, &mut warnings);
    warnings
}

fn about_site(site: &Site, warnings: &mut Vec<String>) {
    let wild = site.hosts.iter().find(|host| !matches!(host, HostPattern::Exact(_)));
    if let Some(host) = wild.filter(|_| site.settings.signed.is_empty()) {
        warnings.push(format!(
            "site \"{}\" is public under every host that matches {}",
            site.name,
            words::host(host)
        ));
    }
}

fn about_s3(pool: &Pool, warnings: &mut Vec<String>) {
    let Some(s3) = &pool.s3 else { return };
    for member in &pool.members {
        let (name, host) = (&pool.name, &member.host);
        if let Some(bucket) = s3.bucket.as_ref().filter(|bucket| bucket.contains('.'))
            && s3.style == S3Style::VirtualHost
            && member.tls
        {
            warnings.push(format!(
                "pool \"{name}\": no certificate for *.{host} covers {bucket}.{host}, since the bucket's name has a dot; \
                 style = \"path\" avoids that"
            ));
        }
        if let Some(region) = s3::region(host).filter(|region| *region != s3.region) {
            warnings.push(format!(
                "pool \"{name}\": {host} is an endpoint of region {region}, but region is \"{}\"",
                s3.region
            ));
        }
    }
}

fn about_listeners(config: &Config, warnings: &mut Vec<String>) {
    let self_signed = config.listeners.iter().filter(|l| l.tls.as_ref().is_some_and(|tls| tls.self_signed));
    for listener in self_signed {
        let address = words::address(&listener.address);
        warnings.push(format!("listener {address} makes its own certificate, and no client trusts it"));
    }
    if config.log.access == AccessLog::Off && config.log.sample < 1.0 {
        warnings.push("log.sample has no effect: log.access is off".to_owned());
    }
}

fn routes(site: &Site) -> impl Iterator<Item = &RouteSettings> {
    std::iter::once(&*site.settings).chain(site.rules.iter().map(|rule| &*rule.settings))
}

#[cfg(test)]
mod tests;
