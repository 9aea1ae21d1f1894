//! Is this answer of a service sound, and what does a client see of it?
//!
//! As strict as requests are read: an answer that two readers could frame differently would let one
//! exchange write into the next. It is refused, and the connection it came on is dropped.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::fields::{ends_here, is_grpc, is_hop_by_hop, write_field};
use crate::head::{Connection, Field, HeadError, fold_fields, only, split_line};
use crate::ids::RequestId;
use crate::route::Route;

/// Fields in an answer's head.
const FIELDS_MAX: usize = 256;

/// Fields that no message in HTTP/2 has (RFC 9113 §8.2.2).
const OF_CONNECTION: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// The head of an answer that was judged sound.
#[derive(Debug)]
pub struct AnswerHead<'a> {
    pub status: u16,
    reason: &'a str,
    fields: Vec<Field<'a>>,
    pub(crate) nominated: Vec<&'a str>,
    length: Option<u64>,
    is_chunked: bool,
    pub body: AnswerBody,
    /// Whether the service will take another request on this connection.
    pub keeps_alive: bool,
}

/// How the end of an answer's body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerBody {
    Nothing,
    Length(u64),
    Chunked,
    UntilClose,
}

/// Why an answer is refused. The text is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the status line is not `HTTP/1.x nnn reason`")]
    StatusLine,
    #[error("a field line is malformed: {0}")]
    Field(#[from] HeadError),
    #[error("`Content-Length` is not one number")]
    Length,
    #[error("a field of an HTTP/1.1 connection stands in an answer in HTTP/2")]
    OfConnection,
    #[error("`Transfer-Encoding` is other than exactly `chunked`, or stands where it may not")]
    Encoding,
}

impl<'a> AnswerHead<'a> {
    /// Judges a whole head, its empty line included, as the answer to a request with `method`.
    pub fn parse(bytes: &'a [u8], method: &Method) -> Result<Self, AnswerError> {
        let (line, rest) = split_line(bytes)?;
        let (is_http11, status, reason) = parse_status_line(line)?;
        let mut known = Known::default();
        let fields = fold_fields(rest, FIELDS_MAX, |field| known.note(field))?;
        let keeps_alive = known.connection.goes_on(is_http11);
        Ok(Self {
            status,
            reason,
            fields,
            length: known.length,
            is_chunked: known.is_chunked,
            body: known.body(status, method, is_http11)?,
            nominated: known.connection.nominated,
            keeps_alive,
        })
    }

    /// Judges the head of an answer in HTTP/2; `is_whole` when nothing follows it.
    pub fn of_stream(
        status: StatusCode,
        fields: &'a HeaderMap,
        is_whole: bool,
        method: &Method,
    ) -> Result<Self, AnswerError> {
        if !(100..600).contains(&status.as_u16()) {
            return Err(AnswerError::StatusLine);
        }
        if fields.len() > FIELDS_MAX {
            return Err(HeadError::TooManyFields.into());
        }
        if OF_CONNECTION.iter().any(|name| fields.contains_key(*name)) {
            return Err(AnswerError::OfConnection);
        }
        let mut known = Known::default();
        for value in fields.get_all(http::header::CONTENT_LENGTH) {
            known.note_length(value.as_bytes())?;
        }
        let mut body = known.body(status.as_u16(), method, true)?;
        if is_whole && matches!(body, AnswerBody::Length(_)) {
            return Err(AnswerError::Length);
        }
        if is_whole && body == AnswerBody::UntilClose {
            known.length = Some(0);
            body = AnswerBody::Nothing;
        }
        let fields = fields.iter().map(|(name, value)| Field {
            name: name.as_str(),
            value: value.as_bytes(),
        });
        Ok(Self {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default(),
            fields: fields.collect(),
            length: known.length,
            is_chunked: false,
            body,
            nominated: Vec::new(),
            keeps_alive: true,
        })
    }

    /// Gives the body chunks where what comes behind it matters, for nothing can be said behind one
    /// whose length was told.
    pub fn make_room_for_trailers(&mut self) {
        let matter =
            self.only("trailer").is_some() || self.only("content-type").is_some_and(is_grpc);
        if matter && matches!(self.body, AnswerBody::Length(_)) {
            self.body = AnswerBody::UntilClose;
        }
    }

    #[must_use]
    pub fn is_informational(&self) -> bool {
        self.status < 200
    }

    /// The value of a field that is there exactly once.
    pub(crate) fn only(&self, name: &str) -> Option<&'a [u8]> {
        only(&self.fields, name)
    }

    pub(crate) fn says_nothing_of_a_body(&self) -> bool {
        self.length.is_none() && !self.is_chunked
    }

    /// What `Content-Length` says, also where no body follows.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The fields that say nothing of the hop they came over.
    pub fn end_to_end(&self) -> impl Iterator<Item = &Field<'a>> {
        let fields = self.fields.iter();
        fields.filter(|field| !is_hop_by_hop(field.name) && !self.is_nominated(field.name))
    }
}

fn parse_status_line(line: &[u8]) -> Result<(bool, u16, &str), AnswerError> {
    let line = std::str::from_utf8(line).map_err(|_| AnswerError::StatusLine)?;
    let (version, rest) = line.split_once(' ').ok_or(AnswerError::StatusLine)?;
    let is_http11 = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return Err(AnswerError::StatusLine),
    };
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_plain = reason.chars().all(|c| c == '\t' || !c.is_control());
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    let number = status
        .parse()
        .ok()
        .filter(|number| (100..600).contains(number));
    match number {
        Some(number) if is_plain && is_status => Ok((is_http11, number, reason)),
        _ => Err(AnswerError::StatusLine),
    }
}

/// What the fields that concern this hop say.
#[derive(Debug, Default)]
struct Known<'a> {
    length: Option<u64>,
    is_chunked: bool,
    connection: Connection<'a>,
}

impl<'a> Known<'a> {
    fn note(&mut self, field: Field<'a>) -> Result<(), AnswerError> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        match field.name.len() {
            10 if is("connection") => Ok(self.connection.note(field.value)?),
            14 if is("content-length") => self.note_length(field.value),
            17 if is("transfer-encoding") => self.note_encoding(field.value),
            _ => Ok(()),
        }
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), AnswerError> {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let digits = std::str::from_utf8(value).ok().filter(|_| is_number);
        let length = digits.and_then(|digits| digits.parse().ok());
        if length.is_none() || self.length.is_some() {
            return Err(AnswerError::Length);
        }
        self.length = length;
        Ok(())
    }

    fn note_encoding(&mut self, value: &[u8]) -> Result<(), AnswerError> {
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(AnswerError::Encoding);
        }
        self.is_chunked = true;
        Ok(())
    }

    /// RFC 9112 §6.3, without its tolerance for a length beside an encoding.
    fn body(
        &self,
        status: u16,
        method: &Method,
        is_http11: bool,
    ) -> Result<AnswerBody, AnswerError> {
        if self.is_chunked && (self.length.is_some() || !is_http11) {
            return Err(AnswerError::Encoding);
        }
        let has_none = status < 200 || matches!(status, 204 | 304) || *method == Method::HEAD;
        Ok(match (has_none, self.is_chunked, self.length) {
            (true, _, _) | (false, false, Some(0)) => AnswerBody::Nothing,
            (false, true, _) => AnswerBody::Chunked,
            (false, false, Some(length)) => AnswerBody::Length(length),
            (false, false, None) => AnswerBody::UntilClose,
        })
    }
}

/// What an answer needs to know of the client it goes to.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    pub request_id: &'a RequestId,
    pub keeps_alive: bool,
    /// Whether it reads chunks, as HTTP/1.1 does.
    pub reads_chunks: bool,
    /// The time now, for an answer that does not say when it was made.
    pub date: &'a str,
    /// How long it took to find out who asks, if the client is told.
    pub identified_in: Option<Duration>,
}

/// `Server-Timing` (W3C) says how long that was, in milliseconds.
#[must_use]
pub fn server_timing(identified_in: Duration) -> String {
    let micros = identified_in.as_micros();
    format!("auth;dur={}.{:03}", micros / 1000, micros % 1000)
}

/// Writes the head that goes to the client.
pub fn write_head(answer: &AnswerHead<'_>, route: &Route, client: &Client<'_>, out: &mut Vec<u8>) {
    write_common(answer, route, client, out);
    write_framing(answer, client, out);
    write_field("x-request-id", client.request_id.as_bytes(), out);
    let connection: &[u8] = if client.keeps_alive {
        b"keep-alive"
    } else {
        b"close"
    };
    write_field("connection", connection, out);
    out.extend_from_slice(b"\r\n");
}

/// Writes the head behind which client and service speak WebSocket.
pub fn write_switch(
    answer: &AnswerHead<'_>,
    route: &Route,
    client: &Client<'_>,
    out: &mut Vec<u8>,
) {
    write_common(answer, route, client, out);
    write_field("x-request-id", client.request_id.as_bytes(), out);
    write_field("connection", b"upgrade", out);
    write_field("upgrade", b"websocket", out);
    out.extend_from_slice(b"\r\n");
}

/// Writes all that is not about this hop.
fn write_common(answer: &AnswerHead<'_>, route: &Route, client: &Client<'_>, out: &mut Vec<u8>) {
    write_status_line(answer, out);
    let rules = &route.response_fields;
    let mut is_dated = false;
    for field in &answer.fields {
        is_dated |= field.name.eq_ignore_ascii_case("date");
        if answer.passes(field.name) && !rules.is_dropped(field.name) {
            write_field(field.name, field.value, out);
        }
    }
    for (name, value) in rules.set.iter().chain(&rules.add) {
        write_field(name.as_str(), value.as_bytes(), out);
    }
    if !is_dated {
        write_field("date", client.date.as_bytes(), out);
    }
    if let Some(took) = client.identified_in {
        write_field("server-timing", server_timing(took).as_bytes(), out);
    }
}

/// Writes an informational head, which has no framing and ends nothing.
pub fn write_informational(answer: &AnswerHead<'_>, route: &Route, out: &mut Vec<u8>) {
    write_status_line(answer, out);
    let rules = &route.response_fields;
    for field in &answer.fields {
        if answer.passes(field.name) && !rules.is_dropped(field.name) {
            write_field(field.name, field.value, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

impl AnswerHead<'_> {
    fn passes(&self, name: &str) -> bool {
        !self.is_nominated(name) && !ends_here(name)
    }

    fn is_nominated(&self, name: &str) -> bool {
        let mut nominated = self.nominated.iter();
        nominated.any(|other| other.eq_ignore_ascii_case(name))
    }
}

fn write_status_line(answer: &AnswerHead<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_number(u64::from(answer.status), out);
    out.push(b' ');
    out.extend_from_slice(answer.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_framing(answer: &AnswerHead<'_>, client: &Client<'_>, out: &mut Vec<u8>) {
    match (answer.body, answer.length) {
        // To others the body ends with the connection.
        (AnswerBody::Chunked | AnswerBody::UntilClose, _) if !client.reads_chunks => {}
        (AnswerBody::Chunked | AnswerBody::UntilClose, _) => {
            write_field("transfer-encoding", b"chunked", out);
        }
        // RFC 9110 §8.6: a 204 has no length. To HEAD and in a 304 it tells what GET would have had.
        (AnswerBody::Nothing | AnswerBody::Length(_), Some(length)) if answer.status != 204 => {
            out.extend_from_slice(b"content-length: ");
            push_number(length, out);
            out.extend_from_slice(b"\r\n");
        }
        (AnswerBody::Nothing | AnswerBody::Length(_), _) => {}
    }
}

fn push_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}

#[cfg(test)]
mod tests;
