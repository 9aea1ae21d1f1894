//! HTTP/1.1 from bytes: RFC 9112 read strictly, without I/O.
//!
//! What a lenient peer would forgive is a fault of the gateway under test here: bare line feeds,
//! folded lines, two framings, bytes that nobody asked for.

pub(crate) mod answer;
mod body;
pub(crate) mod request;

use thiserror::Error;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const LINE_BYTES_MAX: usize = 8 * 1024;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Malformed {
    #[error("the head or a line is too long")]
    TooLong,
    #[error("the body is longer than the limit")]
    BodyTooLong,
    #[error("the status line is {0:?}")]
    StatusLine(String),
    #[error("the request line is {0:?}")]
    RequestLine(String),
    #[error("there is no `Host`, or more than one")]
    Host,
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

/// Bytes that arrived and were not taken yet.
#[derive(Debug, Default)]
struct Ahead {
    bytes: Vec<u8>,
    /// So far, the end that was last looked for is not in here.
    searched: usize,
}

impl Ahead {
    fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes up to `count` bytes.
    fn take(&mut self, count: usize) -> Vec<u8> {
        self.searched = 0;
        let rest = self.bytes.split_off(count.min(self.bytes.len()));
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Takes the head without the empty line that ends it, once it is whole.
    fn take_head(&mut self) -> Result<Option<String>, Malformed> {
        self.take_until(b"\r\n\r\n", HEAD_BYTES_MAX)
    }

    fn take_line(&mut self) -> Result<Option<String>, Malformed> {
        self.take_until(b"\r\n", LINE_BYTES_MAX)
    }

    fn take_until(&mut self, end: &[u8], bytes_max: usize) -> Result<Option<String>, Malformed> {
        let from = self.searched.saturating_sub(end.len() - 1);
        let unsearched = self.bytes.get(from..).unwrap_or_default();
        let found = unsearched
            .windows(end.len())
            .position(|window| window == end);
        let Some(found) = found else {
            self.searched = self.bytes.len();
            let is_too_long = self.bytes.len() > bytes_max;
            return if is_too_long {
                Err(Malformed::TooLong)
            } else {
                Ok(None)
            };
        };
        let mut text = self.take(from + found + end.len());
        text.truncate(from + found);
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// How the fields of a head say that a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Unsaid,
    Length(usize),
    Chunked,
}

/// RFC 9112 §6.3, as far as it is the same for requests and answers.
fn framing(fields: &[(String, String)]) -> Result<Framing, Malformed> {
    let lengths: Vec<_> = values(fields, "content-length").collect();
    let codings: Vec<_> = values(fields, "transfer-encoding").collect();
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::Unsaid),
        ([length], []) => body_length(length).map(Framing::Length),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], _) => Err(Malformed::Framing("not exactly chunked")),
        (_, []) => Err(Malformed::Framing("several lengths")),
        (_, _) => Err(Malformed::Framing("length and coding")),
    }
}

fn values<'a>(fields: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    let named = fields
        .iter()
        .filter(move |(other, _)| other.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str())
}

fn has_option(fields: &[(String, String)], header: &str, option: &str) -> bool {
    let mut options = values(fields, header).flat_map(|value| value.split(','));
    options.any(|other| other.trim().eq_ignore_ascii_case(option))
}

fn field(line: &str) -> Result<(String, String), Malformed> {
    let refused = || Malformed::HeaderLine(line.to_owned());
    let (name, value) = line.split_once(':').ok_or_else(refused)?;
    if !is_token(name) || value.contains(is_control) {
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

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_control(character: char) -> bool {
    character.is_ascii_control() && character != '\t'
}

fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}
