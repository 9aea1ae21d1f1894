//! What does `WWW-Authenticate` say? RFC 6750 §3.
//!
//! A client that showed nothing is told the scheme and no more; one that showed something is told
//! what kind of thing was wrong with it. Nothing that a client sent is ever repeated.

use std::borrow::Cow;

use crate::admission::Forbidden;
use crate::credential::CredentialError;
use crate::rejection::Rejection;

/// The value of the field, for an answer that has one.
#[must_use]
pub fn find(rejection: &Rejection) -> Option<Cow<'static, str>> {
    const BARE: &str = "Bearer realm=\"tollgate\"";
    const INVALID_REQUEST: &str = "Bearer realm=\"tollgate\", error=\"invalid_request\"";
    const INVALID_TOKEN: &str = "Bearer realm=\"tollgate\", error=\"invalid_token\"";
    const INSUFFICIENT: &str = "Bearer realm=\"tollgate\", error=\"insufficient_scope\"";
    let fixed = match rejection {
        Rejection::CredentialMissing => BARE,
        Rejection::Credential(
            CredentialError::Twice
            | CredentialError::Malformed
            | CredentialError::TooLong
            | CredentialError::InQuery,
        ) => INVALID_REQUEST,
        Rejection::Credential(CredentialError::Refresh) | Rejection::Token(_) => INVALID_TOKEN,
        Rejection::Forbidden(Forbidden::Role) => INSUFFICIENT,
        // Scopes are spelled without quotes and backslashes (RFC 6749 §3.3).
        Rejection::Forbidden(Forbidden::Scope { required }) => {
            return Some(format!("{INSUFFICIENT}, scope=\"{required}\"").into());
        }
        Rejection::Head(_)
        | Rejection::Upgrade(_)
        | Rejection::HeadTimeout
        | Rejection::Miss(_)
        | Rejection::IdentityUnknown(_)
        | Rejection::TooManyRefusals { .. }
        | Rejection::BodyTooLarge
        | Rejection::BodyMalformed
        | Rejection::BodyTimeout
        | Rejection::TooManyConnections
        | Rejection::UpstreamUnreachable
        | Rejection::UpstreamTimeout
        | Rejection::UpstreamBroken
        | Rejection::UpstreamBreakerOpen { .. }
        | Rejection::UpstreamSaturated
        | Rejection::Internal => return None,
    };
    Some(fixed.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use idp_token::reference::ReferenceError;

    use crate::verdict::{Invalid, Unknown};

    use super::*;

    #[test]
    fn a_client_is_told_what_kind_of_thing_was_wrong_and_nothing_of_what_it_sent() {
        let scope = |required: &str| {
            let required = Arc::from(required);
            Rejection::Forbidden(Forbidden::Scope { required })
        };
        let bare = "Bearer realm=\"tollgate\"";
        let token = Some("error=\"invalid_token\"");
        let request = Some("error=\"invalid_request\"");
        #[rustfmt::skip]
        let cases = [
            (Rejection::CredentialMissing,                              None),
            (Rejection::Credential(CredentialError::Twice),             request),
            (Rejection::Credential(CredentialError::Malformed),         request),
            (Rejection::Credential(CredentialError::TooLong),           request),
            (Rejection::Credential(CredentialError::InQuery),           request),
            (Rejection::Credential(CredentialError::Refresh),           token),
            (Rejection::Token(Invalid::Reference(ReferenceError::Tag)), token),
            (Rejection::Token(Invalid::Inactive),                       token),
            (Rejection::Forbidden(Forbidden::Role),                     Some("error=\"insufficient_scope\"")),
            (scope("money.read money.write"),
                Some("error=\"insufficient_scope\", scope=\"money.read money.write\"")),
        ];
        for (rejection, expected) in cases {
            let expected = expected.map_or(bare.to_owned(), |more| format!("{bare}, {more}"));
            assert_eq!(
                find(&rejection).as_deref(),
                Some(&*expected),
                "{rejection:?}"
            );
        }
    }

    #[test]
    fn whoever_could_not_be_told_from_anybody_is_not_asked_to_show_another_token() {
        for rejection in [
            Rejection::IdentityUnknown(Unknown::Stale),
            Rejection::TooManyRefusals {
                retry_after_seconds: 1,
            },
            Rejection::Internal,
        ] {
            assert_eq!(find(&rejection), None, "{rejection:?}");
        }
    }
}
