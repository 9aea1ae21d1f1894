//! Turns the events of the YAML parser into nodes.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::map::OpenMap;
use super::{Content, DEPTH_MAX, NODES_MAX, Node, NodeId, syntax};
use crate::report::{Finding, Report};
use crate::source::{Source, Span};

/// Every node and which of them is the root, or `None` after a finding that ends the reading.
pub(super) fn build(source: &Source, report: &Report) -> Option<(Vec<Node>, NodeId)> {
    let offsets = Offsets::new(source.text());
    let mut builder = Builder::new(source, report);
    let mut parser = Parser::new_from_str(source.text());
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok((event, span)) => (event, span),
            Err(error) => {
                let stand = builder.stand(offsets.byte(error.marker().index()));
                report.add(syntax::finding(error.info(), &stand, source));
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
    source: &'a Source,
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
    Map(OpenMap),
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source, report: &'a Report) -> Self {
        Self {
            source,
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
                    has_lost_keys: false,
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
                self.begin(span, anchor, Kind::Map(OpenMap::default()))
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
                has_lost_keys: false,
            });
            NodeId(self.nodes.len() - 1)
        });
        (self.nodes, root)
    }

    /// For the complaint of a parser that gave up here.
    fn stand(&self, byte: usize) -> syntax::Stand {
        let last = self
            .nodes
            .last()
            .filter(|node| matches!(node.content, Content::Scalar(_)));
        syntax::Stand {
            byte,
            last: last.map(|node| node.span.clone()),
            open: self.open.last().map(|open| open.start),
        }
    }

    fn refuse_tag(&self, has_tag: bool, span: &Span) {
        if !has_tag {
            return;
        }
        let line = self.source.line_around(span.start);
        let before = self.source.slice(&(line.start..span.start));
        let tag = match before.rfind('!') {
            Some(last) => {
                let first = before[..last]
                    .trim_end_matches(|c: char| !c.is_whitespace())
                    .len();
                line.start + first..line.start + before.trim_end().len()
            }
            None => span.clone(),
        };
        let finding = Finding::at(tag, "`!` tags are not used here");
        self.report
            .add(finding.note("remove the tag: every key knows what it takes"));
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
        let mut has_lost_keys = false;
        let (content, last) = match open.kind {
            Kind::List(items) => {
                let last = items.last().copied();
                (Content::List(items), last)
            }
            Kind::Map(map) => {
                has_lost_keys = map.has_lost_keys();
                let last = map.last();
                (Content::Map(map.into_entries()), last)
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
            has_lost_keys,
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
            Kind::Map(map) => map.take(id, &mut self.nodes, self.report),
        }
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
