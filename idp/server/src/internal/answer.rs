//! How a gateway is refused.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use idp_core::receipts::Crowded;
use idp_core::store::StoreError;
use idp_token::ask::MessageError;

use crate::desk::{Unanswerable, complain};
use crate::problem::tell;

const CHALLENGE: &str = "Bearer realm=\"tollgate-gateway\"";

/// Why a gateway got no answer (RFC 9457).
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("the credential of a gateway is missing or wrong")]
    Unauthorized,
    #[error("the query is not `after=` and a place in the log")]
    Query,
    #[error("the message cannot be read")]
    Message(#[from] MessageError),
    #[error("as many follow the log as may")]
    Followers,
    #[error(transparent)]
    Gateways(#[from] Crowded),
    #[error("nobody can tell at the moment")]
    Unanswerable,
}

impl Problem {
    const fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Query => (StatusCode::BAD_REQUEST, "query"),
            Self::Message(MessageError::TooLong) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "message_too_long")
            }
            Self::Message(
                MessageError::Syntax
                | MessageError::UnknownVersion(_)
                | MessageError::Member(_)
                | MessageError::Count(_)
                | MessageError::Item { .. },
            ) => (StatusCode::BAD_REQUEST, "message"),
            Self::Followers => (StatusCode::SERVICE_UNAVAILABLE, "followers"),
            Self::Gateways(_) => (StatusCode::SERVICE_UNAVAILABLE, "gateways"),
            Self::Unanswerable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }

    fn detail(&self) -> String {
        if let Self::Message(error) = self {
            // What is wrong with it helps whoever wrote it, and names no secret.
            return format!("{self}: {error}");
        }
        self.to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let detail = self.detail();
        tell(self.status(), detail, CHALLENGE)
    }
}

impl From<Unanswerable> for Problem {
    fn from(error: Unanswerable) -> Self {
        complain(&error);
        Self::Unanswerable
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Unanswerable::from(error).into()
    }
}
