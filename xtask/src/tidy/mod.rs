//! Rules about the repository itself that no compiler knows. Each is a function from what is in the repository to the
//! problems it found, and each has tests that break it.

mod fixtures;
mod layers;
mod licences;
mod markdown;
mod text;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{self, command};

/// What is wrong, and where.
pub(crate) type Problems = Vec<String>;

/// The files that are or would be committed, read whole where they are text.
pub(crate) struct Repository {
    root: PathBuf,
    /// By path from the root, with forward slashes. What is not text has none.
    files: BTreeMap<String, Option<String>>,
}

/// A rule: what must hold, and how that is found out.
pub(crate) type Rule = (&'static str, fn(&Repository) -> Result<Problems>);

/// All rules.
pub(crate) const RULES: &[Rule] = &[
    ("layers: no crate depends on one above it", |repository| layers::arrows(&repository.manifests())),
    ("layers: a library stays with the crates that may use it", |_| layers::libraries()),
    ("manifests: one version, one lint table, nothing unused", |repository| {
        Ok(layers::manifests(repository))
    }),
    ("licences: all are on the list", |_| licences::check()),
    ("sizes: no file is too long", |repository| Ok(repository.each_rust(text::too_long))),
    ("words: nothing of one machine, no keys, nothing left to do", |repository| {
        Ok(repository.each(text::foreign))
    }),
    ("tests: none is ignored", |repository| Ok(repository.each_rust(text::ignored))),
    ("docs: every link leads somewhere", |repository| Ok(markdown::links(repository))),
    ("platforms: every room has its fixtures and its page", |repository| Ok(fixtures::rooms(repository))),
];

/// Checks all rules and prints what each found.
pub(crate) fn run() -> Result<()> {
    let repository = Repository::read()?;
    let mut broken = 0;
    for (what, rule) in RULES {
        let problems = rule(&repository).with_context(|| format!("cannot check `{what}`"))?;
        println!("{} {what}", if problems.is_empty() { "ok  " } else { "FAIL" });
        for problem in &problems {
            println!("     {problem}");
        }
        broken += usize::from(!problems.is_empty());
    }
    if broken > 0 {
        bail!("{broken} tidy rules are broken");
    }
    Ok(())
}

impl Repository {
    /// Reads the working tree, as git sees it.
    pub(crate) fn read() -> Result<Self> {
        let root = shell::root();
        let listed = shell::output(command("git").args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut files = BTreeMap::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A file that is deleted and not yet committed is listed too.
            if let Ok(bytes) = std::fs::read(root.join(path)) {
                files.insert(path.to_owned(), String::from_utf8(bytes).ok());
            }
        }
        Ok(Self { root, files })
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), Some((*text).to_owned()));
        Self { root: PathBuf::new(), files: files.iter().map(owned).collect() }
    }

    /// The text of the file at `path`.
    fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Text files, with their paths.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Whether there is a file or a folder at `path`.
    fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.keys().any(|known| known.starts_with(&inside))
    }

    /// The manifests of all crates, by the crate's folder name.
    fn manifests(&self) -> BTreeMap<String, String> {
        let of_crate = |(path, text): (&str, &str)| {
            let folder = path.strip_suffix("/Cargo.toml")?;
            Some((folder.strip_prefix("crates/").unwrap_or(folder).to_owned(), text.to_owned()))
        };
        self.texts().filter_map(of_crate).collect()
    }

    fn each(&self, rule: fn(&str, &str) -> Problems) -> Problems {
        self.texts().flat_map(|(path, text)| rule(path, text)).collect()
    }

    fn each_rust(&self, rule: fn(&str, &str) -> Problems) -> Problems {
        let is_rust = |path: &str| path.rsplit_once('.').is_some_and(|(_, extension)| extension == "rs");
        self.texts().filter(|(path, _)| is_rust(path)).flat_map(|(path, text)| rule(path, text)).collect()
    }
}

/// Snapshots that no test read: what `INSTA_SNAPSHOT_REFERENCES_FILE` collected while all tests ran tells which are in use.
pub(crate) fn unreferenced_snapshots(references: &str) -> Result<Problems> {
    let repository = Repository::read()?;
    let mut used = std::collections::BTreeSet::new();
    for line in references.lines().filter(|line| !line.is_empty()) {
        let path = std::path::Path::new(line);
        // Tests run in their crate's folder and may write paths with `..` in them.
        used.insert(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()));
    }
    let is_snapshot =
        |path: &&String| path.rsplit_once('.').is_some_and(|(_, extension)| extension == "snap");
    let unused = |path: &&String| {
        let whole = repository.root.join(path);
        !used.contains(&std::fs::canonicalize(&whole).unwrap_or(whole))
    };
    let problem = |path: &String| format!("{path}: no test reads this snapshot; delete it");
    Ok(repository.files.keys().filter(is_snapshot).filter(unused).map(problem).collect())
}
