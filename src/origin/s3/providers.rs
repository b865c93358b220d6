//! Temporary keys from what a cloud runs beside us: STS for a web identity, the container agent, the instance's
//! metadata service. Where each is, what it is asked, and how its answer is read; nothing here waits or repeats.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::super::{single, tls, wire::Wire};
use super::credentials::Keys;
use crate::config::Secret;
use crate::sigv4;

/// For one exchange with a provider; they are near, or not there at all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where container agents listen: ECS, and EKS Pod Identity over IPv4 and IPv6.
const AGENTS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
];
/// A larger answer is no answer.
const MAX_ANSWER: usize = 256 * 1024;

/// Reads an environment variable; an empty one counts as none.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Who gives keys, as the environment names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Provider {
    /// A token in a file is changed for keys (EKS and the like).
    WebIdentity { endpoint: String, token_file: String, role: String, session: String },
    /// The container agent (ECS, EKS Pod Identity).
    Container { url: String, authorization: Option<Authorization> },
    /// The instance metadata service, version 2 only.
    Instance { endpoint: String },
}

/// What the container agent wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    /// Read again each time: it is renewed.
    File(String),
    /// As it stands.
    Value(Secret),
}

/// Keys, and until when they are good.
pub(super) struct TemporaryKeys {
    pub keys: Keys,
    pub expires: SystemTime,
}

impl Provider {
    /// For people.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Provider::WebIdentity { .. } => "web identity",
            Provider::Container { .. } => "container agent",
            Provider::Instance { .. } => "instance metadata",
        }
    }

    /// The first that the environment names, in the order of AWS' tools; `None` if that may not be asked, or if
    /// instance metadata is off too.
    pub(super) fn find(region: &str, env: Env<'_>) -> Option<Self> {
        if let (Some(token_file), Some(role)) = (env("AWS_WEB_IDENTITY_TOKEN_FILE"), env("AWS_ROLE_ARN")) {
            let endpoint = env("AWS_ENDPOINT_URL_STS").unwrap_or_else(|| {
                format!("https://sts.{}.amazonaws.com", env("AWS_REGION").unwrap_or(region.to_owned()))
            });
            let session = env("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "seawall".to_owned());
            return Some(Provider::WebIdentity { endpoint, token_file, role, session });
        }
        let url = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            .map(|path| format!("http://169.254.170.2{path}"))
            .or_else(|| env("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
        if let Some(url) = url {
            // Not the next in line instead: whose rights that has, nobody asked for.
            if !may_be_asked(&url) {
                tracing::error!(
                    url,
                    "the container agent's address is neither https nor one of this machine"
                );
                return None;
            }
            let file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Authorization::File);
            let value =
                || env("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|v| Authorization::Value(Secret::new(v)));
            return Some(Provider::Container { url, authorization: file.or_else(value) });
        }
        if env("AWS_EC2_METADATA_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true")) {
            return None;
        }
        let endpoint = env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        Some(Provider::Instance { endpoint: endpoint.unwrap_or_else(|| "http://169.254.169.254".to_owned()) })
    }

    /// Asks for keys.
    ///
    /// # Errors
    /// In words, with no secret in them.
    pub(super) async fn ask(&self) -> Result<TemporaryKeys, String> {
        match self {
            Provider::WebIdentity { endpoint, token_file, role, session } => {
                let token = read_file(token_file).await?;
                let form = sigv4::canonical_query([
                    ("Action", "AssumeRoleWithWebIdentity"),
                    ("Version", "2011-06-15"),
                    ("RoleArn", role),
                    ("RoleSessionName", session),
                    ("WebIdentityToken", token.trim()),
                ]);
                let fields = [("content-type", "application/x-www-form-urlencoded")];
                let answer = call(Method::POST, endpoint, &fields, form).await?;
                from_xml(&answer).ok_or_else(|| format!("{endpoint}: no keys in the answer"))
            }
            Provider::Container { url, authorization } => {
                let token = match authorization {
                    None => None,
                    Some(Authorization::File(path)) => Some(read_file(path).await?),
                    Some(Authorization::Value(value)) => Some(value.expose().to_owned()),
                };
                let fields: Vec<_> = token.iter().map(|token| ("authorization", token.trim())).collect();
                let answer = call(Method::GET, url, &fields, String::new()).await?;
                from_json(&answer).ok_or_else(|| format!("{url}: no keys in the answer"))
            }
            Provider::Instance { endpoint } => {
                let endpoint = endpoint.trim_end_matches('/');
                let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "300")];
                let token =
                    call(Method::PUT, &format!("{endpoint}/latest/api/token"), &ttl, String::new()).await?;
                let fields = [("x-aws-ec2-metadata-token", token.trim())];
                let roles = format!("{endpoint}/latest/meta-data/iam/security-credentials/");
                let role = call(Method::GET, &roles, &fields, String::new()).await?;
                let role = role.lines().next().unwrap_or_default().trim();
                let answer = call(Method::GET, &format!("{roles}{role}"), &fields, String::new()).await?;
                from_json(&answer).ok_or_else(|| format!("{roles}{role}: no keys in the answer"))
            }
        }
    }
}

/// Whether a container agent may be there, as AWS' tools decide it: anybody over https, but over http, by which the
/// token and the keys would be read on the way, only this machine and the agents' own addresses.
pub(super) fn may_be_asked(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let near = match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || AGENTS.contains(&address),
        Err(_) => host == "localhost",
    };
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => near,
        _ => false,
    }
}

async fn read_file(path: &str) -> Result<String, String> {
    tokio::fs::read_to_string(path).await.map_err(|e| format!("{path}: {e}"))
}

/// One exchange on a connection of its own; anything but 200 is an error.
async fn call(method: Method, url: &str, fields: &[(&str, &str)], body: String) -> Result<String, String> {
    let called = tokio::time::timeout(TIMEOUT, exchange(method, url, fields, body)).await;
    called
        .unwrap_or_else(|_| Err("no answer in time".to_owned()))
        .map_err(|reason| format!("{url}: {reason}"))
}

async fn exchange(
    method: Method,
    url: &str,
    fields: &[(&str, &str)],
    body: String,
) -> Result<String, String> {
    let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
    let host = uri.host().ok_or("no host")?.trim_matches(['[', ']']).to_owned();
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(|e| e.to_string())?;
    let wire = if tls {
        let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
        Wire::tls(tls::system_connector()?.connect(name, tcp).await.map_err(|e| e.to_string())?)
    } else {
        Wire::tcp(tcp)
    };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder().method(method).uri(target).header(header::HOST, authority);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|e| e.to_string())?;
    let read = async |response: Response<Incoming>| {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?;
        if status != http::StatusCode::OK {
            return Err(format!("status {status}").into());
        }
        String::from_utf8(body.to_bytes().to_vec()).map_err(|_| "not text".into())
    };
    single::exchange(wire, request, read).await.map_err(|e| e.to_string())
}

pub(super) fn from_json(text: &str) -> Option<TemporaryKeys> {
    let all: serde_json::Value = serde_json::from_str(text).ok()?;
    grant(&|name| all.get(name)?.as_str().map(str::to_owned), "Token")
}

/// STS' elements hold only text without entities, so the first element of a name is looked for and nothing more.
pub(super) fn from_xml(text: &str) -> Option<TemporaryKeys> {
    let element = |name: &str| {
        let rest = text.split_once(&format!("<{name}>"))?.1;
        Some(rest.split_once('<')?.0.trim().to_owned())
    };
    grant(&element, "SessionToken")
}

fn grant(value: Env<'_>, token: &str) -> Option<TemporaryKeys> {
    let keys = Keys {
        access_key_id: value("AccessKeyId").filter(|v| !v.is_empty())?,
        secret_access_key: Secret::new(value("SecretAccessKey").filter(|v| !v.is_empty())?),
        session_token: value(token).map(Secret::new),
    };
    let format = &time::format_description::well_known::Rfc3339;
    let expires = time::OffsetDateTime::parse(&value("Expiration")?, format).ok()?;
    let expires = u64::try_from(expires.unix_timestamp()).ok()?;
    Some(TemporaryKeys { keys, expires: UNIX_EPOCH + Duration::from_secs(expires) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_agent_is_near_or_behind_tls() {
        for (url, may) in [
            ("http://127.0.0.1:9911/creds", true),
            ("http://[::1]/creds", true),
            ("http://localhost/creds", true),
            ("http://169.254.170.2/v2/credentials", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("https://vault.example/creds", true),
            ("http://vault.example/creds", false),
            ("http://169.254.169.254/creds", false),
            ("http://127.0.0.1.example/creds", false),
            ("http://127.0.0.1@evil.example/creds", false),
            ("ftp://127.0.0.1/creds", false),
            ("/creds", false),
        ] {
            assert_eq!(may_be_asked(url), may, "{url}");
            let env = |name: &str| (name == "AWS_CONTAINER_CREDENTIALS_FULL_URI").then(|| url.to_owned());
            let found = Provider::find("r", &env);
            assert_eq!(matches!(found, Some(Provider::Container { .. })), may, "{url}: {found:?}");
            assert_eq!(found.is_none(), !may, "{url}");
        }
    }
}
