//! Which role follows from what a provider says of a person.

use bugle_model::Scope;

use super::id_token::Claims;

/// Who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleRules {
    /// The claim that holds roles or groups: its name, or the way to it by dots. Without it everybody has the default.
    pub claim: Option<String>,
    /// A value of the claim and the role that it gives. Of several the highest counts.
    pub given: Vec<(String, Scope)>,
    /// Who has none of the values; none is refused.
    pub default: Option<Scope>,
}

impl RoleRules {
    /// The role of a person, if they have one.
    pub(super) fn of(&self, claims: &Claims) -> Option<Scope> {
        let values = self.claim.as_deref().map(|claim| claims.values(claim)).unwrap_or_default();
        let given = self.given.iter().filter(|(value, _)| values.contains(&value.as_str()));
        given.map(|(_, role)| *role).max().or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_role_counts_and_without_one_the_default() {
        let claims = Claims::of(&json!({
            "groups": ["staff", "oncall", "sre-admins"],
            "level": "oncall",
            "realm_access": {"roles": ["oncall"]},
            "https://example.net/roles": ["sre-admins"],
            "count": 1,
        }));
        for (claim, default, expected) in [
            (Some("groups"), None, Some(Scope::Admin)),
            (Some("level"), None, Some(Scope::Operate)),
            (Some("realm_access.roles"), None, Some(Scope::Operate)),
            (Some("https://example.net/roles"), None, Some(Scope::Admin)),
            (Some("count"), Some(Scope::Read), Some(Scope::Read)),
            (Some("realm_access.none"), None, None),
            (Some(""), None, None),
            (None, None, None),
            (None, Some(Scope::Operate), Some(Scope::Operate)),
        ] {
            let rules = RoleRules {
                claim: claim.map(str::to_owned),
                given: vec![("oncall".into(), Scope::Operate), ("sre-admins".into(), Scope::Admin)],
                default,
            };
            assert_eq!(rules.of(&claims), expected, "{claim:?}");
        }
    }
}
