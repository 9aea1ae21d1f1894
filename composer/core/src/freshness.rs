//! How long may an answer be used again, and by whom? RFC 9111.
//!
//! The shorter of what a service says and what is configured wins. A shared cache obeys `s-maxage`
//! and `private`; one that holds a caller's own things for that caller is a private cache. What is
//! not understood is passed over, and what is understood twice counts at its strictest.

use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, PRAGMA, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::plan::{Cache, Scope};

pub use control::Control;
pub use reuse::Reuse;

mod control;
mod reuse;

#[cfg(test)]
mod tests;

/// When an answer was asked for, and when its head was there.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub requested: SystemTime,
    pub answered: SystemTime,
}

/// What may be done with an answer from the moment its head was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How long it may be used as it is. Zero: only after asking whether it is still so.
    pub fresh: Duration,
    /// How long after that while it is fetched anew.
    pub stale_while_revalidate: Duration,
    /// How long after that when it cannot be fetched.
    pub stale_if_error: Duration,
    /// How long it is fresh by what the service said, whatever is configured here; none where it
    /// said nothing. For [`Reuse::of`].
    pub said: Duration,
}

/// Why an answer is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unstorable {
    /// The service said `no-store`.
    NoStore,
    /// The service said `private`, and the cache is shared.
    Private,
    /// It sets a cookie, which is somebody's.
    Cookie,
    /// It varies with fields that are not part of what was asked.
    Varies,
    /// Its status is none that is kept.
    Status,
}

/// Whether an answer may be kept, and for how long.
pub fn judge(
    status: StatusCode,
    fields: &HeaderMap,
    timing: Timing,
    scope: Scope,
    cache: &Cache,
) -> Result<Freshness, Unstorable> {
    let control = Control::of(fields);
    check(status, fields, &control, scope)?;
    let lifetime = lifetime(fields, &control, timing, scope);
    let age = age(fields, timing);
    let said = lifetime.map(|lifetime| lifetime.saturating_sub(age));
    let fresh = said.map_or(cache.ttl.saturating_sub(age), |said| said.min(cache.ttl));
    let may_be_stale = !control.must_revalidate(scope);
    let stale = |configured: Duration, said: Option<Duration>| match said {
        _ if !may_be_stale => Duration::ZERO,
        Some(said) => said.min(configured),
        None => configured,
    };
    Ok(Freshness {
        fresh: if control.no_cache {
            Duration::ZERO
        } else {
            fresh
        },
        stale_while_revalidate: stale(cache.stale_while_revalidate, control.stale_while_revalidate),
        stale_if_error: stale(cache.stale_if_error, control.stale_if_error),
        said: if control.no_cache {
            Duration::ZERO
        } else {
            said.unwrap_or_default()
        },
    })
}

fn check(
    status: StatusCode,
    fields: &HeaderMap,
    control: &Control,
    scope: Scope,
) -> Result<(), Unstorable> {
    if status != StatusCode::OK {
        return Err(Unstorable::Status);
    }
    if control.no_store {
        return Err(Unstorable::NoStore);
    }
    if control.private && scope == Scope::Shared {
        return Err(Unstorable::Private);
    }
    if fields.contains_key(SET_COOKIE) {
        return Err(Unstorable::Cookie);
    }
    if varies(fields, scope) {
        return Err(Unstorable::Varies);
    }
    Ok(())
}

/// Our requests differ in nothing but their target and the caller. What is kept for a caller may vary
/// with the caller; what is shared may not.
fn varies(fields: &HeaderMap, scope: Scope) -> bool {
    let lines = fields.get_all(VARY).into_iter();
    let mut names = lines.flat_map(|line| line.to_str().unwrap_or("*").split(','));
    names.any(|name| match name.trim().to_ascii_lowercase().as_str() {
        "" | "accept" | "accept-encoding" | "user-agent" => false,
        "authorization" => scope == Scope::Shared,
        _ => true,
    })
}

/// Section 4.2.1. `None`: the service does not say.
fn lifetime(
    fields: &HeaderMap,
    control: &Control,
    timing: Timing,
    scope: Scope,
) -> Option<Duration> {
    let shared = control.s_maxage.filter(|_| scope == Scope::Shared);
    if let Some(said) = shared.or(control.max_age) {
        return Some(said);
    }
    // HTTP/1.0, section 5.4: only where nothing newer is said.
    if !fields.contains_key(CACHE_CONTROL) && fields.get_all(PRAGMA).iter().any(is_no_cache) {
        return Some(Duration::ZERO);
    }
    let expires = fields.get(EXPIRES)?;
    // An end that cannot be read, or that is there twice with another meaning, is past.
    let is_single = fields.get_all(EXPIRES).iter().all(|other| other == expires);
    let end = date(fields, &EXPIRES).filter(|_| is_single);
    let begin = date(fields, &DATE).unwrap_or(timing.answered);
    let lifetime = end.and_then(|end| end.duration_since(begin).ok());
    Some(lifetime.unwrap_or_default())
}

fn is_no_cache(line: &HeaderValue) -> bool {
    let text = line.to_str().unwrap_or_default();
    text.to_ascii_lowercase().contains("no-cache")
}

/// Section 4.2.3, at the moment the head was there.
fn age(fields: &HeaderMap, timing: Timing) -> Duration {
    let said = fields.get(AGE).map_or(Duration::ZERO, |line| {
        control::seconds(line.as_bytes()).unwrap_or_default()
    });
    let on_the_way = timing
        .answered
        .duration_since(timing.requested)
        .unwrap_or_default();
    let apparent = date(fields, &DATE)
        .and_then(|date| timing.answered.duration_since(date).ok())
        .unwrap_or_default();
    apparent.max(said.saturating_add(on_the_way))
}

fn date(fields: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    parse_date(fields.get(name)?.to_str().ok()?)
}

/// A date in any of the three forms of RFC 9110, section 5.6.7.
pub fn parse_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// A date in the form that is sent.
pub fn date_text(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}
