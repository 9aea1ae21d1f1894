//! What is sent, as bytes.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// One request, sent over and over; the path may rotate.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Taken in turn; none means `/`.
    pub paths: Vec<String>,
    /// `Host` and `Content-Length` are added where they are missing.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Header that carries a fresh id: 32 hex digits, unique within one load.
    pub id_header: Option<String>,
}

/// What one request was, for the expectation to compare with its answer.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    pub id: &'a str,
    pub path: &'a str,
}

impl Request {
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::new("POST", path)
        }
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            paths: vec![path.into()],
            headers: Vec::new(),
            body: Vec::new(),
            id_header: None,
        }
    }

    pub(super) fn path(&self, turn: usize) -> &str {
        let index = turn.checked_rem(self.paths.len()).unwrap_or(0);
        self.paths.get(index).map_or("/", String::as_str)
    }

    /// Sending it twice does no harm (of the safe methods, the two that are used here).
    pub(super) fn is_safe(&self) -> bool {
        self.method == "GET" || self.is_head()
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(super) fn wire(&self, target: SocketAddr, sent: &Sent<'_>) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, sent.path);
        if !self.has_header("host") {
            let _ = write!(head, "Host: {target}\r\n");
        }
        if !self.has_header("content-length") && (!self.body.is_empty() || !self.is_safe()) {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        if let Some(name) = &self.id_header {
            let _ = write!(head, "{name}: {}\r\n", sent.id);
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut wire = head.into_bytes();
        wire.extend_from_slice(&self.body);
        wire
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(request: &Request) -> String {
        let sent = Sent {
            id: "7",
            path: request.path(0),
        };
        String::from_utf8(request.wire("127.0.0.1:80".parse().unwrap(), &sent)).unwrap()
    }

    #[test]
    fn requests_are_written_whole_and_framed() {
        let with_id = Request {
            id_header: Some("X-Id".into()),
            ..Request::get("/a")
        };
        let cases = [
            (
                Request::get("/a"),
                "GET /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n",
            ),
            (
                with_id,
                "GET /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX-Id: 7\r\n\r\n",
            ),
            (
                Request::post("/a", "hi").header("host", "pay.example"),
                "POST /a HTTP/1.1\r\nContent-Length: 2\r\nhost: pay.example\r\n\r\nhi",
            ),
            (
                Request::post("/a", ""),
                "POST /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 0\r\n\r\n",
            ),
        ];
        for (request, expected) in cases {
            assert_eq!(wire(&request), expected);
        }
    }

    #[test]
    fn paths_are_taken_in_turn() {
        let request = Request {
            paths: vec!["/a".into(), "/b".into()],
            ..Request::get("/")
        };
        let turns: Vec<_> = (0..3).map(|turn| request.path(turn)).collect();
        assert_eq!(turns, ["/a", "/b", "/a"]);
        assert_eq!(
            Request {
                paths: Vec::new(),
                ..request
            }
            .path(5),
            "/"
        );
    }
}
