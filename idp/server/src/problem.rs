//! How those who are no clients are told that something was not done (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

/// Seconds after which it is worth trying again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

#[derive(Serialize)]
struct Told {
    #[serde(rename = "type")]
    kind: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
}

/// A problem as it is sent; `challenge` is what a missing credential is answered with.
pub(crate) fn tell(
    (status, code): (StatusCode, &'static str),
    detail: String,
    challenge: &'static str,
) -> Response {
    let told = Told {
        kind: "about:blank",
        status: status.as_u16(),
        code,
        detail,
    };
    let mut response = (status, Json(told)).into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(challenge);
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}
