//! Every error that a client can be told, in one table.
//!
//! The codes are those of RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 7009 section
//! 2.2.1, RFC 9101 and OpenID Connect Core section 3.1.2.6. The texts are fixed and say nothing that
//! tells one stranger's guess from another's; why exactly is in the audit log.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request lacks a parameter, or has one that is malformed or there twice")]
    InvalidRequest,
    #[error("the client is not known or did not prove itself")]
    InvalidClient,
    #[error("the grant is unknown, spent, over, or another client's")]
    InvalidGrant,
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    #[error("the grant type is not offered")]
    UnsupportedGrantType,
    #[error("the response type is not offered")]
    UnsupportedResponseType,
    #[error("a scope is malformed, or more than the client may ask for")]
    InvalidScope,
    #[error("the person said no")]
    AccessDenied,
    #[error("nobody is signed in, and nobody may be asked to")]
    LoginRequired,
    #[error("consent is missing, and nobody may be asked for it")]
    ConsentRequired,
    #[error("request objects are not taken")]
    RequestNotSupported,
    #[error("request objects are not fetched")]
    RequestUriNotSupported,
    #[error("the kind of token is not known")]
    UnsupportedTokenType,
    #[error("the token is not good")]
    InvalidToken,
    #[error("the token does not go so far")]
    InsufficientScope,
    #[error("a fault of the identity provider")]
    ServerError,
    #[error("nobody can tell at the moment")]
    TemporarilyUnavailable,
}

pub const ALL: [Refusal; 17] = [
    Refusal::InvalidRequest,
    Refusal::InvalidClient,
    Refusal::InvalidGrant,
    Refusal::UnauthorizedClient,
    Refusal::UnsupportedGrantType,
    Refusal::UnsupportedResponseType,
    Refusal::InvalidScope,
    Refusal::AccessDenied,
    Refusal::LoginRequired,
    Refusal::ConsentRequired,
    Refusal::RequestNotSupported,
    Refusal::RequestUriNotSupported,
    Refusal::UnsupportedTokenType,
    Refusal::InvalidToken,
    Refusal::InsufficientScope,
    Refusal::ServerError,
    Refusal::TemporarilyUnavailable,
];

/// What a client is told. In a redirect the status is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// `error`
    pub code: &'static str,
    /// `error_description`
    pub text: &'static str,
    /// The scheme of a `WWW-Authenticate` field.
    pub challenge: Option<&'static str>,
}

impl Refusal {
    #[must_use]
    #[rustfmt::skip]
    pub const fn reply(self) -> Reply {
        match self {
            Self::InvalidRequest => plain(400, "invalid_request", "The request is incomplete or malformed"),
            Self::InvalidClient => challenge(401, "invalid_client", "The client could not be authenticated", "Basic"),
            Self::InvalidGrant => plain(400, "invalid_grant", "The grant is not valid"),
            Self::UnauthorizedClient => plain(400, "unauthorized_client", "The client may not use this grant"),
            Self::UnsupportedGrantType => plain(400, "unsupported_grant_type", "The grant type is not offered"),
            Self::UnsupportedResponseType => plain(400, "unsupported_response_type", "The response type is not offered"),
            Self::InvalidScope => plain(400, "invalid_scope", "The scope is not valid for this client"),
            Self::AccessDenied => plain(403, "access_denied", "Access was denied"),
            Self::LoginRequired => plain(400, "login_required", "Somebody must sign in"),
            Self::ConsentRequired => plain(400, "consent_required", "Consent is needed"),
            Self::RequestNotSupported => plain(400, "request_not_supported", "Request objects are not supported"),
            Self::RequestUriNotSupported => plain(400, "request_uri_not_supported", "Request objects are not supported"),
            Self::UnsupportedTokenType => plain(400, "unsupported_token_type", "Tokens of this kind cannot be revoked"),
            Self::InvalidToken => challenge(401, "invalid_token", "The token is not valid", "Bearer"),
            Self::InsufficientScope => challenge(403, "insufficient_scope", "The token does not go so far", "Bearer"),
            Self::ServerError => plain(500, "server_error", "The identity provider failed"),
            Self::TemporarilyUnavailable => plain(503, "temporarily_unavailable", "Try again in a moment"),
        }
    }
}

const fn plain(status: u16, code: &'static str, text: &'static str) -> Reply {
    Reply {
        status,
        code,
        text,
        challenge: None,
    }
}

const fn challenge(
    status: u16,
    code: &'static str,
    text: &'static str,
    scheme: &'static str,
) -> Reply {
    Reply {
        challenge: Some(scheme),
        ..plain(status, code, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own_that_can_be_sent_as_it_is() {
        let mut codes: Vec<_> = ALL.iter().map(|refusal| refusal.reply().code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ALL.len());
        for refusal in ALL {
            let reply = refusal.reply();
            let is_plain = |text: &str| {
                text.bytes()
                    .all(|byte| matches!(byte, 0x20..=0x7e) && !b"\"\\".contains(&byte))
            };
            assert!(is_plain(reply.code) && is_plain(reply.text), "{reply:?}");
            let needs_challenge = reply.status == 401;
            assert!(!needs_challenge || reply.challenge.is_some(), "{reply:?}");
        }
    }
}
