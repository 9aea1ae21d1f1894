//! The directives of `Cache-Control` that a cache in front of services obeys.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;

use crate::plan::Scope;

/// RFC 9111 section 1.2.2: more is counted as this.
const SECONDS_MAX: u64 = 1 << 31;

/// What is said in all lines of the field together. Where a directive is said twice the stricter
/// counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Control {
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub max_age: Option<Duration>,
    pub s_maxage: Option<Duration>,
    pub stale_while_revalidate: Option<Duration>,
    pub stale_if_error: Option<Duration>,
}

impl Control {
    pub fn of(fields: &HeaderMap) -> Self {
        let mut control = Self::default();
        for line in fields.get_all(CACHE_CONTROL) {
            control.read(line.as_bytes());
        }
        control
    }

    /// Whether an answer of this may not be used once it is stale.
    pub(crate) fn must_revalidate(&self, scope: Scope) -> bool {
        let is_shared = scope == Scope::Shared;
        self.must_revalidate
            || self.no_cache
            || is_shared && (self.proxy_revalidate || self.s_maxage.is_some())
    }

    fn read(&mut self, line: &[u8]) {
        for (name, argument) in Directives(line) {
            let seconds = || argument.as_deref().and_then(seconds).unwrap_or_default();
            match name.to_ascii_lowercase().as_slice() {
                b"no-store" => self.no_store = true,
                // With the names of fields these are meant for caches that keep single fields apart;
                // the stricter reading is right for all others.
                b"no-cache" => self.no_cache = true,
                b"private" => self.private = true,
                b"public" => self.public = true,
                b"must-revalidate" => self.must_revalidate = true,
                b"proxy-revalidate" => self.proxy_revalidate = true,
                b"max-age" => shorten(&mut self.max_age, seconds()),
                b"s-maxage" => shorten(&mut self.s_maxage, seconds()),
                b"stale-while-revalidate" => {
                    shorten(&mut self.stale_while_revalidate, seconds());
                }
                b"stale-if-error" => shorten(&mut self.stale_if_error, seconds()),
                _ => {}
            }
        }
    }
}

fn shorten(slot: &mut Option<Duration>, said: Duration) {
    *slot = Some(slot.map_or(said, |before| before.min(said)));
}

/// Whole seconds; one that is no number is none at all.
pub(super) fn seconds(text: &[u8]) -> Option<Duration> {
    let text = text.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(text)
        .ok()?
        .parse()
        .unwrap_or(SECONDS_MAX);
    Some(Duration::from_secs(number.min(SECONDS_MAX)))
}

/// `name`, `name=token` or `name="quoted"`, with commas between them.
struct Directives<'a>(&'a [u8]);

impl<'a> Iterator for Directives<'a> {
    type Item = (&'a [u8], Option<Cow<'a, [u8]>>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b',' | b'='));
        let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let (argument, rest) = match rest.strip_prefix(b"=") {
            Some(rest) => {
                let (argument, rest) = take_argument(rest);
                (Some(argument), rest)
            }
            None => (None, rest),
        };
        let next = rest.iter().position(|byte| *byte == b',');
        self.0 = next.and_then(|at| rest.get(at + 1..)).unwrap_or_default();
        Some((name.trim_ascii(), argument))
    }
}

fn take_argument(rest: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let rest = rest.trim_ascii_start();
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let end = rest.iter().position(|byte| *byte == b',');
        let (token, rest) = rest.split_at(end.unwrap_or(rest.len()));
        return (token.trim_ascii().into(), rest);
    };
    let mut argument = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => argument.extend(bytes.next()),
            other => argument.push(*other),
        }
    }
    (argument.into(), bytes.as_slice())
}
