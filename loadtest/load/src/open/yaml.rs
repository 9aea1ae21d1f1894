//! What stands where in a YAML file: scalars as they are written, with line and column.
//!
//! What a key means is not known here. Nothing is followed: a file with an anchor, an alias, a tag or a
//! second document is refused, and so is one that is too large or too deep.

use saphyr_parser::{Event, Parser, Span};

use super::problem::{Place, Problem};

pub(super) const TEXT_MAX: usize = 1024 * 1024;
const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Place,
    pub(super) value: Node,
}

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > TEXT_MAX {
        return Err(Problem::new(Place::START, "the file is larger than 1 MiB"));
    }
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let marker = error.marker();
            let at = Place::new(marker.line(), marker.col());
            Problem::new(at, format!("this is no YAML: {}", error.info()))
        })?;
        builder.take(event, span)?;
    }
    builder
        .root
        .ok_or_else(|| Problem::new(Place::START, "the file is empty"))
}

#[derive(Default)]
struct Builder {
    open: Vec<Node>,
    /// By depth, the key whose value comes next.
    keys: Vec<Option<(String, Place)>>,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = Place::new(span.start.line(), span.start.col());
        match event {
            Event::Scalar(text, _, 0, None) => self.place(Node {
                at,
                content: Content::Scalar(text.into_owned()),
            }),
            Event::SequenceStart(0, None) => self.begin(at, Content::List(Vec::new())),
            Event::MappingStart(0, None) => self.begin(at, Content::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => {
                self.keys.pop();
                match self.open.pop() {
                    Some(node) => self.place(node),
                    None => Ok(()),
                }
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Problem::new(at, "a second document is not allowed"))
            }
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..) => {
                let message = "anchors, aliases and tags are not known here";
                Err(Problem::new(at, message))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, at: Place, content: Content) -> Result<(), Problem> {
        if self.open.len() == DEPTH_MAX {
            return Err(Problem::new(at, "this is nested more than 16 deep"));
        }
        self.open.push(Node { at, content });
        self.keys.push(None);
        Ok(())
    }

    fn place(&mut self, node: Node) -> Result<(), Problem> {
        let (Some(parent), Some(key)) = (self.open.last_mut(), self.keys.last_mut()) else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.content, key.take()) {
            (Content::List(items), _) => items.push(node),
            (Content::Map(entries), Some((name, at))) => entries.push(Entry {
                key: name,
                at,
                value: node,
            }),
            (Content::Map(entries), None) => {
                let Content::Scalar(name) = node.content else {
                    return Err(Problem::new(node.at, "a key is a word"));
                };
                if entries.iter().any(|entry| entry.key == name) {
                    return Err(Problem::new(node.at, format!("`{name}` is there twice")));
                }
                *key = Some((name, node.at));
            }
            (Content::Scalar(_), _) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_where_they_stand() {
        let node = parse("a: 1\nb:\n  - { c: x }\n").unwrap();
        let Content::Map(entries) = node.content else {
            panic!("{node:?}");
        };
        let [a, b] = entries.as_slice() else {
            panic!("{entries:?}");
        };
        assert_eq!(
            (a.key.as_str(), a.value.at.to_string()),
            ("a", "1:4".into())
        );
        let Content::List(items) = &b.value.content else {
            panic!("{b:?}");
        };
        assert_eq!(items[0].at.to_string(), "3:5");
    }

    #[test]
    fn what_is_no_plain_file_is_refused_where_it_stands() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let long = |length: usize| format!("# {}\na: 1", "x".repeat(length - "# \na: 1".len()));
        assert!(parse(&deep(DEPTH_MAX)).is_ok());
        assert!(parse(&long(TEXT_MAX)).is_ok());
        #[rustfmt::skip]
        let cases = [
            (String::new(),                "1:1: the file is empty"),
            ("a: [1".to_owned(),           "no YAML"),
            ("a: 1\na: 2".to_owned(),      "2:1: `a` is there twice"),
            ("a: &x 1\nb: *x".to_owned(),  ": anchors"),
            ("a: !!int 1".to_owned(),      ": anchors"),
            ("a: 1\n---\nb: 2".to_owned(), "a second document"),
            ("{ [a]: 1 }".to_owned(),      "a key is a word"),
            (deep(DEPTH_MAX + 1),          "1:17: this is nested"),
            (long(TEXT_MAX + 1),           "larger than 1 MiB"),
        ];
        for (text, expected) in cases {
            let problem = parse(&text).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
