//! `[[site]]`: what is served, under which rules.

use std::sync::Arc;

use http::Method;

use super::{PathPattern, RouteSettings};

/// `[[site]]`
#[derive(Debug, Clone)]
pub struct Site {
    /// The first of `hosts` as written; the `site` label in metrics.
    pub name: String,
    /// Which hosts it answers; at least one.
    pub hosts: Vec<HostPattern>,
    /// Methods a client may use; others are 405.
    pub methods: Vec<Method>,
    /// What holds where no rule matches.
    pub settings: Arc<RouteSettings>,
    /// `[[site.rule]]`, in file order; the first match wins.
    pub rules: Vec<Rule>,
}

/// One of a site's `hosts`, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `photos.example.com`
    Exact(String),
    /// `*.photos.example.com`, kept as `.photos.example.com`: one or more labels in front.
    Suffix(String),
    /// `*`
    Any,
}

/// `[[site.rule]]`: a path and the settings that hold there, already merged over the site's.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As written; shown by `check` and in debug headers.
    pub path: PathPattern,
    /// The site's settings with the rule's own on top.
    pub settings: Arc<RouteSettings>,
}
