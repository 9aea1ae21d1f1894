//! A composed answer, or why there is none, as an answer of HTTP.

use bytes::Bytes;
use composer_core::answer::{Answer, etag, is_known};
use composer_core::compose::Refused;
use composer_core::plan::Endpoint;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use xxhash_rust::xxh3::xxh3_128;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const COMPOSITION_STATUS: HeaderName = HeaderName::from_static("composition-status");
/// Seconds after which it is worth trying again.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

/// Why a request was not answered as it was meant.
pub(crate) struct Problem<'a> {
    pub(crate) status: StatusCode,
    /// For programs.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) detail: &'a str,
    /// What logs call the request.
    pub(crate) id: Option<&'a str>,
}

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
        let tag = etag(xxh3_128(&answer.body));
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

    /// Why there is no answer.
    pub(crate) fn refused(
        refused: &Refused,
        endpoint: Option<&Endpoint>,
        id: Option<&str>,
    ) -> Self {
        let detail = match (refused, endpoint) {
            (Refused::Step { step, cause }, Some(endpoint)) => match endpoint.step(*step) {
                Some(step) => format!("`{}` is required and failed: {cause}", step.name),
                None => refused.to_string(),
            },
            (_, _) => refused.to_string(),
        };
        Self::problem(&Problem {
            status: refused.status(),
            code: code(refused),
            detail: &detail,
            id,
        })
    }

    /// A problem as RFC 9457 has it.
    pub(crate) fn problem(problem: &Problem<'_>) -> Self {
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(CONTENT_TYPE, PROBLEM);
        headers.insert(CACHE_CONTROL, NO_STORE);
        if problem.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, AGAIN);
        }
        let id = problem.id.map(quoted);
        let id = id.map_or(String::new(), |id| format!(",\"request_id\":{id}"));
        let body = format!(
            "{{\"type\":\"about:blank\",\"status\":{},\"code\":\"{}\",\"detail\":{}{id}}}",
            problem.status.as_u16(),
            problem.code,
            quoted(problem.detail),
        );
        Self {
            status: problem.status,
            headers,
            body: body.into(),
        }
    }

    pub(crate) fn text(status: StatusCode, kind: HeaderValue, text: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: text.into(),
        }
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
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

/// What cannot be part of a head is left out: names of the configuration are plain, so nothing is.
fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;

    use super::*;

    fn reply(body: &[u8], is_partial: bool, asked: &HeaderMap) -> Reply {
        let answer = Answer {
            body: Bytes::copy_from_slice(body),
            is_partial,
            cache_control: "private, max-age=9".to_owned(),
            cache_status: "composer".to_owned(),
            composition_status: "complete".to_owned(),
            calls: 1,
            calls_naive: 1,
            duplicates: 0,
        };
        Reply::of(answer, asked)
    }

    fn tag_of(body: &[u8]) -> HeaderValue {
        let mut reply = reply(body, false, &HeaderMap::new());
        reply.headers.remove(ETAG).unwrap()
    }

    #[test]
    fn whoever_has_an_answer_is_told_so_with_all_that_may_be_new_of_it() {
        let (same, other) = (tag_of(b"{}"), tag_of(b"[]"));
        let nothing = HeaderMap::new();
        let names = |tag| HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
        #[rustfmt::skip]
        let cases = [
            (false, nothing.clone(),      StatusCode::OK),
            (false, names(same.clone()),  StatusCode::NOT_MODIFIED),
            (false, names(other),         StatusCode::OK),
            // Of what is missing nobody knows whether it is as it was.
            (true,  names(same.clone()),  StatusCode::OK),
            (true,  nothing,              StatusCode::OK),
        ];
        for (is_partial, asked, expected) in cases {
            let Reply {
                status,
                headers,
                body,
            } = reply(b"{}", is_partial, &asked);
            assert_eq!(status, expected, "{asked:?}");
            let is_sent = status == StatusCode::OK;
            assert_eq!(&*body, if is_sent { &b"{}"[..] } else { b"" });
            assert_eq!(headers.contains_key(CONTENT_TYPE), is_sent);
            assert_eq!(headers[ETAG], same);
            assert_eq!(headers[CACHE_CONTROL], "private, max-age=9");
            assert_eq!(headers[CACHE_STATUS], "composer");
            assert_eq!(headers[COMPOSITION_STATUS], "complete");
        }
    }

    #[test]
    fn one_byte_anywhere_makes_another_tag() {
        for length in [1, 3, 16, 17, 128, 240, 241, 1_024, 5_000] {
            let body = vec![b'x'; length];
            let tag = tag_of(&body);
            assert_eq!(tag_of(&body), tag, "{length}");
            for at in (0..length).step_by(1 + length / 50).chain([length - 1]) {
                let mut other = body.clone();
                other[at] ^= 1;
                assert_ne!(tag_of(&other), tag, "{at} of {length}");
            }
            assert_ne!(tag_of(&[&body[..], b" "].concat()), tag, "{length}");
        }
    }
}
