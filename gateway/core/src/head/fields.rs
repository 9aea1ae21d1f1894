//! The field lines: RFC 9112 §5, and the few fields that decide about framing and the connection.

use crate::host::Host;

use super::connection::Connection;
use super::line::split;
use super::{Field, HeadError};

/// What the fields that concern the gateway itself say.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    pub(super) host: Option<Host>,
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    pub(super) expects_continue: bool,
    pub(super) connection: Connection<'a>,
}

/// Parses the field lines of a request, up to and including the empty line.
pub(super) fn parse(
    rest: &[u8],
    fields_max: usize,
) -> Result<(Vec<Field<'_>>, Known<'_>), HeadError> {
    let mut known = Known::default();
    let fields = fold(rest, fields_max, |field| known.note(field))?;
    Ok((fields, known))
}

/// Parses field lines up to and including the empty line, showing each to `note`.
pub(crate) fn fold<'a, E: From<HeadError>>(
    lines: &'a [u8],
    fields_max: usize,
    mut note: impl FnMut(Field<'a>) -> Result<(), E>,
) -> Result<Vec<Field<'a>>, E> {
    // Nearly always all of it is text: to find that out once is cheaper than name by name.
    let text = std::str::from_utf8(lines).ok();
    let mut fields = Vec::with_capacity(16);
    let mut rest = lines;
    loop {
        let (line, below) = split(rest)?;
        let text = text.and_then(|text| text.get(lines.len() - rest.len()..));
        rest = below;
        if line.is_empty() {
            return Ok(fields);
        }
        let field = parse_line(line, text)?;
        if fields.len() == fields_max {
            return Err(HeadError::TooManyFields.into());
        }
        note(field)?;
        fields.push(field);
    }
}

/// `text` begins with the line, where that is known to be text.
fn parse_line<'a>(line: &'a [u8], text: Option<&'a str>) -> Result<Field<'a>, HeadError> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(HeadError::Folded);
    }
    let colon = memchr::memchr(b':', line).ok_or(HeadError::FieldName)?;
    let (name, value) = line.split_at(colon);
    if name.is_empty() || !are_marked(name, &TOKEN) {
        return Err(HeadError::FieldName);
    }
    let name = match text.and_then(|text| text.get(..colon)) {
        Some(name) => name,
        None => std::str::from_utf8(name).map_err(|_| HeadError::FieldName)?,
    };
    let value = trim(value.get(1..).unwrap_or_default());
    // To the end whatever comes, so that many bytes are looked at at once.
    let is_sound = |sound, byte: &u8| sound & is_value_byte(*byte);
    if !value.iter().fold(true, is_sound) {
        return Err(HeadError::FieldValue);
    }
    Ok(Field { name, value })
}

impl<'a> Known<'a> {
    fn note(&mut self, field: Field<'a>) -> Result<(), HeadError> {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        // The length of the name rules out all but a few comparisons.
        match field.name.len() {
            4 if is("host") => self.note_host(field.value),
            6 if is("expect") => self.note_expectation(field.value),
            10 if is("connection") => self.connection.note(field.value),
            14 if is("content-length") => self.note_length(field.value),
            17 if is("transfer-encoding") => self.note_encoding(field.value),
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.host.is_some() {
            return Err(HeadError::HostTwice);
        }
        let text = std::str::from_utf8(value).map_err(|_| crate::host::HostError::Character)?;
        self.host = Some(Host::parse(text)?);
        Ok(())
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.length.is_some() {
            return Err(HeadError::LengthTwice);
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::Length);
        }
        let digits = std::str::from_utf8(value).map_err(|_| HeadError::Length)?;
        self.length = Some(digits.parse().map_err(|_| HeadError::Length)?);
        Ok(())
    }

    fn note_encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::Encoding);
        }
        self.is_chunked = true;
        Ok(())
    }

    fn note_expectation(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(HeadError::Expectation);
        }
        self.expects_continue = true;
        Ok(())
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = value.split_first() {
        value = rest;
    }
    while let Some((b' ' | b'\t', rest)) = value.split_last() {
        value = rest;
    }
    value
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether a byte may stand in a token: RFC 9110 §5.6.2.
const TOKEN: [bool; 256] = marked(b"!#$%&'*+-.^_`|~");

/// Whether all bytes are of a set. Eight are looked at before it is asked whether to go on.
pub(crate) fn are_marked(bytes: &[u8], set: &[bool; 256]) -> bool {
    let all = |bytes: &[u8]| {
        let is_marked = |so_far, byte: &u8| so_far & set[usize::from(*byte)];
        bytes.iter().fold(true, is_marked)
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    eights.iter().all(|eight| all(eight)) && all(rest)
}

/// The bytes of a set: letters, digits and these.
pub(crate) const fn marked(others: &[u8]) -> [bool; 256] {
    let mut marks = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        marks[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        marks[others[at] as usize] = true;
        at += 1;
    }
    marks
}

/// Visible characters, blanks, tabs and bytes past ASCII: RFC 9110 §5.5.
fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
