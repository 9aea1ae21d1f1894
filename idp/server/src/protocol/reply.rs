//! How a form is taken and an error told.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use idp_core::refusal::Refusal;
use idp_core::token::Asking;
use idp_token::time::UnixSeconds;
use serde::Serialize;

use crate::desk::{Unanswerable, complain};

/// Seconds after which it is worth trying again.
const RETRY_AFTER: &str = "1";
/// Most answers fit in.
const USUAL_BYTES: usize = 512;
const FORM: &[u8] = b"application/x-www-form-urlencoded";
const JWT: &str = "application/token-introspection+jwt";

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
        let authorization = Self::authorization(request.headers())
            .map_err(|refusal| refused(refusal).into_response())?;
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
    is_form_field(kind.as_bytes())
}

pub(super) fn is_form_field(kind: &[u8]) -> bool {
    let essence = kind.split(|byte| *byte == b';').next();
    essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(FORM))
}

/// Whether an answer about a token shall be one itself (RFC 9701).
pub(super) fn wants_token(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|field| wants_token_field(field.as_bytes()))
}

pub(super) fn wants_token_field(accepted: &[u8]) -> bool {
    let mut kinds = accepted.split(|byte| matches!(byte, b',' | b';'));
    kinds.any(|kind| kind.trim_ascii().eq_ignore_ascii_case(JWT.as_bytes()))
}

#[derive(Serialize)]
struct Told {
    error: &'static str,
    error_description: &'static str,
}

/// An answer, whoever writes it to the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    kind: Option<&'static str>,
    challenge: Option<String>,
    allow: Option<&'static str>,
    text: Vec<u8>,
}

/// An error as RFC 6749 section 5.2 and RFC 6750 section 3 have it.
pub(crate) fn refused(refusal: Refusal) -> Reply {
    let reply = refusal.reply();
    let told = Told {
        error: reply.code,
        error_description: reply.text,
    };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let challenge = reply.challenge.map(|scheme| {
        let (code, text) = (reply.code, reply.text);
        format!(r#"{scheme} realm="tollgate", error="{code}", error_description="{text}""#)
    });
    Reply {
        status,
        challenge,
        ..self::told(&told)
    }
}

/// What was asked for, as JSON for whoever asked.
pub(super) fn told(told: &impl Serialize) -> Reply {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut text, told).expect("invariant: texts and numbers under texts");
    Reply {
        kind: Some("application/json"),
        text,
        ..Reply::bare(StatusCode::OK)
    }
}

impl Reply {
    /// Without a word.
    pub(super) const fn bare(status: StatusCode) -> Self {
        Self {
            status,
            kind: None,
            challenge: None,
            allow: None,
            text: Vec::new(),
        }
    }

    pub(super) fn not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::bare(StatusCode::METHOD_NOT_ALLOWED)
        }
    }

    /// A token about a token.
    pub(super) fn statement(token: String) -> Self {
        Self {
            kind: Some(JWT),
            text: token.into_bytes(),
            ..Self::bare(StatusCode::OK)
        }
    }

    /// All fields but those that are about the connection.
    fn fields(&self) -> impl Iterator<Item = (HeaderName, &str)> {
        let is_told = self.kind.is_some();
        let private = private().into_iter().filter(move |_| is_told);
        let is_busy = self.status == StatusCode::SERVICE_UNAVAILABLE && is_told;
        let more = [
            self.kind.map(|kind| (header::CONTENT_TYPE, kind)),
            self.challenge
                .as_deref()
                .map(|it| (header::WWW_AUTHENTICATE, it)),
            self.allow.map(|allow| (header::ALLOW, allow)),
            is_busy.then_some((header::RETRY_AFTER, RETRY_AFTER)),
        ];
        private.chain(more.into_iter().flatten())
    }

    /// As it goes over the wire.
    pub(super) fn write(&self, out: &mut Vec<u8>, date: &str, is_last: bool) {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut put = |parts: &[&str]| {
            for part in parts {
                out.extend_from_slice(part.as_bytes());
            }
        };
        put(&["HTTP/1.1 ", self.status.as_str(), " ", reason, "\r\n"]);
        for (name, value) in self.fields() {
            put(&[name.as_str(), ": ", value, "\r\n"]);
        }
        if is_last {
            put(&["connection: close\r\n"]);
        }
        put(&["date: ", date, "\r\ncontent-length: "]);
        // A buffer takes whatever is written to it.
        let _ = write!(out, "{}\r\n\r\n", self.text.len());
        out.extend_from_slice(&self.text);
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        for (name, value) in self.fields() {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        *response.body_mut() = self.text.into();
        response
    }
}

/// The `Date` field, spelled once a second.
#[derive(Debug, Default)]
pub(super) struct Date {
    of: UnixSeconds,
    text: String,
}

impl Date {
    pub(super) fn at(&mut self, now: UnixSeconds) -> &str {
        if self.of != now || self.text.is_empty() {
            self.of = now;
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(now.0);
            self.text = httpdate::fmt_http_date(moment);
        }
        &self.text
    }
}

/// The answer is for whoever asked and for nobody between.
pub(crate) fn private() -> [(HeaderName, &'static str); 2] {
    [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ]
}

impl From<Unanswerable> for Reply {
    fn from(unanswerable: Unanswerable) -> Self {
        complain(&unanswerable);
        refused(Refusal::TemporarilyUnavailable)
    }
}

impl IntoResponse for Unanswerable {
    fn into_response(self) -> Response {
        Reply::from(self).into_response()
    }
}
