//! How an operator is answered.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use idp_core::admin::OrderError;
use idp_core::keyring::RotationError;
use serde::de::DeserializeOwned;

use crate::credential::CredentialError;
use crate::desk::{Unanswerable, complain};
use crate::keys::RotateError;
use crate::passwords::{Busy, Password};
use crate::problem::tell;
use crate::random::NoRandom;
use crate::store::BackupError;

const CHALLENGE: &str = "Bearer realm=\"tollgate-admin\"";

/// The order is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// Why an order was not carried out (RFC 9457).
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("the administrator's credential is missing or wrong")]
    Unauthorized,
    #[error("the field tollgate-actor is not a plain name of at most 64 characters")]
    Actor,
    #[error("{0}")]
    Body(String),
    #[error("{0} is not spelled as such a thing is")]
    Spelling(&'static str),
    #[error("a page has between 1 and {0} items")]
    Limit(usize),
    #[error("there is nothing of this id")]
    NotFound,
    #[error("a public client has no secret")]
    Public,
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("a backup is not to be had: {0}")]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Rotation(#[from] RotationError),
    #[error("a password has between 1 and {} bytes", Password::BYTES_MAX)]
    Password,
    #[error("too many passwords are being looked at")]
    Busy,
    #[error("nobody can tell at the moment")]
    Unanswerable,
}

impl Problem {
    const fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Actor => (StatusCode::BAD_REQUEST, "actor"),
            Self::Body(_) => (StatusCode::BAD_REQUEST, "body"),
            Self::Spelling(_) => (StatusCode::BAD_REQUEST, "spelling"),
            Self::Limit(_) => (StatusCode::BAD_REQUEST, "limit"),
            Self::NotFound => (StatusCode::NOT_FOUND, "unknown"),
            Self::Public => (StatusCode::CONFLICT, "public"),
            Self::Backup(BackupError::Exists) => (StatusCode::CONFLICT, "exists"),
            Self::Backup(BackupError::Busy) => (StatusCode::CONFLICT, "busy"),
            Self::Backup(_) => (StatusCode::SERVICE_UNAVAILABLE, "backup"),
            Self::Rotation(_) => (StatusCode::CONFLICT, "rotation"),
            Self::Order(OrderError::Unknown) => (StatusCode::NOT_FOUND, "unknown"),
            Self::Order(OrderError::Taken) => (StatusCode::CONFLICT, "taken"),
            Self::Order(OrderError::Moved) => (StatusCode::CONFLICT, "moved"),
            Self::Order(OrderError::Disabled) => (StatusCode::CONFLICT, "disabled"),
            Self::Order(OrderError::Scopes) => (StatusCode::UNPROCESSABLE_ENTITY, "scopes"),
            Self::Order(OrderError::TooLate) => (StatusCode::UNPROCESSABLE_ENTITY, "too_late"),
            Self::Order(OrderError::Roles) => (StatusCode::UNPROCESSABLE_ENTITY, "roles"),
            Self::Order(OrderError::Password) => (StatusCode::UNPROCESSABLE_ENTITY, "password"),
            Self::Order(OrderError::Client(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "client"),
            Self::Password => (StatusCode::UNPROCESSABLE_ENTITY, "password"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Unanswerable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        tell(self.status(), detail, CHALLENGE)
    }
}

impl From<Unanswerable> for Problem {
    fn from(error: Unanswerable) -> Self {
        complain(&error);
        Self::Unanswerable
    }
}

impl From<Busy> for Problem {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<NoRandom> for Problem {
    fn from(error: NoRandom) -> Self {
        Unanswerable::from(error).into()
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        tracing::error!(%error, "a secret could not be drawn");
        Self::Unanswerable
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Refused(error) => error.into(),
            RotateError::Unanswerable(error) => error.into(),
            RotateError::Material(_) | RotateError::Ring(_) => {
                tracing::error!(%error, "keys could not be rotated");
                Self::Unanswerable
            }
        }
    }
}

/// A body that is JSON and holds nothing that is not known.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = Json::<T>::from_request(request, state).await;
        let Json(body) = read.map_err(|error: JsonRejection| Problem::Body(error.body_text()))?;
        Ok(Self(body))
    }
}
