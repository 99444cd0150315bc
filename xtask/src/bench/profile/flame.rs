//! A flame graph: each frame is as wide as the time that was spent in it and in what it called, and stands on its caller.

use std::{collections::BTreeMap, fmt::Write};

/// Width of the whole, in pixels.
const WIDTH: f64 = 1600.0;
/// Height of a frame.
const HEIGHT: usize = 17;
/// Frames that would be narrower are left out.
const NARROWEST: f64 = 0.5;
/// Width of a letter, about.
const LETTER: f64 = 6.6;

/// A function as it was called along one way, and what it called.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Frame {
    samples: u32,
    calls: BTreeMap<String, Frame>,
}

impl Frame {
    /// How often it was seen.
    pub(super) fn samples(&self) -> u32 {
        self.samples
    }

    /// Adds what `perf script` printed, below a frame called `part`.
    pub(super) fn take_in(&mut self, part: &str, script: &str) {
        for sample in script.split("\n\n") {
            let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
            let Some(thread) = lines.next() else { continue };
            let mut frames: Vec<&str> = lines.filter_map(function).collect();
            frames.extend([thread.trim(), part]);
            self.add(frames.into_iter().rev());
        }
    }

    fn add<'a>(&mut self, frames: impl Iterator<Item = &'a str>) {
        self.samples += 1;
        let mut at = self;
        for name in frames {
            at = at.calls.entry(name.to_owned()).or_default();
            at.samples += 1;
        }
    }

    fn depth(&self) -> usize {
        1 + self.calls.values().map(Self::depth).max().unwrap_or_default()
    }
}

/// The function in a line such as `  7f01 tokio::run::h0123456789abcdef`, without the hash.
fn function(line: &str) -> Option<&str> {
    let (_, name) = line.trim().split_once(' ')?;
    let name = name.trim();
    let hashed = name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16);
    Some(hashed.map_or(name, |(name, _)| name))
}

/// The picture. A browser shows a frame's name and share where the pointer is.
pub(super) fn svg(root: &Frame) -> String {
    let height = root.depth() * HEIGHT;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"monospace\" font-size=\"11\">\n"
    );
    let scale = WIDTH / f64::from(root.samples.max(1));
    draw(&mut text, "all", root, root, Place { left: 0.0, bottom: height, scale });
    text.push_str("</svg>\n");
    text
}

/// Where a frame stands, and how wide a sample is.
#[derive(Clone, Copy)]
struct Place {
    left: f64,
    bottom: usize,
    scale: f64,
}

fn draw(text: &mut String, name: &str, frame: &Frame, root: &Frame, place: Place) {
    let width = f64::from(frame.samples) * place.scale;
    let top = place.bottom.saturating_sub(HEIGHT);
    if width < NARROWEST {
        return;
    }
    let share = 100.0 * f64::from(frame.samples) / f64::from(root.samples.max(1));
    let (full, left) = (escaped(name), place.left);
    let (baseline, inner) = (top + HEIGHT - 5, HEIGHT - 1);
    // Writing to a string does not fail.
    writeln!(
        text,
        "<g><title>{full} {share:.2}%</title><rect x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" \
         height=\"{inner}\" fill=\"{}\" stroke=\"white\" stroke-width=\"0.3\"/>\
         <text x=\"{:.1}\" y=\"{baseline}\">{}</text></g>",
        colour(name),
        left + 2.0,
        escaped(&fitting(name, width)),
    )
    .unwrap_or_default();
    let mut left = place.left;
    for (name, call) in &frame.calls {
        draw(text, name, call, root, Place { left, bottom: top, ..place });
        left += f64::from(call.samples) * place.scale;
    }
}

/// As much of the name as there is room for; nothing where that says nothing.
fn fitting(name: &str, width: f64) -> String {
    let mut room = width - 4.0;
    let shown: String = name
        .chars()
        .take_while(|_| {
            room -= LETTER;
            room >= 0.0
        })
        .collect();
    if shown.len() < name.len().min(4) { String::new() } else { shown }
}

/// A warm colour, the same for the same name.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("hsl({}, 80%, {}%)", hash % 50, 62 + hash / 50 % 16)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
writer \n\t    55a1 sqlite3_step\n\t    55a0 bugle::commit::h0123456789abcdef\n\n\
writer \n\t    55a0 bugle::commit::h0123456789abcdef\n\n";

    #[test]
    fn samples_add_up_from_the_outermost_frame() {
        let mut root = Frame::default();
        root.take_in("storm", SCRIPT);
        let writer = &root.calls["storm"].calls["writer"];
        let commit = &writer.calls["bugle::commit"];
        assert_eq!((root.samples(), writer.samples, commit.samples), (2, 2, 2));
        assert_eq!(commit.calls["sqlite3_step"].samples, 1);
        assert_eq!(root.depth(), 5);
    }

    #[test]
    fn names_are_escaped_and_cut() {
        let mut root = Frame::default();
        root.take_in("storm", "writer\n\t 1 <Vec<T> as Drop>::drop\n");
        let svg = svg(&root);
        assert!(svg.contains("&lt;Vec&lt;T&gt; as Drop&gt;::drop 100.00%"), "{svg}");
        assert!(!svg.contains("<Vec"), "{svg}");
        assert_eq!(fitting("a_long_name", 40.0), "a_lon");
        assert_eq!(fitting("a_long_name", 20.0), "");
    }
}
