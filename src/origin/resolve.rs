//! Names to addresses, and again when the answer is no longer good.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};

use super::error::OriginSetupError;
use super::member::Address;
use super::pool::Pool;

/// However short its TTL, an answer is used for this long.
const FLOOR: Duration = Duration::from_secs(1);
/// However long its TTL, an answer is asked for again after this.
const CEILING: Duration = Duration::from_secs(300);
/// After the first failure, doubled up to [`MAX_RETRY`]; the last good answer is used meanwhile.
const RETRY: Duration = Duration::from_secs(1);
/// A name that keeps failing is asked for this often.
const MAX_RETRY: Duration = Duration::from_secs(30);

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

/// Keeps one configured member of `pool` resolved for as long as the pool lives.
pub(super) async fn keep_resolved(
    pool: Weak<Pool>,
    slot: usize,
    host: String,
    port: u16,
    resolver: Arc<TokioResolver>,
) {
    let mut failures: u32 = 0;
    loop {
        let looked_up = resolver.lookup_ip(host.as_str()).await;
        let Some(pool) = pool.upgrade() else { return };
        let wait = match looked_up {
            Ok(found) => {
                let addresses: Vec<_> = found.iter().collect();
                failures = 0;
                pool.set_addresses(slot, Some(pair(&addresses, port)));
                found.valid_until().saturating_duration_since(Instant::now()).clamp(FLOOR, CEILING)
            }
            Err(error) => {
                tracing::warn!(pool = %pool.name, host, %error, "name does not resolve; its last addresses stay");
                pool.set_addresses(slot, None);
                failures += 1;
                RETRY.saturating_mul(1 << (failures - 1).min(5)).min(MAX_RETRY)
            }
        };
        drop(pool);
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record, RecordType};
    use parking_lot::Mutex;
    use tokio::net::UdpSocket;

    use super::*;
    use crate::origin::tests;

    /// A name server that answers every A question with these addresses, TTL 1 s; with none it fails.
    async fn name_server(addresses: Arc<Mutex<Vec<Ipv4Addr>>>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let mut answer = question.clone().into_response();
                let addresses = addresses.lock().clone();
                for query in &question.queries {
                    if query.query_type() == RecordType::A {
                        answer.answers.extend(
                            addresses.iter().map(|ip| {
                                Record::from_rdata(query.name().clone(), 1, RData::A((*ip).into()))
                            }),
                        );
                    }
                }
                if addresses.is_empty() {
                    answer.metadata.response_code = ResponseCode::ServFail;
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        at
    }

    #[tokio::test]
    async fn a_name_is_followed_and_its_last_good_answer_kept() {
        let addresses = Arc::new(Mutex::new(vec![Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]));
        let at = name_server(addresses.clone()).await;
        let mut udp = ConnectionConfig::udp();
        udp.port = at.port();
        let server = NameServerConfig::new(at.ip(), true, vec![udp]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().attempts = 0;
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = Arc::new(builder.build().unwrap());

        let pool = tests::bare_pool("origin.test", 80);
        tokio::spawn(keep_resolved(Arc::downgrade(&pool), 0, "origin.test.".into(), 80, resolver));
        pool.ready().await.unwrap();
        let labels = || pool.members().iter().map(|m| m.label.to_string()).collect::<Vec<_>>();
        let first = pool.members();
        assert_eq!(labels(), ["origin.test:80/10.0.0.1", "origin.test:80/10.0.0.2"]);

        addresses.lock()[0] = Ipv4Addr::new(10, 0, 0, 3);
        tests::until(|| labels() == ["origin.test:80/10.0.0.2", "origin.test:80/10.0.0.3"]).await;
        assert!(Arc::ptr_eq(&first[1], &pool.members()[0]), "a member that stays keeps its state");

        addresses.lock().clear();
        tokio::time::sleep(FLOOR * 2).await;
        assert_eq!(labels().len(), 2);
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
