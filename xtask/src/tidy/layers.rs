//! Which crate may use which: an arrow may never point back (ARCHITECTURE.md, docs/adr/0001-layers.md).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;
use toml::{Table, Value as Toml};

use super::{Problems, Repository};
use crate::shell;

/// A crate of ours and what it may know.
struct Layer {
    name: &'static str,
    /// Crates of ours that it may use.
    uses: &'static [&'static str],
    /// Crates of ours that only its tests may use beside those.
    tests_use: &'static [&'static str],
    /// Whether it is pure: no runtime, no socket, no database, no log.
    pure: bool,
}

const LAYERS: &[Layer] = &[
    Layer { name: "bugle-model", uses: &[], tests_use: &[], pure: true },
    Layer { name: "bugle-platforms", uses: &["bugle-model"], tests_use: &[], pure: true },
    Layer { name: "bugle-store", uses: &["bugle-model"], tests_use: &[], pure: true },
    Layer { name: "bugle-store-sqlite", uses: &["bugle-store", "bugle-model"], tests_use: &[], pure: false },
    Layer {
        name: "bugle-engine",
        uses: &["bugle-store", "bugle-platforms", "bugle-model"],
        tests_use: &["bugle-store-sqlite"],
        pure: false,
    },
    Layer {
        name: "bugle-web",
        uses: &["bugle-engine", "bugle-store", "bugle-platforms", "bugle-model"],
        tests_use: &["bugle-store-sqlite"],
        pure: false,
    },
    Layer {
        name: "bugle",
        uses: &[
            "bugle-web",
            "bugle-engine",
            "bugle-store-sqlite",
            "bugle-store",
            "bugle-platforms",
            "bugle-model",
        ],
        tests_use: &[],
        pure: false,
    },
    Layer {
        name: "xtask",
        uses: &["bugle-platforms", "bugle-store-sqlite", "bugle-store", "bugle-model"],
        tests_use: &[],
        pure: false,
    },
];

/// What a pure crate must not know.
const IMPURE: &[&str] = &[
    "axum",
    "getrandom",
    "hyper",
    "hyper-rustls",
    "hyper-util",
    "rusqlite",
    "rustls",
    "tokio",
    "tokio-util",
    "tower",
    "tracing",
];

/// Problems with what the crates use of each other. `manifests` are their Cargo.toml files by crate.
pub(super) fn arrows(manifests: &BTreeMap<String, String>) -> Result<Problems> {
    let mut problems = Problems::new();
    for (name, text) in manifests {
        let manifest: Table = text.parse().with_context(|| format!("the manifest of {name}"))?;
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            problems.push(format!("{name}: a crate without a layer; a new crate exists only to forbid a dependency: say which in xtask/src/tidy/layers.rs"));
            continue;
        };
        let product = names(&manifest, &["dependencies", "build-dependencies"]);
        let tests = names(&manifest, &["dev-dependencies"]);
        let ours = |used: &&String| LAYERS.iter().any(|layer| layer.name == used.as_str());
        for used in product.iter().filter(ours).filter(|used| !layer.uses.contains(&used.as_str())) {
            problems.push(format!("{name}: must not use {used}"));
        }
        let allowed = |used: &str| layer.uses.contains(&used) || layer.tests_use.contains(&used);
        for used in tests.iter().filter(ours).filter(|used| !allowed(used)) {
            problems.push(format!("{name}: even its tests must not use {used}"));
        }
        for used in product.iter().filter(|used| layer.pure && IMPURE.contains(&used.as_str())) {
            problems.push(format!("{name}: is pure and must not use {used}"));
        }
    }
    Ok(problems)
}

/// The names of the dependencies in these tables, for every target.
fn names(manifest: &Table, tables: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Toml::as_table).into_iter().flat_map(Table::values);
    let places = std::iter::once(manifest).chain(targets.filter_map(Toml::as_table));
    places
        .flat_map(|place| tables.iter().filter_map(|table| place.get(*table)?.as_table()))
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// Problems with who uses a library that deny.toml keeps to some crates (`wrappers`), over the whole resolved graph.
pub(super) fn libraries() -> Result<Problems> {
    let deny: Table = std::fs::read_to_string(shell::root().join("deny.toml"))?.parse()?;
    let metadata = shell::output(shell::cargo().args(["metadata", "--format-version=1", "--locked"]))?;
    kept(&deny, &serde_json::from_str(&metadata)?)
}

fn kept(deny: &Table, metadata: &Value) -> Result<Problems> {
    let banned = deny.get("bans").and_then(|bans| bans.get("deny")).and_then(Toml::as_array);
    let mut problems = Problems::new();
    for ban in banned.context("deny.toml has no [bans] deny")? {
        let library = ban.get("crate").and_then(Toml::as_str).context("a ban without `crate`")?;
        let wrappers = ban.get("wrappers").and_then(Toml::as_array).map(Vec::as_slice).unwrap_or_default();
        for user in users(metadata, library)? {
            if !wrappers.iter().any(|wrapper| wrapper.as_str() == Some(&user)) {
                problems.push(format!("{user}: must not use {library}; deny.toml says who may, and why"));
            }
        }
    }
    Ok(problems)
}

/// The packages that use `library` directly, in the resolved graph.
fn users(metadata: &Value, library: &str) -> Result<BTreeSet<String>> {
    let mut names = BTreeMap::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        names.insert(package["id"].as_str(), package["name"].as_str().context("a package without a name")?);
    }
    let name_of =
        |id: &Value| names.get(&id.as_str()).copied().context("a package that is used and not listed");
    let mut users = BTreeSet::new();
    for node in metadata["resolve"]["nodes"].as_array().context("cargo metadata resolved nothing")? {
        for used in node["deps"].as_array().into_iter().flatten() {
            if name_of(&used["pkg"])? == library {
                users.insert(name_of(&node["id"])?.to_owned());
            }
        }
    }
    Ok(users)
}

/// Problems with how the manifests are written: what all crates share is said once, in the root, and nothing is listed
/// that no line of code names.
pub(super) fn manifests(repository: &Repository) -> Problems {
    let mut problems = Problems::new();
    for (name, text) in repository.manifests() {
        let Ok(manifest) = text.parse::<Table>() else {
            problems.push(format!("{name}: its manifest is not TOML"));
            continue;
        };
        if manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Toml::as_bool)
            != Some(true)
        {
            problems
                .push(format!("{name}: takes no lints from the workspace: add `[lints] workspace = true`"));
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = manifest.get(table).and_then(Toml::as_table).into_iter().flatten();
            for (library, wanted) in entries {
                if wanted.get("workspace").and_then(Toml::as_bool) != Some(true) {
                    problems.push(format!("{name}: {library} has a version of its own; name it in the root"));
                }
                if !is_named(repository, &name, library) {
                    problems.push(format!("{name}: lists {library}, and no line of its code names it"));
                }
            }
        }
    }
    problems
}

/// Whether any Rust file of the crate in folder `name` holds the library's name.
fn is_named(repository: &Repository, name: &str, library: &str) -> bool {
    let identifier = library.replace('-', "_");
    let folders = [format!("crates/{name}/"), format!("{name}/")];
    repository.texts().filter(|(path, _)| folders.iter().any(|folder| path.starts_with(folder))).any(
        |(path, text)| {
            path.rsplit_once('.').is_some_and(|(_, end)| end == "rs") && text.contains(&identifier)
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems_of(name: &str, manifest: &str) -> Problems {
        arrows(&BTreeMap::from([(name.to_owned(), manifest.to_owned())])).unwrap()
    }

    #[test]
    fn arrows_that_point_back_are_found() {
        for (name, manifest, expected) in [
            ("bugle-model", "[dependencies]\nserde.workspace = true", None),
            ("bugle-model", "[dependencies]\nbugle-store.workspace = true", Some("must not use bugle-store")),
            (
                "bugle-platforms",
                "[dependencies]\ntokio.workspace = true",
                Some("is pure and must not use tokio"),
            ),
            ("bugle-platforms", "[dev-dependencies]\ntokio.workspace = true", None),
            ("bugle-engine", "[dev-dependencies]\nbugle-store-sqlite.workspace = true", None),
            (
                "bugle-engine",
                "[dependencies]\nbugle-store-sqlite.workspace = true",
                Some("bugle-store-sqlite"),
            ),
            ("bugle-store", "[dev-dependencies]\nbugle-web.workspace = true", Some("even its tests")),
            (
                "bugle-model",
                "[target.'cfg(unix)'.dependencies]\nbugle-web.workspace = true",
                Some("bugle-web"),
            ),
            ("bugle-extras", "", Some("without a layer")),
        ] {
            let found = problems_of(name, manifest);
            match expected {
                None => assert_eq!(found, Problems::new(), "{name}"),
                Some(words) => {
                    assert!(found.iter().any(|problem| problem.contains(words)), "{words}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_library_is_kept_to_its_wrappers() {
        let deny: Table =
            "[bans]\ndeny = [{ crate = \"rusqlite\", wrappers = [\"keeper\"] }]".parse().unwrap();
        let metadata = |users: &[&str]| {
            let package = |name: &&str| json!({ "id": format!("{name} 1.0"), "name": name });
            let node =
                |name: &&str| json!({ "id": format!("{name} 1.0"), "deps": [{ "pkg": "rusqlite 1.0" }] });
            json!({
                "packages": users.iter().chain(&["rusqlite"]).map(package).collect::<Vec<_>>(),
                "resolve": { "nodes": users.iter().map(node).collect::<Vec<_>>() },
            })
        };
        assert_eq!(kept(&deny, &metadata(&["keeper"])).unwrap(), Problems::new());
        assert_eq!(kept(&deny, &metadata(&["keeper", "thief"])).unwrap().len(), 1);
    }

    #[test]
    fn manifests_share_versions_and_list_nothing_unused() {
        let manifest = |lines: &str| format!("[lints]\nworkspace = true\n[dependencies]\n{lines}\n");
        let check = |manifest: &str, code: &str| {
            manifests(&Repository::of(&[("crates/a/Cargo.toml", manifest), ("crates/a/src/lib.rs", code)]))
        };
        assert_eq!(check(&manifest("tokio-util.workspace = true"), "use tokio_util::sync;"), Problems::new());
        assert!(
            check(&manifest("tokio-util.workspace = true"), "")
                .iter()
                .any(|problem| problem.contains("no line"))
        );
        assert!(
            check(&manifest("hex = \"0.4\""), "hex::encode")
                .iter()
                .any(|problem| problem.contains("version"))
        );
        assert!(check("[package]", "").iter().any(|problem| problem.contains("lints")));
    }
}
