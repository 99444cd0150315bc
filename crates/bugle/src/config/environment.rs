//! The one reader of the environment.

use std::{collections::BTreeMap, path::PathBuf};

use super::SettingsError;

/// What begins the name of every variable that is ours.
const PREFIX: &str = "BUGLE_";

/// Larger than any key or secret; keeps a wrong path (`/dev/zero`) from filling the memory.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// The variables that we look at, as they were when the process began.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads this process's. A variable that is not UTF-8 counts as absent when it is not ours.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let ours = name.starts_with(PREFIX) || matches!(name.as_str(), "NO_COLOR" | "TERM");
            ours.then(|| (name, value.to_string_lossy().into_owned()))
        });
        Self { variables: variables.collect() }
    }

    /// A variable. One that is empty counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A secret: the variable itself, or what is in the file that its `_FILE` twin names.
    pub fn secret(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let twin = format!("{name}_FILE");
        match (self.get(name), self.get(&twin)) {
            (Some(_), Some(_)) => Err(SettingsError::Both { variable: name.into(), twin }),
            (Some(value), None) => Ok(Some(value.into())),
            (None, Some(path)) => read_secret(&PathBuf::from(path), &twin).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Variables that begin like ours and are none of `known`: most likely misspelt.
    pub fn unknown(&self, known: &[&str]) -> Vec<&str> {
        let is_known = |name: &str| {
            let name = name.strip_suffix("_FILE").unwrap_or(name);
            known.contains(&name) || name.starts_with("BUGLE_TEST_")
        };
        let ours = self.variables.keys().filter(|name| name.starts_with(PREFIX));
        ours.map(String::as_str).filter(|name| !is_known(name)).collect()
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self { variables: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
    }
}

/// Reads a secret from a file; a line's end after it is not part of it. `asked_by` names the flag or the variable.
pub fn read_secret(path: &std::path::Path, asked_by: &str) -> Result<String, SettingsError> {
    use std::io::Read;
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(SECRET_FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = read().map_err(|source| SettingsError::SecretFile {
        asked_by: asked_by.into(),
        path: path.to_owned(),
        source,
    })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(SettingsError::EmptySecretFile { asked_by: asked_by.into(), path: path.to_owned() }),
        text => Ok(text.to_owned()),
    }
}
