//! Reading what a client sent: the query, the ids of a batch, a page, a JSON body, a key.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::problem::Refusal;

pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
pub(crate) const BATCH_IDS_MAX: usize = 100;
pub(crate) const PAGE_MAX: usize = 200;
const PAGE_DEFAULT: usize = 50;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const KEY_BYTES_MAX: usize = 128;

/// The part of the path that a route leaves open.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let found = Path::from_request_parts(parts, state).await;
        found
            .map(|Path(text)| Self(text))
            .map_err(|_| Refusal::NoRoute)
    }
}

/// The query, whose unknown names are refused by the type it is read into.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = Query::try_from_uri(&parts.uri);
        let Query(params) = query.map_err(|error| Refusal::Query(innermost(&error)))?;
        Ok(Self(params))
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A JSON object of at most [`BODY_BYTES_MAX`] bytes.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::MediaType("application/json"));
        }
        let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state));
        let body = read
            .await
            .map_err(|_| Refusal::BodyTooSlow)?
            .map_err(|rejection| unread(&rejection))?;
        // Left to itself, serde reads an array as an object whose names were left out.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Refusal::Body("it is not a JSON object".to_owned()));
        }
        let value = serde_json::from_slice(&body);
        value
            .map(Self)
            .map_err(|error| Refusal::Body(error.to_string()))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = text.split(';').next().unwrap_or("").trim();
    ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
}

fn unread(rejection: &BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Refusal::BodyTooLarge(BODY_BYTES_MAX)
    } else {
        Refusal::BodyCut
    }
}

/// The key that makes a repeated write one write.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Arc<str>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut keys = parts.headers.get_all("idempotency-key").into_iter();
        let key = keys.next().ok_or(Refusal::KeyMissing)?;
        let text = key.to_str().map_err(|_| Refusal::KeyMalformed)?;
        let is_key = (1..=KEY_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && keys.next().is_none();
        if is_key {
            Ok(Self(text.into()))
        } else {
            Err(Refusal::KeyMalformed)
        }
    }
}

/// The ids of a batch, each once, in the order of their first mention.
pub(crate) fn batch(ids: &str) -> Result<Vec<&str>, Refusal> {
    let named: Vec<&str> = ids.split(',').collect();
    check_batch(&named)?;
    let mut seen = HashSet::new();
    Ok(named.into_iter().filter(|id| seen.insert(*id)).collect())
}

fn check_batch(named: &[&str]) -> Result<(), Refusal> {
    if named.len() > BATCH_IDS_MAX {
        return Err(Refusal::TooManyIds(BATCH_IDS_MAX));
    }
    if named.iter().any(|id| id.is_empty()) {
        Err(Refusal::NoIds)
    } else {
        Ok(())
    }
}

/// The ids of a batch with the version the client holds of each, where it holds one.
pub(crate) fn versioned_batch<'a>(
    ids: &'a str,
    versions: Option<&str>,
) -> Result<Vec<(&'a str, Option<u64>)>, Refusal> {
    let Some(versions) = versions else {
        return Ok(batch(ids)?.into_iter().map(|id| (id, None)).collect());
    };
    let named: Vec<&str> = ids.split(',').collect();
    check_batch(&named)?;
    let held: Vec<&str> = versions.split(',').collect();
    if held.len() != named.len() {
        return Err(Refusal::Versions);
    }
    let mut seen = HashSet::new();
    let pairs = named
        .into_iter()
        .zip(held)
        .filter(|(id, _)| seen.insert(*id));
    pairs
        .map(|(id, version)| Ok((id, held_version(version)?)))
        .collect()
}

fn held_version(text: &str) -> Result<Option<u64>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Refusal::Versions)
}

/// Which page of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// The last entry of the page before.
    pub(crate) after: Option<u64>,
    pub(crate) limit: usize,
}

impl Page {
    /// An empty cursor is the first page, as a client that always sends one would have it.
    pub(crate) fn parse(cursor: Option<&str>, limit: Option<usize>) -> Result<Self, Refusal> {
        let limit = limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(Refusal::PageSize(PAGE_MAX));
        }
        let after = match cursor {
            None | Some("") => None,
            Some(cursor) => Some(parse_cursor(cursor).ok_or(Refusal::Cursor)?),
        };
        Ok(Self { after, limit })
    }
}

/// A cursor names the last entry that was seen, so pages stay whole while entries are added.
pub(crate) fn cursor(last: u64) -> String {
    format!("k{last:x}")
}

fn parse_cursor(text: &str) -> Option<u64> {
    let digits = text.strip_prefix('k')?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (cursor(number) == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_taken_at_its_limit_and_refused_one_past_it() {
        let ids = |count: usize| {
            (1..=count)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(batch(&ids(BATCH_IDS_MAX)).unwrap().len(), BATCH_IDS_MAX);
        assert_eq!(
            batch(&ids(BATCH_IDS_MAX + 1)),
            Err(Refusal::TooManyIds(BATCH_IDS_MAX))
        );
        assert_eq!(batch(""), Err(Refusal::NoIds));
        assert_eq!(batch("1,,2"), Err(Refusal::NoIds));
        assert_eq!(batch("2,1,2").unwrap(), ["2", "1"]);
    }

    #[test]
    fn versions_stand_beside_the_ids_they_belong_to() {
        let pairs = versioned_batch("7,8,7", Some("3,,4")).unwrap();
        assert_eq!(pairs, [("7", Some(3)), ("8", None)]);
        assert_eq!(versioned_batch("7,8", Some("3")), Err(Refusal::Versions));
        assert_eq!(versioned_batch("7", Some("x")), Err(Refusal::Versions));
    }

    #[test]
    fn only_cursors_that_were_handed_out_are_taken() {
        let parse = |text: &str| Page::parse(Some(text), None).map(|page| page.after);
        assert_eq!(parse(&cursor(u64::MAX)), Ok(Some(u64::MAX)));
        assert_eq!(parse(""), Ok(None));
        for text in ["1", "k", "k01", "kA", "k+1", "k-1", "kffffffffffffffff0"] {
            assert_eq!(parse(text), Err(Refusal::Cursor), "{text}");
        }
        assert!(Page::parse(None, Some(PAGE_MAX)).is_ok());
        assert!(Page::parse(None, Some(PAGE_MAX + 1)).is_err());
        assert!(Page::parse(None, Some(0)).is_err());
    }
}
