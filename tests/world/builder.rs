//! Building a world: an `edge.toml` with working defaults, what a test adds to it, and the edge that runs it.

use std::time::Duration;

use seawall::edge::clock::Clock;
use seawall::http::time::Time;

use super::client::Client;
use super::date::fill_in;
use super::edge::Edge;
use super::gate::within;
use super::h2::H2;
use super::metrics::Metrics;
use super::origin::Origin;
use super::seen::Seen;

/// When every world begins: 2026-01-01 00:00:00 UTC.
pub const START: Time = Time::from_secs(1_767_225_600);

/// The host the default site answers.
const HOST: &str = "test.example";

/// Text for the tables of `edge.toml`; each piece lands right under its table's own keys, so it may hold keys first
/// and sub-tables after them.
pub struct WorldBuilder {
    server: String,
    plain_listener: String,
    members: Vec<String>,
    pool: String,
    site: String,
    admin: String,
    more: String,
    origins: usize,
    threads: usize,
    others: Vec<String>,
    later: u64,
}

impl WorldBuilder {
    /// Under `[server]`.
    pub fn server(mut self, toml: &str) -> Self {
        push(&mut self.server, toml);
        self
    }

    /// Under the plain `[[listener]]`.
    pub fn plain_listener(mut self, toml: &str) -> Self {
        push(&mut self.plain_listener, toml);
        self
    }

    /// Under the `[[pool]]` of the origins.
    pub fn pool(mut self, toml: &str) -> Self {
        push(&mut self.pool, toml);
        self
    }

    /// Under the `[[site]]` of `test.example`.
    pub fn site(mut self, toml: &str) -> Self {
        push(&mut self.site, toml);
        self
    }

    /// In place of the `[admin]` table; it has to listen on port 0.
    pub fn admin(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.admin);
        self
    }

    /// At the end of the file: further sites and pools.
    pub fn more(mut self, toml: &str) -> Self {
        push(&mut self.more, toml);
        self
    }

    /// How many scripted origins the pool has (1).
    pub fn origins(mut self, n: usize) -> Self {
        self.origins = n;
        self
    }

    /// Worker threads of the edge (2).
    pub fn threads(mut self, n: usize) -> Self {
        self.threads = n;
        self
    }

    /// Another pool, with one scripted origin of its own: [`World::other`].
    pub fn other_pool(mut self, name: &str) -> Self {
        self.others.push(name.to_owned());
        self
    }

    /// A member of the pool besides the scripted origins, as `host:port`.
    pub fn member(mut self, authority: impl ToString) -> Self {
        self.members.push(authority.to_string());
        self
    }

    /// So many seconds after [`START`], as an edge that is started again.
    pub fn later(mut self, seconds: u64) -> Self {
        self.later = seconds;
        self
    }

    /// Starts the origins and the edge.
    pub async fn start(self) -> World {
        let clock = Clock::manual(START.plus(Duration::from_secs(self.later)));
        let mut origins = Vec::new();
        for _ in 0..self.origins {
            origins.push(Origin::start(clock.clone()).await);
        }
        let mut others = Vec::new();
        for name in &self.others {
            others.push((name.clone(), Origin::start(clock.clone()).await));
        }
        let toml = self.toml(&origins, &others);
        let edge = within("the edge to start", Edge::start(toml, clock.clone())).await;
        World { clock, origins, others, edge }
    }

    fn toml(&self, origins: &[Origin], others: &[(String, Origin)]) -> String {
        let authorities = origins.iter().map(|origin| origin.address().to_string());
        let members = authorities.chain(self.members.iter().cloned());
        let members: Vec<String> = members.map(|at| format!("{{ url = \"http://{at}\" }}")).collect();
        let other = |(name, origin): &(String, Origin)| {
            format!("[[pool]]\nname = \"{name}\"\nmembers = [{{ url = \"http://{}\" }}]\n", origin.address())
        };
        let others: String = others.iter().map(other).collect();
        let Self { server, plain_listener, pool, site, admin, more, threads, .. } = self;
        format!(
            "[server]\nthreads = {threads}\nshutdown_timeout = \"5s\"\n{server}\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\n{plain_listener}\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\n[listener.tls]\nself_signed = true\n\
             [[pool]]\nname = \"origin\"\nmembers = [{}]\n{pool}\n{others}\
             [[site]]\nhosts = [\"{HOST}\"]\npool = \"origin\"\n{site}\n\
             {admin}\n{more}\n",
            members.join(", ")
        )
    }
}

fn push(to: &mut String, toml: &str) {
    to.push_str(toml);
    to.push('\n');
}

/// One edge, its origins and its clock. Dropped, it checks that the origins were asked what their scripts say.
pub struct World {
    clock: Clock,
    origins: Vec<Origin>,
    others: Vec<(String, Origin)>,
    edge: Edge,
}

impl World {
    /// A world to be: one origin, a plain and a TLS listener, an admin listener, one site.
    #[expect(clippy::new_ret_no_self, reason = "`World::new()…start()` reads as what it is")]
    pub fn new() -> WorldBuilder {
        WorldBuilder {
            server: String::new(),
            plain_listener: String::new(),
            members: Vec::new(),
            pool: String::new(),
            site: String::new(),
            admin: "[admin]\naddress = \"127.0.0.1:0\"".to_owned(),
            more: String::new(),
            origins: 1,
            threads: 2,
            others: Vec::new(),
            later: 0,
        }
    }

    /// With nothing but the defaults.
    pub async fn start() -> Self {
        Self::new().start().await
    }

    /// The defaults and this under `[[site]]`.
    pub async fn with_site(toml: &str) -> Self {
        Self::new().site(toml).start().await
    }

    /// See [`Edge::replace_settings`].
    pub fn replace_settings(&self, change: impl FnOnce(&str) -> String) {
        self.edge.replace_settings(change);
    }

    /// The first origin.
    pub fn origin(&self) -> &Origin {
        &self.origins[0]
    }

    /// All of them.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// The origin of another pool.
    pub fn other(&self, name: &str) -> &Origin {
        let other = self.others.iter().find(|(other, _)| other == name);
        &other.expect("a pool made by other_pool").1
    }

    /// A client of the plain listener.
    pub fn client(&self) -> Client {
        Client::of(self.edge.listener(0), HOST)
    }

    /// A client of the TLS listener, speaking HTTP/1.1.
    pub fn tls_client(&self) -> Client {
        Client { address: self.edge.listener(1), tls: true, host: HOST.to_owned() }
    }

    /// A connection to the TLS listener, speaking HTTP/2.
    pub async fn h2(&self) -> H2 {
        H2::connect(&self.tls_client()).await
    }

    /// A plain GET without further ado.
    pub async fn get(&self, target: &str) -> Seen {
        self.client().get(target).send().await
    }

    /// Asks until the answer is this one: for what happens behind the client's back.
    pub async fn eventually(&self, target: &str, body: &str) -> Seen {
        within(format!("{target} to become {body:?}"), async {
            loop {
                let seen = self.get(target).await;
                if seen.text() == body {
                    return seen;
                }
            }
        })
        .await
    }

    /// A GET of the admin listener.
    pub async fn admin(&self, target: &str) -> Seen {
        Client::of(self.edge.admin(), "localhost").get(target).send().await
    }

    /// Where the admin listener listens.
    pub fn admin_address(&self) -> std::net::SocketAddr {
        self.edge.admin()
    }

    /// A scrape in which `so` holds. A request is counted when its last byte is gone, which may be a moment after
    /// the client has read it.
    pub async fn metrics_when(&self, what: &str, so: impl Fn(&Metrics) -> bool) -> Metrics {
        within(format!("a scrape in which {what}"), async {
            loop {
                let metrics = self.metrics().await;
                if so(&metrics) {
                    return metrics;
                }
            }
        })
        .await
    }

    /// An answer of /readyz with this in it.
    pub async fn readiness_when(&self, says: &str) -> Seen {
        within(format!("/readyz to say {says}"), async {
            loop {
                let seen = self.admin("/readyz").await;
                if seen.text().contains(says) {
                    return seen;
                }
            }
        })
        .await
    }

    /// A scrape.
    pub async fn metrics(&self) -> Metrics {
        let seen = self.admin("/metrics").await;
        assert_eq!(seen.status, 200);
        Metrics::new(seen.text())
    }

    /// Lets time pass, for the edge and for the origins' dates.
    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The time in the world.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// `{now-10s}` and the like as a date.
    pub fn date(&self, placeholder: &str) -> String {
        fill_in(placeholder, self.now())
    }

    /// Begins to drain the edge; the handle ends when it has stopped.
    pub fn stop(&mut self) -> tokio::task::JoinHandle<bool> {
        self.edge.stop()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let all = self.origins.iter().chain(self.others.iter().map(|(_, origin)| origin));
        let complaints: Vec<String> = all.flat_map(Origin::complaints).collect();
        if !std::thread::panicking() {
            assert!(complaints.is_empty(), "the origin complains:\n  {}", complaints.join("\n  "));
        } else if !complaints.is_empty() {
            eprintln!("the origin complains too:\n  {}", complaints.join("\n  "));
        }
    }
}
