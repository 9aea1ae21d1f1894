//! Who is asking? What a verdict on a token says of whoever holds it.
//!
//! A million of these may be remembered at once. What many sessions have in common, what they may do
//! and through which client, is one allocation that all of them share.

use std::sync::Arc;

use idp_token::digest::Tid;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

/// A caller whose token was found good. Nothing in it is a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What logs call the token.
    pub tid: Tid,
    /// None where another issuer vouches, whose sessions are its own.
    pub session: Option<SessionId>,
    pub subject: Box<str>,
    pub rights: Arc<Rights>,
    /// When the person last proved who they are; a machine never did.
    pub auth_time: Option<UnixSeconds>,
}

/// What a caller may do, and through whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rights {
    client: Box<str>,
    tenant: Box<str>,
    /// As the issuer spelled them.
    scope: Box<str>,
    /// Sorted, each there once.
    scopes: Box<[Box<str>]>,
    /// Sorted, each there once.
    roles: Box<[Box<str>]>,
}

impl Rights {
    /// `scope` is a list of scopes with single spaces between them; other issuers have no tenants.
    #[must_use]
    pub fn new(client: &str, tenant: &str, scope: &str, roles: &[String]) -> Self {
        Self {
            client: client.into(),
            tenant: tenant.into(),
            scope: scope.into(),
            scopes: sorted(scope.split(' ').filter(|scope| !scope.is_empty())),
            roles: sorted(roles.iter().map(String::as_str)),
        }
    }

    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// All scopes, with single spaces between them.
    #[must_use]
    pub fn scope(&self) -> &str {
        &self.scope
    }

    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        has(&self.scopes, name)
    }

    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(AsRef::as_ref)
    }

    #[must_use]
    pub fn has_role(&self, name: &str) -> bool {
        has(&self.roles, name)
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Box<[Box<str>]> {
    let mut names: Vec<Box<str>> = names.map(Box::from).collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

fn has(names: &[Box<str>], name: &str) -> bool {
    names.binary_search_by(|known| (**known).cmp(name)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_whole_words_however_they_are_ordered() {
        let roles = ["teller", "admin", "teller"].map(str::to_owned);
        let rights = Rights::new("shop", "default", "money.write openid money.read", &roles);
        #[rustfmt::skip]
        let scopes = [
            ("money.read", true), ("money.write", true), ("openid", true),
            ("money", false), ("money.", false), ("Money.read", false), ("", false),
            ("money.read openid", false),
        ];
        for (scope, expected) in scopes {
            assert_eq!(rights.has_scope(scope), expected, "{scope}");
        }
        for (role, expected) in [
            ("admin", true),
            ("teller", true),
            ("tell", false),
            ("", false),
        ] {
            assert_eq!(rights.has_role(role), expected, "{role}");
        }
        assert_eq!(rights.scope(), "money.write openid money.read");
        assert!(!Rights::new("shop", "", "", &[]).has_scope(""));
    }
}
