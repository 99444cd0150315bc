//! What was measured and what moved with it, as small charts. The numbers' own text stands beside each: a chart is drawn
//! from what can be read as a number, and left out where nothing can.

use bugle_model::{
    Signal, Timestamp,
    signal::{Correlation, Labels, Measurement},
};

use super::super::{excerpt::cut, format::Ago};

/// Most rows of a kind; the JSON has all.
const ROWS_MAX: usize = 12;
/// Longest text of a row.
const TEXT_BYTES_MAX: usize = 200;
/// A chart's inner width, in its own units.
const WIDTH: f64 = 1000.0;

/// All that is drawn of a signal.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) measurements: Vec<Measured>,
    pub(super) correlations: Vec<Correlated>,
    pub(super) related: Vec<Found>,
    /// What is left out of each, in words.
    pub(super) more: Option<String>,
}

/// A measurement, from zero to the largest of what it is compared with.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) metric: String,
    pub(super) group: String,
    pub(super) value: String,
    /// What it is compared with, in words.
    pub(super) against: String,
    pub(super) chart: Option<Chart>,
}

/// A bar from `x` that is `width` long, and where other numbers are.
#[derive(Debug, PartialEq)]
pub(super) struct Chart {
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) zero: f64,
    pub(super) threshold: Option<f64>,
    pub(super) expected: Option<f64>,
}

/// A correlation, from -1 to 1.
#[derive(Debug)]
pub(super) struct Correlated {
    pub(super) metric: String,
    pub(super) coefficient: String,
    pub(super) shifted: String,
    pub(super) bar: Option<Bar>,
    pub(super) shifted_bar: Option<Bar>,
}

/// A bar that begins or ends in the middle.
#[derive(Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) x: f64,
    pub(super) width: f64,
}

/// Another anomaly or match that the source named.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) metric: String,
    pub(super) at: Option<Ago>,
}

impl Figures {
    pub(super) fn of(signal: &Signal, now: Timestamp) -> Self {
        let mut strongest: Vec<&Correlation> = signal.correlations.iter().collect();
        strongest.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
        let totals = [
            (signal.measurements.len(), "measurements"),
            (signal.correlations.len(), "correlations"),
            (signal.related.len(), "related findings"),
        ];
        let more = totals.iter().filter(|(total, _)| *total > ROWS_MAX);
        let more: Vec<_> = more.map(|(total, what)| format!("{} more {what}", total - ROWS_MAX)).collect();
        Self {
            measurements: signal.measurements.iter().take(ROWS_MAX).map(measured).collect(),
            correlations: strongest.into_iter().take(ROWS_MAX).map(correlated).collect(),
            related: signal
                .related
                .iter()
                .take(ROWS_MAX)
                .map(|one| Found {
                    id: short(&one.id),
                    kind: short(&one.kind),
                    metric: short(one.metric.as_deref().unwrap_or_default()),
                    at: one.timestamp.map(|at| Ago { at, now }),
                })
                .collect(),
            more: (!more.is_empty()).then(|| more.join(", ")),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.measurements.is_empty() && self.correlations.is_empty() && self.related.is_empty()
    }
}

fn measured(one: &Measurement) -> Measured {
    let operator = one.operator.as_deref().map_or(String::new(), |operator| format!("{} ", short(operator)));
    let threshold = one.threshold.as_deref().map(|text| format!("threshold {operator}{}", short(text)));
    let expected = one.expected.as_deref().map(|text| format!("expected {}", short(text)));
    Measured {
        metric: if one.metric.is_empty() { "value".into() } else { short(&one.metric) },
        group: short(&group_words(&one.group)),
        value: short(one.value.as_deref().unwrap_or("not said")),
        against: threshold.into_iter().chain(expected).collect::<Vec<_>>().join(", "),
        chart: one.value.as_deref().and_then(number).and_then(|value| {
            let read = |text: &Option<String>| text.as_deref().and_then(number);
            chart(value, read(&one.threshold), read(&one.expected))
        }),
    }
}

fn group_words(group: &Labels) -> String {
    group.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// None when there is nothing to compare with: a bar alone says nothing.
fn chart(value: f64, threshold: Option<f64>, expected: Option<f64>) -> Option<Chart> {
    let others = || [threshold, expected].into_iter().flatten();
    others().next()?;
    let low = others().fold(value.min(0.0), f64::min);
    let high = others().fold(value.max(0.0), f64::max);
    // A little room at the right, so that a mark at the end is seen.
    let span = (high - low) * 1.02;
    if span <= 0.0 || !span.is_finite() {
        return None;
    }
    let place = |number: f64| round((number - low) / span * WIDTH);
    let (zero, end) = (place(0.0), place(value));
    Some(Chart {
        x: zero.min(end),
        // What is almost nothing beside the others is still there.
        width: round((end - zero).abs().max(4.0)),
        zero,
        threshold: threshold.map(place),
        expected: expected.map(place),
    })
}

fn correlated(one: &Correlation) -> Correlated {
    Correlated {
        metric: short(&one.metric),
        coefficient: short(&one.coefficient),
        shifted: format!("{} when shifted by {}", short(&one.shifted_coefficient), short(&one.shifted)),
        bar: number(&one.coefficient).map(bar),
        shifted_bar: number(&one.shifted_coefficient).map(bar),
    }
}

fn bar(coefficient: f64) -> Bar {
    let half = WIDTH / 2.0;
    let length = coefficient.clamp(-1.0, 1.0) * half;
    Bar { x: round(half + length.min(0.0)), width: round(length.abs().max(2.0)) }
}

/// How strongly two metrics move together, shifted or not.
fn strength(one: &Correlation) -> f64 {
    [&one.coefficient, &one.shifted_coefficient]
        .into_iter()
        .filter_map(|text| number(text))
        .fold(0.0, |strongest, coefficient| strongest.max(coefficient.abs()))
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// To a tenth of a unit: more is not seen.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn short(text: &str) -> String {
    cut(text, TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_drawn_against_what_it_is_compared_with() {
        for (value, threshold, expected, drawn) in [
            ("1180", None, Some("96400"), Some((0.0, 12.0, None, Some(980.4)))),
            ("95", Some("90"), None, Some((0.0, 980.4, Some(928.8), None))),
            ("-5", Some("10"), None, Some((0.0, 326.8, Some(980.4), None))),
            ("0", Some("0"), None, None),
            ("95", None, None, None),
            ("95", Some("about 90"), None, None),
            ("NaN", Some("1"), None, None),
            ("1e308", Some("-1e308"), None, None),
        ] {
            let text = |text: &str| Some(text.to_owned());
            let one = Measurement {
                value: text(value),
                threshold: threshold.and_then(text),
                expected: expected.and_then(text),
                ..Measurement::default()
            };
            let chart = measured(&one).chart;
            let found = chart.map(|chart| (chart.x, chart.width, chart.threshold, chart.expected));
            assert_eq!(found, drawn, "{value} {threshold:?} {expected:?}");
        }
    }

    #[test]
    fn a_correlation_is_a_bar_from_the_middle() {
        for (coefficient, x, width) in
            [(0.5, 500.0, 250.0), (-1.0, 0.0, 500.0), (7.0, 500.0, 500.0), (0.0, 500.0, 2.0)]
        {
            assert_eq!(bar(coefficient), Bar { x, width }, "{coefficient}");
        }
    }

    #[test]
    fn the_strongest_come_first_and_what_is_left_out_is_told() {
        let one = |n: usize| Correlation {
            metric: format!("m{n}"),
            coefficient: format!("-0.{n:03}"),
            shifted: "0".into(),
            shifted_coefficient: "none".into(),
        };
        let signal = Signal { correlations: (0..30).map(one).collect(), ..Signal::default() };
        let figures = Figures::of(&signal, Timestamp::from_seconds(1));
        assert_eq!(figures.correlations[0].metric, "m29");
        assert_eq!((figures.correlations.len(), figures.more.as_deref()), (12, Some("18 more correlations")));
    }
}
