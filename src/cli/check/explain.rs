//! A configuration told from the listener inwards.

use std::fmt::{Result, Write};
use std::time::SystemTime;

use super::{certificate, words};
use crate::config::{
    AccessLog, Admin, Admission, Config, Listener, ListenerTls, Log, Member, OriginProtocol, Pool, Site,
    TlsVersion, show_duration, show_size,
};

/// Writes it all; what is found on the way and worth a warning is added to `warnings`.
pub(super) fn config(
    out: &mut impl Write,
    config: &Config,
    now: SystemTime,
    warnings: &mut Vec<String>,
) -> Result {
    let threads = config.server.threads;
    writeln!(out, "server {}: {threads} threads", config.server.server_name)?;
    writeln!(out, "cache: {} of memory", show_size(config.cache.memory.capacity))?;
    if let Some(disk) = &config.cache.disk {
        let what = match disk.admission {
            Admission::All => "everything that is stored",
            Admission::SecondHit => "what is asked for twice",
        };
        let (size, path) = (show_size(disk.capacity), disk.path.display());
        writeln!(out, "       {size} of disk in {path} for {what}")?;
    }
    writeln!(out, "\nlisteners")?;
    for listener in &config.listeners {
        self::listener(out, listener, now, warnings)?;
    }
    writeln!(out, "\nsites")?;
    for site in &config.sites {
        self::site(out, site, &config.pools)?;
    }
    writeln!(out, "\npools")?;
    for pool in &config.pools {
        self::pool(out, pool)?;
    }
    writeln!(out, "\noperation")?;
    admin(out, &config.admin)?;
    log(out, &config.log)
}

fn listener(
    out: &mut impl Write,
    listener: &Listener,
    now: SystemTime,
    warnings: &mut Vec<String>,
) -> Result {
    let address = words::address(&listener.address);
    match &listener.tls {
        None if listener.redirect_https == Some(443) => {
            writeln!(out, "  {address}  http, redirects to https")
        }
        None if let Some(port) = listener.redirect_https => {
            writeln!(out, "  {address}  http, redirects to https on port {port}")
        }
        None => writeln!(out, "  {address}  http"),
        Some(tls) => {
            let version = match tls.min_version {
                TlsVersion::V1_2 => "TLS 1.2 and 1.3",
                TlsVersion::V1_3 => "TLS 1.3",
            };
            writeln!(out, "  {address}  https, {version}")?;
            self::tls(out, tls, now, warnings)
        }
    }
}

fn tls(out: &mut impl Write, tls: &ListenerTls, now: SystemTime, warnings: &mut Vec<String>) -> Result {
    for files in &tls.certificates {
        match certificate::describe(&files.cert, now) {
            Ok((line, warning)) => {
                writeln!(out, "    certificate {line}")?;
                warnings.extend(warning);
            }
            Err(error) => warnings.push(format!("certificate {}: {error}", files.cert.display())),
        }
    }
    for (name, files) in certificate::shared(tls) {
        let each = files.iter().map(|(kind, path)| format!("{} ({})", kind.as_str(), path.display()));
        writeln!(out, "    for {name}, by what a client can verify: {}", words::list(each))?;
        for (i, (kind, path)) in files.iter().enumerate() {
            if let Some((_, other)) = files.iter().take(i).find(|(before, _)| before == kind) {
                warnings.push(format!(
                    "certificates {} and {} both have a key of the kind {} for {name}: while the first is valid, the second is not used for it",
                    other.display(), path.display(), kind.as_str()
                ));
            }
        }
    }
    if tls.self_signed {
        writeln!(out, "    a self-signed certificate, made at start")?;
    }
    match &tls.client_ca {
        Some(path) => writeln!(out, "    clients need a certificate signed by {}", path.display()),
        None => Ok(()),
    }
}

fn site(out: &mut impl Write, site: &Site, pools: &[Pool]) -> Result {
    writeln!(out, "  {}", words::list(site.hosts.iter().map(words::host)))?;
    writeln!(out, "    methods {}", words::list(&site.methods))?;
    let own = words::route(&site.settings, pools);
    for line in &own {
        writeln!(out, "    {line}")?;
    }
    for (i, rule) in site.rules.iter().enumerate() {
        writeln!(out, "    rule {}: {}", i + 1, rule.path.as_str())?;
        let lines = words::route(&rule.settings, pools);
        let differing: Vec<_> = lines.iter().filter(|line| !own.contains(line)).collect();
        if differing.is_empty() {
            writeln!(out, "      as the site")?;
        }
        for line in differing {
            writeln!(out, "      {line}")?;
        }
    }
    Ok(())
}

fn pool(out: &mut impl Write, pool: &Pool) -> Result {
    let protocol = match pool.protocol {
        OriginProtocol::Http1 => "http/1.1",
        OriginProtocol::H2 => "h2",
    };
    let balance = match pool.balance {
        crate::config::Balance::Ring => format!("ring, load bound {}", pool.load_bound),
        crate::config::Balance::LeastRequests => "least requests".to_owned(),
        crate::config::Balance::RoundRobin => "round robin".to_owned(),
    };
    writeln!(out, "  {}  {protocol}, {balance}", pool.name)?;
    for member in &pool.members {
        let zone = if member.zone.is_empty() { String::new() } else { format!(", zone {}", member.zone) };
        writeln!(out, "    {}  weight {}{zone}", url(member), member.weight)?;
    }
    let times = &pool.timeouts;
    let (connect, first, idle) =
        (show_duration(times.connect), show_duration(times.first_byte), show_duration(times.idle));
    writeln!(out, "    timeouts: connect {connect}, first byte {first}, idle {idle}")?;
    let (attempts, share) = (pool.retry.attempts, pool.retry.budget * 100.0);
    let backoff = show_duration(pool.retry.backoff);
    writeln!(out, "    retry: {attempts} attempts, backoff {backoff}, at most {share:.0}% of requests")?;
    if let Some(health) = &pool.health {
        writeln!(out, "    health: {} every {}", health.path, show_duration(health.interval))?;
    }
    if pool.members.iter().any(|member| member.tls) && !pool.tls.verify {
        writeln!(out, "    certificates are not verified")?;
    }
    match &pool.s3 {
        Some(s3) => writeln!(out, "    {}", words::s3(s3)),
        None => Ok(()),
    }
}

fn url(member: &Member) -> String {
    let scheme = if member.tls { "https" } else { "http" };
    if let Some(socket) = &member.socket {
        return format!("unix:{}", socket.display());
    }
    if member.srv {
        return format!("srv+{scheme}://{}", member.host);
    }
    let (host, port) = (&member.host, member.port);
    if host.contains(':') {
        format!("{scheme}://[{host}]:{port}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

fn admin(out: &mut impl Write, admin: &Admin) -> Result {
    let token = match (&admin.token, admin.guarded_metrics) {
        (None, _) => "no token",
        (Some(_), false) => "changes and keys need a token, metrics do not",
        (Some(_), true) => "changes, keys and metrics need a token",
    };
    match admin.address {
        Some(address) => writeln!(out, "  admin on {address}, {token}"),
        None => writeln!(out, "  no admin listener"),
    }
}

fn log(out: &mut impl Write, log: &Log) -> Result {
    let access = match &log.access {
        AccessLog::Off => "no access log".to_owned(),
        AccessLog::Stdout => "access log to standard output".to_owned(),
        AccessLog::File(path) => format!("access log in {}", path.display()),
    };
    writeln!(out, "  log level {}, {access}", log.level)
}
