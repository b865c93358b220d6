//! Stage 2: which site and which rule a request falls under.

use std::sync::Arc;

use crate::cache::invalidation;
use crate::config::{HostPattern, OriginKind, PathPattern, PoolId, RouteSettings, Rule, Site};
use crate::http::refusal::Refusal;
use crate::http::uniform;
use crate::signed::{PathToken, Verifiers, split_path_token};

use crate::edge::node::Node;
use crate::edge::request::sanitize::Incoming;
use crate::origin::PoolHandle;
use crate::telemetry::SiteHandle;

/// What settings hold on to beyond themselves: state that stays when they are replaced.
pub trait Handles {
    /// What metrics and logs call a site.
    fn site(&self, site: &Site) -> SiteHandle;

    /// A pool to ask.
    fn pool(&self, id: PoolId) -> PoolHandle;
}

/// The sites, ready for look-up.
#[derive(Debug)]
pub struct Sites {
    sites: Vec<Served>,
    /// Exact hosts, sorted, and whose they are.
    exact: Vec<(String, usize)>,
    /// `.parent` suffixes, longest first.
    suffixes: Vec<(String, usize)>,
    any: Option<usize>,
}

#[derive(Debug)]
struct Served {
    site: Site,
    base: Arc<Route>,
    rules: Vec<(Rule, Arc<Route>)>,
    /// Whether any path of it is guarded, so that tokens in paths mean something.
    guarded: bool,
}

impl Served {
    fn allow(&self) -> String {
        self.site.methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn rule(&self, path: &str) -> &Arc<Route> {
        let rule = self.rules.iter().find(|(rule, _)| rule.path.matches(path));
        rule.map_or(&self.base, |(_, route)| route)
    }

    /// The route of the first rule that matches.
    ///
    /// Repeated slashes are part of an S3 key and nothing to many other origins. What is guarded in either
    /// reading is guarded.
    fn route(&self, path: &str) -> &Arc<Route> {
        let route = self.rule(path);
        let Some(merged) = uniform::merged(path).filter(|_| self.guarded) else { return route };
        let other = self.rule(&merged);
        if route.verifiers.is_public() { other } else { route }
    }
}

/// What a request is handled by: a site's or a rule's settings with what is derived from them.
#[derive(Debug)]
pub struct Route {
    /// The site, as metrics count it.
    pub site: SiteHandle,
    /// Where its misses go.
    pub pool: PoolHandle,
    /// What purges call the site.
    pub site_id: u64,
    /// Cache, headers, pool.
    pub settings: Arc<RouteSettings>,
    /// Who may see it.
    pub verifiers: Verifiers,
    /// What belongs to no site.
    pub node: Arc<Node>,
}

/// A request whose site and rule are known.
pub struct Routed {
    /// The request.
    pub incoming: Incoming,
    /// What it is handled by.
    pub route: Arc<Route>,
}

impl Sites {
    /// From the configuration, which has refused duplicates.
    pub fn new(sites: &[Site], node: &Arc<Node>, handles: &dyn Handles) -> Self {
        let mut table = Self { sites: Vec::new(), exact: Vec::new(), suffixes: Vec::new(), any: None };
        for (index, site) in sites.iter().enumerate() {
            for host in &site.hosts {
                match host {
                    HostPattern::Exact(name) => table.exact.push((name.clone(), index)),
                    HostPattern::Suffix(suffix) => table.suffixes.push((suffix.clone(), index)),
                    HostPattern::Any => table.any = Some(index),
                }
            }
            let route = |settings: &Arc<RouteSettings>| {
                Arc::new(Route {
                    site: handles.site(site),
                    pool: handles.pool(settings.pool),
                    site_id: invalidation::site(&site.name),
                    settings: Arc::clone(settings),
                    verifiers: Verifiers::new(&settings.signed),
                    node: Arc::clone(node),
                })
            };
            let uniform = |rule: &Rule| Rule {
                path: PathPattern::new(uniform::pattern(rule.path.as_str())),
                settings: Arc::clone(&rule.settings),
            };
            let rules = site.rules.iter().map(|rule| (uniform(rule), route(&rule.settings))).collect();
            let guarded =
                !site.settings.signed.is_empty() || site.rules.iter().any(|r| !r.settings.signed.is_empty());
            table.sites.push(Served { base: route(&site.settings), rules, site: site.clone(), guarded });
        }
        table.exact.sort();
        table.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table
    }

    /// The site that answers for a host (lower case, without its port): an exact name, then the longest
    /// wildcard, then `*`.
    pub fn find(&self, host: &str) -> Option<usize> {
        if let Ok(at) = self.exact.binary_search_by(|(name, _)| name.as_str().cmp(host)) {
            return Some(self.exact[at].1);
        }
        let suffix =
            self.suffixes.iter().find(|(suffix, _)| host.len() > suffix.len() && host.ends_with(suffix));
        suffix.map(|(_, index)| *index).or(self.any)
    }

    /// What a path of a host is handled by.
    pub fn route_of(&self, host: &str, routed_path: &str) -> Option<&Arc<Route>> {
        Some(self.sites.get(self.find(host)?)?.route(routed_path))
    }

    /// Whether some path of a host's site is answered by such a pool.
    pub fn has_origin(&self, host: &str, origin: OriginKind) -> bool {
        let served = self.find(host).and_then(|index| self.sites.get(index));
        served.is_some_and(|served| {
            let rules = served.rules.iter().map(|(_, route)| route);
            rules.chain([&served.base]).any(|route| route.settings.origin == origin)
        })
    }

    /// What purges call the site that lists this host, written as in the configuration.
    pub fn site_id(&self, host: &str) -> Option<u64> {
        let index = match (host, host.strip_prefix("*.")) {
            ("*", _) => self.any,
            (_, Some(parent)) => {
                let listed = |(suffix, _): &&(String, usize)| suffix.strip_prefix('.') == Some(parent);
                self.suffixes.iter().find(listed).map(|(_, index)| *index)
            }
            _ => self.exact.iter().find(|(name, _)| name == host).map(|(_, index)| *index),
        };
        self.sites.get(index?).map(|served| served.base.site_id)
    }

    /// Names of the sites, in the order metrics count them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|served| served.site.name.as_str())
    }
}

/// A request that no site takes.
pub struct Unrouted {
    /// Why.
    pub refusal: Refusal,
    /// The site that has its host.
    pub site: Option<SiteHandle>,
    /// The value of Allow, for a 405 (RFC 9110 §10.2.1).
    pub allow: Option<String>,
}

impl Unrouted {
    fn because(refusal: Refusal) -> Self {
        Self { refusal, site: None, allow: None }
    }
}

/// Finds the site by host and the first rule whose path matches.
///
/// # Errors
/// An unknown host is 404, and 421 on TLS, where the client may hold a connection meant for another server
/// (RFC 9110 §15.5.20). A method the site does not allow is 405.
pub fn route(mut incoming: Incoming, sites: &Sites) -> Result<Routed, Unrouted> {
    let found = sites.find(incoming.host.name());
    // A site that lists the address has it in its keys, so that what is stored there can't be another site's.
    if !incoming.is_named && (found.is_none() || found != sites.any) {
        return Err(Unrouted::because(Refusal::BadHost));
    }
    let Some(index) = found else {
        let refusal = if incoming.on_tls { Refusal::Misdirected } else { Refusal::UnknownHost };
        return Err(Unrouted::because(refusal));
    };
    let served = &sites.sites[index];
    let unrouted = |refusal| Unrouted { site: Some(served.base.site), ..Unrouted::because(refusal) };
    if !served.site.methods.contains(&incoming.method) {
        return Err(Unrouted { allow: Some(served.allow()), ..unrouted(Refusal::MethodNotAllowed) });
    }
    if served.guarded
        && let Some(PathToken { token, path }) = split_path_token(incoming.target.path())
    {
        incoming.path_token = Some(token.to_owned());
        let path = path.to_owned();
        incoming.target.set_path(path).map_err(unrouted)?;
    }
    let route = Arc::clone(served.route(incoming.target.routed_path()));
    incoming.target.identify(route.settings.origin);
    Ok(Routed { incoming, route })
}
