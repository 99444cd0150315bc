//! The table that a measurement ends with.

use super::load::{Tally, milliseconds};

/// What was measured of one server.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) one: Tally,
    pub(super) many: Tally,
    pub(super) calm: Tally,
    pub(super) brisk: Tally,
    pub(super) processed_per_second: f64,
    pub(super) idle_kib: u64,
    pub(super) loaded_kib: u64,
}

/// What only Bugle does.
pub(super) struct Outbound {
    pub(super) lags: Tally,
    pub(super) delivered_per_second: f64,
}

/// The results as Markdown: both ceilings, Bugle, and Bugle in relation to each.
pub(super) fn table(measured: &[Measured; 3], outbound: &Outbound) -> String {
    let [a, b, bugle] = measured;
    let mut table = format!(
        "| | {} | {} | {} | ratio to A | ratio to B |\n|---|---:|---:|---:|---:|---:|\n",
        a.name, b.name, bugle.name
    );
    let mut row = |what: &str, digits: usize, of: [f64; 3]| {
        let [a, b, bugle] = of;
        let line = format!(
            "| {what} | {a:.digits$} | {b:.digits$} | {bugle:.digits$} | {:.2} | {:.2} |\n",
            ratio(bugle, a),
            ratio(bugle, b)
        );
        table.push_str(&line);
    };
    let each = |read: &dyn Fn(&Measured) -> f64| [read(a), read(b), read(bugle)];
    let time = |tally: &Tally, percent| milliseconds(tally.percentile(percent));
    row("accepted/s, 1 connection", 0, each(&|of| of.one.per_second()));
    row("p50 / ms", 2, each(&|of| time(&of.one, 50)));
    row("p99 / ms", 2, each(&|of| time(&of.one, 99)));
    row("accepted/s, 64 connections", 0, each(&|of| of.many.per_second()));
    row("p50 / ms", 2, each(&|of| time(&of.many, 50)));
    row("p99 / ms", 2, each(&|of| time(&of.many, 99)));
    row("accepted and made into incidents/s, 64 connections", 0, each(&|of| of.processed_per_second));
    row("answered at 200/s, p50 / ms", 2, each(&|of| time(&of.calm, 50)));
    row("p99 / ms", 2, each(&|of| time(&of.calm, 99)));
    row("answered at 1,000/s, p50 / ms", 2, each(&|of| time(&of.brisk, 50)));
    row("p99 / ms", 2, each(&|of| time(&of.brisk, 99)));
    let lag = |percent| [time(&a.calm, percent), time(&b.calm, percent), time(&outbound.lags, percent)];
    row("accepted to arrived at 200/s, p50 / ms ¹", 2, lag(50));
    row("p99 / ms ¹", 2, lag(99));
    row(
        "delivered/s, from a backlog ²",
        0,
        [a.many.per_second(), b.many.per_second(), outbound.delivered_per_second],
    );
    row("memory idle / MiB", 0, each(&|of| mebibytes(of.idle_kib)));
    row("most memory under load / MiB", 0, each(&|of| mebibytes(of.loaded_kib)));
    table.push('\n');
    table.push_str(NOTES);
    table
}

const NOTES: &str = "\
¹ The ceilings' figure is their time to answer at 200/s: one signed call, and for B one commit; a delivery needs at least
that much after its alert was accepted.
² The ceilings' figure is accepted/s at 64 connections: the same signed call over the same stack, the other way round.
";

fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 { of / to } else { f64::NAN }
}

fn mebibytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
