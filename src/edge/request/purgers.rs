//! Who may purge by the PURGE method.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::config::{Admin, Secret};
use crate::edge::request::sanitize::Incoming;
use crate::http::bearer;

/// Who may send the PURGE method to the listeners.
#[derive(Debug, Default)]
pub struct Purgers {
    networks: Vec<IpNet>,
    token: Option<Secret>,
}

impl Purgers {
    /// Those of `admin.purge_from`, and the bearer of `admin.token`.
    pub fn new(admin: &Admin) -> Self {
        Self { networks: admin.purge_from.clone(), token: admin.token.clone() }
    }

    fn allow(&self, client: IpAddr, headers: &HeaderMap) -> bool {
        self.networks.iter().any(|network| network.contains(&client))
            || self.token.as_ref().is_some_and(|token| bearer::carries(headers, token.expose()))
    }

    /// Whether a request is a purge by somebody who may. From anybody else PURGE is a method like any other.
    pub fn let_purge(&self, incoming: &Incoming) -> bool {
        incoming.method.as_str() == "PURGE" && self.allow(incoming.client, &incoming.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn who_may_purge() {
        let admin = Admin {
            address: None,
            token: Some(Secret::new("s3cret")),
            read_token: Some(Secret::new("r3ad")),
            guarded_metrics: false,
            purge_from: vec!["10.0.0.0/8".parse().unwrap()],
        };
        let purgers = Purgers::new(&admin);
        let mut bearer = HeaderMap::new();
        bearer.insert("authorization", HeaderValue::from_static("Bearer s3cret"));
        let none = HeaderMap::new();
        for (client, headers, allowed) in [
            ("10.1.2.3", &none, true),
            ("11.1.2.3", &none, false),
            ("127.0.0.1", &none, false),
            ("11.1.2.3", &bearer, true),
        ] {
            assert_eq!(purgers.allow(client.parse().unwrap(), headers), allowed, "{client}");
        }
        assert!(!Purgers::default().allow("127.0.0.1".parse().unwrap(), &bearer), "nobody by default");
    }
}
