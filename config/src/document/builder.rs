//! Turns the events of the YAML parser into nodes.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{Content, DEPTH_MAX, NODES_MAX, Node, NodeId, syntax};
use crate::problem::shown;
use crate::report::{Finding, Report};
use crate::source::{Source, Span};

/// Every node and which of them is the root, or `None` after a finding that ends the reading.
pub(super) fn build(source: &Source, report: &Report) -> Option<(Vec<Node>, NodeId)> {
    let offsets = Offsets::new(source.text());
    let mut builder = Builder::new(report);
    let mut parser = Parser::new_from_str(source.text());
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok((event, span)) => (event, span),
            Err(error) => {
                let byte = offsets.byte(error.marker().index());
                report.add(syntax::finding(error.info(), byte, source));
                return None;
            }
        };
        let span = offsets.byte(span.start.index())..offsets.byte(span.end.index());
        if let Err(stop) = builder.take(event, span) {
            report.add(stop.0);
            return None;
        }
    }
    Some(builder.finish())
}

/// A finding after which the rest of the file is not worth reading.
struct Stop(Finding);

struct Builder<'a> {
    report: &'a Report,
    nodes: Vec<Node>,
    /// By the number the parser gives an anchor; only nodes that are complete.
    anchors: HashMap<usize, NodeId>,
    open: Vec<Open>,
    /// Nodes so far with every alias followed.
    expanded: usize,
    root: Option<NodeId>,
}

/// A list or map whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    height: usize,
    weight: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<NodeId>),
    Map {
        entries: Vec<(NodeId, NodeId)>,
        key: Option<Key>,
        seen: HashMap<String, NodeId>,
    },
}

/// A key that waits for its value; one that was refused takes its value along.
#[derive(Clone, Copy)]
struct Key {
    id: NodeId,
    is_refused: bool,
}

impl<'a> Builder<'a> {
    fn new(report: &'a Report) -> Self {
        Self {
            report,
            nodes: Vec::new(),
            anchors: HashMap::new(),
            open: Vec::new(),
            expanded: 0,
            root: None,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(Stop(
                Finding::at(span, "a second document is not allowed")
                    .note("one file holds one document: remove this line and what follows it"),
            )),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let is_null = style == ScalarStyle::Plain && is_null(&text);
                let content = if is_null {
                    Content::Null
                } else {
                    Content::Scalar(text.into())
                };
                let id = self.add(Node {
                    span,
                    content,
                    weight: 1,
                    height: 0,
                })?;
                self.anchors.insert(anchor, id);
                self.place(id);
                Ok(())
            }
            Event::Alias(anchor) => self.follow(anchor, span),
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.begin(span, anchor, Kind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let map = Kind::Map {
                    entries: Vec::new(),
                    key: None,
                    seen: HashMap::new(),
                };
                self.begin(span, anchor, map)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn finish(mut self) -> (Vec<Node>, NodeId) {
        let root = self.root.unwrap_or_else(|| {
            self.nodes.push(Node {
                span: 0..0,
                content: Content::Null,
                weight: 1,
                height: 0,
            });
            NodeId(self.nodes.len() - 1)
        });
        (self.nodes, root)
    }

    fn refuse_tag(&self, has_tag: bool, span: &Span) {
        if has_tag {
            let finding = Finding::at(span.clone(), "`!` tags are not used here");
            self.report
                .add(finding.note("remove the tag: every key knows what it takes"));
        }
    }

    fn add(&mut self, node: Node) -> Result<NodeId, Stop> {
        self.expand(node.weight, &node.span)?;
        self.nodes.push(node);
        Ok(NodeId(self.nodes.len() - 1))
    }

    fn expand(&mut self, weight: usize, span: &Span) -> Result<(), Stop> {
        self.expanded = self.expanded.saturating_add(weight);
        if self.expanded > NODES_MAX {
            return Err(Stop(
                Finding::at(span.clone(), "the file is too large")
                    .note("with this it has more than 1,000,000 values, aliases included"),
            ));
        }
        Ok(())
    }

    fn follow(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(&id) = self.anchors.get(&anchor) else {
            return Err(Stop(
                Finding::at(span, "this alias stands inside what it names")
                    .note("a value cannot contain itself"),
            ));
        };
        let (weight, height) = self
            .nodes
            .get(id.0)
            .map_or((1, 0), |node| (node.weight, node.height));
        self.expand(weight, &span)?;
        self.check_depth(self.open.len() + height, &span)?;
        self.place(id);
        Ok(())
    }

    fn check_depth(&self, depth: usize, span: &Span) -> Result<(), Stop> {
        if depth > DEPTH_MAX {
            return Err(Stop(
                Finding::at(span.clone(), "lists and maps are nested too deeply")
                    .note("at most 64 may stand inside one another"),
            ));
        }
        Ok(())
    }

    fn begin(&mut self, span: Span, anchor: usize, kind: Kind) -> Result<(), Stop> {
        self.check_depth(self.open.len() + 1, &span)?;
        self.expand(1, &span)?;
        self.open.push(Open {
            start: span.start,
            anchor,
            height: 1,
            weight: 1,
            kind,
        });
        Ok(())
    }

    fn end(&mut self, span: &Span) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let (content, last) = match open.kind {
            Kind::List(items) => {
                let last = items.last().copied();
                (Content::List(items), last)
            }
            Kind::Map { entries, .. } => {
                let last = entries.last().map(|(_, value)| *value);
                (Content::Map(entries), last)
            }
        };
        // In block style the parser notices an end only at the next token.
        let last_end = last
            .and_then(|id| self.nodes.get(id.0))
            .map(|node| node.span.end);
        let end = if span.is_empty() {
            last_end.unwrap_or(span.end)
        } else {
            span.end
        };
        let span = open.start..end.max(open.start);
        self.nodes.push(Node {
            span,
            content,
            weight: open.weight,
            height: open.height,
        });
        let id = NodeId(self.nodes.len() - 1);
        self.anchors.insert(open.anchor, id);
        self.place(id);
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn place(&mut self, id: NodeId) {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(id);
            return;
        };
        if let Some(node) = self.nodes.get(id.0) {
            parent.weight = parent.weight.saturating_add(node.weight);
            parent.height = parent.height.max(node.height + 1);
        }
        match &mut parent.kind {
            Kind::List(items) => items.push(id),
            Kind::Map { entries, key, .. } => match key.take() {
                Some(key) => {
                    give_null_its_place(&mut self.nodes, key.id, id);
                    if !key.is_refused {
                        entries.push((key.id, id));
                    }
                }
                None => self.take_key(id),
            },
        }
    }

    fn take_key(&mut self, id: NodeId) {
        let refusal = self.refuse_key(id);
        let is_refused = refusal.is_some();
        if let Some(finding) = refusal {
            self.report.add(finding);
        }
        if let Some(Open {
            kind: Kind::Map { key, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(Key { id, is_refused });
        }
    }

    fn refuse_key(&mut self, id: NodeId) -> Option<Finding> {
        let node = self.nodes.get(id.0)?;
        let span = node.span.clone();
        let Content::Scalar(text) = &node.content else {
            return Some(Finding::at(span, "a key must be text").note("put quotes around it"));
        };
        if text == "<<" {
            return Some(
                Finding::at(span, "merge keys are not supported")
                    .note("write the keys out, or use an alias for a whole value"),
            );
        }
        let Some(Open {
            kind: Kind::Map { seen, .. },
            ..
        }) = self.open.last_mut()
        else {
            return None;
        };
        match seen.get(text) {
            Some(first) => {
                let first = self.nodes.get(first.0)?.span.clone();
                let message = format!("the key `{}` is there twice", shown(text));
                Some(
                    Finding::at(span, message)
                        .note("remove one of them")
                        .other(first, "it is already here"),
                )
            }
            None => {
                seen.insert(text.clone(), id);
                None
            }
        }
    }
}

/// Lets a value that is not there point at the key that has none.
fn give_null_its_place(nodes: &mut [Node], key: NodeId, value: NodeId) {
    let Some(key_span) = nodes.get(key.0).map(|key| key.span.clone()) else {
        return;
    };
    if let Some(node) = nodes.get_mut(value.0)
        && matches!(node.content, Content::Null)
        && node.span.is_empty()
    {
        node.span = key_span;
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Finds the byte of a character, since the parser counts characters.
struct Offsets {
    text_len: usize,
    /// For each character of more than one byte: its place in characters, and how many bytes more
    /// than characters there are once it is passed.
    excess: Vec<(usize, usize)>,
}

impl Offsets {
    fn new(text: &str) -> Self {
        let mut excess = Vec::new();
        if !text.is_ascii() {
            let mut total = 0;
            for (place, c) in text.chars().enumerate().filter(|(_, c)| !c.is_ascii()) {
                total += c.len_utf8() - 1;
                excess.push((place, total));
            }
        }
        Self {
            text_len: text.len(),
            excess,
        }
    }

    fn byte(&self, place: usize) -> usize {
        let passed = self.excess.partition_point(|(wide, _)| *wide < place);
        let excess = passed.checked_sub(1).and_then(|last| self.excess.get(last));
        (place + excess.map_or(0, |(_, total)| *total)).min(self.text_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_found_by_their_bytes() {
        let text = "aéb名c";
        let offsets = Offsets::new(text);
        for (place, (byte, _)) in text.char_indices().enumerate() {
            assert_eq!(offsets.byte(place), byte, "character {place}");
        }
        assert_eq!(offsets.byte(5), text.len());
        assert_eq!(offsets.byte(99), text.len());
    }
}
