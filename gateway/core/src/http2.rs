//! What does a request of HTTP/2 say in the words of HTTP/1.1?
//!
//! A stream of HTTP/2 is judged as if it were a connection of one HTTP/1.1 request, so that there is
//! one judge and not two. Nothing is judged here: what has no spelling in HTTP/1.1 is written as a
//! target that the judge refuses, and what is written may be refused for the same reasons as if it had
//! come that way. RFC 9113 §8.3.1; the cookie of §8.2.3 is put together again.

use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};

use crate::fields::write_field;

/// A target that is refused whatever stands around it.
const NO_TARGET: &str = "*";

/// Writes the head of a request, of which `is_whole` says that no body follows.
///
/// `true`: whatever follows must be written in chunks.
pub fn write_head(request: &Parts, is_whole: bool, out: &mut Vec<u8>) -> bool {
    write_request_line(request, out);
    for (name, value) in &request.headers {
        if name != COOKIE {
            write_field(name.as_str(), value.as_bytes(), out);
        }
    }
    write_cookie(&request.headers, out);
    let is_chunked = !is_whole && !request.headers.contains_key(CONTENT_LENGTH);
    if is_chunked {
        write_field("transfer-encoding", b"chunked", out);
    }
    out.extend_from_slice(b"\r\n");
    is_chunked
}

/// Where a `Host` field stands beside the authority the target is absolute, so that the judge holds
/// one against the other.
fn write_request_line(request: &Parts, out: &mut Vec<u8>) {
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    let authority = request.uri.authority().map(|it| it.as_str());
    let is_beside_host = request.headers.contains_key(HOST);
    match (authority, path(&request.uri)) {
        (Some(authority), _) if request.method == Method::CONNECT => {
            out.extend_from_slice(authority.as_bytes());
        }
        (Some(authority), Some(path)) if is_beside_host => {
            for part in ["http://", authority, path] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        (_, Some(path)) => out.extend_from_slice(path.as_bytes()),
        (_, None) => out.extend_from_slice(NO_TARGET.as_bytes()),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = authority.filter(|_| !is_beside_host) {
        write_field("host", authority.as_bytes(), out);
    }
}

/// The path and query. A path that is none must not become an absolute target, which would be read as
/// an authority; nor may another scheme become ours.
fn path(uri: &Uri) -> Option<&str> {
    let is_ours = |scheme: &str| matches!(scheme, "http" | "https");
    let path = uri.path_and_query()?.as_str();
    (path.starts_with('/') && uri.scheme_str().is_none_or(is_ours)).then_some(path)
}

/// HTTP/2 lets a client send its cookies in crumbs; a service expects one field.
fn write_cookie(fields: &HeaderMap, out: &mut Vec<u8>) {
    let crumbs: Vec<_> = fields
        .get_all(COOKIE)
        .iter()
        .map(|it| it.as_bytes())
        .collect();
    if !crumbs.is_empty() {
        write_field("cookie", &crumbs.join(&b"; "[..]), out);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn written(uri: &str, fields: &[(&str, &str)], is_whole: bool) -> (String, bool) {
        let mut request = Request::builder().method("POST").uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut out = Vec::new();
        let parts = request.body(()).unwrap().into_parts().0;
        let is_chunked = write_head(&parts, is_whole, &mut out);
        (String::from_utf8(out).unwrap(), is_chunked)
    }

    #[test]
    fn a_request_is_written_as_http_11_would_have_it() {
        #[rustfmt::skip]
        let cases: [(&str, Fields, &str); 12] = [
            ("https://h/a?b",   &[],                        "POST /a?b HTTP/1.1|host: h|"),
            ("https://h:8443/", &[],                        "POST / HTTP/1.1|host: h:8443|"),
            ("https://h",       &[],                        "POST / HTTP/1.1|host: h|"),
            ("/a",              &[("host", "h")],           "POST /a HTTP/1.1|host: h|"),
            ("/a",              &[],                        "POST /a HTTP/1.1|"),
            ("https://h/a",     &[("host", "h")],           "POST http://h/a HTTP/1.1|host: h|"),
            ("https://h/a",     &[("host", "i")],           "POST http://h/a HTTP/1.1|host: i|"),
            ("http://u@h/a",    &[],                        "POST /a HTTP/1.1|host: u@h|"),
            ("ftp://h/a",       &[],                        "POST * HTTP/1.1|host: h|"),
            ("*",               &[("host", "h")],           "POST * HTTP/1.1|host: h|"),
            ("http://h/a",      &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")],
                                                            "POST /a HTTP/1.1|host: h|x: y|cookie: a=1; b=2|"),
            ("http://h/a",      &[("te", "trailers")],      "POST /a HTTP/1.1|host: h|te: trailers|"),
        ];
        for (uri, fields, expected) in cases {
            let (head, is_chunked) = written(uri, fields, true);
            assert_eq!(head, format!("{expected}|").replace('|', "\r\n"), "{uri}");
            assert!(!is_chunked);
        }
    }

    #[test]
    fn a_body_is_chunked_where_its_length_is_not_told() {
        #[rustfmt::skip]
        let cases: [(Fields, bool, &str); 4] = [
            (&[],                        true,  ""),
            (&[],                        false, "transfer-encoding: chunked|"),
            (&[("content-length", "5")], false, "content-length: 5|"),
            (&[("content-length", "0")], true,  "content-length: 0|"),
        ];
        for (fields, is_whole, expected) in cases {
            let (head, is_chunked) = written("http://h/", fields, is_whole);
            let expected = format!("POST / HTTP/1.1|host: h|{expected}|").replace('|', "\r\n");
            assert_eq!(head, expected);
            assert_eq!(is_chunked, head.contains("chunked"));
        }
    }

    #[test]
    fn an_absolute_path_is_not_taken_for_an_authority() {
        let mut parts = Request::builder()
            .method("GET")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some("?x".parse().unwrap());
        parts.uri = Uri::from_parts(uri).unwrap();
        let mut out = Vec::new();
        write_head(&parts, true, &mut out);
        assert_eq!(out, b"GET * HTTP/1.1\r\n\r\n");
    }
}
