//! What does the file say, before anybody asks what it means?
//!
//! YAML 1.2 narrowed to what a configuration needs: one document of maps, lists and scalars. Tags,
//! merge keys, keys that are not scalars and keys that come twice are refused. Aliases share the
//! node they name, and what they would expand to is counted, so that a small file cannot become a
//! large one. Every node knows where it stands.

use crate::report::Report;
use crate::source::{Source, Span};
use crate::units::Size;

mod builder;
mod map;
mod syntax;

/// Bytes of a file.
pub(crate) const FILE_MAX: Size = Size::mib(16);
/// Lists and maps inside one another.
const DEPTH_MAX: usize = 64;
/// Nodes of a document once every alias is followed.
const NODES_MAX: usize = 1_000_000;

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Document {
    source: Source,
    nodes: Vec<Node>,
    root: NodeId,
}

/// A place in [`Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(usize);

#[derive(Debug)]
pub(crate) struct Node {
    span: Span,
    content: Content,
    /// Nodes in this one with every alias followed, itself included.
    weight: usize,
    /// Lists and maps inside one another, this one included.
    height: usize,
    /// A map with keys that were refused, so that nothing is known to be missing from it.
    has_lost_keys: bool,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing at all, `~` or `null`.
    Null,
    Scalar(String),
    List(Vec<NodeId>),
    /// Keys are scalars and differ.
    Map(Vec<(NodeId, NodeId)>),
}

impl Document {
    /// Parses a file; what is refused is reported. `None` means that nothing can be made of it.
    pub(crate) fn parse(source: Source, report: &Report) -> Result<Self, Source> {
        match builder::build(&source, report) {
            Some((nodes, root)) => Ok(Self {
                source,
                nodes,
                root,
            }),
            None => Err(source),
        }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    pub(crate) fn content(&self, id: NodeId) -> &Content {
        self.nodes
            .get(id.0)
            .map_or(&Content::Null, |node| &node.content)
    }

    pub(crate) fn span(&self, id: NodeId) -> Span {
        self.nodes.get(id.0).map_or(0..0, |node| node.span.clone())
    }

    /// Whether a key that is absent was perhaps meant to be there.
    pub(crate) fn has_lost_keys(&self, id: NodeId) -> bool {
        self.nodes.get(id.0).is_some_and(|node| node.has_lost_keys)
    }

    pub(crate) fn line(&self, id: NodeId) -> usize {
        self.source.line_of(self.span(id).start)
    }

    /// The text of a scalar as YAML reads it, before variables are filled in.
    pub(crate) fn text(&self, id: NodeId) -> &str {
        match self.content(id) {
            Content::Scalar(text) => text,
            Content::Null | Content::List(_) | Content::Map(_) => "",
        }
    }

    /// The part of a scalar that spells `part`, or all of it.
    pub(crate) fn find_within(&self, id: NodeId, part: &str) -> Span {
        self.source.find_within(&self.span(id), part)
    }
}

impl NodeId {
    /// For the way through serde, which carries numbers but not this type.
    pub(crate) fn to_u64(self) -> u64 {
        u64::try_from(self.0).unwrap_or(u64::MAX)
    }

    pub(crate) fn from_u64(number: u64) -> Option<Self> {
        usize::try_from(number).ok().map(Self)
    }
}
