//! What does the service see? The head a client sent, written anew for the next hop.
//!
//! Nothing of the client's framing survives: the request line, `Host`, the length and the
//! connection are spelled by us from what was understood, so that the service cannot understand
//! something else.

use std::io::Write as _;
use std::net::IpAddr;

use crate::fields::{ends_here, write_field};
use crate::head::{Framing, Head, Version};
use crate::ids::{RequestId, Trace};
use crate::route::Route;

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
}

/// Writes the head that goes to the service.
pub fn write_head(head: &Head<'_>, route: &Route, hop: &Hop<'_>, out: &mut Vec<u8>) {
    write_request_line(head, route, out);
    write_host(head, out);
    for field in &head.fields {
        let is_dropped = ends_here(field.name)
            || route.request_fields.is_dropped(field.name)
            || head
                .nominated
                .iter()
                .any(|name| name.eq_ignore_ascii_case(field.name));
        if !is_dropped {
            write_field(field.name, field.value, out);
        }
    }
    let rules = &route.request_fields;
    for (name, value) in rules.set.iter().chain(&rules.add) {
        write_field(name.as_str(), value.as_bytes(), out);
    }
    write_forwarded(head, hop, out);
    write_field("x-request-id", hop.request_id.as_str().as_bytes(), out);
    write_field("traceparent", hop.trace.as_str().as_bytes(), out);
    write_framing(head, out);
    if hop.upgrades {
        write_field("connection", b"upgrade", out);
        write_field("upgrade", b"websocket", out);
    }
    out.extend_from_slice(b"\r\n");
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
    if hop.peer_is_trusted {
        for value in head.values("x-forwarded-for") {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
    append(out, format_args!("{}\r\n", hop.peer.to_canonical()));

    let told = |name| {
        if hop.peer_is_trusted {
            head.only(name)
        } else {
            None
        }
    };
    let scheme = told("x-forwarded-proto").unwrap_or(hop.scheme.as_bytes());
    write_field("x-forwarded-proto", scheme, out);
    if let Some(host) = told("x-forwarded-host") {
        write_field("x-forwarded-host", host, out);
    } else {
        write_field("x-forwarded-host", head.host.name().as_bytes(), out);
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
