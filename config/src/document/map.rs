//! A map whose end has not come yet: which keys may it have?

use std::collections::HashMap;

use super::{Content, Node, NodeId};
use crate::problem::shown;
use crate::report::{Finding, Report};

/// Takes keys and values in turn.
#[derive(Default)]
pub(super) struct OpenMap {
    entries: Vec<(NodeId, NodeId)>,
    key: Option<Key>,
    seen: HashMap<String, NodeId>,
    has_lost_keys: bool,
}

/// A key that waits for its value; one that was refused takes its value along.
#[derive(Clone, Copy)]
struct Key {
    id: NodeId,
    is_refused: bool,
}

impl OpenMap {
    pub(super) fn take(&mut self, id: NodeId, nodes: &mut [Node], report: &Report) {
        let Some(key) = self.key.take() else {
            let refusal = self.refuse(id, nodes);
            self.key = Some(Key {
                id,
                is_refused: refusal.is_some(),
            });
            if let Some(finding) = refusal {
                report.add(finding);
            }
            return;
        };
        give_null_its_place(nodes, key.id, id);
        if !key.is_refused {
            self.entries.push((key.id, id));
        }
    }

    pub(super) fn last(&self) -> Option<NodeId> {
        self.entries.last().map(|(_, value)| *value)
    }

    pub(super) fn has_lost_keys(&self) -> bool {
        self.has_lost_keys
    }

    pub(super) fn into_entries(self) -> Vec<(NodeId, NodeId)> {
        self.entries
    }

    fn refuse(&mut self, id: NodeId, nodes: &[Node]) -> Option<Finding> {
        let node = nodes.get(id.0)?;
        let span = node.span.clone();
        let Content::Scalar(text) = &node.content else {
            self.has_lost_keys = true;
            return Some(Finding::at(span, "a key must be text").note("put quotes around it"));
        };
        if text == "<<" {
            self.has_lost_keys = true;
            let finding = Finding::at(span, "merge keys are not supported");
            return Some(finding.note("write the keys out, or use an alias for a whole value"));
        }
        let Some(first) = self.seen.get(text) else {
            self.seen.insert(text.clone(), id);
            return None;
        };
        let first = nodes.get(first.0)?.span.clone();
        let finding = Finding::at(span, format!("the key `{}` is there twice", shown(text)));
        Some(
            finding
                .note("remove one of them")
                .other(first, "it is already here"),
        )
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
