//! The environment that `edge.toml` is read with: this process's, and demo secrets for what it leaves out.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Access key id of the bucket.
pub const ACCESS_KEY: &str = "SEAWALL_S3_ACCESS_KEY";
/// Secret access key of the bucket.
pub const SECRET_KEY: &str = "SEAWALL_S3_SECRET_KEY";
/// What URLs are signed with.
const TOKEN_KEY: &str = "SEAWALL_TOKEN_KEY";

/// Name and value of each variable, new random secrets included.
pub fn with_secrets() -> anyhow::Result<Vec<(String, String)>> {
    let inherited = std::env::vars_os();
    let mut all: Vec<_> = inherited
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    for name in [ACCESS_KEY, SECRET_KEY, TOKEN_KEY] {
        if !all.iter().any(|(known, _)| known == name) {
            all.push((name.into(), random()?));
        }
    }
    Ok(all)
}

/// The value of a variable.
pub fn value(environment: &[(String, String)], name: &str) -> anyhow::Result<String> {
    let found = environment.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).with_context(|| format!("{name} is not set"))
}

fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_there_and_random() {
        let (one, other) = (with_secrets().unwrap(), with_secrets().unwrap());
        for name in [ACCESS_KEY, SECRET_KEY, TOKEN_KEY] {
            let value = value(&one, name).unwrap();
            assert_eq!(value == super::value(&other, name).unwrap(), std::env::var_os(name).is_some());
        }
        assert!(value(&one, "SEAWALL_NO_SUCH").is_err());
    }
}
