//! A platform is one room: its code, its fixtures, and a page for the person who sets up the vendor's side.

use std::collections::BTreeSet;

use super::{Problems, Repository};

const FIXTURES: &str = "crates/bugle-platforms/fixtures/";
/// Folders of fixtures that belong to no platform.
const SHARED: &[&str] = &["vectors"];

/// Problems with the rooms of the platforms in the table.
pub(super) fn rooms(repository: &Repository) -> Problems {
    let slugs: Vec<&str> = bugle_platforms::table::SOURCES.iter().map(|source| source.slug()).collect();
    compare(repository, &slugs)
}

fn compare(repository: &Repository, slugs: &[&str]) -> Problems {
    let mut problems = Problems::new();
    for slug in slugs {
        let page = format!("{FIXTURES}{slug}/SETUP.md");
        match repository.text(&page) {
            None => problems.push(format!("{slug}: has no {page}")),
            Some(text) if !text.starts_with("# ") => {
                problems.push(format!("{page}: does not begin with a title"));
            }
            Some(_) => {}
        }
    }
    for folder in folders(repository) {
        if !slugs.contains(&folder) && !SHARED.contains(&folder) {
            problems.push(format!("{FIXTURES}{folder}: belongs to no platform in the table"));
        }
    }
    problems
}

fn folders(repository: &Repository) -> BTreeSet<&str> {
    let paths = repository.files.keys();
    paths.filter_map(|path| Some(path.strip_prefix(FIXTURES)?.split_once('/')?.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_fixtures_must_agree() {
        let page = "crates/bugle-platforms/fixtures/acme/SETUP.md";
        let repository =
            Repository::of(&[(page, "# Acme\n"), ("crates/bugle-platforms/fixtures/vectors/a.json", "{}")]);
        assert_eq!(compare(&repository, &["acme"]), Problems::new());
        assert!(compare(&repository, &[]).iter().any(|problem| problem.contains("belongs to no platform")));
        assert!(
            compare(&repository, &["acme", "zenith"])
                .iter()
                .any(|problem| problem.contains("zenith: has no"))
        );
        let untitled = Repository::of(&[(page, "Acme\n")]);
        assert!(compare(&untitled, &["acme"]).iter().any(|problem| problem.contains("title")));
    }
}
