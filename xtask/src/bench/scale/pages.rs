//! How long the server takes for the pages that people look at, and how much each weighs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    fill::Filled,
    lists::{named, somewhere},
};
use crate::{
    bench::{
        load::{Tally, milliseconds},
        report::{Figure, Goal},
    },
    stand::{
        bugle::Site,
        http::{Answer, Connection, header, request},
        random::Random,
    },
};

/// Most bytes of a page.
const BYTES_MAX: usize = 100 * 1024;
/// Who looks.
const NAME: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// The pages, by what is shown; each with the paths that take turns. A word in braces stands for an id or a position.
const PAGES: &[(&str, &[&str])] = &[
    ("now", &["/"]),
    (
        "incidents",
        &[
            "/incidents",
            "/incidents?cursor={position}",
            "/incidents?status=unresolved",
            "/incidents?status=open&cursor={position}",
            "/incidents?status=resolved",
            "/incidents?severity=critical",
            "/incidents?severity=low",
            "/incidents?platform=grafana",
            "/incidents?owner=nobody",
            "/incidents?status=unresolved&owner=ada@example.com",
        ],
    ),
    (
        "incidents by service and label",
        &[
            "/incidents?service=service-42",
            "/incidents?service=service-42&status=work_in_progress",
            "/incidents?service=unheard",
            "/incidents?label=region:north",
            "/incidents?label=region:north&service=service-7&cursor={position}",
            "/incidents?label=region:south",
        ],
    ),
    (
        "incidents by several",
        &[
            "/incidents?status=unresolved&severity=high&platform=datadog",
            "/incidents?status=unresolved&severity=high&platform=grafana&cursor={position}",
            "/incidents?status=unresolved&platform=grafana&owner=nobody",
            "/incidents?status=acknowledged&platform=datadog&service=service-42",
            "/incidents?status=open&severity=critical&owner=nobody&cursor={position}",
        ],
    ),
    (
        "incidents by words",
        &[
            "/incidents?q=latency",
            "/incidents?q=lat*",
            "/incidents?q=lat*&cursor={position}",
            "/incidents?q=host-17*",
            "/incidents?q=latency&status=unresolved&platform=grafana",
            "/incidents?q=lat*&severity=critical",
            "/incidents?q=unheard",
        ],
    ),
    (
        "an incident",
        &["/incidents/{incident}", "/incidents/{incident}?before=2", "/routing?incident={incident}"],
    ),
    ("routing", &["/routing", "/routing?q=latency", "/routing?q=lat*"]),
    ("sources", &["/sources", "/sources/{integration}", "/sources/new", "/sources/new?platform=datadog"]),
    (
        "calls",
        &[
            "/receipts",
            "/receipts?cursor={position}",
            "/receipts?state=processed&integration_id={integration}",
            "/receipts?state=rejected&integration_id={integration}",
            "/receipts/{receipt}",
            "/quarantine",
            "/quarantine?integration_id={integration}",
        ],
    ),
    (
        "destinations",
        &[
            "/destinations",
            "/destinations/{delivered}",
            "/destinations/{delivered}?cursor={position}",
            "/destinations/{delivered}?state=pending",
            "/destinations/{dead}?state=dead",
            "/destinations/{waits}",
            "/destinations/{waits}?state=pending",
            "/destinations/{delivered}/edit",
            "/destinations/new?dialect=standard-webhooks",
            "/deliveries/{delivery}",
        ],
    ),
    ("settings", &["/settings", "/settings/users", "/settings/api-keys", "/settings/audit", "/account"]),
];

/// Each page's p99, over `calls` calls of it and more. One that fails or is too heavy is an error.
pub(super) fn measure(site: &Site, filled: &Filled, calls: u32) -> Result<Vec<Figure>> {
    let visitor = Visitor::sign_in(site)?;
    let mut random = Random::new(9);
    let mut figures = Vec::new();
    for (what, paths) in PAGES {
        let mut times = Tally::default();
        let mut slowest = (Duration::ZERO, String::new());
        for path in paths.iter().cycle() {
            if times.count() >= f64::from(calls) {
                break;
            }
            let path = named(site, filled, path, &somewhere(filled, &mut random)?)?;
            let started = Instant::now();
            let answer = visitor.see(&path)?;
            let took = started.elapsed();
            ensure!(answer.status == 200, "{path} answered {}", answer.status);
            ensure!(answer.body.len() <= BYTES_MAX, "{path} weighs {} bytes", answer.body.len());
            times.add(took);
            slowest = slowest.max((took, path));
        }
        println!("  page, {what}: slowest {:.2} ms, {}", milliseconds(slowest.0), slowest.1);
        figures
            .push(Figure::time(format!("page, {what}, p99"), times.percentile(99)).goal(Goal::Below(20.0)));
    }
    Ok(figures)
}

/// Somebody who is signed in.
struct Visitor<'s> {
    site: &'s Site,
    cookie: String,
}

impl<'s> Visitor<'s> {
    /// By the form, as a user that is made where there is none yet.
    fn sign_in(site: &'s Site) -> Result<Self> {
        let users = site.list("/users")?;
        if !users.iter().any(|user| user["name"] == NAME) {
            let user = json!({ "name": NAME, "role": "admin", "password": PASSWORD });
            site.call("POST", "/users", Some(&user))?;
        }
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", "http://localhost"),
            ("connection", "close"),
        ];
        let form = format!("name={NAME}&password={}", PASSWORD.replace(' ', "+"));
        let message = request("POST", "/sign-in", &headers, form.as_bytes());
        let answer = Connection::open(site.address())?.exchange(&message)?;
        let cookie = header(&answer.headers, "set-cookie").context("signing in gave no cookie")?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { site, cookie })
    }

    fn see(&self, path: &str) -> Result<Answer> {
        let headers = [("accept", "text/html"), ("cookie", &self.cookie), ("connection", "close")];
        let message = request("GET", path, &headers, b"");
        Ok(Connection::open(self.site.address())?.exchange(&message)?)
    }
}
