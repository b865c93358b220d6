//! The `[[site.signed]]` tables of a route, joined: a request must satisfy one of those that guard its path.

use percent_encoding::percent_decode_str;

use super::scheme::{Proof, Scheme};
use super::token::Token;
use super::{Changes, DenyReason, Grant, SignedRequest, carrier};
use crate::config::{self, PathPattern, SignedScheme};
use crate::http::time::Time;
use crate::http::uniform;

/// What guards a route; built once per `RouteSettings`.
#[derive(Debug)]
pub struct Verifiers {
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    paths: Vec<PathPattern>,
    scheme: Box<dyn Scheme>,
}

impl Verifiers {
    /// Prepares the keys of the tables.
    pub fn new(tables: &[config::Signed]) -> Self {
        let table = |table: &config::Signed| {
            let scheme: Box<dyn Scheme> = match table.scheme {
                SignedScheme::Token => Box::new(Token::new(table)),
            };
            Table { paths: patterns(table), scheme }
        };
        Self { tables: tables.iter().map(table).collect() }
    }

    /// Whether nothing is guarded here at all.
    pub fn is_public(&self) -> bool {
        self.tables.is_empty()
    }

    /// Lets a request through or says why not.
    ///
    /// Where no table lists the path, it is public, and its query and cookies are left alone.
    ///
    /// # Errors
    /// The most telling reason of the tables that guard the path, when none is satisfied.
    pub fn verify(&self, request: &SignedRequest<'_>, now: Time) -> Result<Grant, DenyReason> {
        let mut denied = None;
        for table in self.guarding(request.path) {
            match table.scheme.verify(request, now) {
                Ok(Proof { key_id, expires }) => {
                    let changes = self.without_credentials(request);
                    return Ok(Grant { key_id: Some(key_id), expires: Some(expires), changes });
                }
                Err(reason) => denied = denied.max(Some(reason)),
            }
        }
        match denied {
            Some(reason) => Err(reason),
            None => Ok(Grant { key_id: None, expires: None, changes: Changes::default() }),
        }
    }

    fn guarding(&self, path: &str) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(move |table| lists(&table.paths, path))
    }

    /// What leaves a request that goes on without having proven anything (a preflight), as it leaves a proven one.
    ///
    /// Every guarding table's parameters leave, not only the satisfied one's: all of them are secrets.
    pub fn without_credentials(&self, request: &SignedRequest<'_>) -> Changes {
        let parameter = |name: &[u8]| self.guarding(request.path).any(|t| t.scheme.owns_parameter(name));
        let cookie = |name: &[u8]| self.guarding(request.path).any(|t| t.scheme.owns_cookie(name));
        Changes {
            query: carrier::query_without(request.query, parameter),
            cookie: carrier::cookies_without(request.headers, cookie),
        }
    }
}

/// Whether the table guards a normalised path. An escaped slash is another path to us and the same key to S3
/// (`/private%2Fa`), and repeated slashes are one to many origins, so each reading counts.
pub fn guards(table: &config::Signed, path: &str) -> bool {
    lists(&patterns(table), path)
}

fn patterns(table: &config::Signed) -> Vec<PathPattern> {
    table.paths.iter().map(|path| PathPattern::new(uniform::pattern(path.as_str()))).collect()
}

fn lists(patterns: &[PathPattern], path: &str) -> bool {
    let listed = |path: &str| patterns.iter().any(|pattern| pattern.matches(path));
    let merged = |path: &str| uniform::merged(path).is_some_and(|merged| listed(&merged));
    let uniform = |path: &str| {
        let path = uniform::path(path);
        listed(&path) || merged(&path)
    };
    listed(path)
        || uniform(path)
        || (path.contains('%') && listed(&percent_decode_str(path).decode_utf8_lossy()))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use http::header::COOKIE;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::config::{OriginKind, Secret, Signed, SignedKey};
    use crate::signed::{Change, Claims, Scope, token};

    const NOW: Time = Time::from_secs(1000);

    fn table(path: &str, param: &str, key: &str) -> Signed {
        Signed {
            scheme: SignedScheme::Token,
            paths: vec![PathPattern::new(path)],
            keys: vec![SignedKey { id: key.into(), secret: Secret::new(format!("secret of {key}")) }],
            clock_skew: Duration::ZERO,
            max_lifetime: None,
            param: param.into(),
        }
    }

    fn token(key_id: &str, scope: Scope<'_>, expires: u64) -> String {
        let claims =
            Claims { key_id, expires, scope, client: None, host: None, not_before: None, issued_at: None };
        token::sign(&claims, &Secret::new(format!("secret of {key_id}"))).unwrap()
    }

    fn verify(tables: &[Signed], path: &str, query: &str, headers: &HeaderMap) -> Result<Grant, DenyReason> {
        let request = SignedRequest {
            method: &Method::GET,
            host: "photos.example.com",
            path,
            origin: OriginKind::Http,
            path_token: None,
            query: Some(query),
            headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Verifiers::new(tables).verify(&request, NOW)
    }

    #[test]
    fn paths_that_no_table_lists_are_public_and_left_alone() {
        let headers = HeaderMap::new();
        assert!(Verifiers::new(&[]).is_public());
        let tables = [table("/private/*", "token", "k")];
        assert!(!Verifiers::new(&tables).is_public());
        let public = Grant { key_id: None, expires: None, changes: Changes::default() };
        assert_eq!(verify(&tables, "/open", "token=v1.x.y", &headers), Ok(public.clone()));
        assert_eq!(verify(&[], "/private/a", "token=x", &headers), Ok(public));
        for guarded in
            ["/private/a", "/private%2Fa", "/private%2fa", "//private/a", "/private//a", "/%2Fprivate/a"]
        {
            assert_eq!(verify(&tables, guarded, "a=1", &headers), Err(DenyReason::Missing), "{guarded}");
        }
        for pattern in ["/private$/*", "/private%24/*"] {
            for guarded in ["/private$/a", "/private%24/a", "/private%24%2Fa%20b"] {
                let verified = verify(&[table(pattern, "token", "k")], guarded, "a=1", &headers);
                assert_eq!(verified, Err(DenyReason::Missing), "{pattern} {guarded}");
            }
        }
    }

    #[test]
    fn one_satisfied_table_is_enough_and_all_credentials_leave() {
        let tables = [table("/*", "token", "k"), table("/*", "sig", "l")];
        let good = token("l", Scope::Prefix("/"), 2000);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=1; token=old; sig=old"));
        let grant = verify(&tables, "/a", &format!("token=junk&w=%7e1&sig={good}"), &headers).unwrap();
        assert_eq!((grant.key_id.as_deref(), grant.expires), (Some("l"), Some(Time::from_secs(2000))));
        assert_eq!(grant.changes.query, Change::Replaced(Some("w=%7e1".into())));
        assert_eq!(grant.changes.cookie, Change::Replaced(Some(HeaderValue::from_static("a=1"))));
    }

    #[test]
    fn a_table_that_does_not_list_the_path_neither_guards_nor_opens_it() {
        let tables = [table("/a/*", "token", "a"), table("/b/*", "token", "b")];
        let whole_site = token("a", Scope::Prefix("/"), 2000);
        let headers = HeaderMap::new();
        assert!(verify(&tables, "/a/x", &format!("token={whole_site}"), &headers).is_ok());
        let denied = verify(&tables, "/b/x", &format!("token={whole_site}"), &headers);
        assert_eq!(denied, Err(DenyReason::UnknownKey));
    }

    #[test]
    fn the_most_telling_reason_is_told() {
        let tables = [table("/*", "token", "k"), table("/*", "sig", "l"), table("/*", "other", "m")];
        let expired = token("l", Scope::Prefix("/"), 999);
        let denied = verify(&tables, "/a", &format!("token=junk&sig={expired}"), &HeaderMap::new());
        assert_eq!(denied, Err(DenyReason::Expired));
    }
}
