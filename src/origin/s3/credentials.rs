//! Whose key signs: looked for where AWS' own tools look, in their order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::providers::{Env, Provider};
use super::refresh::RefreshedKeys;
use crate::config::{S3Credentials, Secret};
use crate::origin::error::FetchError;
use crate::origin::metrics::OriginMetrics;

/// How often the profile file is looked at: tools that renew credentials rewrite it.
const LOOK: Duration = Duration::from_secs(5);
/// A larger file is no profile file.
const MAX_FILE: u64 = 1 << 20;

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// Where keys come from.
pub(super) enum Source {
    Anonymous,
    Fixed(Arc<Keys>),
    Profile(Profile),
    Temporary(Arc<RefreshedKeys>),
    Nowhere,
}

pub(super) struct Profile {
    path: PathBuf,
    name: String,
    read: Mutex<Read>,
}

/// What the file said when it was last looked at.
struct Read {
    looked: Option<Instant>,
    modified: Option<SystemTime>,
    keys: Result<Arc<Keys>, String>,
}

impl Source {
    /// `env` is the environment; it does not change while we run. `region` is for the STS next to the bucket.
    pub(super) fn new(configured: &S3Credentials, region: &str, env: Env<'_>) -> Self {
        match configured {
            S3Credentials::Anonymous => Source::Anonymous,
            S3Credentials::Static { access_key_id, secret_access_key, session_token } => {
                Source::Fixed(Arc::new(Keys {
                    access_key_id: access_key_id.clone(),
                    secret_access_key: secret_access_key.clone(),
                    session_token: session_token.clone(),
                }))
            }
            S3Credentials::Default => {
                Self::chain(region, &|name| env(name).filter(|value| !value.is_empty()))
            }
        }
    }

    fn chain(region: &str, env: Env<'_>) -> Self {
        if let (Some(access_key_id), Some(secret)) = (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"))
        {
            return Source::Fixed(Arc::new(Keys {
                access_key_id,
                secret_access_key: Secret::new(secret),
                session_token: env("AWS_SESSION_TOKEN").map(Secret::new),
            }));
        }
        // A file that is named is meant; the usual one counts if it is there.
        let named = env("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let usual =
            || Some(PathBuf::from(env("HOME")?).join(".aws/credentials")).filter(|path| path.exists());
        if let Some(path) = named.or_else(usual) {
            let name = env("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
            let read = Read { looked: None, modified: None, keys: Err("not read yet".to_owned()) };
            return Source::Profile(Profile { path, name, read: Mutex::new(read) });
        }
        Provider::find(region, env)
            .map_or(Source::Nowhere, |provider| Source::Temporary(RefreshedKeys::new(provider)))
    }

    /// Where keys come from, for people: no secret, and no key id.
    pub(super) fn whence(&self, configured: &S3Credentials) -> String {
        match self {
            Source::Anonymous => "none: requests are not signed".into(),
            Source::Fixed(_) if *configured == S3Credentials::Default => "environment".into(),
            Source::Fixed(_) => "configuration".into(),
            Source::Profile(profile) => format!("profile {:?} of {}", profile.name, profile.path.display()),
            Source::Temporary(refreshed) => refreshed.provider().as_str().into(),
            Source::Nowhere => "nowhere: none were found".into(),
        }
    }

    /// Starts what has to run beside us. Must be called within a runtime.
    pub(super) fn start(&self, pool: &str, metrics: &OriginMetrics) {
        if let Source::Temporary(refreshed) = self {
            refreshed.start(metrics.credentials(pool));
        }
    }

    /// Waits until there can be keys.
    pub(super) async fn ready(&self, limit: Duration) {
        if let Source::Temporary(refreshed) = self {
            refreshed.ready(limit).await;
        }
    }

    /// The keys to sign with now; `None` is not to sign.
    ///
    /// # Errors
    /// `Credentials` if there are none. The text names no secret.
    pub(super) fn keys(&self) -> Result<Option<Arc<Keys>>, FetchError> {
        match self {
            Source::Anonymous => Ok(None),
            Source::Fixed(keys) => Ok(Some(keys.clone())),
            Source::Profile(profile) => {
                profile.keys(Instant::now()).map(Some).map_err(FetchError::Credentials)
            }
            Source::Temporary(refreshed) => {
                refreshed.keys(SystemTime::now()).map(Some).map_err(FetchError::Credentials)
            }
            Source::Nowhere => Err(FetchError::Credentials("there is no source of them".to_owned())),
        }
    }
}

impl Profile {
    /// A small local file, looked at every few seconds: not worth a thread.
    fn keys(&self, now: Instant) -> Result<Arc<Keys>, String> {
        let mut read = self.read.lock();
        if read.looked.is_some_and(|at| now.saturating_duration_since(at) < LOOK) {
            return read.keys.clone();
        }
        read.looked = Some(now);
        let modified = std::fs::metadata(&self.path).and_then(|meta| meta.modified()).ok();
        if modified.is_none() || modified != read.modified {
            match self.load() {
                Ok(keys) => {
                    read.keys = Ok(Arc::new(keys));
                    read.modified = modified;
                }
                // A file that is being rewritten: what it said before still holds.
                Err(reason) if read.keys.is_ok() => {
                    tracing::warn!(reason, "credentials file is not usable now; the last keys stay");
                }
                Err(reason) => read.keys = Err(reason),
            }
        }
        read.keys.clone()
    }

    fn load(&self) -> Result<Keys, String> {
        let place = self.path.display();
        let size = std::fs::metadata(&self.path).map_err(|e| format!("{place}: {e}"))?.len();
        if size > MAX_FILE {
            return Err(format!("{place}: too large for a profile file"));
        }
        let text = std::fs::read_to_string(&self.path).map_err(|e| format!("{place}: {e}"))?;
        parse(&text, &self.name).ok_or_else(|| format!("{place}: profile {:?} has no access key", self.name))
    }
}

/// One profile of an INI file.
fn parse(text: &str, profile: &str) -> Option<Keys> {
    let (mut inside, mut id, mut secret, mut token) = (false, None, None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = section.trim() == profile;
        } else if inside && let Some((name, value)) = line.split_once('=') {
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match name.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    Some(Keys {
        access_key_id: id?,
        secret_access_key: Secret::new(secret?),
        session_token: token.map(Secret::new),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn chain(env: &[(&str, &str)]) -> Source {
        let env: HashMap<_, _> = env.iter().copied().collect();
        Source::new(&S3Credentials::Default, "r", &|name| env.get(name).map(|v| (*v).to_owned()))
    }

    fn id(source: &Source) -> Result<String, FetchError> {
        source.keys().map(|keys| keys.map_or_else(String::new, |keys| keys.access_key_id.clone()))
    }

    #[test]
    fn the_environment_comes_first() {
        let file = ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials");
        let source = chain(&[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s"), file]);
        assert_eq!(id(&source), Ok("A".into()));
        assert!(matches!(id(&chain(&[("AWS_ACCESS_KEY_ID", "A"), file])), Err(FetchError::Credentials(_))));
        let nowhere = chain(&[("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere")]);
        assert!(matches!(&nowhere, Source::Nowhere));
        assert!(matches!(id(&nowhere), Err(FetchError::Credentials(_))));
        assert!(matches!(chain(&[("HOME", "/nowhere")]), Source::Temporary(_)));
        assert_eq!(id(&Source::new(&S3Credentials::Anonymous, "r", &|_| None)), Ok(String::new()));
    }

    #[test]
    fn the_profile_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let write = |key: &str, age: u64| {
            let text = format!(
                "# keys\n[default]\naws_access_key_id = no\n[ edge ]\naws_access_key_id={key}\naws_secret_access_key = s=1\n"
            );
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        write("FIRST", 100);
        let source =
            chain(&[("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap()), ("AWS_PROFILE", "edge")]);
        let Source::Profile(profile) = &source else { panic!("not a profile") };
        let now = Instant::now();
        assert_eq!(profile.keys(now).unwrap().access_key_id, "FIRST");
        assert_eq!(profile.keys(now).unwrap().secret_access_key.expose(), "s=1");
        write("SECOND", 50);
        assert_eq!(profile.keys(now).unwrap().access_key_id, "FIRST", "not looked at yet");
        assert_eq!(profile.keys(now + LOOK).unwrap().access_key_id, "SECOND");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(profile.keys(now + LOOK * 2).unwrap().access_key_id, "SECOND");
    }

    #[test]
    fn profiles() {
        assert_eq!(parse("[default]\naws_access_key_id=a\n", "default"), None);
        assert_eq!(parse("aws_access_key_id=a\naws_secret_access_key=b", "default"), None);
        let keys = parse(
            "[default]\naws_access_key_id=a\n;x\naws_secret_access_key=b\naws_session_token=\n",
            "default",
        );
        assert_eq!(keys.unwrap().session_token, None);
    }
}
