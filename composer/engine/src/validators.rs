//! The fields of an answer by which its service can later tell that nothing changed.

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};

/// As fields of the next request. A tag says more than a date, so the date goes along only where
/// there is no tag.
pub(crate) fn of(answer: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let tag = answer.get(ETAG).map(|tag| (IF_NONE_MATCH, tag.clone()));
    let date = || {
        let date = answer.get(LAST_MODIFIED)?;
        Some((IF_MODIFIED_SINCE, date.clone()))
    };
    tag.or_else(date).into_iter().collect()
}
