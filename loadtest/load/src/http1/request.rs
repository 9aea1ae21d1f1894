//! Requests from bytes, and what of them arrived when a connection broke.

use super::body::Body;
use super::{Ahead, Framing, Malformed, field, framing, has_option, is_token, values};

/// A head that arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) keeps_alive: bool,
    fields: Vec<(String, String)>,
}

impl RequestHead {
    /// The first value of the header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        values(&self.fields, name).next()
    }
}

/// What the bytes so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Head(RequestHead),
    /// The body of the head before, whole; the next request may follow.
    Body(Vec<u8>),
    /// Nothing further without more bytes.
    Nothing,
}

/// What lay around when no more bytes came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remains {
    Nothing,
    /// Part of a head.
    Head(Vec<u8>),
    /// Part of the body of the head before.
    Body(Vec<u8>),
}

/// Takes the bytes of one connection's requests as they come.
#[derive(Debug)]
pub(crate) struct Decoder {
    body_bytes_max: usize,
    ahead: Ahead,
    body: Option<Body>,
}

impl Decoder {
    pub(crate) fn new(body_bytes_max: usize) -> Self {
        Self {
            body_bytes_max,
            ahead: Ahead::default(),
            body: None,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.ahead.extend(bytes);
    }

    pub(crate) fn advance(&mut self) -> Result<Arrived, Malformed> {
        if let Some(mut body) = self.body.take() {
            let is_whole = body.advance(&mut self.ahead);
            if matches!(is_whole, Ok(true)) {
                return Ok(Arrived::Body(body.into_bytes()));
            }
            self.body = Some(body);
            return is_whole.map(|_| Arrived::Nothing);
        }
        let Some(head) = self.ahead.take_head()? else {
            return Ok(Arrived::Nothing);
        };
        let (head, framing) = read_head(&head)?;
        self.body = Some(match framing {
            Framing::Unsaid => Body::none(),
            Framing::Length(length) => Body::of_length(length, self.body_bytes_max),
            Framing::Chunked => Body::chunked(self.body_bytes_max),
        });
        Ok(Arrived::Head(head))
    }

    pub(crate) fn end(self) -> Remains {
        match self.body {
            Some(body) => Remains::Body(body.into_bytes()),
            None if self.ahead.bytes.is_empty() => Remains::Nothing,
            None => Remains::Head(self.ahead.bytes),
        }
    }
}

fn read_head(head: &str) -> Result<(RequestHead, Framing), Malformed> {
    let mut lines = head.split("\r\n");
    let (method, target) = request_line(lines.next().unwrap_or_default())?;
    let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    if values(&fields, "host").count() != 1 {
        return Err(Malformed::Host);
    }
    let framing = framing(&fields)?;
    let head = RequestHead {
        method,
        target,
        keeps_alive: !has_option(&fields, "connection", "close"),
        fields,
    };
    Ok((head, framing))
}

fn request_line(line: &str) -> Result<(String, String), Malformed> {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(target), Some("HTTP/1.1"), None)
            if is_token(method)
                && target.starts_with('/')
                && target.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok((method.to_owned(), target.to_owned()))
        }
        _ => Err(Malformed::RequestLine(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that arrives, in words; fed in pieces of every size, which must make no difference.
    fn decode(wire: &str) -> Result<Vec<String>, Malformed> {
        let whole = decode_in_pieces(wire, wire.len().max(1));
        for size in 1..wire.len() {
            assert_eq!(decode_in_pieces(wire, size), whole, "{wire:?} by {size}");
        }
        whole
    }

    fn decode_in_pieces(wire: &str, size: usize) -> Result<Vec<String>, Malformed> {
        let mut decoder = Decoder::new(16);
        let mut arrived = Vec::new();
        for piece in wire.as_bytes().chunks(size) {
            decoder.feed(piece);
            loop {
                match decoder.advance()? {
                    Arrived::Head(head) => arrived.push(format!("{} {}", head.method, head.target)),
                    Arrived::Body(body) => arrived.push(text(body)),
                    Arrived::Nothing => break,
                }
            }
        }
        arrived.push(match decoder.end() {
            Remains::Nothing => "end".to_owned(),
            Remains::Head(bytes) => format!("head cut: {}", text(bytes)),
            Remains::Body(bytes) => format!("body cut: {}", text(bytes)),
        });
        Ok(arrived)
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn requests_are_read_one_after_another_and_what_is_cut_is_told() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &["end"]),
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /", "", "end"]),
            (
                "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
                &["PUT /a", "hi", "GET /b", "", "end"],
            ),
            (
                "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
                &["POST /c", "hi!", "end"],
            ),
            ("GET / HTTP/1.1\r\nHo", &["head cut: GET / HTTP/1.1\r\nHo"]),
            (
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhi",
                &["POST /", "body cut: hi"],
            ),
            (
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi",
                &["POST /", "body cut: hi"],
            ),
        ];
        for (wire, expected) in cases {
            assert_eq!(decode(wire).unwrap(), expected, "{wire:?}");
        }
    }

    #[test]
    fn a_request_that_a_gateway_may_not_send_is_refused() {
        let cases = [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: h\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 17\r\n\r\n0123456789abcdefg",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        ];
        for wire in cases {
            assert!(decode(wire).is_err(), "{wire:?}");
        }
    }
}
