//! How a call is written, with the place of every word in it.

use std::ops::Range;

use crate::expression::{Expression, Misspelt, Word};

/// A call as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) service: Word,
    pub(crate) path: Vec<Part>,
    pub(crate) query: Vec<Vec<Part>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    Slot(Slot),
}

/// What stands between braces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) expression: Expression,
    pub(crate) is_optional: bool,
    pub(crate) span: Range<usize>,
    pub(crate) is_in_path: bool,
}

impl Slot {
    /// The name in the braces, if it is nothing but one.
    pub(crate) fn bare_name(&self) -> Option<&str> {
        match &self.expression.head {
            crate::expression::Head::Name(name) if self.expression.path.is_empty() => {
                Some(&name.text)
            }
            crate::expression::Head::Name(_) | crate::expression::Head::Lookup { .. } => None,
        }
    }
}

impl Template {
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        let parts = self.path.iter().chain(self.query.iter().flatten());
        parts.filter_map(|part| match part {
            Part::Slot(slot) => Some(slot),
            Part::Literal(_) => None,
        })
    }
}

pub(crate) fn parse(text: &str) -> Result<Template, Misspelt> {
    let mut words = words(text);
    let method = words.next().unwrap_or(0..0);
    let note = "write `GET service /path`; only reads can be composed";
    if text.get(method.clone()) != Some("GET") {
        return Err(Misspelt::new(method, "expected `GET`", note));
    }
    let service = words.next().unwrap_or(text.len()..text.len());
    let name = text.get(service.clone()).unwrap_or_default().to_owned();
    if name.is_empty() || name.starts_with('/') {
        return Err(Misspelt::new(
            service,
            "expected the name of a service",
            note,
        ));
    }
    let target = words.next().unwrap_or(text.len()..text.len());
    if !text
        .get(target.clone())
        .is_some_and(|it| it.starts_with('/'))
    {
        let note = "it begins with `/`: `GET membership /members/{memberId}`";
        return Err(Misspelt::new(target, "expected a path", note));
    }
    if let Some(more) = words.next() {
        let note = "a target has no spaces: percent-encode them";
        return Err(Misspelt::new(more, "expected nothing more", note));
    }
    let (path, query) = parse_target(text, target)?;
    let service = Word {
        text: name,
        span: service,
    };
    Ok(Template {
        service,
        path,
        query,
    })
}

/// The places of words with one or more spaces between them.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.split_ascii_whitespace().map(move |word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    })
}

type Target = (Vec<Part>, Vec<Vec<Part>>);

fn parse_target(text: &str, span: Range<usize>) -> Result<Target, Misspelt> {
    let mut path = Vec::new();
    let mut query: Vec<Vec<Part>> = Vec::new();
    let mut at = span.start;
    while let Some(letter) = text.get(at..span.end).and_then(|rest| rest.chars().next()) {
        let is_in_path = query.is_empty();
        let is_separator = matches!((letter, is_in_path), ('?', true) | ('&', false));
        let parts = query.last_mut().unwrap_or(&mut path);
        if is_separator {
            query.push(Vec::new());
            at += 1;
        } else if letter == '{' {
            let slot = parse_slot(text, at..span.end, is_in_path)?;
            at = slot.span.end;
            parts.push(Part::Slot(slot));
        } else {
            check_literal(letter, at)?;
            match parts.last_mut() {
                Some(Part::Literal(literal)) => literal.push(letter),
                Some(Part::Slot(_)) | None => parts.push(Part::Literal(letter.into())),
            }
            at += 1;
        }
    }
    check_segments(text, span, &query)?;
    Ok((path, query))
}

fn check_literal(letter: char, at: usize) -> Result<(), Misspelt> {
    let note = match letter {
        '}' => "there is no `{` to it",
        '#' => "a service never sees what stands behind `#`",
        '"' | '<' | '>' | '\\' | '^' | '`' | '|' => "percent-encode it",
        _ if letter.is_ascii_graphic() => return Ok(()),
        _ => "ASCII only: percent-encode the rest",
    };
    let span = at..at + letter.len_utf8();
    Err(Misspelt::new(span, "this cannot stand in a target", note))
}

fn parse_slot(text: &str, rest: Range<usize>, is_in_path: bool) -> Result<Slot, Misspelt> {
    let written = text.get(rest.clone()).unwrap_or_default();
    let Some(length) = written.find('}') else {
        let note = "there is no `}` to it";
        return Err(Misspelt::new(
            rest.start..rest.start + 1,
            "this is never closed",
            note,
        ));
    };
    let (start, mut end) = (rest.start + 1, rest.start + length);
    let is_optional = end > start && text.get(end - 1..end) == Some("?");
    if is_optional && is_in_path {
        let note = "only a parameter of the query can be left out";
        return Err(Misspelt::new(
            end - 1..end,
            "a path has no optional parts",
            note,
        ));
    }
    end -= usize::from(is_optional);
    Ok(Slot {
        expression: Expression::parse_within(text, start..end)?,
        is_optional,
        span: rest.start..rest.start + length + 1,
        is_in_path,
    })
}

/// What is written must be in order too: dots and empty segments are taken for mistakes.
fn check_segments(text: &str, span: Range<usize>, query: &[Vec<Part>]) -> Result<(), Misspelt> {
    if query.iter().any(Vec::is_empty) {
        let note = "there is nothing between `&` and `&`";
        return Err(Misspelt::new(span, "a parameter is empty", note));
    }
    let target = text.get(span.clone()).unwrap_or_default();
    // A `?` in braces comes behind that of the query, since a path has no optional parts.
    let path = target.split('?').next().unwrap_or_default();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if matches!(segment, "." | "..") || segment.is_empty() && !is_last {
            let note = "no empty segments and no dots";
            return Err(Misspelt::new(
                span,
                "this path has more than one spelling",
                note,
            ));
        }
    }
    Ok(())
}
