//! Signs a URL with the library, as a backend in Rust would.
//!
//!     SEAWALL_TOKEN_KEY=... cargo run --example sign_url -- 2026-11 /private/report.pdf

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use seawall::config::Secret;
use seawall::signed::{Claims, Scope, token};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(key_id), Some(path)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: sign_url KEY-ID PATH");
    };
    let secret = Secret::new(std::env::var("SEAWALL_TOKEN_KEY")?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let claims = Claims {
        key_id: &key_id,
        expires: now + 15 * 60,
        scope: if path.ends_with('/') { Scope::Prefix(&path) } else { Scope::Path(&path) },
        client: None,
        host: None,
        not_before: None,
        issued_at: Some(now),
    };
    let token = token::sign(&claims, &secret)?;
    writeln!(std::io::stdout(), "{path}?token={token}")?;
    Ok(())
}
