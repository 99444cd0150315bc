//! Every package that is built in may be used under a licence on deny.toml's list.

use anyhow::{Context, Result};
use serde_json::Value;
use toml::{Table, Value as Toml};

use super::Problems;
use crate::shell;

/// Problems with the licences of the whole resolved graph.
pub(super) fn check() -> Result<Problems> {
    let deny: Table = std::fs::read_to_string(shell::root().join("deny.toml"))?.parse()?;
    let allowed = deny.get("licenses").and_then(|table| table.get("allow")).and_then(Toml::as_array);
    let allowed: Vec<&str> =
        allowed.context("deny.toml has no [licenses] allow")?.iter().filter_map(Toml::as_str).collect();
    let metadata = shell::output(shell::cargo().args(["metadata", "--format-version=1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let mut problems = Problems::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        let licence = package["license"].as_str().unwrap_or_default();
        if !permits(licence, &allowed) {
            problems.push(format!("{} {}: licence `{licence}`", package["name"], package["version"]));
        }
    }
    Ok(problems)
}

/// Whether the SPDX expression can be met with the licences in `allowed`. `AND` binds closer than `OR`; the old way of
/// writing a choice is a slash.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest, allowed);
    met == Some(true) && rest.is_empty()
}

/// `a OR b`; `None` where the expression is broken.
fn any(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut met = all(rest, allowed)?;
    while let Some((&"OR", after)) = rest.split_first() {
        *rest = after;
        met |= all(rest, allowed)?;
    }
    Some(met)
}

/// `a AND b`.
fn all(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut met = one(rest, allowed)?;
    while let Some((&"AND", after)) = rest.split_first() {
        *rest = after;
        met &= one(rest, allowed)?;
    }
    Some(met)
}

/// A licence, perhaps `WITH` an exception, or an expression in parentheses.
fn one(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    if *first == "(" {
        let met = any(rest, allowed)?;
        let (&")", after) = rest.split_first()? else { return None };
        *rest = after;
        return Some(met);
    }
    let mut name = (*first).to_owned();
    if let Some((&"WITH", after)) = rest.split_first() {
        let (exception, after) = after.split_first()?;
        name = format!("{name} WITH {exception}");
        *rest = after;
    }
    Some(allowed.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"];
        for (expression, expected) in [
            ("MIT", true),
            ("MIT OR GPL-3.0", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("GPL-3.0 AND (MIT OR ISC)", false),
            ("ISC AND (MIT OR GPL-3.0)", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH Something-else", false),
            ("(MIT", false),
            ("MIT ISC", false),
            ("", false),
        ] {
            assert_eq!(permits(expression, &allowed), expected, "{expression}");
        }
    }
}
