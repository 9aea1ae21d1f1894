//! The small language of values: `history.next`, `bank(profile.bankCode).name`.
//!
//! ```text
//! expression = head { "." name }
//! head       = name | lookup "(" expression ")"
//! name       = one or more of A-Z a-z 0-9 _ - $ @
//! ```
//!
//! What the names stand for is not asked here. Every word keeps its place in the text, so that a
//! complaint can point at it.

use std::ops::Range;

/// Lookups inside one another; more would be refused for their depth anyway.
const NESTED_MAX: usize = 8;

/// A name and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    pub(crate) head: Head,
    pub(crate) path: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Head {
    Name(Word),
    Lookup { name: Word, key: Box<Expression> },
}

/// What is wrong with a text of this language, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misspelt {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) note: String,
}

impl Misspelt {
    pub(crate) fn new(span: Range<usize>, message: &str, note: &str) -> Self {
        Self {
            span,
            message: message.to_owned(),
            note: note.to_owned(),
        }
    }
}

impl Expression {
    /// Parses a whole text.
    pub(crate) fn parse(text: &str) -> Result<Self, Misspelt> {
        Self::parse_within(text, 0..text.len())
    }

    /// Parses the part of a text; places are those in the whole.
    pub(crate) fn parse_within(text: &str, part: Range<usize>) -> Result<Self, Misspelt> {
        let mut parser = Parser {
            text,
            at: part.start,
            end: part.end,
        };
        let expression = parser.expression(0)?;
        match parser.peek() {
            None => Ok(expression),
            Some(_) => Err(parser.misspelt("expected `.` or the end")),
        }
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_name)
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '$' | '@')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Parser<'a> {
    fn expression(&mut self, depth: usize) -> Result<Expression, Misspelt> {
        if depth > NESTED_MAX {
            return Err(self.misspelt("lookups are nested too deep"));
        }
        let name = self.word()?;
        let head = if self.take('(') {
            let key = Box::new(self.expression(depth + 1)?);
            if !self.take(')') {
                return Err(self.misspelt("expected `)`"));
            }
            Head::Lookup { name, key }
        } else {
            Head::Name(name)
        };
        let mut path = Vec::new();
        while self.take('.') {
            path.push(self.word()?);
        }
        Ok(Expression { head, path })
    }

    fn word(&mut self) -> Result<Word, Misspelt> {
        let rest = self.rest();
        let length = rest
            .find(|letter| !is_of_name(letter))
            .unwrap_or(rest.len());
        if length == 0 {
            return Err(self.misspelt("expected a name"));
        }
        let span = self.at..self.at + length;
        self.at = span.end;
        Ok(Word {
            text: rest.get(..length).unwrap_or_default().to_owned(),
            span,
        })
    }

    fn take(&mut self, letter: char) -> bool {
        let is_there = self.peek() == Some(letter);
        self.at += if is_there { letter.len_utf8() } else { 0 };
        is_there
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    fn misspelt(&self, message: &str) -> Misspelt {
        let length = self.peek().map_or(0, char::len_utf8);
        let note = "values are written like `history.next` or `member(receiverId).name`";
        Misspelt::new(self.at..self.at + length, message, note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(expression: &Expression) -> Range<usize> {
        let start = match &expression.head {
            Head::Name(name) | Head::Lookup { name, .. } => name.span.start,
        };
        let end = match (expression.path.last(), &expression.head) {
            (Some(last), _) => last.span.end,
            (None, Head::Name(name)) => name.span.end,
            (None, Head::Lookup { key, .. }) => span(key).end + 1,
        };
        start..end
    }

    fn shown(expression: &Expression) -> String {
        let mut text = match &expression.head {
            Head::Name(name) => name.text.clone(),
            Head::Lookup { name, key } => format!("{}[{}]", name.text, shown(key)),
        };
        for name in &expression.path {
            text.push('/');
            text.push_str(&name.text);
        }
        text
    }

    #[test]
    fn a_value_is_a_path_or_what_a_lookup_finds_under_one() {
        #[rustfmt::skip]
        let cases = [
            ("history",                         "history"),
            ("history.next",                    "history/next"),
            ("a.b.c",                           "a/b/c"),
            ("member(receiverId).name",         "member[receiverId]/name"),
            ("bank(profile.bankCode)",          "bank[profile/bankCode]"),
            ("bank(member(id).bankCode).name",  "bank[member[id]/bankCode]/name"),
            ("$ref.@id-2",                      "$ref/@id-2"),
        ];
        for (text, expected) in cases {
            let expression = Expression::parse(text).unwrap();
            assert_eq!(shown(&expression), expected);
            assert_eq!(span(&expression), 0..text.len(), "{text}");
        }
    }

    #[test]
    fn what_is_misspelt_is_pointed_at() {
        #[rustfmt::skip]
        let cases = [
            ("",               0, "expected a name"),
            (".next",          0, "expected a name"),
            ("history.",       8, "expected a name"),
            ("history..next",  8, "expected a name"),
            ("history next",   7, "expected `.` or the end"),
            ("member()",       7, "expected a name"),
            ("member(id",      9, "expected `)`"),
            ("member(id))",   10, "expected `.` or the end"),
            ("items[0]",       5, "expected `.` or the end"),
            ("näme",           1, "expected `.` or the end"),
        ];
        for (text, at, message) in cases {
            let misspelt = Expression::parse(text).unwrap_err();
            assert_eq!(
                (misspelt.span.start, &*misspelt.message),
                (at, message),
                "{text}"
            );
        }
    }

    #[test]
    fn nesting_ends_at_the_cap_and_not_one_past_it() {
        let nested = |depth: usize| format!("{}id{}", "m(".repeat(depth), ")".repeat(depth));
        assert!(Expression::parse(&nested(NESTED_MAX)).is_ok());
        assert!(Expression::parse(&nested(NESTED_MAX + 1)).is_err());
        assert!(Expression::parse(&nested(100_000)).is_err());
    }
}
