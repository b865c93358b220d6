//! `[[site]]` and its rules.

use std::collections::HashMap;
use std::sync::Arc;

use super::pool::Named;
use super::{fields, hosts, route};
use crate::config::keys::{self, FILE, RULE, SITE};
use crate::config::node::quoted;
use crate::config::section::Section;
use crate::config::{HostPattern, PathPattern, Rule, Site};

pub(super) fn all(root: Section<'_, keys::File>, pools: &[Named]) -> Vec<Site> {
    let mut taken = HashMap::new();
    root.tables(&FILE.site).into_iter().map(|section| site(section, pools, &mut taken)).collect()
}

fn site(section: Section<'_, keys::Site>, pools: &[Named], taken: &mut HashMap<HostPattern, String>) -> Site {
    let settings = Arc::new(route::of_site(section, pools));
    let mut rules: Vec<Rule> = Vec::new();
    for rule in section.tables(&SITE.rule) {
        let settings = Arc::new(route::of_rule(rule, section, &settings, pools));
        let Some(text) = rule.get(&RULE.path) else { continue };
        if let Err(why) = check_path(&text) {
            rule.error(&RULE.path, format!("{} of {}: {why}", rule.name(), section.name()));
        }
        if let Some(other) = rules.iter().find(|other| other.path.covers(&text)) {
            let (path, other) = (quoted(&text), quoted(other.path.as_str()));
            rule.remark(
                &RULE.path,
                format!("rule {path} of {} never matches: rule {other} comes first", section.name()),
            );
        }
        rules.push(Rule { path: PathPattern::new(text), settings });
    }
    let hosts = section.get(&SITE.hosts);
    Site {
        name: hosts.first().and_then(|node| node.text()).unwrap_or_default().to_owned(),
        hosts: patterns(section, taken),
        methods: fields::methods(section),
        settings,
        rules,
    }
}

fn patterns(section: Section<'_, keys::Site>, taken: &mut HashMap<HostPattern, String>) -> Vec<HostPattern> {
    let mut patterns = Vec::new();
    for node in section.get(&SITE.hosts) {
        let text = node.text().unwrap_or_default();
        let pattern = match hosts::pattern(text) {
            Ok(pattern) => pattern,
            Err(why) => {
                section.cx.error(&node.place, &node.path, format!("host {} {why}", node.shown()));
                continue;
            }
        };
        if let Some(owner) = taken.insert(pattern.clone(), section.name()) {
            let message = format!("host {} of {} already belongs to {owner}", node.shown(), section.name());
            section.cx.error(&node.place, &node.path, message);
        }
        patterns.push(pattern);
    }
    patterns
}

/// What a path pattern must be to match a normalised path at all.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(super) fn check_path(text: &str) -> Result<(), String> {
    if !text.starts_with(['/', '*']) {
        return Err(format!("path pattern {} must begin with \"/\" or \"*\"", quoted(text)));
    }
    match text.chars().find(|c| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '\\')) {
        Some(c) => Err(format!("path pattern {} must not contain {c:?}", quoted(text))),
        None => Ok(()),
    }
}
