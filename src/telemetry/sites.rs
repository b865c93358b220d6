//! What metrics and logs call a site: a handle that stays when settings are replaced.

use std::sync::Arc;

use parking_lot::RwLock;

/// The `site` label of requests that no site was found for.
const NO_SITE: &str = "none";

/// A site, as records carry it. The same name has the same handle for as long as the process lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SiteHandle(pub(super) u16);

/// The labels of all sites that there have been.
#[derive(Debug)]
pub(super) struct SiteLabels {
    no_site: Arc<str>,
    /// By handle.
    sites: RwLock<Vec<Arc<str>>>,
}

impl SiteLabels {
    /// `names` are those of the sites that there will be first: none of them is what requests without a site get.
    pub(super) fn new(names: &[String]) -> Self {
        let mut no_site = NO_SITE.to_owned();
        let mut n = 2;
        // Two series with the same labels would make the whole exposition invalid.
        while names.contains(&no_site) {
            no_site = format!("{NO_SITE}#{n}");
            n += 1;
        }
        Self { no_site: no_site.into(), sites: RwLock::default() }
    }

    /// The handle of a site. When there have been as many as handles can tell apart, the last one is shared.
    pub(super) fn handle(&self, name: &str) -> SiteHandle {
        let mut sites = self.sites.write();
        let known = sites.iter().position(|known| **known == *name);
        let index = known.unwrap_or_else(|| {
            if sites.len() <= usize::from(u16::MAX) {
                sites.push(name.into());
            }
            sites.len() - 1
        });
        SiteHandle(u16::try_from(index).unwrap_or(u16::MAX))
    }

    pub(super) fn label(&self, site: Option<SiteHandle>) -> Arc<str> {
        let known = site.and_then(|site| self.sites.read().get(usize::from(site.0)).cloned());
        known.unwrap_or_else(|| Arc::clone(&self.no_site))
    }

    /// All sites in the order of their handles, then none.
    pub(super) fn all(&self) -> Vec<(Option<SiteHandle>, Arc<str>)> {
        let sites = self.sites.read();
        let handles = (0..=u16::MAX).map(|index| Some(SiteHandle(index)));
        let named = handles.zip(sites.iter().cloned());
        named.chain([(None, Arc::clone(&self.no_site))]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_handle_and_the_last_is_no_site() {
        let labels = SiteLabels::new(&["a".into(), "none".into()]);
        let [a, none] = ["a", "none"].map(|name| labels.handle(name));
        assert_eq!((labels.handle("a"), a == none), (a, false));
        let all: Vec<_> = labels.all().into_iter().map(|(_, label)| label).collect();
        assert_eq!(all.iter().map(|label| &**label).collect::<Vec<_>>(), ["a", "none", "none#2"]);
        assert_eq!(&*labels.label(Some(none)), "none");
        assert_eq!((&*labels.label(None), &*labels.label(Some(SiteHandle(99)))), ("none#2", "none#2"));
    }
}
