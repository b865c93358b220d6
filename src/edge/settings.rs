//! All that a configuration says about how requests are answered, as one value that is never changed, only replaced.

use std::sync::Arc;

use super::node::Node;
use super::request::purgers::Purgers;
use super::request::route::Sites;

/// Taken once per request: what is asked of it later is asked of the [`Route`](super::request::route::Route) that it gave.
#[derive(Debug)]
pub struct Settings {
    /// What is served under which hosts.
    pub sites: Sites,
    /// Who may send PURGE to the listeners.
    pub purgers: Purgers,
    /// What belongs to no site.
    pub node: Arc<Node>,
}
