//! The head for a service that speaks HTTP/2: pseudo-fields and fields instead of lines.

use std::io::Write as _;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};

use super::{Hop, identity, passing, write_peers};
use crate::head::{Framing, Head};
use crate::route::Route;

/// Why a head that was read cannot be said in HTTP/2. None is known that comes to this.
#[derive(Debug, thiserror::Error)]
#[error("the head cannot be said in HTTP/2")]
pub struct ComposeError(#[from] http::Error);

/// Composes the head that goes to a service in HTTP/2 (RFC 9113 §8.3).
///
/// The framing of a body is that of the stream; a length is told where the client told one, and
/// that trailers are welcome where they are to the client.
pub fn compose(head: &Head<'_>, route: &Route, hop: &Hop<'_>) -> Result<Request<()>, ComposeError> {
    let mut fields = HeaderMap::with_capacity(head.fields.len() + 8);
    for field in passing(head, route, hop) {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(http::Error::from)?;
        fields.append(name, value(field.value)?);
    }
    let rules = &route.request_fields;
    for (name, value) in rules.set.iter().chain(&rules.add) {
        fields.append(name, value.clone());
    }
    tell_identity(route, hop, &mut fields)?;
    let mut peers = Vec::with_capacity(40);
    write_peers(head, hop, &mut peers);
    #[rustfmt::skip]
    let ours: [(&str, &[u8]); 5] = [
        ("x-forwarded-for",   &peers),
        ("x-forwarded-proto", hop.scheme_told(head)),
        ("x-forwarded-host",  hop.host_told(head)),
        ("x-request-id",      hop.request_id.as_bytes()),
        ("traceparent",       hop.trace.as_bytes()),
    ];
    for (name, said) in ours {
        fields.append(HeaderName::from_static(name), value(said)?);
    }
    if let Some(length) = length(head) {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if head.takes_trailers() {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri(head, route)?;
    *request.headers_mut() = fields;
    debug_assert!(!request.headers().contains_key(HOST));
    Ok(request)
}

fn tell_identity(route: &Route, hop: &Hop<'_>, fields: &mut HeaderMap) -> Result<(), ComposeError> {
    let mut told = Ok(());
    identity::tell(route, hop, |name, said| match value(&said.concat()) {
        Ok(mut said) => {
            // So that it is kept in no table of HTTP/2, and shown by nothing that shows heads.
            said.set_sensitive(name == AUTHORIZATION);
            fields.append(HeaderName::from_static(name), said);
        }
        Err(error) => told = Err(error),
    });
    told
}

fn value(bytes: &[u8]) -> Result<HeaderValue, ComposeError> {
    let value = HeaderValue::from_bytes(bytes).map_err(http::Error::from);
    Ok(value?)
}

/// A service may ask for a length where the client sent `Content-Length: 0`.
fn length(head: &Head<'_>) -> Option<u64> {
    match head.framing {
        Framing::NoBody => head.only("content-length").map(|_| 0),
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    }
}

fn uri(head: &Head<'_>, route: &Route) -> Result<Uri, ComposeError> {
    let mut target = Vec::with_capacity(head.path.len() + head.query.map_or(0, str::len) + 16);
    route.rewrite.apply(&head.path, &mut target);
    if let Some(query) = head.query {
        target.push(b'?');
        write_query(query, &mut target);
    }
    let mut authority = head.host.name().to_owned();
    if let Some(port) = head.host.port() {
        authority = format!("{authority}:{port}");
    }
    let authority = Authority::try_from(authority).map_err(http::Error::from)?;
    let target = PathAndQuery::try_from(target).map_err(http::Error::from)?;
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(authority);
    Ok(uri.path_and_query(target).build()?)
}

/// Three characters that some clients leave unescaped are no part of a URI, and many HTTP/2 servers
/// refuse them.
fn write_query(query: &str, out: &mut Vec<u8>) {
    for byte in query.bytes() {
        if matches!(byte, b'"' | b'<' | b'>') {
            // Writing to a vector cannot fail.
            let _ = write!(out, "%{byte:02X}");
        } else {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests;
