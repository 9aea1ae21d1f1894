//! What a request says, and why it may be refused.

use std::borrow::Cow;

use http::StatusCode;

use crate::cause::Cause;
use crate::plan::{Endpoint, StepId};

/// Why there is no composed answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such endpoint")]
    NoEndpoint,
    #[error("a parameter of the path is not text, or is empty")]
    Param,
    #[error("the query needs `{0}`")]
    QueryMissing(Box<str>),
    #[error("the query has `{0}` twice")]
    QueryTwice(Box<str>),
    #[error("`{0}` in the query is not text")]
    QueryNotText(Box<str>),
    #[error("more than {rows_max} rows")]
    TooManyRows { rows_max: usize },
    #[error("a required part failed: {cause}")]
    Step { step: StepId, cause: Cause },
}

impl Refused {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoEndpoint => StatusCode::NOT_FOUND,
            Self::Param | Self::QueryMissing(_) | Self::QueryTwice(_) | Self::QueryNotText(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::TooManyRows { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Step { cause, .. } => cause.status(),
        }
    }
}

pub(super) struct Request {
    pub(super) params: Vec<String>,
    pub(super) queries: Vec<Option<String>>,
}

pub(super) fn read(
    endpoint: &Endpoint,
    params: &[&str],
    query: Option<&str>,
) -> Result<Request, Refused> {
    if params.len() != endpoint.params.len() {
        return Err(Refused::NoEndpoint);
    }
    let decoded = params
        .iter()
        .map(|raw| decode(raw, false).filter(|text| !text.is_empty()));
    let params = decoded.map(|text| text.map(Cow::into_owned).ok_or(Refused::Param));
    let queries = endpoint.queries.iter().map(|wanted| {
        let found = find(query.unwrap_or_default(), &wanted.name)?;
        match found {
            None if wanted.is_required => Err(Refused::QueryMissing(wanted.name.clone())),
            found => Ok(found),
        }
    });
    Ok(Request {
        params: params.collect::<Result<_, _>>()?,
        queries: queries.collect::<Result<_, _>>()?,
    })
}

/// A parameter that is there twice has no one meaning.
fn find(query: &str, name: &str) -> Result<Option<String>, Refused> {
    let mut found = None;
    for pair in query.split('&') {
        let (written, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(written, true).as_deref() != Some(name) {
            continue;
        }
        let value = decode(value, true).ok_or_else(|| Refused::QueryNotText(name.into()))?;
        if found.replace(value.into_owned()).is_some() {
            return Err(Refused::QueryTwice(name.into()));
        }
    }
    Ok(found)
}

/// Takes percent-encoding away, and with `is_form` the `+` for a space. `None`: no UTF-8, or a NUL.
fn decode(text: &str, is_form: bool) -> Option<Cow<'_, str>> {
    let is_encoded = text.contains('%') || is_form && text.contains('+');
    if !is_encoded {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
                rest = after;
            }
            b'+' if is_form => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_taken_away_or_refused() {
        #[rustfmt::skip]
        let cases = [
            ("abc",      false, Some("abc")),
            ("a%2Fb",    false, Some("a/b")),
            ("a+b",      false, Some("a+b")),
            ("a+b",      true,  Some("a b")),
            ("%C3%A9",   false, Some("é")),
            ("%C3",      false, None),
            ("%",        false, None),
            ("%4",       false, None),
            ("%+1",      false, None),
            ("%zz",      false, None),
            ("%00",      false, None),
        ];
        for (text, is_form, expected) in cases {
            assert_eq!(decode(text, is_form).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_parameter_is_found_once_or_refused() {
        let twice = || Err(Refused::QueryTwice("cursor".into()));
        #[rustfmt::skip]
        let cases = [
            ("",                       Ok(None)),
            ("cursor=a",               Ok(Some("a"))),
            ("limit=1&cursor=a%26b",   Ok(Some("a&b"))),
            ("curs%6Fr=a",             Ok(Some("a"))),
            ("cursor",                 Ok(Some(""))),
            ("cursor=",                Ok(Some(""))),
            ("cursors=a",              Ok(None)),
            ("cursor=a&cursor=a",      twice()),
            ("cursor=a&curs%6Fr=b",    twice()),
            ("cursor=%ff",             Err(Refused::QueryNotText("cursor".into()))),
        ];
        for (query, expected) in cases {
            assert_eq!(
                find(query, "cursor"),
                expected.map(|it| it.map(str::to_owned)),
                "{query}"
            );
        }
    }
}
