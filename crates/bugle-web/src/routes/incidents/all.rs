//! `GET /api/v1/incidents`.

use axum::{Json, extract::State};
use bugle_model::{Incident, IncidentStatus, Page, Severity};
use bugle_store::IncidentFilter;

use super::{CURSOR, LIMIT, MethodFilter, Param, READ, Route, STATUSES};
use crate::{
    app::App,
    error::ApiError,
    input::{Query, one_of},
};

const FILTERS: &[Param] = &[
    Param {
        name: "status",
        doc: "One or more statuses, repeated or with commas; `unresolved` and `resolved` stand for all of their kind.",
    },
    Param { name: "severity", doc: "critical, high, medium, low or info." },
    Param { name: "owner", doc: "An e-mail address; empty for those that nobody has." },
    Param { name: "platform", doc: "The platform whose alert opened it." },
    Param { name: "service", doc: "The service of the alert that opened it." },
    Param { name: "label", doc: "A label that all its alerts share, as `name:value`; repeated for several." },
    Param {
        name: "q",
        doc: "Words in its title, host, service or labels, in any order: `disk full`. What has no space in it stands so: `host-17`, \
              `env=prod`. What ends with `*` is a beginning: `pay*`.",
    },
    LIMIT,
    CURSOR,
];

/// Most labels of one search.
const LABELS_MAX: usize = 8;
/// Longest search; no title is longer.
const SEARCH_CHARS_MAX: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            MethodFilter::GET,
            "/api/v1/incidents",
            READ,
            "list_incidents",
            "Incidents, newest first.",
            list,
        )
        .query(FILTERS)
        .answers(200, "IncidentPage"),
    ]
}

async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<Incident>>, ApiError> {
    let page = query.page()?;
    Ok(Json(app.store().incidents(filter(&query)?, page).await?))
}

/// What a query asks for.
pub(crate) fn filter(query: &Query) -> Result<IncidentFilter, ApiError> {
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let search = query.one("q").map(str::trim).filter(|text| !text.is_empty());
    if search.is_some_and(|text| text.chars().count() > SEARCH_CHARS_MAX) {
        return Err(ApiError::parameter("q", format!("`q` has at most {SEARCH_CHARS_MAX} characters")));
    }
    Ok(IncidentFilter {
        statuses: statuses(query)?,
        severity: query.word("severity", &severities)?,
        owner: query.given("owner").map(str::to_owned),
        platform: query.one("platform").map(str::to_owned),
        service: query.one("service").map(str::to_owned),
        labels: labels(query)?,
        query: search.map(str::to_owned),
    })
}

/// Labels as `name:value`; a value may hold anything, more colons too.
fn labels(query: &Query) -> Result<Vec<(String, String)>, ApiError> {
    let labels: Vec<_> = query.every("label").collect();
    if labels.len() > LABELS_MAX {
        return Err(ApiError::parameter("label", format!("`label` may be given at most {LABELS_MAX} times")));
    }
    let refused =
        || ApiError::parameter("label", "write a label as `name:value`, such as `env:prod`".to_owned());
    let pair = |text: &str| {
        let (name, value) = text.split_once(':').filter(|(name, _)| !name.is_empty()).ok_or_else(refused)?;
        Ok((name.to_owned(), value.to_owned()))
    };
    labels.into_iter().map(pair).collect()
}

fn statuses(query: &Query) -> Result<Vec<IncidentStatus>, ApiError> {
    let mut statuses = Vec::new();
    for word in query.many("status") {
        match word {
            "unresolved" => statuses.extend(of_kind(false)),
            "resolved" => statuses.extend(of_kind(true)),
            word => statuses.push(one_of("status", word, &STATUSES)?),
        }
    }
    Ok(statuses)
}

/// The statuses that are resolutions, or those that are not.
fn of_kind(resolved: bool) -> impl Iterator<Item = IncidentStatus> {
    IncidentStatus::ALL.into_iter().filter(move |status| status.is_resolved() == resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_words_lists_and_kinds() {
        use IncidentStatus as S;
        let table: [(&str, Option<&[S]>); 6] = [
            ("", Some(&[])),
            ("status=open", Some(&[S::Open])),
            ("status=open,fixed&status=expected", Some(&[S::Open, S::Fixed, S::Expected])),
            ("status=unresolved", Some(&[S::Open, S::Acknowledged, S::WorkInProgress])),
            ("status=resolved", Some(&[S::Fixed, S::Expected, S::NoActionNeeded, S::FalsePositive])),
            ("status=closed", None),
        ];
        for (text, expected) in table {
            let query = Query::of(&format!("/?{text}").parse().unwrap());
            assert_eq!(statuses(&query).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn labels_are_names_and_whole_values() {
        for (text, expected) in [
            ("", Some(vec![])),
            ("label=env:prod&label=url:http://a,b", Some(vec![("env", "prod"), ("url", "http://a,b")])),
            ("label=env:", Some(vec![("env", "")])),
            ("label=env", None),
            ("label=:prod", None),
            (
                "label=a:1&label=a:1&label=a:1&label=a:1&label=a:1&label=a:1&label=a:1&label=a:1&label=a:1",
                None,
            ),
        ] {
            let found = labels(&Query::of(&format!("/?{text}").parse().unwrap())).ok();
            let expected = expected.map(|pairs| {
                pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
            });
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_empty_owner_asks_for_nobody() {
        let owner = |uri: &str| filter(&Query::of(&uri.parse().unwrap())).unwrap().owner;
        assert_eq!(owner("/?owner="), Some(String::new()));
        assert_eq!(owner("/"), None);
    }
}
