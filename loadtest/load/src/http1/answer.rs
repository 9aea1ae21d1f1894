//! Answers from bytes.

use super::body::Body;
use super::{Ahead, Framing, Malformed, field, framing, has_option, is_control, is_digits, values};

/// One whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// As received, in order; bytes outside UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection may carry another request.
    pub(crate) keeps_alive: bool,
}

impl Answer {
    /// The first value of the header.
    pub fn header(&self, name: &str) -> Option<&str> {
        values(&self.headers, name).next()
    }
}

/// Takes the bytes of answers as they come.
#[derive(Debug)]
pub(crate) struct Decoder {
    answers_head: bool,
    body_bytes_max: usize,
    ahead: Ahead,
    /// The head of the answer, with its body, once it has arrived.
    begun: Option<(Answer, Body)>,
}

impl Decoder {
    pub(crate) fn new(answers_head: bool, body_bytes_max: usize) -> Self {
        Self {
            answers_head,
            body_bytes_max,
            ahead: Ahead::default(),
            begun: None,
        }
    }

    /// Takes more bytes, which may be of several answers.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.ahead.extend(bytes);
    }

    /// The next answer, once it is whole.
    pub(crate) fn advance(&mut self) -> Result<Option<Answer>, Malformed> {
        while self.begun.is_none() {
            let Some(head) = self.ahead.take_head()? else {
                return Ok(None);
            };
            self.begun = self.begin(&head)?;
        }
        let Some((_, body)) = &mut self.begun else {
            return Ok(None);
        };
        if !body.advance(&mut self.ahead)? {
            return Ok(None);
        }
        Ok(self.take())
    }

    /// Whether bytes lie behind the last answer.
    pub(crate) fn has_surplus(&self) -> bool {
        !self.ahead.bytes.is_empty()
    }

    /// The connection has ended: the answer if that is how its body ends.
    pub(crate) fn end(&mut self) -> Option<Answer> {
        let (_, body) = self.begun.as_ref()?;
        body.lasts_until_close().then(|| self.take()).flatten()
    }

    fn take(&mut self) -> Option<Answer> {
        let (mut answer, body) = self.begun.take()?;
        answer.body = body.into_bytes();
        Some(answer)
    }

    /// Interim answers come before the one that counts (RFC 9110 §15.2): `None`.
    fn begin(&self, head: &str) -> Result<Option<(Answer, Body)>, Malformed> {
        let mut lines = head.split("\r\n");
        let (status, is_current) = status_line(lines.next().unwrap_or_default())?;
        let headers = lines.map(field).collect::<Result<Vec<_>, _>>()?;
        match status {
            101 => return Err(Malformed::Switched),
            100..=199 => return Ok(None),
            _ => {}
        }
        let body = self.body(status, framing(&headers)?);
        let closes = has_option(&headers, "connection", "close") || body.lasts_until_close();
        let answer = Answer {
            status,
            keeps_alive: is_current && !closes,
            headers,
            body: Vec::new(),
        };
        Ok(Some((answer, body)))
    }

    fn body(&self, status: u16, framing: Framing) -> Body {
        if self.answers_head || matches!(status, 204 | 304) {
            return Body::none();
        }
        match framing {
            Framing::Unsaid => Body::until_close(self.body_bytes_max),
            Framing::Length(length) => Body::of_length(length, self.body_bytes_max),
            Framing::Chunked => Body::chunked(self.body_bytes_max),
        }
    }
}

fn status_line(line: &str) -> Result<(u16, bool), Malformed> {
    let refused = || Malformed::StatusLine(line.to_owned());
    let (version, rest) = line.split_once(' ').ok_or_else(refused)?;
    let (code, reason) = rest.split_once(' ').ok_or_else(refused)?;
    let is_current = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return Err(refused()),
    };
    if code.len() != 3 || !is_digits(code) || reason.contains(is_control) {
        return Err(refused());
    }
    let status = code.parse().map_err(|_| refused())?;
    if !(100..600).contains(&status) {
        return Err(refused());
    }
    Ok((status, is_current))
}

#[cfg(test)]
mod tests;
