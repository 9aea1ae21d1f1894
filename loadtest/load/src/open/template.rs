//! A request with gaps that are filled in anew each time: `/members/{member}`.

use std::io::Write as _;

use thiserror::Error;

use super::values::{Turn, Values};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    /// The place of a value among those of the scenario.
    Value(usize),
}

/// Text with gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum TemplateError {
    #[error("there is no value `{0}`")]
    Unknown(String),
    #[error("a brace is opened and not closed")]
    Open,
}

impl Template {
    /// `{name}` is a gap, `{{` and `}}` are braces.
    pub(super) fn parse(text: &str, values: &Values) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(rest.get(..at).unwrap_or_default());
            let brace = rest.get(at..at + 1).unwrap_or_default();
            rest = rest.get(at + 1..).unwrap_or_default();
            if let Some(doubled) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = doubled;
            } else if brace == "}" {
                plain.push('}');
            } else {
                let (name, behind) = rest.split_once('}').ok_or(TemplateError::Open)?;
                let place = values
                    .find(name)
                    .ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
                pieces.push(Piece::Text(std::mem::take(&mut plain).into_bytes()));
                pieces.push(Piece::Value(place));
                rest = behind;
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain.into_bytes()));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self(pieces))
    }

    fn push(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.0.last_mut() {
            last.extend_from_slice(text.as_bytes());
        } else {
            self.0.push(Piece::Text(text.as_bytes().to_vec()));
        }
    }

    fn append(&mut self, other: &Self) {
        for piece in &other.0 {
            match (self.0.last_mut(), piece) {
                (Some(Piece::Text(last)), Piece::Text(text)) => last.extend_from_slice(text),
                (_, piece) => self.0.push(piece.clone()),
            }
        }
    }

    /// How long it is, if it is always the same.
    fn fixed_len(&self) -> Option<usize> {
        match self.0.as_slice() {
            [] => Some(0),
            [Piece::Text(text)] => Some(text.len()),
            _ => None,
        }
    }

    /// Appends the text of one turn.
    pub(super) fn fill(&self, values: &Values, turn: Turn, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Value(place) => values.write(*place, turn, out),
            }
        }
    }
}

/// A whole request with gaps.
#[derive(Clone, Debug)]
pub(super) struct RequestTemplate {
    pub(super) method: &'static str,
    pub(super) path: Template,
    pub(super) headers: Vec<(String, Template)>,
    pub(super) body: Option<Template>,
    /// As HTTP/1.1 writes it: all of it, or everything before the length of the body.
    wire: Template,
    is_whole: bool,
}

impl RequestTemplate {
    pub(super) fn new(
        (method, authority): (&'static str, &str),
        path: Template,
        headers: Vec<(String, Template)>,
        body: Option<Template>,
    ) -> Self {
        let mut wire = Template::default();
        wire.push(&format!("{method} "));
        wire.append(&path);
        wire.push(" HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name == "host") {
            wire.push(&format!("host: {authority}\r\n"));
        }
        for (name, value) in &headers {
            wire.push(&format!("{name}: "));
            wire.append(value);
            wire.push("\r\n");
        }
        // What is always the same is made once.
        let mut is_whole = true;
        match &body {
            None => wire.push("\r\n"),
            Some(body) => match body.fixed_len() {
                Some(length) => {
                    wire.push(&format!("content-length: {length}\r\n\r\n"));
                    wire.append(body);
                }
                None => is_whole = false,
            },
        }
        Self {
            method,
            path,
            headers,
            body,
            wire,
            is_whole,
        }
    }

    /// Whether it has a gap for the value at this place.
    pub(super) fn uses(&self, place: Option<usize>) -> bool {
        let gap = |piece: &Piece| matches!(piece, Piece::Value(at) if Some(*at) == place);
        let body = self.body.iter().flat_map(|body| &body.0);
        self.wire.0.iter().chain(body).any(gap)
    }

    /// The text of one turn, in place of what was there; the second vector is where a body is made.
    pub(super) fn fill(
        &self,
        values: &Values,
        turn: Turn,
        (out, text): (&mut Vec<u8>, &mut Vec<u8>),
    ) {
        out.clear();
        self.wire.fill(values, turn, out);
        if self.is_whole {
            return;
        }
        text.clear();
        if let Some(body) = &self.body {
            body.fill(values, turn, text);
        }
        // Writing to a vector cannot fail.
        let _ = write!(out, "content-length: {}\r\n\r\n", text.len());
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::of([("token", vec!["t1", "t2"]), ("id", vec!["7"])])
    }

    fn filled(text: &str, number: u64) -> Result<String, TemplateError> {
        let values = values();
        let turn = Turn { kind: 0, number };
        let mut out = Vec::new();
        Template::parse(text, &values)?.fill(&values, turn, &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn gaps_are_filled_in_turn_and_doubled_braces_are_braces() {
        assert_eq!(filled("/a/{id}?t={token}", 0).unwrap(), "/a/7?t=t1");
        assert_eq!(filled("/a/{id}?t={token}", 1).unwrap(), "/a/7?t=t2");
        assert_eq!(filled("{{\"a\":\"{id}\"}}", 0).unwrap(), "{\"a\":\"7\"}");
        assert_eq!(filled("plain", 5).unwrap(), "plain");
    }

    #[test]
    fn a_gap_that_nothing_fills_is_refused() {
        assert_eq!(
            filled("{who}", 0),
            Err(TemplateError::Unknown("who".into()))
        );
        assert_eq!(filled("{id", 0), Err(TemplateError::Open));
    }

    #[test]
    fn the_length_is_that_of_the_body_as_it_was_filled() {
        let values = values();
        let template = |text: &str| Template::parse(text, &values).unwrap();
        #[rustfmt::skip]
        let cases = [
            (None,               "POST /a/7 HTTP/1.1\r\nhost: h\r\nx: t1\r\n\r\n"),
            (Some(""),           "POST /a/7 HTTP/1.1\r\nhost: h\r\nx: t1\r\ncontent-length: 0\r\n\r\n"),
            (Some("plain"),      "POST /a/7 HTTP/1.1\r\nhost: h\r\nx: t1\r\ncontent-length: 5\r\n\r\nplain"),
            (Some("id={id}&{token}"), "POST /a/7 HTTP/1.1\r\nhost: h\r\nx: t1\r\ncontent-length: 7\r\n\r\nid=7&t1"),
        ];
        for (body, expected) in cases {
            let headers = vec![("x".to_owned(), template("{token}"))];
            let body = body.map(template);
            let request = RequestTemplate::new(("POST", "h"), template("/a/{id}"), headers, body);
            let mut out = b"what was there".to_vec();
            request.fill(
                &values,
                Turn::default(),
                (&mut out, &mut b"and there".to_vec()),
            );
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_host_that_is_named_takes_the_place_of_the_address() {
        let host = Template::parse("shop.example", &Values::default()).unwrap();
        let headers = vec![("host".to_owned(), host)];
        let request =
            RequestTemplate::new(("GET", "127.0.0.1:1"), Template::default(), headers, None);
        let mut out = Vec::new();
        request.fill(
            &Values::default(),
            Turn::default(),
            (&mut out, &mut Vec::new()),
        );
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "GET  HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    }
}
