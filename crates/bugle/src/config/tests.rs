use super::*;

fn load(file: &str, flags: Flags, environment: &Environment) -> Result<Settings, SettingsError> {
    Settings::from_layers(file_layer(Path::new("bugle.toml"), file.to_owned())?, flags, environment)
}

fn error(file: &str, environment: &Environment) -> String {
    load(file, Flags::default(), environment).expect_err("it is wrong").to_string()
}

#[test]
fn the_commented_file_is_valid_and_says_every_default() {
    let settings = load("", Flags::default(), &Environment::default()).unwrap();
    for row in settings.rows() {
        let documented = DEFAULT_FILE.contains(&format!("{} = ", row.name));
        assert!(documented || row.name == "database_url", "{} is not in the default file", row.name);
    }
    assert_eq!(settings.listen.value.to_string(), "127.0.0.1:8000");
    assert_eq!(settings.body_limit_bytes.value.0, bugle_model::limits::BODY_BYTES_MAX);
    let retention = bugle_engine::retention::Retention::default();
    assert_eq!(settings.retention_receipts_days.value.bound(), retention.receipts);
    assert_eq!(settings.retention_incidents_days.value.bound(), retention.incidents);
    let watch = bugle_engine::watch::Watch::default();
    assert_eq!(settings.watch_backlog_seconds.value.bound(), watch.backlog);
    assert_eq!(settings.watch_inbox_seconds.value.bound(), watch.inbox);
    assert_eq!(settings.listen.origin, Origin::Default);
    let as_file = load(DEFAULT_FILE, Flags::default(), &Environment::default()).unwrap();
    assert!(matches!(as_file.listen.origin, Origin::File(_, 12)), "{:?}", as_file.listen.origin);
}

#[test]
fn every_commented_line_of_the_default_file_is_valid_too() {
    let uncommented: Vec<_> = DEFAULT_FILE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(name, _)| !name.contains([' ', ','])) => rest,
            _ => line,
        })
        .collect();
    let settings = load(&uncommented.join("\n"), Flags::default(), &Environment::default()).unwrap();
    assert!(settings.public_url.is_some() && settings.url.is_some() && settings.api_key.is_some());
}

#[test]
fn flags_win_over_variables_over_the_file_over_the_defaults() {
    let file = "\nlisten = \"127.0.0.1:1\"\ndata = \"from-file\"\nshutdown_seconds = 3\n";
    let environment = Environment::from([("BUGLE_LISTEN", "127.0.0.1:2"), ("BUGLE_DATA", "from-variable")]);
    let flags = Flags { listen: Some("127.0.0.1:3".parse().unwrap()), ..Flags::default() };
    let settings = load(file, flags, &environment).unwrap();
    let shown: Vec<_> = [
        (settings.listen.value.to_string(), settings.listen.origin),
        (settings.data.value.to_string(), settings.data.origin),
        (settings.shutdown_seconds.value.to_string(), settings.shutdown_seconds.origin),
        (settings.log_format.value.to_string(), settings.log_format.origin),
    ]
    .into_iter()
    .map(|(value, origin)| format!("{value} {origin}"))
    .collect();
    assert_eq!(shown, ["127.0.0.1:3 flag", "from-variable BUGLE_DATA", "3 bugle.toml:4", "text default"]);
}

#[test]
fn an_error_in_the_file_says_line_and_column() {
    for (file, expected) in [
        (
            "data = \"d\"\nlisten = \"here\"\n",
            vec!["line 2, column 10", "`here` is not an address and a port"],
        ),
        ("lisen = \"127.0.0.1:1\"\n", vec!["line 1, column 1", "unknown field `lisen`", "`listen`"]),
        ("body_limit_bytes = 5\n", vec!["line 1, column 20", "from 1024 to"]),
        ("shutdown_seconds = -1\n", vec!["line 1, column 20", "from 0 to 3600"]),
        ("retention_receipts_days = 36501\n", vec!["line 1, column 27", "days from 0 to 36500"]),
        ("retention_incidents_days = 0.5\n", vec!["line 1, column 28"]),
        ("log_format = \"xml\"\n", vec!["line 1, column 14", "`text` or `json`"]),
        ("log_level = \"\"\n", vec!["line 1, column 13", "is not a log level"]),
        ("public_url = \"bugle.example.com\"\n", vec!["line 1, column 14", "is not a URL"]),
        ("public_url = \"ftp://bugle.example.com\"\n", vec!["neither http:// nor https://"]),
        (
            "allowed_networks = [\"10.0.0.0/8\", \"ten\"]\n",
            vec!["line 1, column 20", "`ten` is not an address"],
        ),
        ("listen = \n", vec!["line 1", "bugle.toml"]),
    ] {
        let message = error(file, &Environment::default());
        for part in expected {
            assert!(message.contains(part), "{file:?} should say {part:?}, and says: {message}");
        }
    }
}

#[test]
fn nought_days_are_for_ever() {
    let environment = Environment::from([("BUGLE_RETENTION_RECEIPTS_DAYS", "0")]);
    let settings = load("retention_incidents_days = 2\n", Flags::default(), &environment).unwrap();
    assert_eq!(settings.retention_receipts_days.value.bound(), None);
    let two_days = std::time::Duration::from_hours(48);
    assert_eq!(settings.retention_incidents_days.value.bound(), Some(two_days));
}

#[test]
fn an_error_in_a_variable_names_it() {
    let message = error("", &Environment::from([("BUGLE_LISTEN", "eight thousand")]));
    assert!(message.starts_with("BUGLE_LISTEN is wrong: `eight thousand` is not an address"), "{message}");
}

#[test]
fn a_secret_comes_from_its_variable_or_from_the_file_that_its_twin_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "bgl_from_file\n").unwrap();
    let path = path.to_str().unwrap();
    let key = |environment: &Environment| {
        load("", Flags::default(), environment)
            .map(|settings| settings.api_key.map(|given| given.value.expose().to_owned()))
    };
    assert_eq!(key(&Environment::from([("BUGLE_API_KEY", "bgl_a")])).unwrap().as_deref(), Some("bgl_a"));
    assert_eq!(
        key(&Environment::from([("BUGLE_API_KEY_FILE", path)])).unwrap().as_deref(),
        Some("bgl_from_file")
    );
    assert_eq!(key(&Environment::from([("BUGLE_API_KEY", "")])).unwrap(), None);
    let both = Environment::from([("BUGLE_API_KEY", "bgl_a"), ("BUGLE_API_KEY_FILE", path)]);
    assert!(
        key(&both).unwrap_err().to_string().contains("both BUGLE_API_KEY and BUGLE_API_KEY_FILE are set")
    );
    let missing = Environment::from([("BUGLE_API_KEY_FILE", "/nowhere/key")]);
    assert!(key(&missing).unwrap_err().to_string().contains("BUGLE_API_KEY_FILE names /nowhere/key"));
    std::fs::write(path, "\n").unwrap();
    let empty = Environment::from([("BUGLE_API_KEY_FILE", path)]);
    assert!(key(&empty).unwrap_err().to_string().contains("which is empty"));
}

#[test]
fn secrets_are_hidden_wherever_settings_are_shown() {
    let environment = Environment::from([("BUGLE_API_KEY", "bgl_topsecret")]);
    let settings = load("", Flags::default(), &environment).unwrap();
    let shown = format!("{:?} {:?}", settings.rows(), settings);
    assert!(shown.contains("(hidden)") && !shown.contains("topsecret"), "{shown}");
}

#[test]
fn a_database_server_is_refused_with_what_to_do() {
    let environment = Environment::from([("BUGLE_DATABASE_URL", "postgres://u:p@db.example.com/bugle")]);
    let refusal = load("", Flags::default(), &environment).unwrap().check_store().unwrap_err().to_string();
    assert!(refusal.contains("BUGLE_DATABASE_URL") && refusal.contains("embedded store only"), "{refusal}");
    assert!(!refusal.contains("u:p"), "{refusal}");
}

#[test]
fn what_is_most_likely_not_meant_is_warned_about() {
    let environment = Environment::from([
        ("BUGLE_LISTN", "x"),
        ("BUGLE_LISTEN", "0.0.0.0:8000"),
        ("BUGLE_ALLOWED_NETWORKS", "0.0.0.0/0, 10.0.0.0/8"),
    ]);
    let settings = load("", Flags::default(), &environment).unwrap();
    let warnings = settings.warnings(&environment).join("\n");
    for part in ["BUGLE_LISTN is no setting", "without TLS", "no trusted_proxies", "holds every address"] {
        assert!(warnings.contains(part), "{part:?} is missing in: {warnings}");
    }
    let quiet = load("", Flags::default(), &Environment::default()).unwrap();
    assert_eq!(quiet.warnings(&Environment::default()), Vec::<String>::new());
}

#[test]
fn the_hub_is_looked_for_where_this_machine_would_listen() {
    for (listen, expected) in [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0:9", "http://127.0.0.1:9"),
        ("[::]:9", "http://[::1]:9"),
        ("localhost:7", "http://127.0.0.1:7"),
    ] {
        let settings = load("", Flags::default(), &Environment::from([("BUGLE_LISTEN", listen)])).unwrap();
        assert_eq!(settings.hub_url(), expected);
    }
    let environment = Environment::from([("BUGLE_URL", "https://bugle.example.com/")]);
    assert_eq!(load("", Flags::default(), &environment).unwrap().hub_url(), "https://bugle.example.com");
}
