//! Answers from bytes: RFC 9112 read strictly, without I/O.
//!
//! What a lenient client would forgive is a fault of the server under test here: bare line
//! feeds, folded lines, two framings, bytes that nobody asked for.

use std::mem;

use thiserror::Error;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const LINE_BYTES_MAX: usize = 8 * 1024;

/// One whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// As received, in order; bytes outside UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection may carry another request.
    pub(super) keeps_alive: bool,
}

impl Answer {
    /// The first value of the header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self
            .headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    fn has_option(&self, header: &str, option: &str) -> bool {
        let mut options = self.values(header).flat_map(|value| value.split(','));
        options.any(|other| other.trim().eq_ignore_ascii_case(option))
    }
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Malformed {
    #[error("the head or a line of the answer is too long")]
    TooLong,
    #[error("the body is longer than the limit")]
    BodyTooLong,
    #[error("the status line is {0:?}")]
    StatusLine(String),
    #[error("the header line is {0:?}")]
    HeaderLine(String),
    #[error("the length of the body is ambiguous: {0}")]
    Framing(&'static str),
    #[error("the chunk size is {0:?}")]
    ChunkSize(String),
    #[error("a chunk does not end where it should")]
    ChunkEnd,
    #[error("the protocol was switched without being asked")]
    Switched,
    #[error("bytes arrived that belong to no request")]
    Surplus,
}

/// Takes the bytes of one answer as they come.
#[derive(Debug)]
pub(super) struct Decoder {
    answers_head: bool,
    body_bytes_max: usize,
    buffer: Vec<u8>,
    state: State,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body { left: usize },
    UntilClose,
    ChunkSize,
    Chunk { left: usize },
    ChunkEnd,
    Trailers,
    Whole,
}

impl Decoder {
    pub(super) fn new(answers_head: bool, body_bytes_max: usize) -> Self {
        let answer = Answer {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            keeps_alive: false,
        };
        Self {
            answers_head,
            body_bytes_max,
            buffer: Vec::new(),
            state: State::Head,
            answer,
        }
    }

    /// Takes more bytes; the answer once it is whole.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
        self.buffer.extend_from_slice(bytes);
        while self.state != State::Whole {
            if !self.step()? {
                return Ok(None);
            }
        }
        if !self.buffer.is_empty() {
            return Err(Malformed::Surplus);
        }
        Ok(Some(self.take()))
    }

    /// The connection has ended: the answer if that is how its body ends.
    pub(super) fn end(&mut self) -> Option<Answer> {
        (self.state == State::UntilClose).then(|| self.take())
    }

    fn take(&mut self) -> Answer {
        let empty = Answer {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            keeps_alive: false,
        };
        mem::replace(&mut self.answer, empty)
    }

    /// Goes on as far as the next state; false when more bytes are needed.
    fn step(&mut self) -> Result<bool, Malformed> {
        match self.state {
            State::Head => self.head(),
            State::Body { left } => {
                let left = self.body(left)?;
                self.state = if left == 0 {
                    State::Whole
                } else {
                    State::Body { left }
                };
                Ok(left == 0)
            }
            State::UntilClose => {
                self.body(usize::MAX)?;
                Ok(false)
            }
            State::ChunkSize => {
                let Some(line) = self.line()? else {
                    return Ok(false);
                };
                let size = chunk_size(&line)?;
                self.state = if size == 0 {
                    State::Trailers
                } else {
                    State::Chunk { left: size }
                };
                Ok(true)
            }
            State::Chunk { left } => {
                let left = self.body(left)?;
                self.state = if left == 0 {
                    State::ChunkEnd
                } else {
                    State::Chunk { left }
                };
                Ok(left == 0)
            }
            State::ChunkEnd => {
                let Some(end) = self.buffer.get(..2) else {
                    return Ok(false);
                };
                if end != b"\r\n" {
                    return Err(Malformed::ChunkEnd);
                }
                self.buffer.drain(..2);
                self.state = State::ChunkSize;
                Ok(true)
            }
            State::Trailers => {
                let Some(line) = self.line()? else {
                    return Ok(false);
                };
                if line.is_empty() {
                    self.state = State::Whole;
                } else {
                    header(&line)?;
                }
                Ok(true)
            }
            State::Whole => Ok(false),
        }
    }

    fn head(&mut self) -> Result<bool, Malformed> {
        let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
            let too_long = self.buffer.len() > HEAD_BYTES_MAX;
            return if too_long {
                Err(Malformed::TooLong)
            } else {
                Ok(false)
            };
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).take(end).collect();
        let (status, is_current) = self.read_head(&head)?;
        match status {
            101 => return Err(Malformed::Switched),
            // Interim answers come before the one that counts (RFC 9110 §15.2).
            100..=199 => return Ok(true),
            _ => {}
        }
        self.answer.keeps_alive = is_current && !self.answer.has_option("connection", "close");
        self.state = self.framing()?;
        if self.state == State::UntilClose {
            self.answer.keeps_alive = false;
        }
        Ok(true)
    }

    /// Fills in status and headers; the second value says whether it is HTTP/1.1.
    fn read_head(&mut self, head: &[u8]) -> Result<(u16, bool), Malformed> {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let (status, is_current) = status_line(line)?;
        self.answer.status = status;
        self.answer.headers = lines.map(header).collect::<Result<_, _>>()?;
        Ok((status, is_current))
    }

    /// RFC 9112 §6.3, from an answer's point of view.
    fn framing(&self) -> Result<State, Malformed> {
        let lengths: Vec<_> = self.answer.values("content-length").collect();
        let codings: Vec<_> = self.answer.values("transfer-encoding").collect();
        let framing = match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => State::UntilClose,
            ([length], []) => State::Body {
                left: body_length(length)?,
            },
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => State::ChunkSize,
            ([], _) => return Err(Malformed::Framing("not exactly chunked")),
            (_, []) => return Err(Malformed::Framing("several lengths")),
            (_, _) => return Err(Malformed::Framing("length and coding")),
        };
        let has_no_body = self.answers_head || matches!(self.answer.status, 204 | 304);
        Ok(if has_no_body { State::Whole } else { framing })
    }

    /// Moves up to `left` bytes to the body; how many are still missing.
    fn body(&mut self, left: usize) -> Result<usize, Malformed> {
        let here = left.min(self.buffer.len());
        if here > self.body_bytes_max - self.answer.body.len() {
            return Err(Malformed::BodyTooLong);
        }
        self.answer.body.extend(self.buffer.drain(..here));
        Ok(left - here)
    }

    fn line(&mut self) -> Result<Option<String>, Malformed> {
        let Some(end) = find(&self.buffer, b"\r\n") else {
            let too_long = self.buffer.len() > LINE_BYTES_MAX;
            return if too_long {
                Err(Malformed::TooLong)
            } else {
                Ok(None)
            };
        };
        let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
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

fn header(line: impl AsRef<str>) -> Result<(String, String), Malformed> {
    let line = line.as_ref();
    let refused = || Malformed::HeaderLine(line.to_owned());
    let (name, value) = line.split_once(':').ok_or_else(refused)?;
    if name.is_empty() || !name.bytes().all(is_token) || value.contains(is_control) {
        return Err(refused());
    }
    Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

fn body_length(value: &str) -> Result<usize, Malformed> {
    let refused = Malformed::Framing("the length is no number");
    if !is_digits(value) {
        return Err(refused);
    }
    value.parse().map_err(|_| refused)
}

fn chunk_size(line: &str) -> Result<usize, Malformed> {
    let digits = line.split(';').next().unwrap_or_default();
    let refused = || Malformed::ChunkSize(line.to_owned());
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refused());
    }
    usize::from_str_radix(digits, 16).map_err(|_| refused())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_control(character: char) -> bool {
    character.is_ascii_control() && character != '\t'
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
