//! Keys that run out: asked for ahead of time, in the background, and used until they expire.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::credentials::Keys;
use super::providers::{Provider, TemporaryKeys};
use crate::origin::metrics::CredentialMetrics;

/// New keys are asked for so long before the old expire, or after half their life if that is shorter.
const AHEAD: Duration = Duration::from_secs(300);
/// Never asked more often than this.
const FLOOR: Duration = Duration::from_secs(1);
/// After repeated failures, asked this often.
const CEILING: Duration = Duration::from_secs(60);

/// The newest keys of a provider.
pub(super) struct RefreshedKeys {
    provider: Provider,
    grant: ArcSwapOption<(Arc<Keys>, SystemTime)>,
    last_error: Mutex<String>,
    asked: watch::Sender<bool>,
}

impl RefreshedKeys {
    pub(super) fn new(provider: Provider) -> Arc<Self> {
        Arc::new(Self {
            provider,
            grant: ArcSwapOption::empty(),
            last_error: Mutex::new("no answer yet".to_owned()),
            asked: watch::Sender::new(false),
        })
    }

    /// Who gives them.
    pub(super) fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Keeps keys fresh for as long as somebody holds this. Must be called within a runtime.
    pub(super) fn start(self: &Arc<Self>, metrics: CredentialMetrics) {
        tokio::spawn(keep_fresh(Arc::downgrade(self), self.provider.clone(), metrics));
    }

    /// Waits for the first answer, good or bad, but not for longer than `limit`.
    pub(super) async fn ready(&self, limit: Duration) {
        // What counts is whether there are keys afterwards.
        let _ = tokio::time::timeout(limit, self.asked.subscribe().wait_for(|asked| *asked)).await;
    }

    /// # Errors
    /// In words: what the provider said last.
    pub(super) fn keys(&self, now: SystemTime) -> Result<Arc<Keys>, String> {
        match self.grant.load().as_deref() {
            Some((keys, expires)) if now < *expires => Ok(keys.clone()),
            _ => Err(self.last_error.lock().clone()),
        }
    }

    fn learn(&self, answer: Result<TemporaryKeys, String>, failures: &mut u32) -> Duration {
        let wait = match answer {
            Ok(TemporaryKeys { keys, expires }) => {
                self.grant.store(Some(Arc::new((Arc::new(keys), expires))));
                *failures = 0;
                until_next(expires, SystemTime::now())
            }
            Err(reason) => {
                tracing::warn!(reason, "no new S3 credentials");
                *self.last_error.lock() = reason;
                *failures += 1;
                FLOOR.saturating_mul(1 << (*failures).min(6)).min(CEILING)
            }
        };
        self.asked.send_replace(true);
        wait
    }
}

fn until_next(expires: SystemTime, now: SystemTime) -> Duration {
    let left = expires.duration_since(now).unwrap_or_default();
    left.saturating_sub(AHEAD).max(left / 2).max(FLOOR)
}

async fn keep_fresh(refreshed: Weak<RefreshedKeys>, provider: Provider, metrics: CredentialMetrics) {
    let mut failures = 0;
    loop {
        let answer = provider.ask().await;
        match &answer {
            Ok(grant) => {
                let expires = grant.expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                metrics.expiry.set(expires.as_secs_f64());
                metrics.granted.inc();
            }
            Err(_) => metrics.failed.inc(),
        }
        let Some(refreshed) = refreshed.upgrade() else { return };
        let wait = refreshed.learn(answer, &mut failures);
        drop(refreshed);
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::origin::tests::{self, Act, SILENT, Server};

    const JSON: &str =
        r#"{"AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2199-01-01T00:00:00Z"}"#;

    fn reply(body: &str) -> Act {
        Act::ReplyAndClose(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    fn metrics() -> CredentialMetrics {
        crate::origin::OriginMetrics::register(&prometheus::Registry::new()).unwrap().credentials("p")
    }

    fn instance(server: &Server) -> Arc<RefreshedKeys> {
        RefreshedKeys::new(Provider::Instance { endpoint: format!("http://{}", server.address) })
    }

    async fn first_keys(region: &str, env: &[(&str, String)]) -> Result<Arc<Keys>, String> {
        let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        let refreshed = RefreshedKeys::new(Provider::find(region, &env).unwrap());
        assert!(refreshed.keys(SystemTime::now()).is_err());
        refreshed.start(metrics());
        refreshed.ready(Duration::from_secs(5)).await;
        refreshed.keys(SystemTime::now())
    }

    #[tokio::test]
    async fn an_instance_is_asked_in_three_steps() {
        let server = Server::start(|_, _, head| {
            let head = head.to_ascii_lowercase();
            let knows = head.contains("x-aws-ec2-metadata-token: secret-token");
            match head.split(' ').take(2).collect::<Vec<_>>()[..] {
                ["put", "/latest/api/token"] if head.contains("token-ttl-seconds: 300") => {
                    reply("secret-token")
                }
                ["get", "/latest/meta-data/iam/security-credentials/"] if knows => reply("edge-role\n"),
                ["get", "/latest/meta-data/iam/security-credentials/edge-role"] if knows => reply(JSON),
                _ => Act::ReplyAndClose("HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n".into()),
            }
        })
        .await;
        let endpoint = format!("http://{}", server.address);
        let keys = first_keys("r", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)]).await.unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.expose()), ("ASIA", "s"));
        assert_eq!(keys.session_token.as_ref().unwrap().expose(), "t");
    }

    #[tokio::test]
    async fn a_container_agent_wants_its_token() {
        let server = Server::start(|_, _, head| {
            if head.to_ascii_lowercase().contains("authorization: of-the-file") {
                return reply(JSON);
            }
            Act::ReplyAndClose("HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n".into())
        })
        .await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "of-the-file\n").unwrap();
        let url = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/creds", server.address));
        let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.path().display().to_string());
        assert_eq!(first_keys("r", &[url.clone(), token]).await.unwrap().access_key_id, "ASIA");
        let error = first_keys("r", &[url]).await.unwrap_err();
        assert!(error.contains("status 403"), "{error}");
    }

    #[tokio::test]
    async fn a_web_identity_is_changed_for_keys() {
        let server = Server::start(|_, _, head| {
            assert!(head.starts_with("POST / "), "{head}");
            reply(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                 <SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>\
                 <Expiration>2199-01-01T00:00:00Z</Expiration><AccessKeyId>ASIB</AccessKeyId></Credentials>",
            )
        })
        .await;
        let file = tempfile::NamedTempFile::new().unwrap();
        let env = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().display().to_string()),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/edge".to_owned()),
            ("AWS_ENDPOINT_URL_STS", format!("http://{}", server.address)),
        ];
        assert_eq!(first_keys("r", &env).await.unwrap().access_key_id, "ASIB");
    }

    #[tokio::test]
    async fn keys_are_renewed_before_they_expire() {
        let asked = std::sync::atomic::AtomicU32::new(0);
        let server = Server::start(move |_, _, head| {
            if !head.starts_with("GET /latest/meta-data/iam/security-credentials/role") {
                return reply("role");
            }
            let n = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(if n == 0 { 4 } else { 3600 });
            let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
            reply(&JSON.replace("ASIA", &format!("ASIA{n}")).replace("2199-01-01T00:00:00Z", &soon))
        })
        .await;
        let (refreshed, metrics) = (instance(&server), metrics());
        refreshed.start(metrics.clone());
        refreshed.ready(Duration::from_secs(5)).await;
        let first = metrics.expiry.get();
        let name = || refreshed.keys(SystemTime::now()).expect("keys at any time").access_key_id.clone();
        assert_eq!(name(), "ASIA0");
        tests::until(|| name() == "ASIA1").await;
        assert!(metrics.expiry.get() > first + 3000.0);
        assert_eq!((metrics.granted.get(), metrics.failed.get()), (2, 0));
    }

    #[tokio::test]
    async fn a_provider_that_hangs_keeps_nobody_waiting_for_long() {
        let server = Server::start(|_, _, _| SILENT()).await;
        let (refreshed, metrics) = (instance(&server), metrics());
        refreshed.start(metrics.clone());
        let start = Instant::now();
        refreshed.ready(Duration::from_millis(100)).await;
        assert_eq!(refreshed.keys(SystemTime::now()).unwrap_err(), "no answer yet");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        let given_up = async {
            while metrics.failed.get() == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(9), given_up).await.expect("it is given up");
        let error = refreshed.keys(SystemTime::now()).unwrap_err();
        assert!(error.contains("/latest/api/token: no answer in time"), "{error}");
        let start = Instant::now();
        refreshed.ready(Duration::from_secs(5)).await;
        assert!(start.elapsed() < Duration::from_secs(1), "nobody waits for the second answer");
    }

    #[test]
    fn keys_end_with_their_time() {
        let refreshed = RefreshedKeys::new(Provider::Instance { endpoint: String::new() });
        let now = SystemTime::now();
        let keys = || Keys {
            access_key_id: "A".into(),
            secret_access_key: crate::config::Secret::new("s"),
            session_token: None,
        };
        let hour = Duration::from_secs(3600);
        let mut failures = 3;
        let wait = refreshed.learn(Ok(TemporaryKeys { keys: keys(), expires: now + hour }), &mut failures);
        assert!(wait <= hour - AHEAD && wait > hour / 2 && failures == 0);
        assert!(refreshed.keys(now + hour / 2).is_ok() && refreshed.keys(now + hour).is_err());
        assert_eq!(refreshed.learn(Err("gone".into()), &mut failures), Duration::from_secs(2));
        assert!(refreshed.keys(now).is_ok(), "the old keys still hold");
        assert_eq!(refreshed.keys(now + hour).unwrap_err(), "gone");
    }

    #[test]
    fn the_order_of_providers() {
        let find = |set: &[&str]| {
            Provider::find("eu-central-1", &|name| set.contains(&name).then(|| "/x".to_owned()))
        };
        let web = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
        match find(&web) {
            Some(Provider::WebIdentity { endpoint, .. }) => {
                assert_eq!(endpoint, "https://sts.eu-central-1.amazonaws.com");
            }
            other => panic!("{other:?}"),
        }
        let url = "http://169.254.170.2/x".to_owned();
        assert_eq!(find(&web[1..]), Some(Provider::Container { url, authorization: None }));
        assert_eq!(find(&[]), Some(Provider::Instance { endpoint: "http://169.254.169.254".into() }));
        assert_eq!(Provider::find("r", &|n| (n == "AWS_EC2_METADATA_DISABLED").then(|| "true".into())), None);
    }
}
