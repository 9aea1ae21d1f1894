//! How an answer is put together: JSON bytes, validators, and 304 where the client has it already.
//!
//! Preconditions follow RFC 9110 section 13: `If-None-Match` compares weakly and makes
//! `If-Modified-Since` go unread; `If-Match` compares strongly.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::clock::Timestamp;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Bytes {
    let bytes = serde_json::to_vec(value).expect("invariant: our answers have text keys only");
    Bytes::from(bytes)
}

/// An answer that nobody may keep.
pub(crate) fn unstored<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::CACHE_CONTROL, NO_STORE),
    ];
    (status, headers, json(value)).into_response()
}

/// A strong entity tag, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Etag(String);

impl Etag {
    /// The tag of exactly these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(format!("{:016x}", xxh3_64(bytes)))
    }

    /// The tag of an entity: readable, and still another one when a restart hands the same version
    /// to other contents.
    pub(crate) fn of_version(version: u64, contents: &[u8]) -> Self {
        Self(format!("{version}-{:016x}", xxh3_64(contents)))
    }

    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.quoted()).expect("invariant: digits and a dash")
    }

    /// Whether `If-Match` lets a change go on; without the header everything may.
    pub(crate) fn may_change(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::IF_MATCH) {
            return true;
        }
        listed(headers, header::IF_MATCH).any(|tag| match tag {
            Tag::Any => true,
            Tag::Strong(opaque) => opaque == self.0,
            Tag::Weak(_) => false,
        })
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        listed(headers, header::IF_NONE_MATCH).any(|tag| match tag {
            Tag::Any => true,
            Tag::Strong(opaque) | Tag::Weak(opaque) => opaque == self.0,
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Tag<'a> {
    Any,
    Strong(&'a str),
    Weak(&'a str),
}

fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Tag<'_>> {
    let lines = headers.get_all(name).into_iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(tags)
}

/// The tags of one header line, up to where it stops being a list of tags.
fn tags(line: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            return Some(Tag::Any);
        }
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        rest = after;
        Some(if is_weak {
            Tag::Weak(opaque)
        } else {
            Tag::Strong(opaque)
        })
    })
}

/// Something that can be answered with, or with the news that it has not changed.
pub(crate) struct Representation {
    pub(crate) body: Bytes,
    pub(crate) etag: Etag,
    pub(crate) modified: Option<Modified>,
    pub(crate) cache: &'static str,
}

impl Representation {
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T, cache: &'static str) -> Self {
        let body = json(value);
        Self {
            etag: Etag::of(&body),
            body,
            modified: None,
            cache,
        }
    }

    /// The answer to a GET that came with these headers.
    pub(crate) fn answer(self, request: &HeaderMap) -> Response {
        let mut response = if self.is_unchanged(request) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Response::new(Body::from(self.body));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.header());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache));
        if let Some(modified) = self.modified {
            let date = HeaderValue::from_str(&modified.claimed().http_date());
            headers.insert(
                header::LAST_MODIFIED,
                date.expect("invariant: a date is ASCII"),
            );
        }
        response
    }

    fn is_unchanged(&self, request: &HeaderMap) -> bool {
        if request.contains_key(header::IF_NONE_MATCH) {
            return self.etag.is_known(request);
        }
        let since = request.get(header::IF_MODIFIED_SINCE);
        let since = since.and_then(|date| Timestamp::parse_http_date(date.to_str().ok()?));
        match (self.modified, since) {
            (Some(modified), Some(since)) => modified.changed <= since,
            (None, _) | (_, None) => false,
        }
    }
}

/// When something changed, as seen at the moment of an answer.
///
/// The dates of HTTP have no more than seconds. While the second of a change lasts, another change
/// may follow in it, and a client that was told this second would take the older state for the
/// newer one. So until it has passed, an answer claims the second before, which makes the client
/// fetch once more than it would have to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modified {
    pub(crate) changed: Timestamp,
    pub(crate) now: Timestamp,
}

impl Modified {
    fn claimed(self) -> Timestamp {
        if self.changed < self.now {
            self.changed
        } else {
            self.changed.second_before()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_tags_is_read_up_to_where_it_breaks() {
        use Tag::{Any, Strong, Weak};
        for (line, expected) in [
            ("\"a\"", vec![Strong("a")]),
            (
                "\"a\", W/\"b\" ,\"c,d\"",
                vec![Strong("a"), Weak("b"), Strong("c,d")],
            ),
            ("*", vec![Any]),
            ("\"\"", vec![Strong("")]),
            ("", vec![]),
            ("a", vec![]),
            ("\"a", vec![]),
            ("\"a\", b, \"c\"", vec![Strong("a")]),
            ("w/\"a\"", vec![]),
        ] {
            assert_eq!(tags(line).collect::<Vec<_>>(), expected, "{line}");
        }
    }

    #[test]
    fn only_a_strong_tag_lets_a_change_go_on() {
        let etag = Etag("1-a".to_owned());
        for (line, expected) in [
            ("\"1-a\"", true),
            ("*", true),
            ("\"0\", \"1-a\"", true),
            ("W/\"1-a\"", false),
            ("\"2-a\"", false),
            ("1-a", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, line.parse().unwrap())]);
            assert_eq!(etag.may_change(&headers), expected, "{line}");
        }
        assert!(etag.may_change(&HeaderMap::new()));
    }

    #[test]
    fn the_second_of_a_change_is_claimed_only_once_it_has_passed() {
        let at = Timestamp::from_seconds;
        let claimed = |changed, now| {
            Modified {
                changed: at(changed),
                now: at(now),
            }
            .claimed()
        };
        assert_eq!(claimed(10, 11), at(10));
        assert_eq!(claimed(10, 10), at(9));
        assert_eq!(claimed(10, 3), at(9), "the clock went back");
    }
}
