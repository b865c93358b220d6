//! Talking to the admin listener of a running edge: what `purge`, `prefetch`, `status` and their like share.

use std::fmt::Write;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use crate::origin::single;

/// How long the edge may take for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer: the metrics of a large configuration.
const ANSWER: usize = 16 * 1024 * 1024;

/// Which edge, and the token for it.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    /// The edge's admin listener
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    admin: Uri,
    /// Environment variable that holds the edge's admin.token
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
}

/// An edge that can be asked.
pub(super) struct Client {
    admin: Uri,
    token: Option<HeaderValue>,
}

/// What an edge says.
pub(super) struct Said {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Said {
    /// The body as JSON; null if it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    /// From the command line.
    ///
    /// # Errors
    /// The variable is not set, or `--admin` is no address of an edge.
    pub fn new(args: &AdminArgs) -> anyhow::Result<Self> {
        let admin = args.admin.clone();
        ensure!(
            admin.scheme_str() == Some("http") && matches!(admin.path(), "/" | "") && admin.host().is_some(),
            "--admin must be like http://127.0.0.1:9090"
        );
        let token = match &args.token_env {
            None => None,
            Some(name) => {
                let token = std::env::var(name).with_context(|| format!("--token-env {name}"))?;
                let value = HeaderValue::from_str(&format!("Bearer {token}"));
                let mut value =
                    value.with_context(|| format!("--token-env {name}: a token is visible ASCII"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self { admin, token })
    }

    /// Asks, and gives whatever the answer is.
    ///
    /// # Errors
    /// The edge can't be reached.
    pub fn ask(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<Said> {
        let asked = async {
            let exchange = self.exchange(method.clone(), target, body);
            tokio::time::timeout(PATIENCE, exchange).await.context("no answer in 30 s").flatten()
        };
        let path = target.split('?').next().unwrap_or_default();
        block_on(asked)?.with_context(|| format!("{method} {path} at {}", self.admin))
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// The edge can't be reached, or refuses.
    pub fn json(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let said = self.ask(method, target, body)?;
        match said.status.is_success() {
            true => Ok(said.json()),
            false => bail!("{}", self.refusal(&said)),
        }
    }

    /// Why the edge refused.
    pub fn refusal(&self, said: &Said) -> String {
        let json = said.json();
        let mut text = match json.get("error").and_then(Value::as_str) {
            Some(error) => format!("{}: {error}", said.status),
            None => format!("{}: {}", said.status, String::from_utf8_lossy(&said.body).trim()),
        };
        if said.status == StatusCode::UNAUTHORIZED {
            let hint = match self.token {
                None => "; --token-env NAME names the environment variable that holds the token",
                Some(_) => "; --token-env names a variable with another token",
            };
            let _ = text.write_str(hint);
        }
        text
    }

    async fn exchange(&self, method: Method, target: &str, body: Option<&Value>) -> anyhow::Result<Said> {
        let authority = self.admin.authority().context("--admin has no host")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let stream = tokio::net::TcpStream::connect((host, authority.port_u16().unwrap_or(80)))
            .await
            .context("is the edge running, and is this its admin.address?")?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, authority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let read = async |response: Response<Incoming>| {
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER).collect().await?.to_bytes();
            Ok(Said { status, body })
        };
        single::exchange(stream, request, read).await.map_err(anyhow::Error::from_boxed)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}

/// `1 URL`, `2 URLs`
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
pub(super) mod testing {
    //! An edge's admin listener with nothing behind it.

    use std::sync::Arc;

    use crate::admin::{Access, AdminServer, AdminState, Readiness, bind};
    use crate::config;
    use crate::edge::clock::Clock;
    use crate::edge::operate::prefetch::Prefetcher;
    use crate::telemetry::{HotKeys, Metrics};

    pub struct Admin {
        pub url: String,
        pub state: Arc<AdminState>,
        _server: AdminServer,
    }

    /// Listens on a free port; with `token`, asks for it.
    pub fn admin(token: Option<&str>) -> Admin {
        let built = crate::edge::build::testing::built();
        let access = Access::new(&config::Admin {
            address: None,
            token: token.map(config::Secret::new),
            read_token: None,
            guarded_metrics: false,
            purge_from: Vec::new(),
        });
        let state = Arc::new(AdminState {
            metrics: Arc::new(Metrics::new(&["a.example".into()]).unwrap()),
            hot: Arc::new(HotKeys::new()),
            edge: Arc::clone(&built.edge),
            prefetcher: Arc::new(Prefetcher::start(move || built.worker()).unwrap()),
            clock: Clock::system(),
            readiness: Arc::new(Readiness::new()),
            access,
            server_name: "edge-1".into(),
        });
        let server =
            AdminServer::start(bind("127.0.0.1:0".parse().unwrap()).unwrap(), state.clone()).unwrap();
        Admin { url: format!("http://{}", server.address()), state, _server: server }
    }
}
