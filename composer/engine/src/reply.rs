//! A composed answer, or why there is none, as an answer of HTTP.

use std::hash::Hasher as _;

use bytes::Bytes;
use composer_core::answer::{Answer, etag, is_known};
use composer_core::compose::Refused;
use composer_core::plan::Endpoint;
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const COMPOSITION_STATUS: HeaderName = HeaderName::from_static("composition-status");
/// Seconds after which it is worth trying again.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

/// What is sent to whoever asked.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The answer, or that it is the one that the client has.
    pub(crate) fn of(answer: Answer, asked: &HeaderMap) -> Self {
        let mut headers = HeaderMap::with_capacity(6);
        let tag = etag(hash(&answer.body));
        insert(&mut headers, CACHE_CONTROL, &answer.cache_control);
        insert(&mut headers, CACHE_STATUS, &answer.cache_status);
        insert(&mut headers, COMPOSITION_STATUS, &answer.composition_status);
        insert(&mut headers, ETAG, &tag);
        if !answer.is_partial && is_known(&tag, asked) {
            return Self {
                status: StatusCode::NOT_MODIFIED,
                headers,
                body: Bytes::new(),
            };
        }
        headers.insert(CONTENT_TYPE, JSON);
        Self {
            status: StatusCode::OK,
            headers,
            body: answer.body,
        }
    }

    /// Why there is no answer (RFC 9457).
    pub(crate) fn refused(refused: &Refused, endpoint: Option<&Endpoint>) -> Self {
        let status = refused.status();
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(CONTENT_TYPE, PROBLEM);
        headers.insert(CACHE_CONTROL, NO_STORE);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, AGAIN);
        }
        let mut body = format!(
            "{{\"type\":\"about:blank\",\"status\":{},\"code\":\"{}\",\"detail\":{}",
            status.as_u16(),
            code(refused),
            quoted(&refused.to_string()),
        );
        if let Refused::Step { step, .. } = refused
            && let Some(step) = endpoint.and_then(|endpoint| endpoint.step(*step))
        {
            body.push_str(",\"source\":");
            body.push_str(&quoted(&step.name));
        }
        body.push('}');
        Self {
            status,
            headers,
            body: body.into(),
        }
    }
}

/// What a refusal is called where programs read it.
fn code(refused: &Refused) -> &'static str {
    match refused {
        Refused::NoEndpoint => "no_endpoint",
        Refused::Param => "path_parameter",
        Refused::QueryMissing(_) | Refused::QueryTwice(_) | Refused::QueryNotText(_) => {
            "query_parameter"
        }
        Refused::TooManyRows { .. } => "too_many_rows",
        Refused::Step { .. } => "required_part_failed",
    }
}

/// The text as JSON has it; what a client wrote may be in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Of all bytes. The same in every process of one build, so that gateways agree on tags.
fn hash(body: &[u8]) -> u128 {
    #[expect(
        deprecated,
        reason = "its keys are fixed, those of its successor are not promised to be"
    )]
    let mut hasher = std::hash::SipHasher::new();
    hasher.write(body);
    let low = hasher.finish();
    hasher.write_u8(1);
    u128::from(hasher.finish()) << 64 | u128::from(low)
}

/// What cannot be part of a head is left out: names of the configuration are plain, so nothing is.
fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}
