//! Routes by path, one node per segment.

use crate::path::{PathPattern, Segment};

/// By which spelling of a path a route was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// The one that was asked for.
    Asked,
    /// The same to many services: but for the slash at its end, which one of the two lacks, or for capitals.
    Alike,
}

/// A node of the tree; the root stands for the slash every path starts with.
#[derive(Debug, Clone, Default)]
pub(super) struct Trie {
    /// Sorted by text.
    literals: Vec<(Box<str>, Trie)>,
    /// Whether one of them has a capital.
    has_capitals: bool,
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
    /// of their routes is taken. Before the less specific ones those are shown that many services take for
    /// the same.
    pub(super) fn find(
        &self,
        path: &str,
        take: &mut impl FnMut(usize, Spelling) -> bool,
    ) -> Option<usize> {
        self.find_below(Some(path), Spelling::Asked, take)
    }

    /// `rest` is what remains of the path: `None` when every segment is used up. `so_far` is how what came
    /// before it was found.
    fn find_below(
        &self,
        rest: Option<&str>,
        so_far: Spelling,
        take: &mut impl FnMut(usize, Spelling) -> bool,
    ) -> Option<usize> {
        let more_specific = match rest {
            None => {
                let found = first(&self.ends, so_far, take);
                let with_slash = || first(&self.literal("")?.ends, Spelling::Alike, take);
                found.or_else(with_slash)
            }
            Some("") => {
                let slash = self.literal("");
                let found = slash.and_then(|slash| slash.find_below(None, so_far, take));
                found.or_else(|| first(&self.ends, Spelling::Alike, take))
            }
            Some(rest) => self.find_in_segment(rest, so_far, take),
        };
        more_specific.or_else(|| first(&self.rests, so_far, take))
    }

    fn find_in_segment(
        &self,
        rest: &str,
        so_far: Spelling,
        take: &mut impl FnMut(usize, Spelling) -> bool,
    ) -> Option<usize> {
        let (segment, below) = match rest.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (rest, None),
        };
        let literal = self.literal(segment);
        let found = literal.and_then(|child| child.find_below(below, so_far, take));
        let found = found.or_else(|| self.find_alike(segment, below, take));
        found.or_else(|| self.param.as_ref()?.find_below(below, so_far, take))
    }

    /// Looks below what differs from a segment in capitals alone.
    fn find_alike(
        &self,
        segment: &str,
        below: Option<&str>,
        take: &mut impl FnMut(usize, Spelling) -> bool,
    ) -> Option<usize> {
        if self.has_capitals {
            let mut alike = self.literals.iter().filter(|(known, _)| {
                known.eq_ignore_ascii_case(segment) && known.as_ref() != segment
            });
            return alike.find_map(|(_, child)| child.find_below(below, Spelling::Alike, take));
        }
        if self.literals.is_empty() || !has_capitals(segment) {
            return None;
        }
        let alike = self.literal(&segment.to_ascii_lowercase())?;
        alike.find_below(below, Spelling::Alike, take)
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
        self.has_capitals |= has_capitals(text);
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

/// To the end whatever comes, so that many bytes are looked at at once.
fn has_capitals(text: &str) -> bool {
    text.bytes()
        .fold(false, |so_far, byte| so_far | byte.is_ascii_uppercase())
}

fn first(
    places: &[usize],
    spelling: Spelling,
    take: &mut impl FnMut(usize, Spelling) -> bool,
) -> Option<usize> {
    places.iter().copied().find(|index| take(*index, spelling))
}
