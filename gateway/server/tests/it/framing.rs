//! Which bytes are a request, and what does the service see of it?
//!
//! Every case is bytes on a socket, the answer a client must hear, whether its connection goes on,
//! and every request the service sees: RFC 9112, and the ways two readers of it were ever made to
//! disagree. A case runs whole, with another request in the same write, and slowly; all three must
//! end the same.

mod case;
pub(crate) mod service;

mod chunks;
mod connection_options;
mod content_length;
mod expectations;
mod fields;
mod host;
mod limits;
mod methods;
mod paths;
mod request_line;
mod slices;
mod transfer_encoding;

/// A `GET` of `/a` with these field lines behind `Host`.
fn get(fields: impl AsRef<[u8]>) -> Vec<u8> {
    request(b"GET /a HTTP/1.1", fields.as_ref(), b"")
}

/// A `POST` to `/a` with these field lines behind `Host`, and bytes behind its head.
fn post(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    request(b"POST /a HTTP/1.1", fields.as_ref(), body.as_ref())
}

/// A chunked `POST` to `/a`.
fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked", body)
}

/// A head of this request line and `Host` alone.
fn line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: h\r\n\r\n"].concat()
}

fn request(line: &[u8], fields: &[u8], body: &[u8]) -> Vec<u8> {
    [line, b"\r\nHost: h\r\n", fields, b"\r\n\r\n", body].concat()
}
