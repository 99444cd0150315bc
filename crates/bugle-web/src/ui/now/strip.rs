//! The storm strip: calls of the last day by platform, drawn.

use std::fmt::Write;

use bugle_engine::activity::{Calls, STEP_MINUTES};

use crate::ui::format::{count, counted, span_words};

/// Platforms with a colour of their own; the others share one.
const SERIES_MAX: usize = 7;
/// Units of the drawing from bottom to top.
const HEIGHT: f64 = 100.0;

/// The storm strip.
pub(super) struct Strip {
    /// All of it in a sentence.
    pub(super) summary: String,
    pub(super) view_box: String,
    pub(super) series: Vec<Series>,
    pub(super) hints: Vec<Hint>,
}

/// One platform, or the others.
pub(super) struct Series {
    pub(super) class: String,
    pub(super) label: String,
    pub(super) total: String,
    /// A path of one bar for each step in which it called.
    pub(super) path: String,
}

/// What is said of one step.
pub(super) struct Hint {
    pub(super) x: usize,
    pub(super) text: String,
}

impl Strip {
    /// None when nobody called.
    pub(super) fn of(mut calls: Vec<Calls>) -> Option<Self> {
        calls.sort_by_key(|one| std::cmp::Reverse(one.total));
        let steps = calls.first()?.counts.len();
        let mut columns: Vec<(String, Vec<u64>)> = Vec::new();
        for one in calls {
            match columns.get_mut(SERIES_MAX) {
                None => columns.push((one.platform.to_owned(), one.counts)),
                Some((label, counts)) => {
                    "others".clone_into(label);
                    counts.iter_mut().zip(one.counts).for_each(|(sum, count)| *sum += count);
                }
            }
        }
        let mut sums = vec![0; steps];
        for (_, counts) in &columns {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        let peak = sums.iter().copied().max().unwrap_or_default().max(1);
        let mut below = vec![0; steps];
        let series = columns.into_iter().enumerate().map(|(place, (label, counts))| Series {
            class: format!("series-{place}"),
            total: count(counts.iter().sum()),
            path: bars(&counts, &mut below, peak),
            label,
        });
        Some(Self {
            summary: summary(&sums, peak),
            view_box: format!("0 0 {steps} {HEIGHT}"),
            series: series.collect(),
            hints: hints(&sums),
        })
    }
}

/// The bars of one platform, on top of those that are there.
fn bars(counts: &[u64], below: &mut [u64], peak: u64) -> String {
    let mut path = String::new();
    for (x, (calls, below)) in counts.iter().zip(below).enumerate() {
        if *calls > 0 {
            *below += calls;
            let (y, height) = (HEIGHT - scaled(*below, peak), scaled(*calls, peak));
            // Writing to memory does not fail.
            write!(path, "M{x} {y:.1}h.8v{height:.1}h-.8z").unwrap_or_default();
        }
    }
    path
}

#[expect(clippy::cast_precision_loss, reason = "a drawing needs no more digits")]
fn scaled(count: u64, peak: u64) -> f64 {
    count as f64 * HEIGHT / peak as f64
}

fn summary(sums: &[u64], peak: u64) -> String {
    let calls = counted(sums.iter().sum(), "call", "calls");
    let lately = sums.last().copied().unwrap_or_default();
    format!("{calls}; at most {} a minute, now {}", per_minute(peak), per_minute(lately))
}

/// Calls a minute in a step; below ten with a digit behind the point.
fn per_minute(calls: u64) -> String {
    let tenths = calls.saturating_mul(10) / STEP_MINUTES.unsigned_abs();
    if tenths >= 100 || tenths.is_multiple_of(10) {
        count(tenths / 10)
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

fn hints(sums: &[u64]) -> Vec<Hint> {
    let steps = sums.len();
    let busy = sums.iter().enumerate().filter(|(_, calls)| **calls > 0);
    let hint = |(x, calls): (usize, &u64)| {
        let minutes = u64::try_from(steps - x).unwrap_or_default() * STEP_MINUTES.unsigned_abs();
        let since = span_words(std::time::Duration::from_mins(minutes));
        Hint { x, text: format!("{since} ago: {} a minute", per_minute(*calls)) }
    };
    busy.map(hint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(platform: &'static str, counts: &[u64]) -> Calls {
        Calls { platform, total: counts.iter().sum(), counts: counts.to_vec() }
    }

    #[test]
    fn bars_stand_on_each_other_and_fill_the_strip() {
        let strip = Strip::of(vec![calls("a", &[0, 5, 0]), calls("b", &[1, 15, 0])]).unwrap();
        let shown: Vec<_> = strip.series.iter().map(|one| (one.label.as_str(), one.path.as_str())).collect();
        let expected = [("b", "M0 95.0h.8v5.0h-.8zM1 25.0h.8v75.0h-.8z"), ("a", "M1 0.0h.8v25.0h-.8z")];
        assert_eq!(shown, expected);
        assert_eq!(strip.summary, "21 calls; at most 2 a minute, now 0");
        assert_eq!(strip.hints.len(), 2);
        assert_eq!(strip.hints[0].text, "30 min ago: 0.1 a minute");
        assert!(Strip::of(Vec::new()).is_none());
    }

    #[test]
    fn those_who_call_least_share_a_colour() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let all = names.into_iter().zip(1..).map(|(name, count)| calls(name, &[count]));
        let strip = Strip::of(all.collect()).unwrap();
        assert_eq!(strip.series.len(), 8);
        let last = strip.series.last().unwrap();
        assert_eq!((last.label.as_str(), last.total.as_str()), ("others", "6"));
    }
}
