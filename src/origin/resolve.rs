//! Names to addresses, and again when the answer is no longer good.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record};
use hickory_resolver::{Resolver, TokioResolver};

use super::error::OriginSetupError;
use super::maker::Maker;
use super::member::{Address, Origin};
use super::pool::{Found, Pool};
use crate::config;

/// However short its TTL, an answer is used for this long.
const FLOOR: Duration = Duration::from_secs(1);
/// However long its TTL, an answer is asked for again after this.
const CEILING: Duration = Duration::from_secs(300);
/// After the first failure, doubled up to [`MAX_RETRY`]; the last good answer is used meanwhile.
const RETRY: Duration = Duration::from_secs(1);
/// A name that keeps failing is asked for this often.
const MAX_RETRY: Duration = Duration::from_secs(30);

/// More servers than that in one answer are a mistake.
const MAX_TARGETS: usize = 256;
/// SRV weights go to 65,535; here the heaviest server counts as this at most.
const MAX_SRV_WEIGHT: u16 = 100;

/// Addresses that need no resolver: literals, and `localhost` (RFC 6761 §6.3).
pub(super) fn without_dns(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(ip) = host.parse() {
        return Some(vec![ip]);
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    (name == "localhost" || name.ends_with(".localhost"))
        .then(|| vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)])
}

/// One member per IPv4 address, with IPv6 ones as alternates of them; of IPv6 alone, one per address. A server
/// that has both would otherwise be two members, and half of them dead where there is no IPv6.
pub(super) fn pair(addresses: &[IpAddr], port: u16) -> Vec<Address> {
    let (mut v4, mut v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv4());
    for family in [&mut v4, &mut v6] {
        family.sort_unstable();
        family.dedup();
    }
    let socket = |ip: &IpAddr| SocketAddr::new(*ip, port);
    if v4.is_empty() {
        return v6.iter().map(|ip| Address { primary: socket(ip), alternate: None }).collect();
    }
    let mut alternates = v6.iter().cycle();
    v4.iter().map(|ip| Address { primary: socket(ip), alternate: alternates.next().map(socket) }).collect()
}

/// The system's resolver: its name servers and its hosts file.
///
/// # Errors
/// If it can not be built at all. A system without name servers has a resolver that knows its hosts file.
pub(super) fn resolver() -> Result<TokioResolver, OriginSetupError> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
        tracing::warn!(%error, "no system resolver configuration; names resolve by the hosts file only");
        let nobody = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        Resolver::builder_with_config(nobody, TokioRuntimeProvider::default())
    });
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().map_err(|e| OriginSetupError::Resolver(e.to_string()))
}

/// What is resolved for a configured member.
#[expect(clippy::large_enum_variant, reason = "there is one for each name in edge.toml, made at start")]
pub(super) enum Name {
    /// A host: one server, at one or several addresses.
    Host { origin: Arc<Origin>, host: String, port: u16 },
    /// SRV records (RFC 2782): several servers, with a port, a weight and a priority each.
    Srv { maker: Maker, member: config::Member },
}

/// Keeps one configured member of `pool` resolved for as long as the pool lives.
pub(super) async fn keep_resolved(pool: Weak<Pool>, slot: usize, name: Name, resolver: Arc<TokioResolver>) {
    let mut failures: u32 = 0;
    loop {
        let known = match pool.upgrade() {
            Some(pool) => pool.found(slot),
            None => return,
        };
        let resolved = name.resolve(&resolver, known).await;
        let Some(pool) = pool.upgrade() else { return };
        let wait = match resolved {
            Ok((found, valid_until)) => {
                failures = 0;
                pool.set(slot, Some(found));
                valid_until.saturating_duration_since(Instant::now()).clamp(FLOOR, CEILING)
            }
            Err(error) => {
                let name = name.text();
                let pool_name = &pool.name;
                match pool.found(slot).iter().any(|found| !found.addresses.is_empty()) {
                    true => {
                        tracing::warn!(pool = %pool_name, name, error, "name does not resolve; its last addresses stay")
                    }
                    false => {
                        tracing::warn!(pool = %pool_name, name, error, "name does not resolve; it has no address yet")
                    }
                }
                pool.set(slot, None);
                failures += 1;
                RETRY.saturating_mul(1 << (failures - 1).min(5)).min(MAX_RETRY)
            }
        };
        drop(pool);
        tokio::time::sleep(wait).await;
    }
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Name::Host { host, .. } => host,
            Name::Srv { member, .. } => &member.host,
        }
    }

    /// What it stands for, and until when.
    async fn resolve(
        &self,
        resolver: &TokioResolver,
        known: Vec<Found>,
    ) -> Result<(Vec<Found>, Instant), String> {
        match self {
            Name::Host { origin, host, port } => {
                let found = resolver.lookup_ip(host.as_str()).await.map_err(|e| e.to_string())?;
                let addresses: Vec<_> = found.iter().collect();
                let addresses = pair(&addresses, *port);
                Ok((vec![Found::new(origin.clone(), addresses)], found.valid_until()))
            }
            Name::Srv { maker, member } => {
                let records = resolver.srv_lookup(member.host.as_str()).await.map_err(|e| e.to_string())?;
                let mut until = records.valid_until();
                let targets = targets(records.answers(), member);
                let mut found = Vec::with_capacity(targets.len());
                for (target, spare) in targets {
                    let old = known.iter().find(|old| is_for(&old.origin, &target, spare));
                    let addresses = match resolver.lookup_ip(target.host.as_str()).await {
                        Ok(addresses) => {
                            until = until.min(addresses.valid_until());
                            pair(&addresses.iter().collect::<Vec<_>>(), target.port)
                        }
                        // One server's name is no reason to lose the others, nor what it had.
                        Err(error) => {
                            tracing::warn!(name = member.host, target = target.host, %error, "SRV target does not resolve");
                            until = until.min(Instant::now() + RETRY);
                            old.map(|old| old.addresses.clone()).unwrap_or_default()
                        }
                    };
                    let origin = match old {
                        Some(old) => old.origin.clone(),
                        None => maker.origin(&target, spare).map_err(|e| e.to_string())?,
                    };
                    found.push(Found::new(origin, addresses));
                }
                Ok((found, until))
            }
        }
    }
}

fn is_for(origin: &Origin, target: &config::Member, spare: bool) -> bool {
    let same_port = origin
        .name
        .rsplit_once(':')
        .is_some_and(|(host, port)| host == target.host && port.parse() == Ok(target.port));
    same_port && origin.weight == target.weight && origin.spare == spare
}

/// The servers that SRV records name, each as a member, and whether it is a spare: of another than the first
/// priority. In one order, whatever the answer's. The target `.` says that there is no such service (RFC 2782).
fn targets(records: &[Record], member: &config::Member) -> Vec<(config::Member, bool)> {
    let mut all: Vec<(u16, String, u16, u16)> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) if !srv.target.is_root() => {
                let host = srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase();
                Some((srv.priority, host, srv.port, srv.weight))
            }
            _ => None,
        })
        .collect();
    all.sort_unstable();
    all.dedup_by(|a, b| (&a.1, a.2) == (&b.1, b.2));
    all.truncate(MAX_TARGETS);
    let first = all.first().map_or(0, |(priority, ..)| *priority);
    let heaviest = all.iter().map(|(.., weight)| *weight).max().unwrap_or(0);
    all.into_iter()
        .map(|(priority, host, port, weight)| {
            let weight = member.weight.saturating_mul(scaled(weight, heaviest));
            (config::Member { host, port, weight, srv: false, ..member.clone() }, priority != first)
        })
        .collect()
}

/// A weight on the ring's scale, at least 1: 65,535 places for one server would be a ring of millions.
fn scaled(weight: u16, heaviest: u16) -> u32 {
    let weight = if heaviest <= MAX_SRV_WEIGHT {
        u32::from(weight)
    } else {
        (u32::from(weight) * u32::from(MAX_SRV_WEIGHT)).div_ceil(u32::from(heaviest))
    };
    weight.max(1)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::SRV;
    use parking_lot::Mutex;
    use tokio::net::UdpSocket;

    use super::*;
    use crate::origin::tests;

    /// The record of a name server that says nothing at all.
    const SILENT: (&str, RData) =
        ("silent", RData::A(hickory_resolver::proto::rr::rdata::A(Ipv4Addr::UNSPECIFIED)));

    /// A name server that answers from these records, TTL 1 s; a name that has none fails.
    async fn name_server(records: Arc<Mutex<Vec<(&'static str, RData)>>>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let mut answer = question.clone().into_response();
                let records = records.lock().clone();
                if records.contains(&SILENT) {
                    continue;
                }
                for query in &question.queries {
                    let of_name = records.iter().filter(|(name, _)| query.name().to_ascii() == *name);
                    if of_name.clone().next().is_none() {
                        answer.metadata.response_code = ResponseCode::ServFail;
                    }
                    let asked = of_name.filter(|(_, data)| data.record_type() == query.query_type());
                    answer.answers.extend(
                        asked.map(|(_, data)| Record::from_rdata(query.name().clone(), 1, data.clone())),
                    );
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        at
    }

    async fn resolver_of(records: &Arc<Mutex<Vec<(&'static str, RData)>>>) -> Arc<TokioResolver> {
        let at = name_server(records.clone()).await;
        let mut udp = ConnectionConfig::udp();
        udp.port = at.port();
        let server = NameServerConfig::new(at.ip(), true, vec![udp]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().attempts = 0;
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Arc::new(builder.build().unwrap())
    }

    fn a(last: u8) -> RData {
        RData::A(Ipv4Addr::new(10, 0, 0, last).into())
    }

    fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
        RData::SRV(SRV::new(priority, weight, port, target.parse().unwrap()))
    }

    fn maker(pool: &Pool) -> Maker {
        let metrics = crate::origin::OriginMetrics::register(&prometheus::Registry::new()).unwrap();
        Maker::new(&pool.config, &metrics).unwrap()
    }

    fn labels(pool: &Pool) -> Vec<String> {
        pool.members().iter().map(|m| m.label.to_string()).collect()
    }

    #[tokio::test]
    async fn a_name_is_followed_and_its_last_good_answer_kept() {
        let records = Arc::new(Mutex::new(vec![("origin.test.", a(1)), ("origin.test.", a(2))]));
        let pool = tests::bare_pool("origin.test", 80);
        let origin = maker(&pool).member(&pool.config.members[0]).unwrap();
        let name = Name::Host { origin, host: "origin.test.".into(), port: 80 };
        tokio::spawn(keep_resolved(Arc::downgrade(&pool), 0, name, resolver_of(&records).await));
        pool.ready().await.unwrap();
        let first = pool.members();
        assert_eq!(labels(&pool), ["origin.test:80/10.0.0.1", "origin.test:80/10.0.0.2"]);

        records.lock()[0].1 = a(3);
        tests::until(|| labels(&pool) == ["origin.test:80/10.0.0.2", "origin.test:80/10.0.0.3"]).await;
        assert!(Arc::ptr_eq(&first[1], &pool.members()[0]), "a member that stays keeps its state");

        records.lock().clear();
        tokio::time::sleep(FLOOR * 2).await;
        assert_eq!(labels(&pool).len(), 2);
    }

    #[tokio::test]
    async fn a_name_server_that_hangs_keeps_no_request_waiting() {
        let records = Arc::new(Mutex::new(vec![("origin.test.", a(1))]));
        let pool = tests::bare_pool("origin.test", 80);
        let origin = maker(&pool).member(&pool.config.members[0]).unwrap();
        let name = Name::Host { origin, host: "origin.test.".into(), port: 80 };
        tokio::spawn(keep_resolved(Arc::downgrade(&pool), 0, name, resolver_of(&records).await));
        pool.ready().await.unwrap();
        *records.lock() = vec![SILENT];
        let begin = Instant::now();
        while begin.elapsed() < FLOOR * 2 {
            let asked = Instant::now();
            pool.ready().await.unwrap();
            assert!(pool.choose(1, &[]).is_some(), "its last addresses stay");
            assert!(asked.elapsed() < FLOOR / 2, "{:?}", asked.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn srv_records_are_expanded_and_followed() {
        let records = Arc::new(Mutex::new(vec![
            ("_web._tcp.test.", srv(10, 3, 8080, "b.test.")),
            ("_web._tcp.test.", srv(10, 1, 8081, "a.test.")),
            ("_web._tcp.test.", srv(20, 1, 80, "spare.test.")),
            ("a.test.", a(1)),
            ("b.test.", a(2)),
            ("b.test.", a(3)),
            ("spare.test.", a(4)),
        ]));
        let pool = tests::bare_pool("_web._tcp.test.", 0);
        let member = config::Member { srv: true, ..pool.config.members[0].clone() };
        let name = Name::Srv { maker: maker(&pool), member };
        tokio::spawn(keep_resolved(Arc::downgrade(&pool), 0, name, resolver_of(&records).await));
        pool.ready().await.unwrap();
        let whole = [
            "a.test:8081/10.0.0.1",
            "b.test:8080/10.0.0.2",
            "b.test:8080/10.0.0.3",
            "spare.test:80/10.0.0.4",
        ];
        assert_eq!(labels(&pool), whole);
        let first = pool.members();
        let of = |n: usize| (first[n].place.weight, first[n].origin.spare);
        assert_eq!((of(0), of(1), of(3)), ((1, false), (3, false), (1, true)));
        for key in 0..200u64 {
            let chosen = pool.choose(key.wrapping_mul(0x9E37_79B9_7F4A_7C15), &[]).unwrap();
            assert!(!chosen.member().origin.spare, "the second priority is for when the first is down");
        }
        let down: Vec<_> = first[..3].iter().map(|member| member.place.identity).collect();
        assert!(pool.choose(1, &down).unwrap().member().origin.spare);

        records.lock().retain(|(name, _)| *name != "b.test.");
        records.lock()[1] = ("_web._tcp.test.", srv(10, 1, 8082, "a.test."));
        tests::until(|| labels(&pool)[0] == "a.test:8082/10.0.0.1").await;
        assert_eq!(labels(&pool)[1..], whole[1..], "a target that does not resolve keeps what it had");
        assert!(Arc::ptr_eq(&first[1], &pool.members()[1]), "a member that stays keeps its state");
    }

    #[test]
    fn targets_have_weights_and_an_order() {
        let member = config::Member { weight: 2, ..tests::member("_web._tcp.test", 0) };
        let record = |data| Record::from_rdata("_web._tcp.test.".parse().unwrap(), 1, data);
        let all = [srv(5, 40_000, 1, "B."), srv(5, 0, 2, "a."), srv(5, 20_000, 3, "c."), srv(1, 1, 4, ".")];
        let found = targets(&all.map(record), &member);
        let shown: Vec<_> =
            found.iter().map(|(m, spare)| (m.host.as_str(), m.port, m.weight, *spare)).collect();
        assert_eq!(shown, [("a", 2, 2, false), ("b", 1, 200, false), ("c", 3, 100, false)]);
        assert!(targets(&[record(srv(0, 0, 0, "."))], &member).is_empty());
    }

    #[test]
    fn some_names_need_no_dns() {
        let both = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        for (host, addresses) in [
            ("192.0.2.1", Some(vec!["192.0.2.1".parse().unwrap()])),
            ("2001:db8::1", Some(vec!["2001:db8::1".parse().unwrap()])),
            ("localhost", Some(both.clone())),
            ("LocalHost.", Some(both.clone())),
            ("api.localhost", Some(both)),
            ("notlocalhost", None),
            ("example.com", None),
        ] {
            assert_eq!(without_dns(host), addresses, "{host}");
        }
    }

    #[test]
    fn families_are_paired() {
        let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        let show = |list: &[&str]| -> Vec<String> {
            pair(&ips(list), 80)
                .iter()
                .map(|a| {
                    format!("{} {}", a.primary.ip(), a.alternate.map_or("-".into(), |a| a.ip().to_string()))
                })
                .collect()
        };
        assert_eq!(show(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]), ["10.0.0.1 -", "10.0.0.2 -"]);
        assert_eq!(show(&["::2", "::1"]), ["::1 -", "::2 -"]);
        assert_eq!(show(&["10.0.0.2", "10.0.0.1", "::1"]), ["10.0.0.1 ::1", "10.0.0.2 ::1"]);
        assert_eq!(show(&["10.0.0.1", "::1", "::2"]), ["10.0.0.1 ::1"]);
        assert!(show(&[]).is_empty());
    }
}
