//! What should be there against what is there. Pure: it compares three lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::load::Acknowledged;

/// One request that the receiver took (answered with success).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// An event with a valid signature.
    Event {
        /// The incident's id.
        incident: String,
        /// The event's number within it.
        sequence: u64,
        /// What happened.
        kind: String,
        /// The incident's title.
        title: String,
    },
    /// Something else, and what was wrong with it.
    Invalid(String),
}

impl Arrival {
    /// Reads the body of a verified request.
    pub(crate) fn read(body: &[u8]) -> Result<Self> {
        let body: Value = serde_json::from_slice(body)?;
        let data = &body["data"];
        Ok(Self::Event {
            incident: data["incident"]["id"].as_str().context("no incident id")?.to_owned(),
            sequence: data["event"]["sequence"].as_u64().context("no sequence")?,
            kind: body["type"].as_str().context("no type")?.to_owned(),
            title: data["incident"]["title"].as_str().context("no title")?.to_owned(),
        })
    }
}

/// An incident, as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incident {
    id: String,
    title: String,
    resolved: bool,
}

impl Incident {
    /// Reads an item of the list.
    pub(crate) fn read(item: &Value) -> Result<Self> {
        let text = |name: &str| {
            item[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {item}"))
        };
        Ok(Self { id: text("id")?, title: text("title")?, resolved: text("status")? == "fixed" })
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Verdict {
    alerts: usize,
    incidents: usize,
    accepted: usize,
    repeated: usize,
    retired: usize,
    /// Each thing that is missing or wrong, in words.
    pub(crate) problems: Vec<String>,
}

impl Verdict {
    /// The first problems, one on each line.
    pub(crate) fn first_problems(&self) -> String {
        self.problems.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} alerts answered 200, {} incidents and {} that were old enough to go, {} deliveries accepted ({} of them \
             repeats), {} missing or wrong",
            self.alerts,
            self.incidents,
            self.retired,
            self.accepted,
            self.repeated,
            self.problems.len()
        )
    }
}

/// What may have become of an incident that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    /// It is kept.
    Keeps,
    /// It may be gone, once the receiver was told of its end.
    LetsGo,
}

/// Compares what was answered with what the API lists and what the receiver took.
pub(crate) fn judge(
    alerts: &[Acknowledged],
    incidents: &[Incident],
    arrivals: &[Arrival],
    retention: Retention,
) -> Verdict {
    let (mut problems, mut retired) = (Vec::new(), 0);
    let Heard { told, over, repeated } = read_arrivals(arrivals, &mut problems);
    let mut by_title: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        by_title.entry(&incident.title).or_default().push(incident);
        if !told.contains(&(incident.id.as_str(), "incident.created")) {
            problems.push(format!("{} ({}): its creation never arrived", incident.id, incident.title));
        }
        if incident.resolved && !told.contains(&(incident.id.as_str(), "incident.resolved")) {
            problems.push(format!("{} ({}): its end never arrived", incident.id, incident.title));
        }
    }
    for alert in alerts {
        match by_title.get(alert.title.as_str()).map(Vec::as_slice) {
            None | Some([]) if retention == Retention::LetsGo && over.contains(alert.title.as_str()) => {
                retired += 1;
            }
            None | Some([]) => problems.push(format!("{}: answered 200, and no incident", alert.title)),
            Some([one]) if alert.resolved && !one.resolved => {
                problems.push(format!("{}: its end was answered 200, and the incident is open", alert.title));
            }
            Some([_]) => {}
            Some(many) => problems.push(format!("{}: {} incidents for one alert", alert.title, many.len())),
        }
    }
    let (incidents, accepted) = (incidents.len(), arrivals.len());
    Verdict { alerts: alerts.len(), incidents, accepted, repeated, retired, problems }
}

/// What a receiver was told.
#[derive(Default)]
struct Heard<'a> {
    /// Incidents, and what happened to each.
    told: BTreeSet<(&'a str, &'a str)>,
    /// Titles of incidents that are over.
    over: BTreeSet<&'a str>,
    /// Arrivals that had come before.
    repeated: usize,
}

/// Within an incident a number may come again only until the next one has come.
fn read_arrivals<'a>(arrivals: &'a [Arrival], problems: &mut Vec<String>) -> Heard<'a> {
    let mut heard = Heard::default();
    let mut latest: BTreeMap<&str, u64> = BTreeMap::new();
    for arrival in arrivals {
        match arrival {
            Arrival::Invalid(problem) => {
                problems.push(format!("the receiver got something invalid: {problem}"));
            }
            Arrival::Event { incident, sequence, kind, title } => {
                let last = latest.entry(incident).or_default();
                if *sequence == *last {
                    heard.repeated += 1;
                } else if *sequence != *last + 1 {
                    problems.push(format!("{incident}: event {sequence} arrived after event {last}"));
                }
                *last = (*last).max(*sequence);
                heard.told.insert((incident.as_str(), kind.as_str()));
                if kind == "incident.resolved" {
                    heard.over.insert(title);
                }
            }
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(incident: &str, sequence: u64, kind: &str) -> Arrival {
        Arrival::Event { incident: incident.into(), sequence, kind: kind.into(), title: "a".into() }
    }

    fn incident(id: &str, title: &str, resolved: bool) -> Incident {
        Incident { id: id.into(), title: title.into(), resolved }
    }

    fn alert(title: &str, resolved: bool) -> Acknowledged {
        Acknowledged { title: title.into(), resolved }
    }

    #[test]
    fn a_good_run_has_no_problems_and_repeats_are_counted() {
        let arrivals = [
            event("inc_1", 1, "incident.created"),
            event("inc_1", 1, "incident.created"),
            event("inc_1", 2, "incident.resolved"),
            event("inc_2", 1, "incident.created"),
        ];
        let incidents = [incident("inc_1", "a", true), incident("inc_2", "unanswered", false)];
        let verdict = judge(&[alert("a", true)], &incidents, &arrivals, Retention::Keeps);
        assert_eq!(verdict.problems, Vec::<String>::new());
        assert_eq!(verdict.repeated, 1);
    }

    #[test]
    fn each_kind_of_loss_is_found() {
        let created = || event("inc_1", 1, "incident.created");
        let (open, over) = (incident("inc_1", "a", false), incident("inc_1", "a", true));
        let check =
            |alerts: &[Acknowledged], incidents: &[Incident], arrivals: &[Arrival], expected: &str| {
                let verdict = judge(alerts, incidents, arrivals, Retention::Keeps);
                assert!(verdict.first_problems().contains(expected), "{expected}: {:?}", verdict.problems);
            };
        check(&[alert("a", false)], &[], &[], "no incident");
        check(&[], std::slice::from_ref(&open), &[], "its creation never arrived");
        check(&[], std::slice::from_ref(&over), &[created()], "its end never arrived");
        check(&[alert("a", true)], std::slice::from_ref(&open), &[created()], "the incident is open");
        check(&[alert("a", false)], &[open.clone(), open], &[created()], "2 incidents for one alert");
        check(&[], &[], &[event("inc_1", 2, "incident.resolved")], "event 2 arrived after event 0");
        check(&[], &[], &[Arrival::Invalid("bad signature".into())], "bad signature");
    }

    #[test]
    fn an_old_event_after_a_newer_one_is_out_of_order() {
        let arrivals = [
            event("inc_1", 1, "incident.created"),
            event("inc_1", 2, "incident.updated"),
            event("inc_1", 1, "incident.created"),
        ];
        let verdict = judge(&[], &[], &arrivals, Retention::Keeps);
        assert!(verdict.first_problems().contains("event 1 arrived after event 2"));
    }

    #[test]
    fn an_incident_that_is_gone_is_no_loss_once_its_end_arrived_and_what_is_old_may_go() {
        let begun = event("inc_1", 1, "incident.created");
        let over = event("inc_1", 2, "incident.resolved");
        for (arrivals, retention, good) in [
            (vec![begun.clone(), over.clone()], Retention::LetsGo, true),
            (vec![begun.clone(), over], Retention::Keeps, false),
            (vec![begun], Retention::LetsGo, false),
        ] {
            let verdict = judge(&[alert("a", true)], &[], &arrivals, retention);
            assert_eq!(verdict.problems.is_empty(), good, "{arrivals:?} {retention:?}");
        }
    }
}
