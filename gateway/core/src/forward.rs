//! What does the service see? The head a client sent, written anew for the next hop.
//!
//! Nothing of the client's framing survives: the request line, `Host`, the length and the
//! connection are spelled by us from what was understood, so that the service cannot understand
//! something else. A service that speaks HTTP/2 gets the same head as fields ([`compose()`]).

use std::io::Write as _;
use std::net::IpAddr;

use crate::fields::{ends_here, is_misleading, tells_of_client, write_field, write_parts};
use crate::head::{Field, Framing, Head, Version};
use crate::ids::{RequestId, Trace};
use crate::route::Route;

pub use compose::{ComposeError, compose};
pub use identity::Identity;

mod compose;
mod identity;

/// What the gateway knows about the request beyond its head.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'a> {
    pub request_id: &'a RequestId,
    pub trace: &'a Trace,
    pub peer: IpAddr,
    /// Whether the peer is a proxy whose word about the client is passed on.
    pub peer_is_trusted: bool,
    pub scheme: &'static str,
    /// Whether the connection is to become a WebSocket.
    pub upgrades: bool,
    /// Who asks, on a route that wants to know.
    pub identity: Option<&'a Identity<'a>>,
}

/// Writes the head that goes to the service.
pub fn write_head(head: &Head<'_>, route: &Route, hop: &Hop<'_>, out: &mut Vec<u8>) {
    write_request_line(head, route, out);
    write_host(head, out);
    for field in passing(head, route, hop) {
        write_field(field.name, field.value, out);
    }
    let rules = &route.request_fields;
    for (name, value) in rules.set.iter().chain(&rules.add) {
        write_field(name.as_str(), value.as_bytes(), out);
    }
    identity::tell(route, hop, |name, value| write_parts(name, value, out));
    write_forwarded(head, hop, out);
    write_field("x-request-id", hop.request_id.as_bytes(), out);
    write_field("traceparent", hop.trace.as_bytes(), out);
    write_framing(head, out);
    if hop.upgrades {
        write_field("connection", b"upgrade", out);
        write_field("upgrade", b"websocket", out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The fields of the client that go on as they came.
fn passing<'h, 'a>(
    head: &'h Head<'a>,
    route: &'h Route,
    hop: &Hop<'_>,
) -> impl Iterator<Item = &'h Field<'a>> {
    let is_stranger = !hop.peer_is_trusted;
    head.fields.iter().filter(move |field| {
        let is_dropped = ends_here(field.name)
            || is_misleading(field.name)
            || (is_stranger && tells_of_client(field.name))
            || identity::is_kept_back(route, field)
            || route.request_fields.is_dropped(field.name)
            || head
                .nominated
                .iter()
                .any(|name| name.eq_ignore_ascii_case(field.name));
        !is_dropped
    })
}

fn write_request_line(head: &Head<'_>, route: &Route, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    route.rewrite.apply(&head.path, out);
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(match head.version {
        Version::Http11 => b" HTTP/1.1\r\n",
        Version::Http10 => b" HTTP/1.0\r\n",
    });
}

fn write_host(head: &Head<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"host: ");
    out.extend_from_slice(head.host.name().as_bytes());
    if let Some(port) = head.host.port() {
        append(out, format_args!(":{port}"));
    }
    out.extend_from_slice(b"\r\n");
}

/// The client as the service should see it; what an untrusted peer says of itself is not passed on.
fn write_forwarded(head: &Head<'_>, hop: &Hop<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"x-forwarded-for: ");
    write_peers(head, hop, out);
    out.extend_from_slice(b"\r\n");
    write_field("x-forwarded-proto", hop.scheme_told(head), out);
    write_field("x-forwarded-host", hop.host_told(head), out);
}

/// Whom the request came through so far.
fn write_peers(head: &Head<'_>, hop: &Hop<'_>, out: &mut Vec<u8>) {
    if hop.peer_is_trusted {
        for value in head.values("x-forwarded-for") {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
    append(out, format_args!("{}", hop.peer.to_canonical()));
}

impl Hop<'_> {
    fn scheme_told<'a>(&self, head: &Head<'a>) -> &'a [u8] {
        let told = self.told(head, "x-forwarded-proto");
        told.unwrap_or(self.scheme.as_bytes())
    }

    fn host_told<'h>(&self, head: &'h Head<'_>) -> &'h [u8] {
        let told = self.told(head, "x-forwarded-host");
        told.unwrap_or(head.host.name().as_bytes())
    }

    fn told<'a>(&self, head: &Head<'a>, name: &str) -> Option<&'a [u8]> {
        head.only(name).filter(|_| self.peer_is_trusted)
    }
}

fn write_framing(head: &Head<'_>, out: &mut Vec<u8>) {
    match head.framing {
        // A service may ask for a length where the client sent `Content-Length: 0`.
        Framing::NoBody if head.only("content-length").is_some() => {
            write_field("content-length", b"0", out);
        }
        Framing::NoBody => {}
        Framing::Length(length) => append(out, format_args!("content-length: {length}\r\n")),
        Framing::Chunked => write_field("transfer-encoding", b"chunked", out),
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests;
