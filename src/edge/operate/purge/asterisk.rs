//! What a `*` means in a purge: at the end of a URL it makes a prefix, as in CloudFront's invalidations. Anywhere else
//! it would select nothing, so it is refused with what to write instead.

/// A URL of a purge, its `*` understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// One resource.
    Url(&'a str),
    /// Everything that begins like this.
    Prefix(&'a str),
}

/// Reads a URL or a prefix.
///
/// # Errors
/// What to write instead, to follow the field in a sentence.
pub(super) fn read(url: &str) -> Result<Asked<'_>, String> {
    let Some(first) = url.find('*') else { return Ok(Asked::Url(url)) };
    let before = &url[..first];
    let path = url.find("://").and_then(|scheme| Some(scheme + 3 + url[scheme + 3..].find('/')?));
    if path.is_none_or(|path| first < path) {
        return Err("has a * in its host: purge each host by name, or a whole site".to_owned());
    }
    if let Some((resource, _)) = before.split_once('?') {
        return Err(format!("has a * in its query: the prefix {resource} takes the URL with any query"));
    }
    match first + 1 == url.len() {
        true => Ok(Asked::Prefix(before)),
        false => {
            Err(format!("has a * that is not at its end: the prefix {before} takes all that it could mean"))
        }
    }
}

/// A tag is named in full.
///
/// # Errors
/// It ends in a `*`.
pub(super) fn none_after_tag(tag: &str) -> Result<(), String> {
    match tag.ends_with('*') {
        true => Err("ends in a *: tags are compared in full, so name each tag".to_owned()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_end_it_makes_a_prefix() {
        for (url, asked) in [
            ("https://h/a", Asked::Url("https://h/a")),
            ("https://h/*", Asked::Prefix("https://h/")),
            ("https://h/img/a*", Asked::Prefix("https://h/img/a")),
            ("https://h/%2A", Asked::Url("https://h/%2A")),
        ] {
            assert_eq!(read(url), Ok(asked), "{url}");
        }
    }

    #[test]
    fn elsewhere_it_is_refused_with_what_to_write() {
        for (url, instead) in [
            ("https://h/*.jpg", "the prefix https://h/ takes"),
            ("https://h/a/*/b/*", "the prefix https://h/a/ takes"),
            ("https://h/**", "the prefix https://h/ takes"),
            ("https://h/a?*", "the prefix https://h/a takes the URL with any query"),
            ("https://h/a?x=*", "the prefix https://h/a takes"),
            ("https://*.h/a", "purge each host by name"),
            ("https://*", "purge each host by name"),
            ("*", "purge each host by name"),
        ] {
            let why = read(url).unwrap_err();
            assert!(why.contains(instead), "{url}: {why}");
        }
    }
}
