//! Who gives an order?

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::answer::Problem;

const FIELD: &str = "tollgate-actor";
const CHARS_MAX: usize = 64;

/// As the caller names themselves: whoever has the administrator's credential is believed. Of whom
/// nothing is said, the audit log says `administrator`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actor(String);

impl Actor {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut named = parts.headers.get_all(FIELD).iter();
        let Some(name) = named.next() else {
            return Ok(Self("administrator".to_owned()));
        };
        let name = name.to_str().ok().filter(|name| is_plain(name));
        match name {
            Some(name) if named.next().is_none() => Ok(Self(name.to_owned())),
            Some(_) | None => Err(Problem::Actor),
        }
    }
}

/// It stands in a log that people and machines read.
fn is_plain(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" .@_-".contains(&byte);
    (1..=CHARS_MAX).contains(&name.len()) && name.bytes().all(is_allowed)
}
