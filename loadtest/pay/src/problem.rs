//! Every error a client of the services can meet, in one table: status, code, public text.
//!
//! The answers are problem details (RFC 9457) of type `about:blank`, whose title is the phrase of
//! the status. What exactly was refused is in `code`, which is stable and meant for programs, and
//! in `detail`, which is meant for people.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::answer::{self, NO_STORE, PROBLEM_JSON};
use crate::decimal::DecimalError;
use crate::remittance::Outcome;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is nothing at this path")]
    NoRoute,
    #[error("this path does not know this method")]
    MethodNotAllowed,
    #[error("there is no such {0}")]
    Unknown(&'static str),

    #[error("a bearer token is needed")]
    TokenMissing,
    #[error("the token is not one that is believed here")]
    TokenInvalid,
    #[error("the token does not have the scopes that are needed")]
    Scope(&'static [&'static str]),
    #[error("tokens cannot be verified at present")]
    NoKeys,

    #[error("the query is not understood: {0}")]
    Query(String),
    #[error("no ids are named")]
    NoIds,
    #[error("at most {0} ids can be asked for at once")]
    TooManyIds(usize),
    #[error("as many versions as ids must be named")]
    Versions,
    #[error("a page holds 1 to {0} entries")]
    PageSize(usize),
    #[error("the cursor is not one of ours")]
    Cursor,
    #[error("`changedSince` is neither an HTTP date nor an RFC 3339 time in UTC")]
    ChangedSince,

    #[error("the body must be {0}")]
    MediaType(&'static str),
    #[error("a body has at most {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive in time")]
    BodyTooSlow,
    #[error("the body ended early")]
    BodyCut,
    #[error("the body is not understood: {0}")]
    Body(String),
    #[error("the entity is not the one that `If-Match` names")]
    Precondition,

    #[error("`Idempotency-Key` is missing")]
    KeyMissing,
    #[error("`Idempotency-Key` is not 1 to 128 visible ASCII characters")]
    KeyMalformed,
    #[error("the key was used for another request")]
    KeyReused,
    #[error("the first request with this key has not been answered yet")]
    KeyInFlight,

    #[error(transparent)]
    Amount(#[from] DecimalError),
    #[error("the amount must be above zero")]
    AmountZero,
    #[error("the currency must be {0}")]
    Currency(&'static str),
    #[error("payer and payee are the same account")]
    SameAccount,
    #[error("{0} has no money account")]
    NoAccount(&'static str),
    #[error("the balance does not cover the amount")]
    InsufficientFunds,
    #[error("this reference was charged already")]
    ReferenceCharged,
    #[error("this reference was reversed")]
    ReferenceReversed,

    #[error("the receiver has no account at this bank")]
    NoBankAccount,
    #[error("the bank takes no payments any more")]
    BankClosed,
    #[error("this payout was asked for with other contents")]
    PayoutDiffers,
    #[error("this payout was cancelled")]
    PayoutCancelled,

    #[error("the remittance {0}")]
    Remittance(Outcome),
    #[error("too many remittances are under way")]
    Busy,
    #[error("no more can be stored")]
    StoreFull,

    #[error("an injected fault")]
    Injected(StatusCode),
    #[error("something went wrong on our side")]
    Internal,
}

impl Refusal {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRoute => (StatusCode::NOT_FOUND, "no_route"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::TokenMissing => (StatusCode::UNAUTHORIZED, "token_missing"),
            Self::TokenInvalid => (StatusCode::UNAUTHORIZED, "token_invalid"),
            Self::Scope(_) => (StatusCode::FORBIDDEN, "insufficient_scope"),
            Self::NoKeys => (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable"),
            Self::Query(_) => (StatusCode::BAD_REQUEST, "query"),
            Self::NoIds => (StatusCode::BAD_REQUEST, "no_ids"),
            Self::TooManyIds(_) => (StatusCode::BAD_REQUEST, "too_many_ids"),
            Self::Versions => (StatusCode::BAD_REQUEST, "versions"),
            Self::PageSize(_) => (StatusCode::BAD_REQUEST, "page_size"),
            Self::Cursor => (StatusCode::BAD_REQUEST, "cursor"),
            Self::ChangedSince => (StatusCode::BAD_REQUEST, "changed_since"),
            Self::MediaType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::BodyCut => (StatusCode::BAD_REQUEST, "body_cut"),
            Self::Body(_) => (StatusCode::BAD_REQUEST, "body"),
            Self::Precondition => (StatusCode::PRECONDITION_FAILED, "precondition"),
            Self::KeyMissing => (StatusCode::BAD_REQUEST, "key_missing"),
            Self::KeyMalformed => (StatusCode::BAD_REQUEST, "key_malformed"),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "key_reused"),
            Self::KeyInFlight => (StatusCode::CONFLICT, "key_in_flight"),
            Self::Amount(_) | Self::AmountZero => (StatusCode::BAD_REQUEST, "amount"),
            Self::Currency(_) => (StatusCode::UNPROCESSABLE_ENTITY, "currency"),
            Self::SameAccount => (StatusCode::UNPROCESSABLE_ENTITY, "same_account"),
            Self::NoAccount(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no_account"),
            Self::InsufficientFunds => (StatusCode::UNPROCESSABLE_ENTITY, "insufficient_funds"),
            Self::ReferenceCharged => (StatusCode::UNPROCESSABLE_ENTITY, "reference_charged"),
            Self::ReferenceReversed => (StatusCode::UNPROCESSABLE_ENTITY, "reference_reversed"),
            Self::NoBankAccount => (StatusCode::UNPROCESSABLE_ENTITY, "no_bank_account"),
            Self::BankClosed => (StatusCode::UNPROCESSABLE_ENTITY, "bank_closed"),
            Self::PayoutDiffers => (StatusCode::UNPROCESSABLE_ENTITY, "payout_differs"),
            Self::PayoutCancelled => (StatusCode::UNPROCESSABLE_ENTITY, "payout_cancelled"),
            Self::Remittance(outcome) => outcome.status_and_code(),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::StoreFull => (StatusCode::SERVICE_UNAVAILABLE, "store_full"),
            Self::Injected(status) => (*status, "injected"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    pub(crate) fn body(&self) -> Bytes {
        let (status, code) = self.status_and_code();
        let remittance = if let Self::Remittance(outcome) = self {
            Some(outcome)
        } else {
            None
        };
        answer::json(&Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: self.to_string(),
            remittance,
        })
    }

    /// Whether the same request may succeed a moment later.
    fn is_passing(&self) -> bool {
        matches!(self, Self::KeyInFlight | Self::Busy | Self::NoKeys)
    }

    /// What a client may do about its token (RFC 6750 section 3).
    fn challenge(&self) -> Option<HeaderValue> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others are not about tokens"
        )]
        match self {
            Self::TokenMissing => Some(HeaderValue::from_static("Bearer")),
            Self::TokenInvalid => Some(HeaderValue::from_static(r#"Bearer error="invalid_token""#)),
            Self::Scope(scopes) => {
                let scopes = scopes.join(" ");
                let text = format!(r#"Bearer error="insufficient_scope", scope="{scopes}""#);
                HeaderValue::from_str(&text).ok()
            }
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    remittance: Option<&'a Outcome>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.is_passing() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
