//! The request line: RFC 9112 §3.

use http::Method;

use crate::host::Host;

use super::{HeadError, Version, check_method};

/// What a request line says.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) method: Method,
    /// As written, not canonical yet.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) version: Version,
    /// The authority of an absolute target.
    pub(super) authority: Option<Host>,
}

/// Splits off one line; the line end must be CRLF.
pub(crate) fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), HeadError> {
    let at = memchr::memchr(b'\n', bytes).ok_or(HeadError::RequestLine)?;
    let (line, rest) = bytes
        .split_at_checked(at + 1)
        .ok_or(HeadError::RequestLine)?;
    let line = line.strip_suffix(b"\r\n").ok_or(HeadError::BareLineFeed)?;
    Ok((line, rest))
}

impl<'a> Start<'a> {
    pub(super) fn parse(line: &'a [u8], target_bytes_max: usize) -> Result<Self, HeadError> {
        let line = std::str::from_utf8(line).map_err(|_| HeadError::RequestLine)?;
        let (method, rest) = line.split_once(' ').ok_or(HeadError::RequestLine)?;
        let (target, version) = rest.rsplit_once(' ').ok_or(HeadError::RequestLine)?;
        if target.len() > target_bytes_max {
            return Err(HeadError::TargetTooLong);
        }
        let version = parse_version(version)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| HeadError::RequestLine)?;
        check_method(&method)?;

        let (authority, target) = split_authority(target)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        if !query.is_none_or(|query| query.bytes().all(is_query_byte)) {
            return Err(HeadError::Query);
        }
        Ok(Self {
            method,
            path,
            query,
            version,
            authority,
        })
    }
}

fn parse_version(text: &str) -> Result<Version, HeadError> {
    match text {
        "HTTP/1.1" => Ok(Version::Http11),
        "HTTP/1.0" => Ok(Version::Http10),
        _ if text.starts_with("HTTP/") && text.len() == 8 => Err(HeadError::Version),
        _ => Err(HeadError::RequestLine),
    }
}

/// Takes `http://authority` off an absolute target.
fn split_authority(target: &str) -> Result<(Option<Host>, &str), HeadError> {
    if target.starts_with('/') {
        return Ok((None, target));
    }
    let (scheme, rest) = target.split_once("://").ok_or(HeadError::Target)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(HeadError::Target);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // `http://host?x` has no path to speak of; asking for `/` explicitly costs a client nothing.
    let path = if path.is_empty() { "/" } else { path };
    Ok((Some(Host::parse(authority)?), path))
}

/// RFC 3986 `query`, and the few printable characters that common clients leave unescaped in it.
fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}
