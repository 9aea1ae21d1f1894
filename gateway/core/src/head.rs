//! Is this request head sound, and what does it say?
//!
//! RFC 9112 read strictly: wherever two servers in a row could read the same bytes differently
//! (request smuggling), the head is refused rather than repaired. Nothing here guesses.

use std::borrow::Cow;
use std::fmt;

use http::Method;

use crate::host::{Host, HostError};
use crate::limits::Limits;
use crate::path::{self, PathError};
use crate::route::may_be_routed;

pub(crate) use connection::Connection;
pub(crate) use fields::{are_marked, fold as fold_fields, is_token_byte, marked};
pub(crate) use line::split as split_line;

use fields::Known;

mod connection;
mod fields;
mod line;

/// A request head that was judged sound; borrows from the bytes it was read from.
pub struct Head<'a> {
    pub method: Method,
    /// Canonical, without the query.
    pub path: Cow<'a, str>,
    pub query: Option<&'a str>,
    pub version: Version,
    pub host: Host,
    /// As they came, in order.
    pub fields: Vec<Field<'a>>,
    /// Fields that `Connection` names; they end at this hop.
    pub nominated: Vec<&'a str>,
    pub framing: Framing,
    /// Whether the client wants to send another request on this connection.
    pub keeps_alive: bool,
    pub expects_continue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: &'a str,
    pub value: &'a [u8],
}

/// Not the query: it may hold what nobody else should read.
impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("version", &self.version)
            .field("host", &self.host)
            .field("fields", &self.fields)
            .field("framing", &self.framing)
            .finish_non_exhaustive()
    }
}

/// Not the value: it may be a credential.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.name, self.value.len())
    }
}

/// How the end of a request body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    NoBody,
    Length(u64),
    Chunked,
}

/// Why a head is refused. The text is for the log, not for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("a line ends in a bare line feed")]
    BareLineFeed,
    #[error("the request line is not `METHOD target HTTP/1.x`")]
    RequestLine,
    #[error("the HTTP version is not 1.0 or 1.1")]
    Version,
    #[error("the method is never served")]
    MethodNeverServed,
    #[error("the target is neither a path nor an absolute http URI")]
    Target,
    #[error("the target is longer than allowed")]
    TargetTooLong,
    #[error("path: {0}")]
    Path(#[from] PathError),
    #[error("the query has a byte that must be percent-encoded")]
    Query,
    #[error("the head is larger than allowed")]
    TooLarge,
    #[error("the head has more fields than allowed")]
    TooManyFields,
    #[error("a field line is folded")]
    Folded,
    #[error("a field name is not a token followed by a colon")]
    FieldName,
    #[error("a field value has a control byte")]
    FieldValue,
    #[error("`Host` is missing")]
    HostMissing,
    #[error("`Host` is there twice")]
    HostTwice,
    #[error("host: {0}")]
    Host(#[from] HostError),
    #[error("`Host` and the authority of the target differ")]
    HostDiffers,
    #[error("`Content-Length` is there twice")]
    LengthTwice,
    #[error("`Content-Length` is not a number")]
    Length,
    #[error("both `Content-Length` and `Transfer-Encoding`")]
    LengthAndEncoding,
    #[error("`Transfer-Encoding` is other than exactly `chunked`")]
    Encoding,
    #[error("`Transfer-Encoding` on HTTP/1.0")]
    EncodingOnHttp10,
    #[error("`Connection` names too many fields or one that is no token")]
    Connection,
    #[error("`Expect` is other than `100-continue`")]
    Expectation,
}

/// Looks for the end of a head in what was read so far; `searched` bytes were looked at before.
///
/// `Ok(Some(n))`: the head is the first `n` bytes, its empty line included.
pub fn find_end(bytes: &[u8], searched: usize) -> Result<Option<usize>, HeadError> {
    for at in memchr::memchr_iter(b'\n', bytes.get(searched..).unwrap_or_default()) {
        let at = searched + at;
        let before = bytes.get(..at).unwrap_or_default();
        let line = before.strip_suffix(b"\r").ok_or(HeadError::BareLineFeed)?;
        // One empty line in front of a request is skipped: RFC 9112 §2.2.
        if line.is_empty() {
            continue;
        }
        if line.ends_with(b"\r\n") {
            return Ok(Some(at + 1));
        }
    }
    Ok(None)
}

impl<'a> Head<'a> {
    /// Judges a whole head, its empty line included.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, HeadError> {
        if bytes.len() > limits.head_bytes_max {
            return Err(HeadError::TooLarge);
        }
        let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        let (first, rest) = line::split(bytes)?;
        let start = line::Start::parse(first, limits.target_bytes_max)?;
        let (fields, mut known) = fields::parse(rest, limits.fields_max)?;

        let host = known.host.take().ok_or(HeadError::HostMissing)?;
        if start
            .authority
            .as_ref()
            .is_some_and(|authority| *authority != host)
        {
            return Err(HeadError::HostDiffers);
        }
        let framing = framing(start.version, &known)?;
        let keeps_alive = known.connection.goes_on(start.version == Version::Http11);
        Ok(Self {
            method: start.method,
            path: path::canonical(start.path)?,
            query: start.query,
            version: start.version,
            host,
            fields,
            nominated: known.connection.nominated,
            framing,
            keeps_alive,
            expects_continue: known.expects_continue,
        })
    }

    /// The value of a field that is there exactly once.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<&'a [u8]> {
        only(&self.fields, name)
    }

    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n, '_> {
        let same = move |field: &&Field<'a>| field.name.eq_ignore_ascii_case(name);
        self.fields.iter().filter(same).map(|field| field.value)
    }

    /// Whether the client takes fields behind the body of an answer (RFC 9110 §10.1.4).
    #[must_use]
    pub fn takes_trailers(&self) -> bool {
        let mut words = self
            .values("te")
            .flat_map(|value| value.split(|byte| *byte == b','));
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    }
}

/// The value of a field that is there exactly once.
pub(crate) fn only<'a>(fields: &[Field<'a>], name: &str) -> Option<&'a [u8]> {
    let mut same = fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case(name));
    let first = same.next()?;
    match same.next() {
        Some(_) => None,
        None => Some(first.value),
    }
}

fn framing(version: Version, known: &Known<'_>) -> Result<Framing, HeadError> {
    match (known.length, known.is_chunked) {
        (Some(_), true) => Err(HeadError::LengthAndEncoding),
        (None, true) if version == Version::Http10 => Err(HeadError::EncodingOnHttp10),
        (None, true) => Ok(Framing::Chunked),
        (Some(0) | None, false) => Ok(Framing::NoBody),
        (Some(length), false) => Ok(Framing::Length(length)),
    }
}

fn check_method(method: &Method) -> Result<(), HeadError> {
    if may_be_routed(method) {
        Ok(())
    } else {
        Err(HeadError::MethodNeverServed)
    }
}

#[cfg(test)]
mod tests;
