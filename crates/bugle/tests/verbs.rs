//! The verbs against a real hub: what the command line says is what the hub does.

#![expect(clippy::unwrap_used, reason = "a hub that does not answer as it must fails the test")]

mod hub;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use hub::{Hub, run, text};
use serde_json::Value;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_alert_is_sent_seen_and_handled() {
    let hub = Hub::start(&[]);
    let made =
        hub.json(&["integration", "create", "prometheus", "--name", "production", "--secret", "s3cret"]);
    let integration = text(&made, "/id").to_owned();
    assert!(text(&made, "/webhook_url").ends_with(&format!("/prometheus/{integration}")));

    let forged = hub.run(&["send", "prometheus", &integration, "--secret", "wrong"]);
    assert_eq!(forged.status.code(), Some(1));
    assert!(stdout(&forged).contains("401 WEBHOOK_VALIDATION_FAILED"), "{}", stdout(&forged));
    let sent = hub.run(&["send", "prometheus", &integration, "--secret", "s3cret"]);
    assert!(sent.status.success() && stdout(&sent).starts_with("200 queued"), "{}", stdout(&sent));

    let list = hub.wait_for(&["incident", "list"], |list| list["data"][0]["id"].is_string());
    let incident = text(&list, "/data/0/id").to_owned();
    assert_eq!(list["data"][0]["verified"], true);
    assert_eq!(hub.json(&["incident", "ack", &incident])["status"], "acknowledged");
    assert_eq!(hub.json(&["incident", "owner", &incident, "ada@example.com"])["owner"], "ada@example.com");
    assert_eq!(hub.json(&["incident", "severity", &incident, "sev-2"])["declared_severity"], "SEV-2");
    assert_eq!(
        hub.json(&["incident", "resolve", &incident, "expected", "-m", "a drill"])["status"],
        "expected"
    );
    let timeline = stdout(&hub.run(&["incident", "timeline", &incident]));
    for word in
        ["created", "acknowledged", "owner: none -> ada@example.com", "severity_declared", "\"a drill\""]
    {
        assert!(timeline.contains(word), "{word:?} is missing in:\n{timeline}");
    }

    let rejected = hub.run(&["receipt", "list", "--state", "rejected"]);
    assert!(stdout(&rejected).contains("FAILED "), "{}", stdout(&rejected));
    let receipts = hub.json(&["receipt", "list", "--state", "rejected"]);
    let receipt = text(&receipts, "/data/0/id");
    assert_eq!(
        hub.run(&["receipt", "reverify", receipt]).status.code(),
        Some(1),
        "the secret is still another one"
    );
    hub.json(&["integration", "secret", &integration, "--secret", "wrong"]);
    assert_eq!(hub.run(&["receipt", "reverify", receipt]).status.code(), Some(0), "now it is known");
}

#[test]
fn an_integration_without_a_secret_is_unverified_everywhere() {
    let hub = Hub::start(&[]);
    let created = hub.run(&["integration", "create", "grafana"]);
    assert!(String::from_utf8_lossy(&created.stderr).contains("UNVERIFIED"));
    let list = hub.json(&["integration", "list"]);
    assert!(stdout(&hub.run(&["integration", "list"])).contains("UNVERIFIED (no secret)"));
    assert!(hub.run(&["send", "grafana", text(&list, "/data/0/id")]).status.success());
    hub.wait_for(&["incident", "list"], |list| list["data"][0]["id"].is_string());
    assert!(stdout(&hub.run(&["incident", "list"])).contains("UNVERIFIED"));
    assert!(stdout(&hub.run(&["receipt", "list"])).contains("UNVERIFIED"));
}

#[test]
fn a_key_does_what_its_scope_allows_until_it_is_deleted() {
    let hub = Hub::start(&[]);
    let made = hub.json(&["key", "create", "dashboard", "--scope", "read"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let variables = [("BUGLE_URL", hub.url.as_str()), ("BUGLE_API_KEY", text(&made, "/key"))];
    assert!(run(elsewhere.path(), &variables, &["incident", "list"]).status.success());
    let refused = run(elsewhere.path(), &variables, &["integration", "create", "datadog", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert!(!text(&error, "/error/code").is_empty(), "{error}");
    assert!(hub.run(&["key", "delete", text(&made, "/id")]).status.success());
    let gone = run(elsewhere.path(), &variables, &["incident", "list"]);
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(gone.status.code() == Some(1) && said.contains("came from BUGLE_API_KEY"), "{said}");
}

#[test]
fn the_hub_stops_when_told_to_and_keeps_its_key_private() {
    use std::os::unix::fs::PermissionsExt;
    let mut hub = Hub::start(&[]);
    let key = std::fs::metadata(hub.folder.path().join("bugle-data/admin.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let second = run(hub.folder.path(), &[], &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another Bugle"));
    let told = Command::new("kill").args(["-TERM", &hub.process.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(hub.process.wait().unwrap().code(), Some(0));
}

#[test]
fn the_demo_sees_every_platform_through() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[], &["demo", "--once", "--port", "0"]);
    let shown = stdout(&output);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("All arrived") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn the_demo_that_stays_leaves_something_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--port", "0", "--data", "demo"];
    let mut demo = Command::new(env!("CARGO_BIN_EXE_bugle"))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    // It ends by itself only when something is wrong, and then so do its lines.
    let shown: Vec<_> = lines.by_ref().take_while(|line| !line.ends_with("Ctrl-C ends the demo.")).collect();
    let shown = shown.join("\n");
    assert!(shown.contains("All arrived"), "{shown}");
    let url = shown.split_once("Bugle at ").unwrap().1.lines().next().unwrap();
    let key = folder.path().join("demo/admin.key");
    let open = ["--status", "open,acknowledged", "--url", url, "--api-key-file", key.to_str().unwrap()];
    let list = run(folder.path(), &[], &[&["incident", "list", "--json"], &open[..]].concat());
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let open = list["data"].as_array().unwrap();
    let severities: BTreeSet<_> = open.iter().map(|one| text(one, "/severity")).collect();
    assert!(severities.len() >= 3, "{list}");
    let is_in_hand = |one: &&Value| text(one, "/status") == "acknowledged" && one["owner"].is_string();
    assert_eq!(open.iter().filter(is_in_hand).count(), 1, "{list}");
    let told = Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
}
