//! Settings: built-in defaults, then `bugle.toml`, then `BUGLE_*`, then flags; the later wins.
//!
//! The defaults are the commented file that `bugle config show --default` prints, so the two cannot differ. Nothing else
//! in the program reads the environment.

mod environment;
mod oidc;
mod values;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

pub use environment::{Environment, read_secret};
pub use oidc::{DefaultRole, RoleMap, Text};
pub use values::{
    BodyLimit, Days, Folder, Hidden, HttpUrl, Listen, LogFormat, LogLevel, Networks, Seconds, Switch, Value,
};

/// The commented default configuration.
pub const DEFAULT_FILE: &str = include_str!("config/bugle.toml");

/// The file that is read when none is named.
const FILE_NAME: &str = "bugle.toml";

/// The file that the first `serve` writes into the data folder, and where the CLI looks for its key.
pub const ADMIN_KEY_FILE: &str = "admin.key";

/// Variables that are no settings of the hub, but known.
const OTHER_VARIABLES: &[&str] = &["BUGLE_CONFIG", "BUGLE_SECRET"];

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("could not read the configuration file {}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is wrong. The text shows where.
    #[error("{} is not a valid configuration: {error}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line, column and the line itself.
        error: Box<toml::de::Error>,
    },
    /// A variable is wrong.
    #[error("{variable} is wrong: {message}")]
    Variable {
        /// Which variable.
        variable: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A secret is given twice.
    #[error("both {variable} and {twin} are set: keep one of them")]
    Both {
        /// The variable with the secret.
        variable: String,
        /// The variable with the name of its file.
        twin: String,
    },
    /// A secret's file could not be read.
    #[error("{asked_by} names {}, which could not be read", path.display())]
    SecretFile {
        /// The flag or variable.
        asked_by: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A secret's file is empty.
    #[error("{asked_by} names {}, which is empty", path.display())]
    EmptySecretFile {
        /// The flag or variable.
        asked_by: String,
        /// The file.
        path: PathBuf,
    },
    /// A database was asked for that this build does not have.
    #[error(
        "a database URL is set ({origin}), and this build has the embedded store only: remove it, and name a folder with \
         BUGLE_DATA instead"
    )]
    NoSuchStore {
        /// Where it was set.
        origin: String,
    },
    /// The settings of the provider to sign in at do not fit together.
    #[error("{0}")]
    Oidc(&'static str),
    /// The built-in defaults lack a value: a defect of this build.
    #[error("the built-in defaults have no `{0}`")]
    NoDefault(&'static str),
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in defaults.
    Default,
    /// This line of this file.
    File(PathBuf, usize),
    /// This variable.
    Variable(&'static str),
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// One setting, as `bugle config show` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name in the file.
    pub name: &'static str,
    /// Its value, a secret hidden; none where it is not set.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Option<Origin>,
}

/// Declares each setting once: its name in the file, its type, its variable.
macro_rules! settings {
    (
        required { $($(#[$doc:meta])* $name:ident: $type:ty = $variable:literal;)* }
        optional { $($(#[$odoc:meta])* $oname:ident: $otype:ty = $ovariable:literal;)* }
    ) => {
        #[derive(Deserialize, Default)]
        #[serde(default, deny_unknown_fields)]
        struct Layer {
            $($name: Option<Spanned<$type>>,)*
            $($oname: Option<Spanned<$otype>>,)*
        }

        /// What flags say; what is not given stays as it is.
        #[derive(Debug, Clone, Default)]
        pub struct Flags {
            $($(#[$doc])* pub $name: Option<$type>,)*
            $($(#[$odoc])* pub $oname: Option<$otype>,)*
        }

        /// The settings in effect, and where each came from.
        #[derive(Debug, Clone)]
        pub struct Settings {
            $($(#[$doc])* pub $name: Given<$type>,)*
            $($(#[$odoc])* pub $oname: Option<Given<$otype>>,)*
        }

        const VARIABLES: &[&str] = &[$($variable,)* $($ovariable,)*];

        impl Settings {
            fn resolve(flags: Flags, environment: &Environment, layers: Layers) -> Result<Self, SettingsError> {
                let Layers { file, default } = layers;
                Ok(Self {
                    $($name: pick(flags.$name, environment, $variable, file.$name(), default.$name)?
                        .ok_or(SettingsError::NoDefault(stringify!($name)))?,)*
                    $($oname: pick(flags.$oname, environment, $ovariable, file.$oname(), default.$oname)?,)*
                })
            }

            /// Every setting, in the order of the file.
            pub fn rows(&self) -> Vec<Row> {
                let mut rows = vec![$(row(stringify!($name), Some(&self.$name)),)*];
                rows.extend([$(row(stringify!($oname), self.$oname.as_ref()),)*]);
                rows
            }
        }

        impl FileLayer {
            $(fn $name(&self) -> Option<Given<$type>> { self.given(self.layer.$name.as_ref()) })*
            $(fn $oname(&self) -> Option<Given<$otype>> { self.given(self.layer.$oname.as_ref()) })*
        }
    };
}

settings! {
    required {
        /// The folder that holds the database and the admin key.
        data: Folder = "BUGLE_DATA";
        /// Where to listen.
        listen: Listen = "BUGLE_LISTEN";
        /// Ranges that destinations may be in although they are private.
        allowed_networks: Networks = "BUGLE_ALLOWED_NETWORKS";
        /// Proxies whose X-Forwarded-For is believed.
        trusted_proxies: Networks = "BUGLE_TRUSTED_PROXIES";
        /// The largest body that is taken in, in bytes.
        body_limit_bytes: BodyLimit = "BUGLE_BODY_LIMIT_BYTES";
        /// For how many days receipts are kept that are dealt with.
        retention_receipts_days: Days = "BUGLE_RETENTION_RECEIPTS_DAYS";
        /// For how many days incidents are kept that are resolved.
        retention_incidents_days: Days = "BUGLE_RETENTION_INCIDENTS_DAYS";
        /// From which age of the oldest delivery on Bugle reports a destination, in seconds.
        watch_backlog_seconds: Seconds = "BUGLE_WATCH_BACKLOG_SECONDS";
        /// From which age of the oldest call that is not read yet Bugle reports itself, in seconds.
        watch_inbox_seconds: Seconds = "BUGLE_WATCH_INBOX_SECONDS";
        /// Whether /metrics wants an API key.
        metrics_auth: Switch = "BUGLE_METRICS_AUTH";
        /// What is asked for at the provider to sign in at.
        oidc_scopes: Text = "BUGLE_OIDC_SCOPES";
        /// The role of who has none by `oidc_roles`.
        oidc_default_role: DefaultRole = "BUGLE_OIDC_DEFAULT_ROLE";
        /// How log lines are written.
        log_format: LogFormat = "BUGLE_LOG_FORMAT";
        /// Which log lines are written.
        log_level: LogLevel = "BUGLE_LOG_LEVEL";
        /// How long to let what is under way finish when told to stop, in seconds.
        shutdown_seconds: Seconds = "BUGLE_SHUTDOWN_SECONDS";
    }
    optional {
        /// How the hub is reached from outside.
        public_url: HttpUrl = "BUGLE_PUBLIC_URL";
        /// The OpenID provider that people sign in at.
        oidc_issuer: HttpUrl = "BUGLE_OIDC_ISSUER";
        /// What this hub is called there.
        oidc_client_id: Text = "BUGLE_OIDC_CLIENT_ID";
        /// What this hub proves itself with there.
        oidc_client_secret: Hidden = "BUGLE_OIDC_CLIENT_SECRET";
        /// The claim that holds roles or groups.
        oidc_role_claim: Text = "BUGLE_OIDC_ROLE_CLAIM";
        /// Which role a value of the claim gives.
        oidc_roles: RoleMap = "BUGLE_OIDC_ROLES";
        /// A database server; refused by this build.
        database_url: Hidden = "BUGLE_DATABASE_URL";
        /// Where the commands that talk to a hub find it.
        url: HttpUrl = "BUGLE_URL";
        /// The API key of those commands.
        api_key: Hidden = "BUGLE_API_KEY";
    }
}

/// The two layers that are files.
struct Layers {
    file: FileLayer,
    default: Layer,
}

/// What a file says, with the file itself, to tell lines from.
#[derive(Default)]
struct FileLayer {
    path: PathBuf,
    text: String,
    layer: Layer,
}

impl FileLayer {
    fn given<T: Clone>(&self, value: Option<&Spanned<T>>) -> Option<Given<T>> {
        value.map(|spanned| {
            let before = self.text.bytes().take(spanned.span().start);
            let line = 1 + before.filter(|byte| *byte == b'\n').count();
            Given { value: spanned.get_ref().clone(), origin: Origin::File(self.path.clone(), line) }
        })
    }
}

impl Settings {
    /// Lays flags over variables over the file over the defaults. `path` is the file that a flag names.
    pub fn load(path: Option<&Path>, flags: Flags, environment: &Environment) -> Result<Self, SettingsError> {
        let named = path.map(Path::to_owned).or_else(|| environment.get("BUGLE_CONFIG").map(PathBuf::from));
        let file = match named {
            Some(path) => read_file(&path)?,
            None if Path::new(FILE_NAME).is_file() => read_file(Path::new(FILE_NAME))?,
            None => FileLayer::default(),
        };
        Self::from_layers(file, flags, environment)
    }

    fn from_layers(file: FileLayer, flags: Flags, environment: &Environment) -> Result<Self, SettingsError> {
        let default = parse(Path::new("the built-in default"), DEFAULT_FILE)?;
        Self::resolve(flags, environment, Layers { file, default })
    }

    /// Refuses a database that this build does not have.
    pub fn check_store(&self) -> Result<(), SettingsError> {
        match &self.database_url {
            Some(given) => Err(SettingsError::NoSuchStore { origin: given.origin.to_string() }),
            None => Ok(()),
        }
    }

    /// Where the commands that talk to a hub find it, without a slash at its end.
    pub fn hub_url(&self) -> String {
        self.url.as_ref().map_or_else(|| self.listen.value.local_url(), |given| given.value.to_string())
    }

    /// The file that holds the admin key.
    pub fn admin_key_path(&self) -> PathBuf {
        self.data.value.0.join(ADMIN_KEY_FILE)
    }

    /// What is allowed, and most likely not meant. Each is a sentence with what to do.
    pub fn warnings(&self, environment: &Environment) -> Vec<String> {
        let known: Vec<&str> = VARIABLES.iter().chain(OTHER_VARIABLES).copied().collect();
        let unknown = environment.unknown(&known).into_iter();
        let mut warnings: Vec<_> = unknown
            .map(|name| format!("{name} is no setting of Bugle: it is ignored; is it misspelt?"))
            .collect();
        if !self.listen.value.0.ip().is_loopback() {
            if self.public_url.as_ref().is_none_or(|given| given.value.0.scheme() != "https") {
                warnings.push(format!(
                    "listening on {} beyond this machine without TLS: put a proxy that speaks TLS in front and set \
                     public_url to its https address",
                    self.listen.value
                ));
            }
            if self.trusted_proxies.value.0.is_empty() {
                warnings.push(
                    "no trusted_proxies: behind a proxy every caller seems to have the proxy's address, so allowed_ips \
                     cannot work"
                        .into(),
                );
            }
        }
        if self.allowed_networks.value.0.iter().any(|network| network.prefix_len() == 0) {
            warnings.push(
                "allowed_networks holds every address: destinations may reach anything in your network, cloud metadata \
                 included"
                    .into(),
            );
        }
        warnings
    }
}

fn read_file(path: &Path) -> Result<FileLayer, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
    file_layer(path, text)
}

fn file_layer(path: &Path, text: String) -> Result<FileLayer, SettingsError> {
    Ok(FileLayer { layer: parse(path, &text)?, path: path.to_owned(), text })
}

fn parse(path: &Path, text: &str) -> Result<Layer, SettingsError> {
    toml::from_str(text)
        .map_err(|error| SettingsError::File { path: path.to_owned(), error: Box::new(error) })
}

fn pick<T: Value>(
    flag: Option<T>,
    environment: &Environment,
    variable: &'static str,
    file: Option<Given<T>>,
    default: Option<Spanned<T>>,
) -> Result<Option<Given<T>>, SettingsError> {
    if let Some(value) = flag {
        return Ok(Some(Given { value, origin: Origin::Flag }));
    }
    let text =
        if T::SECRET { environment.secret(variable)? } else { environment.get(variable).map(str::to_owned) };
    if let Some(text) = text {
        let value = text
            .parse()
            .map_err(|error: T::Err| SettingsError::Variable { variable, message: error.to_string() })?;
        return Ok(Some(Given { value, origin: Origin::Variable(variable) }));
    }
    Ok(file.or_else(|| default.map(|spanned| Given { value: spanned.into_inner(), origin: Origin::Default })))
}

fn row<T: Value>(name: &'static str, given: Option<&Given<T>>) -> Row {
    Row {
        name,
        value: given.map(|given| given.value.to_string()),
        origin: given.map(|given| given.origin.clone()),
    }
}

#[cfg(test)]
mod tests;
