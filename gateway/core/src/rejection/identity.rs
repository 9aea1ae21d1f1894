//! What a client is told of its token, or of not being known.
//!
//! Each refusal leaves the connection as it is: a storm of them must not become a storm of handshakes.

use crate::admission::Forbidden;
use crate::credential::CredentialError;
use crate::verdict::Unknown;

use super::{Reply, keeping, retry};

pub(super) const MISSING: Reply = keeping(401, "credential_missing", "A bearer token is required");

pub(super) fn credential_reply(error: CredentialError) -> Reply {
    match error {
        CredentialError::Twice | CredentialError::Malformed | CredentialError::TooLong => keeping(
            400,
            "credential_malformed",
            "The field Authorization holds no bearer token",
        ),
        CredentialError::InQuery => keeping(
            400,
            "token_in_query",
            "A token belongs into the field Authorization",
        ),
        CredentialError::Refresh => keeping(
            401,
            "refresh_token_refused",
            "A refresh token opens nothing here",
        ),
    }
}

pub(super) fn forbidden_reply(lack: &Forbidden) -> Reply {
    match lack {
        Forbidden::Scope { .. } => keeping(
            403,
            "scope_insufficient",
            "The token lacks a scope that is required here",
        ),
        Forbidden::Role => keeping(
            403,
            "role_missing",
            "The caller has none of the roles that are required here",
        ),
    }
}

/// Nobody could say whether the token is good, so a client that calls again may well be served.
pub(super) fn unknown_reply(unknown: Unknown) -> Reply {
    let reply = match unknown {
        Unknown::Stale => keeping(
            503,
            "identity_stale",
            "What is known of the token is too old to go by",
        ),
        Unknown::Unreachable => keeping(
            503,
            "identity_unreachable",
            "The token cannot be looked up at the moment",
        ),
        Unknown::Overloaded => keeping(
            503,
            "identity_overloaded",
            "Too many tokens are being looked up",
        ),
    };
    retry(reply, 1)
}

pub(super) fn refusals_reply(retry_after_seconds: u32) -> Reply {
    let reply = keeping(
        429,
        "too_many_refusals",
        "Too many requests of this client were refused",
    );
    retry(reply, retry_after_seconds)
}

#[cfg(test)]
mod tests {
    use idp_token::reference::ReferenceError;

    use super::*;
    use crate::rejection::Rejection;
    use crate::verdict::Invalid;

    #[test]
    fn bad_is_401_lacking_is_403_and_unknown_is_503_with_a_word_when_to_come_back() {
        let required = || "money.read".into();
        #[rustfmt::skip]
        let cases: [(Rejection, u16, &str, Option<u32>, u8); 15] = [
            (Rejection::CredentialMissing,               401, "credential_missing",    None,    16),
            (CredentialError::Twice.into(),              400, "credential_malformed",  None,    16),
            (CredentialError::Malformed.into(),          400, "credential_malformed",  None,    16),
            (CredentialError::TooLong.into(),            400, "credential_malformed",  None,    16),
            (CredentialError::InQuery.into(),            400, "token_in_query",        None,    16),
            (CredentialError::Refresh.into(),            401, "refresh_token_refused", None,    16),
            (Invalid::Reference(ReferenceError::Tag).into(), 401, "token_invalid",     None,    16),
            (Invalid::Inactive.into(),                   401, "token_invalid",         None,    16),
            (Invalid::Ended.into(),                      401, "token_invalid",         None,    16),
            (Forbidden::Scope { required: required() }.into(), 403, "scope_insufficient", None, 7),
            (Forbidden::Role.into(),                     403, "role_missing",          None,    7),
            (Unknown::Stale.into(),                      503, "identity_stale",        Some(1), 14),
            (Unknown::Unreachable.into(),                503, "identity_unreachable",  Some(1), 14),
            (Unknown::Overloaded.into(),                 503, "identity_overloaded",   Some(1), 14),
            (Rejection::TooManyRefusals { retry_after_seconds: 7 }, 429, "too_many_refusals", Some(7), 8),
        ];
        for (rejection, status, code, retry_after_seconds, grpc) in cases {
            let reply = rejection.reply();
            assert_eq!((reply.status, reply.code), (status, code), "{rejection:?}");
            assert_eq!(
                reply.retry_after_seconds, retry_after_seconds,
                "{rejection:?}"
            );
            assert_eq!(rejection.grpc_status(), grpc, "{rejection:?}");
            assert!(!reply.closes, "{rejection:?}");
        }
    }
}
