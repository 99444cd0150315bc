//! The command line from outside: help, exit codes, and what is said when something is wrong.

#![expect(clippy::unwrap_used, reason = "what cannot be started cannot be tested")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs `bugle` in an empty folder with only these variables set.
fn bugle_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bugle"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).ok();
    child.wait_with_output().unwrap()
}

fn bugle(arguments: &[&str]) -> Output {
    bugle_in(tempfile::tempdir().unwrap().path(), &[], arguments, b"")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every command with its own help.
const COMMANDS: &[&str] = &[
    "",
    "serve",
    "demo",
    "integration",
    "integration create",
    "integration update",
    "integration secret",
    "integration test",
    "destination",
    "destination create",
    "destination update",
    "destination recover",
    "incident",
    "incident list",
    "incident owner",
    "incident severity",
    "incident resolve",
    "receipt",
    "receipt list",
    "delivery",
    "delivery list",
    "key",
    "key create",
    "user",
    "user create",
    "user update",
    "listen",
    "send",
    "bench",
    "verify",
    "sign",
    "config",
    "config show",
    "completion",
];

#[test]
fn help_is_as_it_was_agreed() {
    for command in COMMANDS {
        let arguments: Vec<_> =
            command.split(' ').filter(|word| !word.is_empty()).chain(["--help"]).collect();
        let output = bugle(&arguments);
        assert!(output.status.success(), "{command}: {}", stderr(&output));
        let name = format!("help {command}").trim().replace(' ', "-");
        insta::assert_snapshot!(name, stdout(&output));
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_would_be_right() {
    for (arguments, expected) in [
        (&["lsten"][..], "a similar subcommand exists: 'listen'"),
        (&["integration", "create", "prometeus"], "prometheus"),
        (&["incident", "get", "../secrets"], "an id has letters, digits"),
        (&["serve", "--listen", "here"], "127.0.0.1:8000"),
        (&["listen", "--fail", "2"], "a number from 0 to 1"),
        (&["key", "create", "ci", "--scope", "root"], "operate"),
        (&["verify", "body.json"], "--platform"),
        (&["verify", "--platform", "datadog", "body.json"], "BUGLE_SECRET_FILE"),
        (&["integration", "update", "int_1"], "nothing to change"),
    ] {
        let output = bugle(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?} should say {expected:?}, and says: {said}");
    }
}

#[test]
fn a_hub_that_is_not_there_exits_with_1_and_says_how_to_start_it() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let folder = tempfile::tempdir().unwrap();
    let variables = [("BUGLE_URL", url.as_str()), ("BUGLE_API_KEY", "bgl_x")];
    let output = bugle_in(folder.path(), &variables, &["incident", "list"], b"");
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains(&url) && said.contains("Is `bugle serve` running?"), "{said}");
    assert!(!said.contains("bgl_x"), "{said}");
}

#[test]
fn a_missing_key_says_where_it_was_looked_for() {
    let output = bugle(&["incident", "list"]);
    assert_eq!(output.status.code(), Some(1));
    for part in ["BUGLE_API_KEY", "bugle-data/admin.key", "--data"] {
        assert!(stderr(&output).contains(part), "{part:?} is missing in: {}", stderr(&output));
    }
}

#[test]
fn a_wrong_file_is_told_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bugle.toml"), "data = \"d\"\nlisten = 8000\n").unwrap();
    for arguments in [&["config", "check"][..], &["serve"], &["incident", "list"]] {
        let output = bugle_in(folder.path(), &[], arguments, b"");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains("bugle.toml") && said.contains("line 2, column 10"), "{said}");
    }
}

#[test]
fn config_show_says_where_each_value_came_from_and_hides_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bugle.toml"), "\nlisten = \"127.0.0.1:8001\"\n").unwrap();
    let variables = [("BUGLE_DATA", "elsewhere"), ("BUGLE_API_KEY", "bgl_topsecret")];
    let output = bugle_in(folder.path(), &variables, &["config", "show"], b"");
    insta::assert_snapshot!("config-show", stdout(&output));
}

#[test]
fn config_check_tells_right_from_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let check = |variables: &[(&str, &str)]| bugle_in(folder.path(), variables, &["config", "check"], b"");
    let right = check(&[]);
    assert!(right.status.success() && stdout(&right).contains("The settings are right."));
    let misspelt = check(&[("BUGLE_LISTN", "x")]);
    assert!(misspelt.status.success() && stdout(&misspelt).contains("BUGLE_LISTN is no setting"));
    let cluster = check(&[("BUGLE_DATABASE_URL", "postgres://u:hidden@db.example.com/bugle")]);
    assert_eq!(cluster.status.code(), Some(1));
    assert!(stdout(&cluster).contains("embedded store only") && !stdout(&cluster).contains("hidden@"));
}

#[test]
fn the_printed_default_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let default = bugle(&["config", "show", "--default"]);
    std::fs::write(folder.path().join("bugle.toml"), &default.stdout).unwrap();
    let values = |output: &Output| -> Vec<(String, serde_json::Value)> {
        let shown: serde_json::Map<_, _> = serde_json::from_slice(&output.stdout).unwrap();
        shown.into_iter().map(|(name, entry)| (name, entry["value"].clone())).collect()
    };
    let with = bugle_in(folder.path(), &[], &["config", "show", "--json"], b"");
    assert_eq!(values(&with), values(&bugle(&["config", "show", "--json"])));
}

#[test]
fn what_sign_signs_verify_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let body = br#"{"status": "firing"}"#;
    let whsec = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    for (scheme, secret) in [
        (&["--scheme", "standard-webhooks"][..], whsec),
        (&["--scheme", "hmac-sha256"], "a secret"),
        (
            &["--scheme", "hmac-sha512", "--encoding", "base64", "--in-header", "X-Sum", "--prefix", ""],
            "a secret",
        ),
        (&["--scheme", "hmac-sha1", "--timestamp-header", "X-Time"], "a secret"),
        (&["--scheme", "header", "--in-header", "X-Token"], "a secret"),
        (&["--scheme", "bearer"], "a secret"),
        (&["--scheme", "basic"], "ada:lovelace"),
        (&["--platform", "datadog"], "a secret"),
        (&["--platform", "pagerduty"], "a secret"),
    ] {
        let run = |verb: &str, secret: &str, more: &[String], body: &[u8]| {
            let mut arguments = vec![verb];
            arguments.extend(scheme);
            arguments.extend(more.iter().map(String::as_str));
            arguments.push("-");
            bugle_in(folder.path(), &[("BUGLE_SECRET", secret)], &arguments, body)
        };
        let signed = run("sign", secret, &[], body);
        assert!(signed.status.success(), "{scheme:?}: {}", stderr(&signed));
        let headers: Vec<String> =
            stdout(&signed).lines().flat_map(|line| ["--header".to_owned(), line.to_owned()]).collect();
        let verified = run("verify", secret, &headers, body);
        assert!(verified.status.success() && stdout(&verified).contains("VERIFIED by"), "{scheme:?}");
        let other = if secret == whsec {
            "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
        } else {
            "another:one"
        };
        let refused = run("verify", other, &headers, body);
        assert_eq!(refused.status.code(), Some(1), "{scheme:?}");
        assert!(stdout(&refused).contains("NOT VERIFIED: "), "{scheme:?}: {}", stdout(&refused));
    }
}

#[test]
fn an_old_signature_is_verified_as_of_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let secret = [("BUGLE_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")];
    let at = ["--scheme", "standard-webhooks", "--at", "2026-03-02T09:15:00Z"];
    let signed = bugle_in(folder.path(), &secret, &[&["sign"], &at[..], &["-"]].concat(), b"{}");
    let text = stdout(&signed);
    let headers: Vec<&str> = text.lines().flat_map(|line| ["-H", line]).collect();
    let then = bugle_in(folder.path(), &secret, &[&["verify"], &at[..], &headers, &["-"]].concat(), b"{}");
    assert!(then.status.success(), "{}", stdout(&then));
    let now = bugle_in(folder.path(), &secret, &[&["verify"], &at[..2], &headers, &["-"]].concat(), b"{}");
    assert!(stdout(&now).contains("timestamp_stale"), "{}", stdout(&now));
}

#[test]
fn verify_says_why_a_request_is_not_proven() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.txt");
    std::fs::write(&other, "the other one\n").unwrap();
    let other = other.to_str().unwrap();
    let scheme = ["--scheme", "hmac-sha256", "--in-header", "X-Hook-Signature"];
    let sign = |secret: &str, body: &[u8]| {
        let line = [&["sign"], &scheme[..], &["-"]].concat();
        stdout(&bugle_in(folder.path(), &[("BUGLE_SECRET", secret)], &line, body)).trim().to_owned()
    };
    let pretty = b"{\n  \"a\": 1\n}";
    let compact = br#"{"a":1}"#;
    for (header, expected) in [
        (sign("right", compact), "VERIFIED by"),
        (sign("right", pretty), "body_reserialised"),
        (sign("right", compact).replace("x-hook", "x_hook"), "signature_misspelt_header"),
        (sign("right", compact).replace("sha256=", "sha256=sha256="), "prefix_doubled"),
        (sign("right ", compact), "secret_with_whitespace"),
        (sign("the other one", compact), "secret_of_another_integration"),
        (sign("nobody's", compact), "signature_mismatch"),
    ] {
        let line = [&["verify"], &scheme[..], &["--other-secret-file", other, "-H", &header, "-"]].concat();
        let judged = bugle_in(folder.path(), &[("BUGLE_SECRET", "right")], &line, compact);
        assert!(stdout(&judged).contains(expected), "{header}: {}{}", stdout(&judged), stderr(&judged));
    }
}

#[test]
fn completion_is_offered_for_the_common_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let output = bugle(&["completion", shell]);
        assert!(output.status.success() && stdout(&output).contains("prometheus"), "{shell}");
    }
}
