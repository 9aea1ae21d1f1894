//! How a form is taken and an error told.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use idp_core::refusal::Refusal;
use idp_core::token::Asking;
use serde::Serialize;

use crate::desk::{Unanswerable, complain};

/// Seconds after which it is worth trying again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// Most answers fit in.
const USUAL_BYTES: usize = 512;
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// A form as it came: whoever sent it is not yet known.
pub(crate) struct Form {
    authorization: Option<HeaderValue>,
    body: Bytes,
}

impl Form {
    pub(super) const fn new(authorization: Option<HeaderValue>, body: Bytes) -> Self {
        Self {
            authorization,
            body,
        }
    }

    /// What the head of a request says beside its form, if a form is what it announces.
    pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
        if !is_form(headers) {
            return Err(Refusal::InvalidRequest);
        }
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let authorization = fields.next().cloned();
        // Of two, a proxy in front may have looked at the other one.
        if fields.next().is_some() {
            return Err(Refusal::InvalidRequest);
        }
        Ok(authorization)
    }

    pub(crate) fn asking(&self) -> Asking {
        let authorization = self.authorization.as_ref().map(HeaderValue::as_bytes);
        Asking::read(authorization, &self.body)
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let authorization = Self::authorization(request.headers()).map_err(refused)?;
        let body = Bytes::from_request(request, state)
            .await
            .map_err(IntoResponse::into_response)?;
        Ok(Self::new(authorization, body))
    }
}

pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    // Of two, a proxy in front may have looked at the other one.
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return false;
    };
    let essence = kind.as_bytes().split(|byte| *byte == b';').next();
    essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(FORM))
}

#[derive(Serialize)]
struct Told {
    error: &'static str,
    error_description: &'static str,
}

/// An error as RFC 6749 section 5.2 and RFC 6750 section 3 have it.
pub(crate) fn refused(refusal: Refusal) -> Response {
    let reply = refusal.reply();
    let told = Told {
        error: reply.code,
        error_description: reply.text,
    };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = self::told(&told);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(scheme) = reply.challenge {
        let (code, text) = (reply.code, reply.text);
        let challenge =
            format!(r#"{scheme} realm="tollgate", error="{code}", error_description="{text}""#);
        if let Ok(challenge) = HeaderValue::from_str(&challenge) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// What was asked for, as JSON for whoever asked.
pub(super) fn told(told: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut text, told).expect("invariant: texts and numbers under texts");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (private(), kind, text).into_response()
}

/// The answer is for whoever asked and for nobody between.
pub(crate) fn private() -> [(header::HeaderName, &'static str); 2] {
    [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ]
}

impl IntoResponse for Unanswerable {
    fn into_response(self) -> Response {
        complain(&self);
        refused(Refusal::TemporarilyUnavailable)
    }
}
