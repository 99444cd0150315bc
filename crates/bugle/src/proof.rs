//! `bugle verify` and `bugle sign`: signatures by hand, offline, with every scheme that the hub knows.

use std::{borrow::Cow, path::PathBuf};

use bugle_model::{Clock, Secret, SecretId, SystemClock, Timestamp, Verification};
use bugle_platforms::{
    Inbound,
    dialect::Stamp,
    scheme::{Algorithm, Encoding, Hmac, Scheme, Sealer, Signed, VerifyContext, diagnose, verify},
    table,
};
use clap::{Args, ValueEnum};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::{
    Context, NotAsItShouldBe, Usage,
    cli::SecretArgs,
    config::{Hidden, read_secret},
    nouns::{header, read_input, setting},
    output::Paint,
};

/// How a request is signed: as a platform does it, or by a scheme put together here.
#[derive(Debug, Clone, Args)]
struct SchemeArgs {
    /// As this platform signs
    #[arg(long, value_parser = crate::cli::platforms(), hide_possible_values = true,
        required_unless_present = "scheme")]
    platform: Option<String>,
    /// A setting of the platform's integration, where it changes how calls are signed
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting, requires = "platform")]
    setting: Vec<(String, Value)>,
    /// By this scheme
    #[arg(long, value_enum, conflicts_with = "platform")]
    scheme: Option<SchemeWord>,
    /// The header that carries the signature or the secret
    #[arg(long, value_name = "NAME", default_value = "X-Bugle-Signature", requires = "scheme")]
    in_header: String,
    /// What stands before the signature, such as sha256= or v1=
    #[arg(long, value_name = "TEXT", requires = "scheme")]
    prefix: Option<String>,
    /// How the signature is written
    #[arg(long, value_enum, default_value = "hex", requires = "scheme")]
    encoding: EncodingWord,
    /// The header with the time in unix seconds, when time and body are signed together
    #[arg(long, value_name = "NAME", requires = "scheme")]
    timestamp_header: Option<String>,
    /// What stands between time and body when they are signed
    #[arg(long, value_name = "CHARACTER", default_value = ".", requires = "timestamp_header")]
    timestamp_separator: char,
    /// How far the time may be off, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "timestamp_header")]
    tolerance_seconds: u32,
    /// The query parameter that carries the secret
    #[arg(long, value_name = "NAME", default_value = "token", requires = "scheme")]
    in_query: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemeWord {
    /// Id, time and body, a whsec_ secret, several signatures
    StandardWebhooks,
    /// A keyed hash, SHA-256
    HmacSha256,
    /// A keyed hash, SHA-512
    HmacSha512,
    /// A keyed hash, SHA-1, for what knows nothing better
    HmacSha1,
    /// The secret itself in a header
    Header,
    /// The secret as Authorization: Bearer
    Bearer,
    /// The secret as Authorization: Basic
    Basic,
    /// The secret in the query
    Query,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EncodingWord {
    Hex,
    Base64,
}

impl SchemeArgs {
    fn schemes(&self) -> anyhow::Result<Vec<Scheme>> {
        if let Some(slug) = &self.platform {
            let source = table::source(slug).ok_or_else(|| Usage(format!("`{slug}` is not a platform")))?;
            let settings: Map<String, Value> = self.setting.iter().cloned().collect();
            source.check_settings(&settings).map_err(Usage)?;
            return Ok(source.schemes(&settings));
        }
        let scheme = self.scheme.ok_or_else(|| Usage("name a --platform or a --scheme".into()))?;
        Ok(vec![match scheme {
            SchemeWord::StandardWebhooks => Scheme::Hmac(Hmac::standard_webhooks()),
            SchemeWord::HmacSha1 => self.hmac(Algorithm::Sha1, "sha1="),
            SchemeWord::HmacSha256 => self.hmac(Algorithm::Sha256, "sha256="),
            SchemeWord::HmacSha512 => self.hmac(Algorithm::Sha512, "sha512="),
            SchemeWord::Header => Scheme::Header { name: Cow::Owned(self.in_header.clone()) },
            SchemeWord::Bearer => Scheme::Bearer,
            SchemeWord::Basic => Scheme::Basic,
            SchemeWord::Query => Scheme::Query { parameter: Cow::Owned(self.in_query.clone()) },
        }])
    }

    fn hmac(&self, algorithm: Algorithm, prefix: &'static str) -> Scheme {
        let encoding = match self.encoding {
            EncodingWord::Hex => Encoding::Hex,
            EncodingWord::Base64 => Encoding::Base64,
        };
        let mut hmac = Hmac::new(algorithm, encoding, "", prefix).in_header(self.in_header.clone());
        if let Some(prefix) = &self.prefix {
            hmac.prefix = Cow::Owned(prefix.clone());
        }
        if let Some(name) = &self.timestamp_header {
            hmac = hmac.over(Signed::TimestampAndBody {
                timestamp_header: Cow::Owned(name.clone()),
                separator: self.timestamp_separator,
                tolerance_s: self.tolerance_seconds,
            });
        }
        Scheme::Hmac(hmac)
    }
}

/// The arguments of `bugle verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
The secret comes from --secret-file, --secret, BUGLE_SECRET or BUGLE_SECRET_FILE.
For instance: bugle verify --platform datadog --secret-file secret.txt \\
                --header 'X-Datadog-Signature: sha256=...' body.json")]
pub struct VerifyArgs {
    #[command(flatten)]
    scheme: SchemeArgs,
    #[command(flatten)]
    secret: SecretArgs,
    /// A file with another secret that the sender may have used instead; repeat for more
    #[arg(long, value_name = "FILE")]
    other_secret_file: Vec<PathBuf>,
    /// A header of the request; repeat for more
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// The query of the request, without the question mark
    #[arg(long, value_name = "QUERY", default_value = "")]
    query: String,
    /// When the request was received, instead of now
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The body, byte for byte; - for standard input
    body: PathBuf,
}

impl VerifyArgs {
    /// Says whether the request is proven, and why not.
    pub fn run(&self, context: &Context) -> anyhow::Result<()> {
        let secret = needed(&self.secret, context)?;
        let schemes = self.scheme.schemes()?;
        let body = read_input(&self.body)?;
        let headers: Vec<_> =
            self.header.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let now = self.at.unwrap_or_else(|| SystemClock.now());
        let inbound = Inbound { query: &self.query, headers: &headers, body: &body };
        let others = self.other_secret_file.iter().map(|path| read_secret(path, "--other-secret-file"));
        let others = others.map(|text| Ok(SecretString::from(text?))).collect::<anyhow::Result<Vec<_>>>()?;
        let verification = judge(&schemes, &[secret.0], &others, &inbound, now);
        if self.json {
            context.output.json(&json!(verification));
        } else {
            say(&verification, context);
        }
        match verification {
            Verification::Verified { .. } => Ok(()),
            _ => Err(NotAsItShouldBe.into()),
        }
    }
}

fn say(verification: &Verification, context: &Context) {
    let out = context.output;
    match verification {
        Verification::Verified { scheme, .. } => {
            out.line(format!("{} by {scheme}", out.paint(Paint::Good, "VERIFIED")));
        }
        Verification::Failed { reason, advice } => {
            out.line(format!("{}: {reason}", out.paint(Paint::Bad, "NOT VERIFIED")));
            out.line(format!("  {advice}"));
        }
        Verification::Unverified => out.line("UNVERIFIED: there is no secret to verify with"),
    }
}

/// Holds a request against secrets, none of which has an end, and says why it is not proven when it is not. `others` are
/// secrets that prove nothing, and that the sender may have used by mistake.
pub fn judge(
    schemes: &[Scheme],
    secrets: &[SecretString],
    others: &[SecretString],
    inbound: &Inbound<'_>,
    now: Timestamp,
) -> Verification {
    let numbered = |values: &[SecretString]| -> Vec<Secret> {
        let secret = |(number, value): (i64, &SecretString)| Secret {
            id: SecretId::from_i64(number),
            value: value.clone(),
            created_at: now,
            expires_at: None,
        };
        (1..).zip(values).map(secret).collect()
    };
    let (secrets, others) = (numbered(secrets), numbered(others));
    let (secrets, others): (Vec<&Secret>, Vec<&Secret>) = (secrets.iter().collect(), others.iter().collect());
    // Nothing is sealed here, so any key does.
    let context = VerifyContext { now, sealer: &Sealer::new([0; 32]), stored: false };
    match verify(schemes, &secrets, inbound, &context) {
        Verification::Failed { reason, advice } => {
            match diagnose(schemes, &secrets, &others, inbound, &context, &reason) {
                Some(finding) => {
                    Verification::Failed { reason: finding.reason.to_owned(), advice: finding.advice }
                }
                None => Verification::Failed { reason, advice },
            }
        }
        verdict => verdict,
    }
}

/// The arguments of `bugle sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
The secret comes from --secret-file, --secret, BUGLE_SECRET or BUGLE_SECRET_FILE.
For instance: bugle sign --scheme hmac-sha256 --secret-file secret.txt body.json > headers.txt
              curl -H @headers.txt --data-binary @body.json https://hooks.example.com/in")]
pub struct SignArgs {
    #[command(flatten)]
    scheme: SchemeArgs,
    #[command(flatten)]
    secret: SecretArgs,
    /// The id of the message, where the scheme signs one
    #[arg(long, value_name = "ID", default_value = "msg_1")]
    id: String,
    /// When it is signed, instead of now
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The body, byte for byte; - for standard input
    body: PathBuf,
}

impl SignArgs {
    /// Prints the headers that prove the request, one a line.
    pub fn run(&self, context: &Context) -> anyhow::Result<()> {
        let secret = needed(&self.secret, context)?;
        let schemes = self.scheme.schemes()?;
        let scheme = schemes.first().ok_or_else(|| Usage("this platform's calls cannot be signed".into()))?;
        let body = read_input(&self.body)?;
        let at = self.at.unwrap_or_else(|| SystemClock.now());
        let proof = scheme.sign(&[secret.expose()], &Stamp { id: &self.id, at }, &body)?;
        for (name, value) in &proof.headers {
            context.output.line(format!("{name}: {value}"));
        }
        if let Some((name, value)) = &proof.query {
            let query = crate::client::with_query("", &[(name, Some(value))]);
            context.output.note("Nothing goes into a header: append this to the URL.");
            context.output.line(query);
        }
        Ok(())
    }
}

fn needed(args: &SecretArgs, context: &Context) -> anyhow::Result<Hidden> {
    args.find(context)?.ok_or_else(|| {
        Usage("no secret: give --secret-file, --secret, or set BUGLE_SECRET or BUGLE_SECRET_FILE".into())
            .into()
    })
}
