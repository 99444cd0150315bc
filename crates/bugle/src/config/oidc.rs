//! The settings of an OpenID provider, and whether they fit together.

use std::{fmt, str::FromStr};

use bugle_engine::accounts::{OidcSettings, RoleRules};
use bugle_model::Scope;
use serde::{Deserialize, Deserializer, de};
use url::{Host, Url};

use super::{
    Given, Settings, SettingsError,
    values::{BadValue, Value},
};

/// Words for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl FromStr for Text {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.trim() {
            "" => Err(BadValue::new("it is empty")),
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A role, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRole(pub Option<Scope>);

impl FromStr for DefaultRole {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.trim() {
            "none" => Ok(Self(None)),
            text => role(text).map(|role| Self(Some(role))),
        }
    }
}

impl fmt::Display for DefaultRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or("none", word))
    }
}

/// Which role a value gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleMap(pub Vec<(String, Scope)>);

impl FromStr for RoleMap {
    type Err = BadValue;
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(pair).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for RoleMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (value, role)) in self.0.iter().enumerate() {
            write!(f, "{}{value}={}", if index == 0 { "" } else { ", " }, word(*role))?;
        }
        Ok(())
    }
}

impl Value for RoleMap {}

impl<'de> Deserialize<'de> for RoleMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let pairs = texts.iter().map(|text| pair(text.trim()));
        pairs.collect::<Result<_, _>>().map(Self).map_err(de::Error::custom)
    }
}

fn pair(text: &str) -> Result<(String, Scope), BadValue> {
    let (value, name) =
        text.rsplit_once('=').filter(|(value, _)| !value.trim().is_empty()).ok_or_else(|| {
            BadValue::new(format!("`{text}` is not a value and its role, such as oncall=operate"))
        })?;
    Ok((value.trim().to_owned(), role(name.trim())?))
}

fn role(text: &str) -> Result<Scope, BadValue> {
    let known = [Scope::Read, Scope::Operate, Scope::Admin].into_iter().find(|role| word(*role) == text);
    known.ok_or_else(|| BadValue::new(format!("`{text}` is not a role: it is admin, operate or read")))
}

fn word(role: Scope) -> &'static str {
    match role {
        Scope::Read => "read",
        Scope::Operate => "operate",
        Scope::Admin => "admin",
    }
}

impl Settings {
    /// The provider that people sign in at, if one is set.
    pub fn oidc(&self) -> Result<Option<OidcSettings>, SettingsError> {
        let Some(issuer) = &self.oidc_issuer else { return Ok(None) };
        let client_id = self.oidc_client_id.as_ref().ok_or(SettingsError::Oidc(
            "oidc_issuer is set without oidc_client_id: set it to what the provider calls this hub",
        ))?;
        if !is_private_on_the_way(&issuer.value.0) {
            return Err(SettingsError::Oidc(
                "oidc_issuer begins with http:// and is not on this machine: whoever is on the way there could sign in \
                 as anybody, so it has to be https://",
            ));
        }
        if self.public_url.is_none() {
            return Err(SettingsError::Oidc(
                "oidc_issuer is set without public_url: the provider must know where to lead people back to",
            ));
        }
        let scopes = &self.oidc_scopes.value.0;
        if !scopes.split(' ').any(|scope| scope == "openid") {
            return Err(SettingsError::Oidc(
                "oidc_scopes lacks `openid`, without which nobody is told of: add it",
            ));
        }
        let given = self.oidc_roles.as_ref().map(|map| map.value.0.clone()).unwrap_or_default();
        let default = self.oidc_default_role.value.0;
        if (given.is_empty() || self.oidc_role_claim.is_none()) && default.is_none() {
            return Err(SettingsError::Oidc(
                "nobody who signs in at oidc_issuer would have a role: set oidc_role_claim and oidc_roles, or \
                 oidc_default_role",
            ));
        }
        let text = |given: &Given<Text>| given.value.0.clone();
        Ok(Some(OidcSettings {
            issuer: issuer.value.0.clone(),
            client_id: text(client_id),
            client_secret: self.oidc_client_secret.as_ref().map(|given| given.value.0.clone()),
            scopes: scopes.clone(),
            roles: RoleRules { claim: self.oidc_role_claim.as_ref().map(text), given, default },
        }))
    }
}

/// Whether nobody else can answer in the provider's place.
fn is_private_on_the_way(issuer: &Url) -> bool {
    let is_here = match issuer.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    issuer.scheme() == "https" || is_here
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn oidc(pairs: &[(&str, &str)]) -> Result<Option<OidcSettings>, String> {
        let line = |(name, value): &(&str, &str)| format!("{name} = {value}\n");
        let file = file_layer(Path::new("bugle.toml"), pairs.iter().map(line).collect()).unwrap();
        let settings = Settings::from_layers(file, Flags::default(), &Environment::default()).unwrap();
        settings.oidc().map_err(|error| error.to_string())
    }

    const ISSUER: (&str, &str) = ("oidc_issuer", "\"https://login.example.net\"");
    const ID: (&str, &str) = ("oidc_client_id", "\"bugle\"");
    const URL: (&str, &str) = ("public_url", "\"https://bugle.example.com\"");
    const CLAIM: (&str, &str) = ("oidc_role_claim", "\"groups\"");
    const ROLES: (&str, &str) = ("oidc_roles", "[\"cn=sre,ou=x=admin\", \"staff = read\"]");
    const DEFAULT: (&str, &str) = ("oidc_default_role", "\"read\"");

    #[test]
    fn a_provider_is_whole_or_refused() {
        assert!(oidc(&[ID, URL, DEFAULT]).unwrap().is_none());
        for (pairs, named) in [
            (&[ISSUER, URL, DEFAULT][..], "oidc_client_id"),
            (&[ISSUER, ID, DEFAULT], "public_url"),
            (&[("oidc_issuer", "\"http://login.example.net\""), ID, URL, DEFAULT], "https://"),
            (&[ISSUER, ID, URL], "oidc_default_role"),
            (&[ISSUER, ID, URL, CLAIM], "oidc_roles"),
            (&[ISSUER, ID, URL, DEFAULT, ("oidc_scopes", "\"email\"")], "openid"),
        ] {
            let error = oidc(pairs).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        for here in
            ["\"http://localhost:8080/realms/a\"", "\"http://127.0.0.1:8080\"", "\"http://[::1]:8080\""]
        {
            assert!(oidc(&[("oidc_issuer", here), ID, URL, DEFAULT]).unwrap().is_some(), "{here}");
        }
        let roles = oidc(&[ISSUER, ID, URL, CLAIM, ROLES]).unwrap().unwrap().roles;
        let given = vec![("cn=sre,ou=x".to_owned(), Scope::Admin), ("staff".to_owned(), Scope::Read)];
        assert_eq!(roles, RoleRules { claim: Some("groups".into()), given, default: None });
    }

    #[test]
    fn roles_show_themselves_as_they_are_written() {
        let map: RoleMap = " sre=admin,, oncall = operate ".parse().unwrap();
        assert_eq!(map.to_string(), "sre=admin, oncall=operate");
        for wrong in ["sre", "=admin", "sre=root", "sre="] {
            assert!(wrong.parse::<RoleMap>().is_err(), "{wrong}");
        }
        assert!("root".parse::<DefaultRole>().is_err());
        assert_eq!("none".parse::<DefaultRole>().unwrap().to_string(), "none");
    }
}
