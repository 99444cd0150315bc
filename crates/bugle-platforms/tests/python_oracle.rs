//! The form that Monte Carlo signs, against a real Python: whatever JSON body, both must sign the same or both refuse.
//!
//! `python3` is started once and told what to do on its standard input: of each body, given as a line of hexadecimal, it
//! prints the HMAC-SHA512 of `urllib.parse.urlencode(json.loads(body))`. Set `BUGLE_ORACLE_SEED` to repeat a run.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test tells by panicking; clippy allows it only in functions marked as tests"
)]

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use bugle_model::{Secret, SecretId, Timestamp, Verification};
use bugle_platforms::{
    Inbound,
    dialect::Stamp,
    scheme::{Scheme, Sealer, VerifyContext, verify},
    table,
};
use serde_json::Map;

const BODIES: usize = 20_000;
const SECRET: &str = "xT4-vPq9_oracle-secret-of-the-test";

/// What the vendor's page tells receivers to compute, for each line of standard input.
const SCRIPT: &str = r#"
import hashlib, hmac, json, sys, unicodedata, urllib.parse
secret = sys.argv[1].encode()
print(unicodedata.unidata_version, flush=True)
for line in sys.stdin:
    try:
        body = json.loads(bytes.fromhex(line.strip()).decode("utf-8"))
        if not isinstance(body, dict):
            raise TypeError("not an object")
        form = urllib.parse.urlencode(body).encode("utf8")
        print(hmac.new(secret, form, hashlib.sha512).hexdigest())
    except (ValueError, TypeError) as error:
        print("refused", type(error).__name__)
"#;

struct Oracle {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// The oracle, where to write bodies to, and whether its Unicode is newer than the one known here.
    fn start() -> (Self, ChildStdin, bool) {
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT, SECRET])
            .env("PYTHONIOENCODING", "utf-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test asks a real Python: install python3 (3.7 or newer)");
        let bodies = child.stdin.take().unwrap();
        let mut oracle = Self { answers: BufReader::new(child.stdout.take().unwrap()), child };
        let unicode = oracle.answer();
        eprintln!("Python's Unicode is {unicode}");
        let major: u32 = unicode.split('.').next().unwrap().parse().unwrap();
        (oracle, bodies, major > 16)
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// SplitMix64: small, and the same everywhere for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Writes random JSON as text, so that every spelling is met.
struct Writer {
    random: Random,
    assigned_only: bool,
    text: String,
}

impl Writer {
    fn body(&mut self) -> Vec<u8> {
        self.text.clear();
        self.object(0);
        let mut body = std::mem::take(&mut self.text).into_bytes();
        // Some bodies are broken, which both must notice, or make something else of in the same way.
        if self.random.one_in(25) {
            let at = self.random.below(body.len());
            match self.random.below(3) {
                0 => body.truncate(at),
                1 => body[at] = b" \n\"\\{}[],:0-9.eE+x\x01\x7f"[self.random.below(20)],
                _ => drop(body.remove(at)),
            }
        }
        body
    }

    fn space(&mut self) {
        if self.random.one_in(8) {
            let space = self.random.pick(&[" ", "\n", "\t", "\r\n ", "  "]);
            self.text.push_str(space);
        }
    }

    fn value(&mut self, depth: usize) {
        self.space();
        match self.random.below(if depth > 5 { 10 } else { 14 }) {
            0 => self.text.push_str("null"),
            1 => self.text.push_str(if self.random.one_in(2) { "true" } else { "false" }),
            2 | 3 => self.integer(),
            4 | 5 => self.float(),
            6..=9 => self.string(),
            10 | 11 => self.array(depth),
            _ => self.object(depth),
        }
        self.space();
    }

    fn array(&mut self, depth: usize) {
        self.text.push('[');
        for position in 0..self.random.below(5) {
            self.text.push_str(if position > 0 { "," } else { "" });
            self.value(depth + 1);
        }
        self.text.push(']');
    }

    fn object(&mut self, depth: usize) {
        self.text.push('{');
        for position in 0..self.random.below(6) {
            self.text.push_str(if position > 0 { "," } else { "" });
            self.space();
            if self.random.one_in(2) {
                // Few names, so that some are given twice, and in two spellings.
                let name =
                    self.random.pick(&["\"a\"", "\"\\u0061\"", "\"it's\"", "\"\"", "\"b c\"", "\"~/\""]);
                self.text.push_str(name);
            } else {
                self.string();
            }
            self.space();
            self.text.push(':');
            self.value(depth + 1);
        }
        self.text.push('}');
    }

    fn digits(&mut self, count: usize) {
        for _ in 0..count {
            let digit = self.random.below(10);
            write!(self.text, "{digit}").unwrap();
        }
    }

    fn integer(&mut self) {
        match self.random.below(40) {
            0 => self.text.push_str("-0"),
            1 => self.text.push_str("18446744073709551616"),
            2 => self.text.push_str(["NaN", "Infinity", "-Infinity"][self.random.below(3)]),
            3 => {
                self.text.push('7');
                let count = 4_290 + self.random.below(15);
                self.digits(count);
            }
            _ => {
                let sign = self.random.pick(&["", "-"]);
                let first = self.random.below(9) + 1;
                write!(self.text, "{sign}{first}").unwrap();
                let count = self.random.below(1) + self.random.below(30);
                self.digits(count);
            }
        }
    }

    fn float(&mut self) {
        match self.random.below(6) {
            // Any bits, in the shortest spelling.
            0 | 1 => {
                let value = f64::from_bits(self.random.next());
                if value.is_finite() {
                    write!(self.text, "{value:e}").unwrap();
                } else {
                    self.text.push_str("-0.0");
                }
            }
            // Between 2^44 and 2^54, where two shortest spellings often tie.
            2 => {
                let exponent = 1_023 + 44 + self.random.next() % 10;
                let value = f64::from_bits(exponent << 52 | self.random.next() >> 12);
                write!(self.text, "{value:e}").unwrap();
            }
            // Digits as people and machines write them.
            3 | 4 => {
                let sign = self.random.pick(&["", "-"]);
                self.text.push_str(sign);
                let (whole, fraction) = (self.random.below(18), 1 + self.random.below(20));
                let first = self.random.below(9) + 1;
                write!(self.text, "{}", if whole == 0 { 0 } else { first }).unwrap();
                self.digits(whole.saturating_sub(1));
                self.text.push('.');
                self.digits(fraction);
                if self.random.one_in(3) {
                    self.exponent();
                }
            }
            _ => {
                let first = self.random.below(10);
                write!(self.text, "{first}").unwrap();
                self.exponent();
            }
        }
    }

    fn exponent(&mut self) {
        let mark = self.random.pick(&["e", "E", "e+", "E-", "e-"]);
        let size = if self.random.one_in(10) { self.random.below(2_000) } else { self.random.below(30) };
        write!(self.text, "{mark}{size}").unwrap();
    }

    fn string(&mut self) {
        self.text.push('"');
        for _ in 0..self.random.below(12) {
            self.character();
        }
        self.text.push('"');
    }

    fn character(&mut self) {
        match self.random.below(12) {
            0..=4 => {
                let plain = self
                    .random
                    .pick(&["a", "Z", "7", " ", "~", "'", "&", "=", "%", "+", "/", "_", "-", ".", "\u{7f}"]);
                self.text.push_str(plain);
            }
            5 => {
                let escape = self.random.pick(&["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"]);
                self.text.push_str(escape);
            }
            6 => self.text.push('\''),
            7 => {
                let control = self.random.below(0x20);
                write!(self.text, "\\u{control:04x}").unwrap();
            }
            // Halves of pairs, alone or together.
            8 if self.random.one_in(4) => {
                let unit = 0xd800 + self.random.below(0x800);
                write!(self.text, "\\u{unit:04X}").unwrap();
            }
            8 | 9 => self.code_point(0x3000),
            10 => self.code_point(0x1_0000),
            _ => self.code_point(0x11_0000),
        }
    }

    /// Any character up to `bound`, assigned or not, as it is or as an escape.
    fn code_point(&mut self, bound: usize) {
        let mut code = self.random.below(bound);
        if bound > 0x1_0000 && self.random.one_in(2) {
            // Where pictures and scripts are still being added.
            code = 0x1_0000 + code % 0x1_0000;
        }
        let code = u32::try_from(code).unwrap();
        let Some(character) = char::from_u32(code).filter(|character| *character >= ' ') else { return };
        if self.assigned_only && !is_assigned(character) {
            return;
        }
        if self.random.one_in(2) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(self.text, "\\u{unit:04x}").unwrap();
            }
        } else if !matches!(character, '"' | '\\') {
            self.text.push(character);
        }
    }
}

/// Whether the Unicode known here has the character: a Python newer than that may have it where this has not.
fn is_assigned(character: char) -> bool {
    use unicode_general_category::{GeneralCategory, get_general_category};
    get_general_category(character) != GeneralCategory::Unassigned
}

fn scheme() -> Scheme {
    let dialect = table::dialect("montecarlo").unwrap();
    dialect.scheme(&Map::new()).unwrap()
}

fn is_proven(scheme: &Scheme, body: &[u8], signature: &str) -> bool {
    let secret = Secret {
        id: SecretId::from_i64(1),
        value: SECRET.to_owned().into(),
        created_at: Timestamp::from_seconds(0),
        expires_at: None,
    };
    let headers = [("x-mcd-signature".to_owned(), signature.to_owned())];
    let inbound = Inbound { query: "", headers: &headers, body };
    let sealer = Sealer::new([7; 32]);
    let context = VerifyContext { now: Timestamp::from_seconds(1), sealer: &sealer, stored: false };
    matches!(
        verify(std::slice::from_ref(scheme), &[&secret], &inbound, &context),
        Verification::Verified { .. }
    )
}

fn seed() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test's seed is no configuration")]
    let given = std::env::var("BUGLE_ORACLE_SEED").ok();
    given.map_or_else(
        || {
            use std::hash::{BuildHasher as _, Hasher as _};
            std::hash::RandomState::new().build_hasher().finish()
        },
        |text| text.parse().expect("BUGLE_ORACLE_SEED is a number"),
    )
}

#[test]
fn random_bodies_are_signed_as_by_python() {
    let seed = seed();
    eprintln!("BUGLE_ORACLE_SEED={seed}");
    let (mut oracle, mut questions, assigned_only) = Oracle::start();
    let mut writer = Writer { random: Random(seed), assigned_only, text: String::new() };
    let bodies: Vec<Vec<u8>> = (0..BODIES).map(|_| writer.body()).collect();
    let asked: Vec<String> = bodies.iter().map(hex::encode).collect();
    let asking = thread::spawn(move || {
        for line in asked {
            writeln!(questions, "{line}").unwrap();
        }
    });
    let scheme = scheme();
    let (mut signed, mut refused) = (0, 0);
    for (number, body) in bodies.iter().enumerate() {
        let answer = oracle.answer();
        let shown = || format!("seed {seed}, body {number}: {}", String::from_utf8_lossy(body));
        if answer.starts_with("refused") {
            let stamp = Stamp { id: "e", at: Timestamp::from_seconds(1) };
            assert!(scheme.sign(&[SECRET], &stamp, body).is_err(), "Python {answer}, {}", shown());
            refused += 1;
        } else {
            assert_eq!(answer.len(), 128, "Python said `{answer}`, {}", shown());
            assert!(is_proven(&scheme, body, &answer), "signed otherwise, {}", shown());
            signed += 1;
        }
    }
    asking.join().unwrap();
    eprintln!("{signed} signed alike, {refused} refused alike");
    assert!(signed > BODIES / 2 && refused > BODIES / 100, "{signed} signed, {refused} refused");
}
