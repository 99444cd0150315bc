//! The pages that are generated from the code: docs/reference/platforms.md, and the table of platforms in README.md. The
//! check fails when one is stale.

use std::{fmt::Write, path::Path};

use anyhow::{Context, Result, bail};
use bugle_platforms::{
    source::{COMMON_SETTINGS, SenderRetry, Setting, Source},
    table::{self, DIALECTS, SOURCES},
};

use crate::shell;

const README: &str = "README.md";
const PLATFORMS: &str = "docs/reference/platforms.md";

/// Writes the generated pages anew.
pub(crate) fn write() -> Result<()> {
    for (path, text) in pages()? {
        std::fs::write(shell::root().join(path), text).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}

/// Fails when a page is not what would be generated now.
pub(crate) fn check() -> Result<()> {
    let is_stale = |(path, text): &(&str, String)| read(path).unwrap_or_default() != *text;
    let stale: Vec<_> = pages()?.iter().filter(|page| is_stale(page)).map(|(path, _)| *path).collect();
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask docs` and commit what it writes", stale.join(", "));
    }
    Ok(())
}

/// Puts the bench's table into README.md.
pub(crate) fn write_measurements(table: &str) -> Result<()> {
    let text = between(&read(README)?, "measurements", table)?;
    Ok(std::fs::write(shell::root().join(README), text)?)
}

fn pages() -> Result<[(&'static str, String); 2]> {
    Ok([(README, between(&read(README)?, "platforms", &overview()?)?), (PLATFORMS, reference()?)])
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(shell::root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// `page` with what stands between the two markers called `name` replaced.
fn between(page: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let (before, rest) = page.split_once(&begin).with_context(|| format!("the page has no {begin}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("the page has no {end}"))?;
    Ok(format!("{before}{begin}{text}{end}{after}"))
}

fn overview() -> Result<String> {
    let mut table =
        String::from("| platform | it calls | called as dialect | setup on its side |\n|---|---|---|---|\n");
    for source in SOURCES {
        let slug = source.slug();
        let setup = format!("crates/bugle-platforms/fixtures/{slug}/SETUP.md");
        let dialect = table::dialect(slug).map(|dialect| format!("`{}`", dialect.slug())).unwrap_or_default();
        writeln!(
            table,
            "| {} | `/api/v1/webhooks/{slug}/{{integration_id}}` | {dialect} | [SETUP.md]({setup}) |",
            source.title()
        )?;
    }
    Ok(table)
}

fn reference() -> Result<String> {
    let mut page = String::from(
        "# Platforms\n\n\
         Generated from the table of platforms by `cargo xtask docs`; do not edit.\n\n\
         ## Settings of every integration\n\n",
    );
    settings(&mut page, COMMON_SETTINGS)?;
    for source in SOURCES {
        section(&mut page, *source)?;
    }
    page.push_str("\n# Dialects\n");
    for dialect in DIALECTS {
        write!(page, "\n## {}\n\nDialect `{}`.", dialect.title(), dialect.slug())?;
        if let Some(scheme) = dialect.scheme(&serde_json::Map::new()) {
            write!(page, " With a secret, calls are proven by `{}`.", scheme.name())?;
        }
        page.push('\n');
        if !dialect.settings().is_empty() {
            page.push('\n');
            settings(&mut page, dialect.settings())?;
        }
    }
    Ok(page)
}

fn section(page: &mut String, source: &dyn Source) -> Result<()> {
    let slug = source.slug();
    let setup = format!("crates/bugle-platforms/fixtures/{slug}/SETUP.md");
    let refusal = match source.sender_retry() {
        SenderRetry::TooManyRequests => "429: the sender tries again",
        SenderRetry::ServerErrorsOnly => "503: the sender tries again on server errors only",
    };
    write!(
        page,
        "\n## {}\n\n- Path: `POST /api/v1/webhooks/{slug}/{{integration_id}}`\n- A call is proven: {}\n\
         - Past its rate limit a call is answered {refusal}.\n- [Setup on the vendor's side](../../{setup})\n",
        source.title(),
        source.authentication()
    )?;
    if !Path::new(&shell::root()).join(&setup).exists() {
        bail!("{setup} is missing");
    }
    if !source.settings().is_empty() {
        page.push('\n');
        settings(page, source.settings())?;
    }
    Ok(())
}

fn settings(page: &mut String, settings: &[Setting]) -> Result<()> {
    page.push_str("| setting | what it is for |\n|---|---|\n");
    for setting in settings {
        writeln!(page, "| `{}` | {} |", setting.name, setting.doc.replace('|', "\\|"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        assert_eq!(between(page, "x", "new\n").unwrap(), "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n");
        assert!(between(page, "y", "new").is_err());
    }
}
