//! The Markdown that platforms' `SETUP.md` are written in, as HTML: headings, paragraphs, lists, tables, code, bold and
//! emphasis. Not all of Markdown: no links, no HTML of its own. Text is always escaped.

use std::fmt::{self, Display, Formatter};

use askama::filters::{Html, HtmlSafe, escape};

/// Rendered Markdown.
#[derive(Debug, Default)]
pub(super) struct Markdown(String);

impl HtmlSafe for Markdown {}
impl Display for Markdown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Markdown {
    /// Blocks of text.
    pub(super) fn of(text: &str) -> Self {
        let lines: Vec<_> = text.lines().collect();
        let mut out = String::new();
        blocks(&lines, &mut out);
        Self(out)
    }

    /// Words within a line.
    pub(super) fn inline(text: &str) -> Self {
        let mut out = String::new();
        words(text, &mut out);
        Self(out)
    }

    /// A sentence of Bugle's that quotes between backticks, and may hold the text of others.
    pub(super) fn quoting(text: &str) -> Self {
        let mut out = String::new();
        for (index, part) in text.split('`').enumerate() {
            if index % 2 == 0 { self::text(part, &mut out) } else { code_words(part, &mut out) }
        }
        Self(out)
    }
}

/// A page of Markdown, taken apart at its headings of the second level.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    /// What stands between the page's title and the first heading.
    pub(super) intro: &'a str,
    /// Each heading with what stands below it.
    pub(super) sections: Vec<(&'a str, &'a str)>,
}

impl<'a> Sections<'a> {
    pub(super) fn of(page: &'a str) -> Self {
        let mut parts = page.split("\n## ");
        let first = parts.next().unwrap_or_default();
        let intro =
            if first.starts_with("# ") { first.split_once('\n').map_or("", |(_, rest)| rest) } else { first };
        let sections = parts.map(|part| part.split_once('\n').unwrap_or((part, "")));
        Self { intro: intro.trim(), sections: sections.collect() }
    }
}

fn blocks(lines: &[&str], out: &mut String) {
    let mut rest = lines;
    while let Some((first, after)) = rest.split_first() {
        rest = if first.trim().is_empty() {
            after
        } else if first.starts_with("```") {
            code(after, out)
        } else if let Some(heading) = first.strip_prefix("### ") {
            wrapped("h4", heading, out);
            after
        } else if first.starts_with('|') {
            table(rest, out)
        } else if let Some(marker) = Marker::of(first) {
            list(marker, rest, out)
        } else {
            paragraph(rest, out)
        };
    }
}

fn wrapped(tag: &str, text: &str, out: &mut String) {
    out.extend(["<", tag, ">"]);
    words(text, out);
    out.extend(["</", tag, ">"]);
}

/// Lines up to the closing fence, with a button that copies them.
fn code<'a, 'b>(lines: &'b [&'a str], out: &mut String) -> &'b [&'a str] {
    let end = lines.iter().position(|line| line.starts_with("```")).unwrap_or(lines.len());
    let (inside, rest) = lines.split_at(end);
    out.push_str("<div class=\"copied\"><pre class=\"block\" tabindex=\"0\">");
    for (index, line) in inside.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "\n" });
        text(line, out);
    }
    out.push_str("</pre><button type=\"button\" data-copy-before>Copy</button></div>");
    rest.get(1..).unwrap_or_default()
}

fn table<'a, 'b>(lines: &'b [&'a str], out: &mut String) -> &'b [&'a str] {
    let end = lines.iter().position(|line| !line.starts_with('|')).unwrap_or(lines.len());
    let (inside, rest) = lines.split_at(end);
    out.push_str("<table>");
    for (index, line) in inside.iter().enumerate().filter(|(index, _)| *index != 1) {
        let cell = if index == 0 { "th" } else { "td" };
        out.push_str("<tr>");
        line.trim().trim_matches('|').split('|').for_each(|text| wrapped(cell, text.trim(), out));
        out.push_str("</tr>");
    }
    out.push_str("</table>");
    rest
}

/// What a list's item begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marker {
    tag: &'static str,
    /// How far what belongs to the item is indented.
    width: usize,
}

impl Marker {
    fn of(line: &str) -> Option<Self> {
        if line.starts_with("- ") {
            return Some(Self { tag: "ul", width: 2 });
        }
        let (number, _) = line.split_once(". ")?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(Self { tag: "ol", width: number.len() + 2 })
    }
}

fn list<'a, 'b>(marker: Marker, lines: &'b [&'a str], out: &mut String) -> &'b [&'a str] {
    let mut rest = lines;
    out.extend(["<", marker.tag, ">"]);
    while let Some((first, after)) = rest.split_first() {
        let Some(found) = Marker::of(first).filter(|found| found.tag == marker.tag) else { break };
        let belongs = |line: &&str| line.trim().is_empty() || line.starts_with("  ");
        let end = after.iter().position(|line| !belongs(line)).unwrap_or(after.len());
        let (inside, others) = after.split_at(end);
        let dedented = inside.iter().map(|line| line.get(found.width..).unwrap_or_else(|| line.trim_start()));
        let item: Vec<_> = first.get(found.width..).into_iter().chain(dedented).collect();
        out.push_str("<li>");
        blocks(&item, out);
        out.push_str("</li>");
        rest = others;
    }
    out.extend(["</", marker.tag, ">"]);
    rest
}

fn paragraph<'a, 'b>(lines: &'b [&'a str], out: &mut String) -> &'b [&'a str] {
    let ends = |line: &str| {
        line.trim().is_empty()
            || line.starts_with("```")
            || line.starts_with('|')
            || Marker::of(line).is_some()
    };
    let more = lines.iter().skip(1).position(|line| ends(line));
    let (inside, rest) = lines.split_at(more.map_or(lines.len(), |more| more + 1));
    wrapped("p", &inside.join(" "), out);
    rest
}

/// Code between backticks, bold between two asterisks, emphasis between one.
fn words(line: &str, out: &mut String) {
    let (mut bold, mut emphasis) = (false, false);
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 1 {
            code_words(part, out);
            continue;
        }
        for (index, part) in part.split("**").enumerate() {
            if index > 0 {
                out.push_str(if bold { "</strong>" } else { "<strong>" });
                bold = !bold;
            }
            for (index, part) in part.split('*').enumerate() {
                if index > 0 {
                    out.push_str(if emphasis { "</em>" } else { "<em>" });
                    emphasis = !emphasis;
                }
                text(part, out);
            }
        }
    }
    out.push_str(if emphasis { "</em>" } else { "" });
    out.push_str(if bold { "</strong>" } else { "" });
}

fn code_words(words: &str, out: &mut String) {
    out.push_str("<code>");
    text(words, out);
    out.push_str("</code>");
}

fn text(plain: &str, out: &mut String) {
    // Writing to memory does not fail; nothing is shown rather than anything unsafe.
    out.push_str(&escape(plain, Html).map_or_else(|_| String::new(), |safe| safe.to_string()));
}

#[cfg(test)]
mod tests {
    use bugle_platforms::table;

    use super::*;

    #[test]
    fn reads_what_setups_are_written_in() {
        for (markdown, html) in [
            ("one\ntwo", "<p>one two</p>"),
            (
                "a **b `c*` d** *e* <i>",
                "<p>a <strong>b <code>c*</code> d</strong> <em>e</em> &#60;i&#62;</p>",
            ),
            (
                "1. one\n   more\n2. two\n\nafter",
                "<ol><li><p>one more</p></li><li><p>two</p></li></ol><p>after</p>",
            ),
            (
                "- a:\n\n  ```sh\n  x <y\n    z\n  ```\n- b",
                concat!(
                    "<ul><li><p>a:</p><div class=\"copied\"><pre class=\"block\" tabindex=\"0\">x &#60;y\n  z</pre>",
                    "<button type=\"button\" data-copy-before>Copy</button></div></li><li><p>b</p></li></ul>"
                ),
            ),
            ("1. a\n   - b\n   - c", "<ol><li><p>a</p><ul><li><p>b</p></li><li><p>c</p></li></ul></li></ol>"),
            (
                "| a | b |\n|---|---|\n| `c` | d |",
                "<table><tr><th>a</th><th>b</th></tr><tr><td><code>c</code></td><td>d</td></tr></table>",
            ),
            (
                "```\nnever closed",
                "<div class=\"copied\"><pre class=\"block\" tabindex=\"0\">never closed</pre><button type=\"button\" data-copy-before>Copy</button></div>",
            ),
            ("**open", "<p><strong>open</strong></p>"),
        ] {
            assert_eq!(Markdown::of(markdown).to_string(), html, "{markdown}");
        }
    }

    #[test]
    fn every_setup_is_whole_and_says_first_what_to_do() {
        for source in table::SOURCES {
            let page = Sections::of(table::setup(source.slug()).unwrap());
            let proof = page.sections.iter().position(|(title, _)| *title == "How calls are proven");
            assert!(proof.is_some_and(|place| place > 0), "{}: {:?}", source.slug(), page.sections);
            for (title, text) in page.sections {
                let html = Markdown::of(text).to_string();
                assert!(!html.contains("```") && !html.contains("**"), "{} {title}: {html}", source.slug());
                for tag in ["p", "li", "ol", "ul", "strong", "em", "code", "pre", "table"] {
                    let opened =
                        html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
                    assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag} in {html}");
                }
            }
        }
    }
}
