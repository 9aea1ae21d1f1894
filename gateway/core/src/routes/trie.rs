//! Routes by path, one node per segment.

use crate::path::{PathPattern, Segment};

/// A node of the tree; the root stands for the slash every path starts with.
#[derive(Debug, Clone, Default)]
pub(super) struct Trie {
    /// Sorted by text.
    literals: Vec<(Box<str>, Trie)>,
    param: Option<Box<Trie>>,
    /// Routes that end here, most specific first.
    ends: Vec<usize>,
    /// Routes that take whatever remains, most specific first.
    rests: Vec<usize>,
}

impl Trie {
    pub(super) fn insert(&mut self, pattern: &PathPattern, index: usize) {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literal_mut(text),
                Segment::Param(_) => node.param.get_or_insert_default(),
                Segment::Rest(_) => {
                    node.rests.push(index);
                    return;
                }
            };
        }
        node.ends.push(index);
    }

    /// Walks the places that match `path` (without its first slash), most specific first, until one
    /// of their routes is taken.
    pub(super) fn find(&self, path: &str, take: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        self.find_below(Some(path), take)
    }

    /// `rest` is what remains of the path: `None` when every segment is used up.
    fn find_below(
        &self,
        rest: Option<&str>,
        take: &mut impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let Some(rest) = rest else {
            let mut here = self.ends.iter().chain(&self.rests).copied();
            return here.find(|index| take(*index));
        };
        let (segment, below) = match rest.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (rest, None),
        };
        let literal = self
            .literal(segment)
            .and_then(|child| child.find_below(below, take));
        let param = || {
            let child = self.param.as_ref().filter(|_| !segment.is_empty())?;
            child.find_below(below, take)
        };
        if let Some(found) = literal.or_else(param) {
            return Some(found);
        }
        self.rests.iter().copied().find(|index| take(*index))
    }

    /// Visits every list of routes that share one place.
    pub(super) fn for_each_place(&mut self, visit: &mut impl FnMut(&mut Vec<usize>)) {
        visit(&mut self.ends);
        visit(&mut self.rests);
        for (_, child) in &mut self.literals {
            child.for_each_place(visit);
        }
        if let Some(child) = &mut self.param {
            child.for_each_place(visit);
        }
    }

    fn literal(&self, text: &str) -> Option<&Self> {
        let place = self
            .literals
            .binary_search_by(|(known, _)| known.as_ref().cmp(text))
            .ok()?;
        self.literals.get(place).map(|(_, child)| child)
    }

    fn literal_mut(&mut self, text: &str) -> &mut Self {
        let place = match self
            .literals
            .binary_search_by(|(known, _)| known.as_ref().cmp(text))
        {
            Ok(place) => place,
            Err(place) => {
                self.literals.insert(place, (text.into(), Self::default()));
                place
            }
        };
        &mut self.literals[place].1
    }
}
