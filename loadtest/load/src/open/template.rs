//! A request with gaps that are filled in anew each time: `/members/{member}`.

use std::io::Write as _;

use thiserror::Error;

use super::values::Values;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    /// The place of a value among those of the scenario.
    Value(usize),
}

/// Text with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
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

    /// Appends the text of one turn.
    pub(super) fn fill(&self, values: &Values, turn: u64, out: &mut Vec<u8>) {
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
    /// Everything before the length of the body.
    pub(super) head: Template,
    /// `None` for a method that has no body.
    pub(super) body: Option<Template>,
}

impl RequestTemplate {
    pub(super) fn fill(&self, values: &Values, turn: u64, out: &mut Vec<u8>) {
        out.clear();
        self.head.fill(values, turn, out);
        let Some(body) = &self.body else {
            out.extend_from_slice(b"\r\n");
            return;
        };
        let mut text = Vec::new();
        body.fill(values, turn, &mut text);
        // Writing to a vector cannot fail.
        let _ = write!(out, "content-length: {}\r\n\r\n", text.len());
        out.extend_from_slice(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::of([("token", vec!["t1", "t2"]), ("id", vec!["7"])])
    }

    fn filled(text: &str, turn: u64) -> Result<String, TemplateError> {
        let values = values();
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
        let template = RequestTemplate {
            head: Template::parse("POST / HTTP/1.1\r\nhost: h\r\n", &values).unwrap(),
            body: Some(Template::parse("id={id}&t={token}", &values).unwrap()),
        };
        let mut out = Vec::new();
        template.fill(&values, 0, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with("\r\ncontent-length: 9\r\n\r\nid=7&t=t1"),
            "{text}"
        );
    }
}
