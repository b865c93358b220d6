//! `edge.toml` and the environment, read once into validated types.
//!
//! [`load`] in steps: [`source`] merges file and environment into a tree that knows its lines, [`walk`] holds the tree
//! against [`keys`], where each key is defined, [`build`] makes the [`types`] of it and checks what no single key can know. Errors are gathered all
//! the way and given together.

mod build;
mod docs;
mod error;
mod foreign;
mod key;
#[rustfmt::skip] // a table: one line, one key
mod keys;
mod node;
mod not_yet;
pub mod pem;
mod schema;
mod section;
mod source;
mod types;
mod units;
mod untyped;
mod walk;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub use docs::reference;
pub use error::{ConfigError, ConfigErrors, Place};
pub use types::*;
pub use units::{show_duration, show_size};

use keys::ROOT;
use not_yet::{NOT_YET, Refused};
use section::{Context, Section};
use walk::Walk;

/// A larger file is not a configuration.
const LARGEST_FILE: u64 = 4 << 20;

/// A configuration and what a careful reader would remark about its file.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What was read.
    pub config: Config,
    /// Secrets written in the file itself, by key path and place.
    pub literal_secrets: Vec<(String, Place)>,
    /// What is allowed and yet seldom meant, with its place.
    pub remarks: Vec<(Place, String)>,
}

/// Reads a file and this process's environment. Relative paths in either start from the file's folder.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    load_noting(path).map(|loaded| loaded.config)
}

/// As [`load`], with remarks.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_noting(path: &Path) -> Result<Loaded, ConfigErrors> {
    let name = path.to_string_lossy();
    let text = read_file(path).map_err(|why| {
        ConfigErrors::new(vec![ConfigError {
            place: Place::File(name.as_ref().into()),
            key: String::new(),
            message: format!("cannot be read: {why}"),
            expected: None,
            nearest: None,
        }])
    })?;
    let text_of = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    load_with(&text, &name, std::env::vars_os().filter_map(text_of), NOT_YET)
}

/// Reads a text and a given environment. `file_name` is what errors say, and relative paths start from its folder.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load_from(
    text: &str,
    file_name: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigErrors> {
    load_with(text, file_name, env, NOT_YET).map(|loaded| loaded.config)
}

fn load_with(
    text: &str,
    file_name: &str,
    env: impl Iterator<Item = (String, String)>,
    not_yet: &[(&'static str, Refused)],
) -> Result<Loaded, ConfigErrors> {
    let env: BTreeMap<String, String> = env.collect();
    let file: Arc<str> = file_name.into();
    let folder = Path::new(file_name).parent().unwrap_or(Path::new(""));
    let (mut root, mut errors) = source::read(text, &file, &env)?;

    let mut walk = Walk {
        env: &env,
        folder,
        not_yet,
        errors: Vec::new(),
        misnamed: BTreeSet::new(),
        literal_secrets: Vec::new(),
    };
    walk.table(&mut root, ROOT);
    errors.append(&mut walk.errors);

    let remarks = RefCell::new(ignored_variables(&env));
    let cx = Context { folder, errors: RefCell::new(errors), remarks, misnamed: walk.misnamed };
    let config = build::config(Section::new(&cx, &root));
    match cx.errors.into_inner() {
        errors if errors.is_empty() => {
            Ok(Loaded { config, literal_secrets: walk.literal_secrets, remarks: cx.remarks.into_inner() })
        }
        errors => Err(ConfigErrors::new(errors)),
    }
}

/// Variables that are no settings and look as if they were meant for one.
fn ignored_variables(env: &BTreeMap<String, String>) -> Vec<(Place, String)> {
    let meant = env.keys().filter_map(|name| Some((name, source::meant_variable(name)?)));
    meant
        .map(|(name, meant)| {
            let place = Place::Variable(name.as_str().into());
            (
                place,
                format!("this variable is not read; a setting has two underscores between levels: {meant}"),
            )
        })
        .collect()
}

fn read_file(path: &Path) -> std::io::Result<String> {
    use std::io::{Error, ErrorKind, Read};

    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(Error::new(ErrorKind::FileTooLarge, "larger than 4MiB"));
    }
    Ok(text)
}
