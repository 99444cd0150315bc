//! A real hub: the binary on any free port, with its data in a folder of its own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The binary under test.
const BUGLE: &str = env!("CARGO_BIN_EXE_bugle");

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A hub on any free port, with its data in a folder of its own.
pub struct Hub {
    /// Ends with the hub.
    pub process: Child,
    /// Holds its data.
    pub folder: tempfile::TempDir,
    /// Where it listens.
    pub url: String,
}

impl Hub {
    /// Starts one with these variables set, and no others.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(BUGLE)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .env_clear()
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = log.find(|line| line.contains("listening on http://")).unwrap();
        let url = line.split_once("listening on ").unwrap().1.split(' ').next().unwrap().to_owned();
        // The log is read to its end, or the hub would wait for somebody to read it.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, folder, url }
    }

    /// Runs a command where the hub's data folder is, as a person on that machine would.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(self.folder.path(), &[("BUGLE_URL", &self.url)], arguments)
    }

    /// What a command prints for machines; it must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asks again until the answer is as wanted.
    pub fn wait_for(&self, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.json(arguments);
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{arguments:?} still answers {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Runs a command in `folder` with these variables set, and no others.
pub fn run(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(BUGLE);
    command.args(arguments).current_dir(folder).env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::null()).output().unwrap()
}

/// The text at `pointer`; empty where there is none.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
