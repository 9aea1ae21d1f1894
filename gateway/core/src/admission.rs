//! Who may use a route, and on whose word is that believed?
//!
//! Every scope that is asked for must be there, and one of the roles, where any are. A caller who
//! lacks them is known, and refused for it: 403, never 401.

use std::sync::Arc;

use idp_token::lease::Tolerance;

use crate::caller::Rights;

/// What a route wants of whoever asks. A route without it asks nobody who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    pub require: Requirement,
    pub accept: Accept,
    pub issuer: Issuer,
    /// What to do once the lease has run out.
    pub tolerance: Tolerance,
    /// Whether the service is told in `Tollgate-*` fields as well.
    pub identity_headers: bool,
    /// Whether a client is told how long it took.
    pub server_timing: bool,
}

/// Which tokens of our own a route takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accept {
    #[default]
    Reference,
    /// As services know them, for callers that are services themselves.
    Value,
    Any,
}

impl Accept {
    #[must_use]
    pub fn takes_reference(self) -> bool {
        match self {
            Self::Reference | Self::Any => true,
            Self::Value => false,
        }
    }

    #[must_use]
    pub fn takes_value(self) -> bool {
        match self {
            Self::Value | Self::Any => true,
            Self::Reference => false,
        }
    }
}

/// Who vouches for the callers of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Issuer {
    /// The identity provider of this gateway.
    #[default]
    Own,
    /// Another one, by its name in the file.
    Foreign(Arc<str>),
}

/// All of the scopes and any of the roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    scopes: Box<[Box<str>]>,
    /// The same with spaces between them, for the client that lacks one.
    scope: Arc<str>,
    roles: Box<[Box<str>]>,
}

/// Why a caller who is known may not use a route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("the token has not all of the scopes that are asked for")]
    Scope {
        /// All that are asked for, as `WWW-Authenticate` spells them.
        required: Arc<str>,
    },
    #[error("the caller has none of the roles of which one is asked for")]
    Role,
}

impl Requirement {
    /// In the order of the file, each there once.
    #[must_use]
    pub fn new(scopes: Vec<String>, roles: Vec<String>) -> Self {
        let boxed = |names: Vec<String>| names.into_iter().map(String::into_boxed_str).collect();
        Self {
            scope: scopes.join(" ").into(),
            scopes: boxed(scopes),
            roles: boxed(roles),
        }
    }

    pub fn check(&self, rights: &Rights) -> Result<(), Forbidden> {
        if !self.scopes.iter().all(|scope| rights.has_scope(scope)) {
            let required = Arc::clone(&self.scope);
            return Err(Forbidden::Scope { required });
        }
        if !self.roles.is_empty() && !self.roles.iter().any(|role| rights.has_role(role)) {
            return Err(Forbidden::Role);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn all_scopes_and_any_role_are_required() {
        let lacks_scope = |scope: &str| {
            let required = Arc::from(scope);
            Err(Forbidden::Scope { required })
        };
        #[rustfmt::skip]
        let cases = [
            // required scopes, roles    of the caller: scopes, roles
            ("",    "",                  "",      "",        Ok(())),
            ("",    "",                  "a b",   "x",       Ok(())),
            ("a",   "",                  "a b",   "",        Ok(())),
            ("a b", "",                  "b a c", "",        Ok(())),
            ("a b", "",                  "a c",   "",        lacks_scope("a b")),
            ("a",   "",                  "",      "a",       lacks_scope("a")),
            ("a",   "",                  "ab",    "",        lacks_scope("a")),
            ("b a", "",                  "",      "",        lacks_scope("b a")),
            ("",    "x",                 "",      "x",       Ok(())),
            ("",    "x y",               "",      "y z",     Ok(())),
            ("",    "x y",               "",      "z",       Err(Forbidden::Role)),
            ("",    "x",                 "x",     "",        Err(Forbidden::Role)),
            ("a",   "x",                 "a",     "x",       Ok(())),
            ("a",   "x",                 "a",     "y",       Err(Forbidden::Role)),
            ("a",   "x",                 "b",     "y",       lacks_scope("a")),
        ];
        for (scopes, roles, has_scope, has_roles, expected) in cases {
            let requirement = Requirement::new(words(scopes), words(roles));
            let rights = Rights::new("c", "t", has_scope, &words(has_roles));
            assert_eq!(
                requirement.check(&rights),
                expected,
                "{scopes} {roles} against {has_scope} {has_roles}"
            );
        }
    }

    #[test]
    fn a_route_takes_the_kinds_of_token_that_it_names() {
        #[rustfmt::skip]
        let cases = [
            (Accept::Reference, (true,  false)),
            (Accept::Value,     (false, true)),
            (Accept::Any,       (true,  true)),
        ];
        for (accept, expected) in cases {
            let found = (accept.takes_reference(), accept.takes_value());
            assert_eq!(found, expected, "{accept:?}");
        }
        assert_eq!(Accept::default(), Accept::Reference);
    }
}
