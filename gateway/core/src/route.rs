//! One route: what it matches, where it leads and what it changes on the way.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use crate::admission::Admission;
use crate::fields::{FieldRules, folds_to, tells_of_client};
use crate::head::{Field, Head};
use crate::host::HostPattern;
use crate::level::Level;
use crate::path::PathPattern;
use crate::query::QueryCondition;
use crate::share::Shares;

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The services that answer.
    Services(Shares),
    /// The endpoint of this name, which is composed of several.
    Composed(Arc<str>),
}

impl Destination {
    /// Where it leads without composing; none where it does not.
    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        let shares = match self {
            Self::Services(shares) => Some(shares),
            Self::Composed(_) => None,
        };
        shares.into_iter().flat_map(Shares::services)
    }

    /// The place among these services of the one that takes a request.
    #[must_use]
    pub fn pick(&self, random: u64) -> usize {
        match self {
            Self::Services(shares) => shares.pick(random),
            Self::Composed(_) => 0,
        }
    }
}

/// A compiled route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Unique; the label in logs and metrics.
    pub name: Arc<str>,
    /// Listeners further out do not reach it.
    pub level: Level,
    pub matches: Matches,
    /// What its requests do; where nobody says, the method does.
    pub class: Option<Class>,
    /// What is wanted of callers; none where anybody may ask.
    pub admission: Option<Admission>,
    pub to: Destination,
    pub rewrite: Rewrite,
    pub request_fields: FieldRules,
    pub response_fields: FieldRules,
    /// Bytes of a request body; past it 413.
    pub body_bytes_max: u64,
    /// Overrides the service's own timeout.
    pub timeout: Option<Duration>,
    /// Whether a connection may become a WebSocket here.
    pub may_upgrade: bool,
}

/// Everything that must hold for a route to take a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    pub host: HostPattern,
    pub methods: Methods,
    pub path: PathPattern,
    pub conditions: Vec<FieldCondition>,
    pub query: Vec<QueryCondition>,
}

/// What a request does at the service, as far as sending it again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing: it only asks.
    Read,
    /// It changes something, whatever its method.
    Write,
    /// It moves money.
    Transfer,
}

impl Class {
    /// Whether a request may be sent again that the service may have acted on. Where nobody says
    /// what a route does, its methods are taken at their word.
    #[must_use]
    pub fn may_repeat(class: Option<Self>, method: &Method) -> bool {
        match class {
            None | Some(Self::Read) => is_read(method),
            Some(Self::Write | Self::Transfer) => false,
        }
    }
}

impl Matches {
    /// How many things beside host, path and method must hold.
    #[must_use]
    pub fn conditions_len(&self) -> usize {
        self.conditions.len() + self.query.len()
    }
}

/// The methods of a route. `GET` answers for `HEAD` too where no route names `HEAD` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    Any,
    Only(Vec<Method>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodsError {
    #[error("`{0}` is not a method")]
    NotAMethod(String),
    #[error("{0} is never routed")]
    NeverRouted(Method),
    #[error("{0} is there twice")]
    Twice(Method),
}

impl Methods {
    /// Parses `GET` or `PUT,PATCH`.
    pub fn parse(text: &str) -> Result<Self, MethodsError> {
        let mut methods = Vec::new();
        for word in text.split(',') {
            let is_upper = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
            let method = Method::from_bytes(word.as_bytes())
                .ok()
                .filter(|_| is_upper);
            let method = method.ok_or_else(|| MethodsError::NotAMethod(word.to_owned()))?;
            if !may_be_routed(&method) {
                return Err(MethodsError::NeverRouted(method));
            }
            if methods.contains(&method) {
                return Err(MethodsError::Twice(method));
            }
            methods.push(method);
        }
        Ok(Self::Only(methods))
    }

    #[must_use]
    pub fn contain(&self, method: &Method) -> bool {
        match self {
            Self::Any => true,
            Self::Only(methods) => {
                methods.contains(method)
                    || (*method == Method::HEAD && methods.contains(&Method::GET))
            }
        }
    }
}

/// The methods that HTTP defines to change nothing (RFC 9110 §9.2.1) and that are routed.
#[must_use]
pub fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// `CONNECT` would turn the gateway into a tunnel and `TRACE` would show it to scripts.
#[must_use]
pub fn may_be_routed(method: &Method) -> bool {
    *method != Method::CONNECT && *method != Method::TRACE
}

/// A request field that must have exactly this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCondition {
    pub name: HeaderName,
    pub value: HeaderValue,
}

/// Whether a condition holds of a request; of several the least counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    No,
    /// To some who read the request, and to others not.
    Perhaps,
    Yes,
}

impl FieldCondition {
    /// Judged by the fields that a service is told. What a client nominates, or says of clients behind it
    /// without being trusted, ends here.
    #[must_use]
    pub fn holds(&self, head: &Head<'_>, peer_is_trusted: bool) -> Holds {
        let name = self.name.as_str();
        let is_nominated = |field: &Field<'_>| {
            let mut nominated = head.nominated.iter();
            nominated.any(|name| name.eq_ignore_ascii_case(field.name))
        };
        let goes_on = |field: &&Field<'_>| {
            (peer_is_trusted || !tells_of_client(field.name)) && !is_nominated(field)
        };
        let named = head.fields.iter().filter(|it| folds_to(it.name, name));
        let wanted = self.value.as_bytes();
        Holds::of(named.filter(goes_on).flat_map(|field| {
            readings(field.value, wanted).map(|value| Found {
                is_spelled: field.name.eq_ignore_ascii_case(name),
                is_right: value == wanted,
            })
        }))
    }
}

/// What a value is taken for that is not just what is wanted: `a, b` is a field that is there twice
/// (RFC 9110 §5.3).
fn readings<'v>(value: &'v [u8], wanted: &[u8]) -> impl Iterator<Item = &'v [u8]> {
    let is_whole = value == wanted;
    let values = value.split(move |byte| *byte == b',' && !is_whole);
    values.map(<[u8]>::trim_ascii)
}

/// What stands in a request by a name that some take for the name that is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Whether everybody takes it for that.
    pub(crate) is_spelled: bool,
    pub(crate) is_right: bool,
}

impl Holds {
    /// Of what was found.
    pub(crate) fn of(mut found: impl Iterator<Item = Found>) -> Self {
        let (first, second) = (found.next(), found.next());
        match (first, second) {
            (None, _) => Self::No,
            (Some(only), None) => match (only.is_right, only.is_spelled) {
                (true, true) => Self::Yes,
                (true, false) => Self::Perhaps,
                (false, _) => Self::No,
            },
            (Some(first), Some(second)) => {
                let is_somewhere = first.is_right || second.is_right || found.any(|it| it.is_right);
                match is_somewhere {
                    true => Self::Perhaps,
                    false => Self::No,
                }
            }
        }
    }
}

/// How the path a client asked for becomes the path a service sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// A prefix of whole segments to take away: `/money`, or empty.
    pub strip: String,
    /// A prefix to put in front: `/v1`, or empty.
    pub add: String,
}

impl Rewrite {
    /// Appends the rewritten path to `out`.
    pub fn apply(&self, path: &str, out: &mut Vec<u8>) {
        let kept = path.strip_prefix(self.strip.as_str()).unwrap_or(path);
        out.extend_from_slice(self.add.as_bytes());
        if !kept.starts_with('/') && (self.add.is_empty() || !kept.is_empty()) {
            out.push(b'/');
        }
        out.extend_from_slice(kept.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_upper_case_words() {
        #[rustfmt::skip]
        let cases = [
            ("GET",         Ok(Methods::Only(vec![Method::GET]))),
            ("PUT,PATCH",   Ok(Methods::Only(vec![Method::PUT, Method::PATCH]))),
            ("get",         Err(MethodsError::NotAMethod("get".into()))),
            ("",            Err(MethodsError::NotAMethod(String::new()))),
            ("GET,",        Err(MethodsError::NotAMethod(String::new()))),
            ("GET,GET",     Err(MethodsError::Twice(Method::GET))),
            ("CONNECT",     Err(MethodsError::NeverRouted(Method::CONNECT))),
            ("TRACE",       Err(MethodsError::NeverRouted(Method::TRACE))),
        ];
        for (text, expected) in cases {
            assert_eq!(Methods::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_reads_is_repeated() {
        #[rustfmt::skip]
        let cases = [
            (None,                  [true,  true,  true,  false, false]),
            (Some(Class::Read),     [true,  true,  true,  false, false]),
            (Some(Class::Write),    [false, false, false, false, false]),
            (Some(Class::Transfer), [false, false, false, false, false]),
        ];
        let methods = [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::POST,
        ];
        for (class, expected) in cases {
            let found = methods
                .each_ref()
                .map(|method| Class::may_repeat(class, method));
            assert_eq!(found, expected, "{class:?}");
        }
    }

    #[test]
    fn a_prefix_is_stripped_and_another_put_in_front() {
        #[rustfmt::skip]
        let cases = [
            ("",       "",     "/money/x",   "/money/x"),
            ("/money", "",     "/money/x",   "/x"),
            ("/money", "",     "/money",     "/"),
            ("/money", "",     "/money/",    "/"),
            ("/money", "/v1",  "/money/x",   "/v1/x"),
            ("/money", "/v1",  "/money",     "/v1"),
            ("",       "/v1",  "/",          "/v1/"),
        ];
        for (strip, add, path, expected) in cases {
            let mut out = Vec::new();
            Rewrite {
                strip: strip.into(),
                add: add.into(),
            }
            .apply(path, &mut out);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                expected,
                "{strip} {add} {path}"
            );
        }
    }
}
