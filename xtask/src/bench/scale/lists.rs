//! How long the API's lists take: from the top, page by page, and from anywhere in between.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bugle_model::Cursor;

use super::fill::{DEAD, Filled, WAITS};
use crate::{
    bench::{
        load::{Tally, milliseconds},
        report::{Figure, Goal},
    },
    stand::{bugle::Site, random::Random},
};

/// Pages that are read one after the other before another place is looked at.
const PAGES: u32 = 5;

/// The lists, by what is shown of them; each with the paths that take turns. A word in braces stands for an id.
const LISTS: &[(&str, &[&str])] = &[
    ("incidents", &["/incidents?limit=50", "/incidents?limit=200"]),
    (
        "incidents by status",
        &["/incidents?status=open", "/incidents?status=work_in_progress", "/incidents?status=fixed"],
    ),
    (
        "incidents by severity",
        &["/incidents?severity=high", "/incidents?severity=critical", "/incidents?severity=low"],
    ),
    (
        "incidents by owner",
        &[
            "/incidents?owner=",
            "/incidents?owner=person-7@example.com",
            "/incidents?owner=nobody@example.com",
        ],
    ),
    (
        "incidents by platform",
        &["/incidents?platform=datadog", "/incidents?platform=grafana", "/incidents?platform=custom"],
    ),
    (
        "incidents by a rare word",
        &["/incidents?q=host-17", "/incidents?q=service-42+north", "/incidents?q=unheard"],
    ),
    (
        "incidents by a common word",
        &["/incidents?q=latency", "/incidents?q=lat*", "/incidents?q=target+north"],
    ),
    (
        "incidents by several",
        &[
            "/incidents?status=open&severity=critical",
            "/incidents?status=work_in_progress&owner=person-7@example.com",
            "/incidents?severity=critical&platform=grafana",
            "/incidents?owner=person-30@example.com&platform=grafana&severity=high",
            "/incidents?q=latency&severity=low",
            "/incidents?q=latency&status=work_in_progress&platform=grafana",
        ],
    ),
    (
        "receipts",
        &[
            "/receipts?limit=50",
            "/receipts?state=processed",
            "/receipts?state=pending",
            "/receipts?integration_id={integration}",
            "/receipts?integration_id={integration}&state=rejected",
        ],
    ),
    ("deliveries", &["/deliveries?limit=50", "/deliveries?limit=200"]),
    (
        "deliveries by state",
        &["/deliveries?state=delivered", "/deliveries?state=dead", "/deliveries?state=pending"],
    ),
    (
        "deliveries by destination",
        &["/deliveries?destination_id={delivered}", "/deliveries?destination_id={waits}"],
    ),
    (
        "deliveries by destination and state",
        &[
            "/deliveries?destination_id={delivered}&state=delivered",
            "/deliveries?destination_id={delivered}&state=pending",
            "/deliveries?destination_id={dead}&state=dead",
            "/deliveries?destination_id={waits}&state=pending",
        ],
    ),
    (
        "an incident's",
        &[
            "/deliveries?incident_id={incident}",
            "/incidents/{incident}/timeline?limit=50",
            "/incidents/{incident}/alerts?limit=50",
        ],
    ),
];

/// Each list's p99, over `calls` calls and more.
pub(super) fn measure(site: &Site, filled: &Filled, calls: u32) -> Result<Vec<Figure>> {
    let mut random = Random::new(7);
    let mut figures = Vec::new();
    for (what, paths) in LISTS {
        let mut times = Tally::default();
        let mut slowest = (Duration::ZERO, String::new());
        let mut turns = paths.iter().cycle();
        while times.count() < f64::from(calls) {
            let place = somewhere(filled, &mut random)?;
            let path = turns.next().context("a list without a path")?;
            let path = named(site, filled, path, &place)?;
            read_on(site, &path, None, &mut times, &mut slowest)?;
            if !path.contains("/incidents/") {
                read_on(site, &path, Some(place), &mut times, &mut slowest)?;
            }
        }
        println!("  {what}: slowest {:.2} ms, {}", milliseconds(slowest.0), slowest.1);
        figures.push(Figure::time(format!("{what}, p99"), times.percentile(99)).goal(Goal::Below(20.0)));
    }
    Ok(figures)
}

/// A position in any list, as a cursor.
pub(super) fn somewhere(filled: &Filled, random: &mut Random) -> Result<String> {
    let number = u32::try_from(random.below(u64::from(filled.incidents)))?;
    Ok(Cursor(filled.position_above(number)).to_string())
}

/// `path` with ids where it has words in braces. What grows in number is one at `place`.
pub(super) fn named(site: &Site, filled: &Filled, path: &str, place: &str) -> Result<String> {
    let mut path = path.replace("{integration}", &filled.integration).replace("{position}", place);
    for (word, position) in [("{delivered}", 0), ("{dead}", DEAD), ("{waits}", WAITS)] {
        let destination = filled.destinations.get(position).context("a destination is missing")?;
        path = path.replace(word, destination);
    }
    for (word, list) in [("{incident}", "incidents"), ("{receipt}", "receipts"), ("{delivery}", "deliveries")]
    {
        if path.contains(word) {
            let page = site.call("GET", &format!("/{list}?limit=1&cursor={place}"), None)?;
            let id = page["data"][0]["id"].as_str().with_context(|| format!("no {list} there"))?;
            path = path.replace(word, id);
        }
    }
    Ok(path)
}

/// Some pages of a list, one after the other. Notes the slowest call.
fn read_on(
    site: &Site,
    path: &str,
    mut cursor: Option<String>,
    times: &mut Tally,
    slowest: &mut (Duration, String),
) -> Result<()> {
    for _ in 0..PAGES {
        let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let started = Instant::now();
        let path = format!("{path}{from}");
        let page = site.call("GET", &path, None)?;
        let took = started.elapsed();
        times.add(took);
        if took > slowest.0 {
            *slowest = (took, path);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(());
        }
    }
    Ok(())
}
