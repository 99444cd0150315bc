//! Receivers that verify as Monte Carlo, ArcGIS Monitor and Overwatch tell theirs to, in real Python behind a real HTTP server,
//! accept what a real hub sends them, and refuse it once any byte of it is another.
//!
//! The receiver is written here from what the vendors promise, and is given to Python when the test runs. `python3` must be on
//! the path.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a receiver or a hub that does not answer as it must fails the test"
)]

mod hub;

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
};

use hub::{Hub, PATIENCE, text};
use serde_json::{Value, json};

const SECRET: &str = "heron-lantern-5521-quarry-of-vendor";

/// One path for each vendor. It says its port, and then one line for each call: the path, the status it answered, and
/// what came.
const RECEIVER: &str = r#"
import hashlib, hmac, http.server, json, sys, urllib.parse

secret = sys.argv[1].encode()

def signed(data, algorithm):
    return hmac.new(secret, data, algorithm).hexdigest()

def monte_carlo(headers, body):
    # The signature is over the form that Python makes of the parsed body.
    form = urllib.parse.urlencode(json.loads(body)).encode()
    return hmac.compare_digest(signed(form, hashlib.sha512), headers["x-mcd-signature"])

def arcgis_monitor(headers, body):
    # The header is looked up whatever its case, as HTTP has it.
    return hmac.compare_digest("sha256=" + signed(body, hashlib.sha256), headers["x-esriHook-Signature"])

def overwatch(headers, body):
    return hmac.compare_digest("sha256=" + signed(body, hashlib.sha256), headers["X-Overwatch-Signature"])

vendors = {"/montecarlo": monte_carlo, "/arcgis_monitor": arcgis_monitor, "/overwatch": overwatch}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            accepted = vendors[self.path](self.headers, body)
        except Exception:
            accepted = False
        status = 204 if accepted else 403
        call = {"path": self.path, "status": status, "headers": self.headers.items(), "body": body.decode("utf-8", "replace")}
        if "x-again" not in self.headers:
            sys.stdout.write(json.dumps(call) + "\n")
            sys.stdout.flush()
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// The receiver's process, and what it says.
struct Python {
    process: Child,
    port: u16,
    lines: Receiver<String>,
}

impl Python {
    fn start() -> Self {
        let mut process = Command::new("python3")
            .args(["-c", RECEIVER, SECRET])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 must be on the path");
        let mut out = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = out.next().expect("the receiver must start").parse().unwrap();
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in out {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        Self { process, port, lines }
    }

    fn url(&self, vendor: &str) -> String {
        format!("http://127.0.0.1:{}/{vendor}", self.port)
    }

    /// The next call that came.
    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a call must come");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// One connection, for many calls.
struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    fn to(authority: &str) -> Self {
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// The status of the answer.
    fn post(&mut self, path: &str, headers: &[(String, String)], body: &[u8]) -> u16 {
        let mut request =
            format!("POST {path} HTTP/1.1\r\nhost: receiver\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        request.push_str("\r\n");
        self.stream.get_mut().write_all(&[request.as_bytes(), body].concat()).unwrap();
        let (mut status, mut length) = (0, 0);
        for line in self.stream.by_ref().lines() {
            let line = line.unwrap().to_ascii_lowercase();
            match line.split_once(": ") {
                _ if line.is_empty() => break,
                Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
                None => status = line.split(' ').nth(1).unwrap().parse().unwrap(),
                _ => {}
            }
        }
        self.stream.read_exact(&mut vec![0; length]).unwrap();
        status
    }
}

/// A call as the receiver had it, without what a client sets for itself.
fn captured(call: &Value) -> (Vec<(String, String)>, Vec<u8>) {
    let pair = |pair: &Value| (text(pair, "/0").to_owned(), text(pair, "/1").to_owned());
    let mut headers: Vec<(String, String)> = call["headers"].as_array().unwrap().iter().map(pair).collect();
    headers
        .retain(|(name, _)| !matches!(&*name.to_ascii_lowercase(), "host" | "content-length" | "connection"));
    headers.push(("x-again".into(), "yes".into()));
    (headers, text(call, "/body").as_bytes().to_vec())
}

/// Where nothing is as simple as in examples: quotes of both kinds, other scripts, control characters, exact numbers.
fn alert(status: &str) -> Vec<u8> {
    json!({
        "alert_id": "kiln/№7",
        "alert_name": "Kiln's \"door\" är öppen 🚪 \u{7f}\u{0} 日本",
        "message": "It said:\n\t'too hot' & 1e400 <b>",
        "status": status,
        "severity": "high",
        "value": 1234.50,
        "threshold": 1e21,
        "url": "https://kilns.example/7?door=open&now=yes",
    })
    .to_string()
    .into_bytes()
}

#[test]
fn receivers_that_verify_as_the_vendors_say_accept_bugle_and_nothing_else() {
    let python = Python::start();
    let hub = Hub::start(&[("BUGLE_ALLOWED_NETWORKS", "127.0.0.0/8")]);
    let vendors = ["montecarlo", "arcgis_monitor", "overwatch"];
    for vendor in vendors {
        let url = python.url(vendor);
        let create = ["destination", "create", &url, "--dialect", vendor, "--secret", SECRET];
        let settings: &[&str] = match vendor {
            "overwatch" => &["--setting", "signature_header=X-Overwatch-Signature"],
            _ => &[],
        };
        hub.json(&[&create, settings].concat());
    }
    let made = hub.json(&["integration", "create", "custom", "--secret", "a-kiln-secret"]);
    let path = format!("/api/v1/webhooks/custom/{}?token=a-kiln-secret", text(&made, "/id"));
    let mut calls = Line::to(hub.url.trim_start_matches("http://"));
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    for status in ["failed", "resolved"] {
        assert_eq!(calls.post(&path, &headers, &alert(status)), 200);
    }

    let mut came: Vec<Value> = Vec::new();
    while came.len() < 2 * vendors.len() {
        came.push(python.next());
    }
    for vendor in vendors {
        let path = format!("/{vendor}");
        let of_vendor: Vec<&Value> = came.iter().filter(|call| call["path"] == *path).collect();
        assert_eq!(of_vendor.len(), 2, "{vendor}: {came:?}");
        let mut again = Line::to(&format!("127.0.0.1:{}", python.port));
        for call in of_vendor {
            assert_eq!(call["status"], 204, "{vendor} refuses {call}");
            let (headers, body) = captured(call);
            assert_eq!(again.post(&path, &headers, &body), 204, "{vendor}: the same call once more");
            for place in 0..body.len() {
                let mut flipped = body.clone();
                *flipped.get_mut(place).unwrap() ^= 1;
                let status = again.post(&path, &headers, &flipped);
                let shown = String::from_utf8_lossy(&flipped).into_owned();
                assert_eq!(status, 403, "{vendor}: byte {place} is another in {shown}");
            }
        }
    }
    no_word_is_said_to_be_none(&hub);
}

/// What a dialect has no word for is on record as such, with the reason.
fn no_word_is_said_to_be_none(hub: &Hub) {
    let incidents = hub.json(&["incident", "list"]);
    let incident = text(&incidents, "/data/0/id").to_owned();
    hub.json(&["incident", "comment", &incident, "the door was open"]);
    let three = |list: &Value| list["data"].as_array().is_some_and(|rows| rows.len() == 3);
    let skipped = hub.wait_for(&["delivery", "list", "--incident", &incident, "--state", "skipped"], three);
    let said = skipped.to_string();
    for title in ["Monte Carlo", "ArcGIS Monitor", "Overwatch"] {
        let reason = format!("{title} has no word for incident.commented");
        assert!(said.contains(&reason), "{reason:?} is missing in {said}");
    }
}
