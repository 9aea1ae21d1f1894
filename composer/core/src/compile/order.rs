//! What must be there before what, and in how many rounds.

use crate::plan::{JoinId, Needs, StepId};

/// A step or a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Step(usize),
    Join(usize),
}

/// The rounds of steps and of joins, or the steps of a circle.
pub(super) struct Graph<'g> {
    pub(super) steps: Vec<&'g Needs>,
    /// With whether it takes a call.
    pub(super) joins: Vec<(&'g Needs, bool)>,
}

#[derive(Debug, Default)]
pub(super) struct Rounds {
    pub(super) steps: Vec<usize>,
    pub(super) joins: Vec<usize>,
    /// Steps that wait for themselves.
    pub(super) circular: Vec<usize>,
}

impl Graph<'_> {
    /// Takes away what can be done, round after round, until nothing is left or nothing can be.
    pub(super) fn rounds(&self) -> Rounds {
        let mut steps: Vec<Option<usize>> = vec![None; self.steps.len()];
        let mut joins: Vec<Option<usize>> = vec![None; self.joins.len()];
        loop {
            let before = count(&steps) + count(&joins);
            for (place, needs) in self.steps.iter().enumerate() {
                let round = last(needs, &steps, &joins).map(|round| round + 1);
                fill(&mut steps, place, round);
            }
            for (place, (needs, is_call)) in self.joins.iter().enumerate() {
                let round = last(needs, &steps, &joins);
                fill(
                    &mut joins,
                    place,
                    round.map(|round| round + usize::from(*is_call)),
                );
            }
            if count(&steps) + count(&joins) == before {
                break;
            }
        }
        let circular = (0..steps.len())
            .filter(|step| self.is_circular(*step))
            .collect();
        Rounds {
            steps: steps.into_iter().map(Option::unwrap_or_default).collect(),
            joins: joins.into_iter().map(Option::unwrap_or_default).collect(),
            circular,
        }
    }

    fn is_circular(&self, step: usize) -> bool {
        let mut seen = Vec::new();
        let mut left = self.needs_of(Node::Step(step));
        while let Some(node) = left.pop() {
            if node == Node::Step(step) {
                return true;
            }
            if !seen.contains(&node) {
                seen.push(node);
                left.extend(self.needs_of(node));
            }
        }
        false
    }

    fn needs_of(&self, node: Node) -> Vec<Node> {
        let needs = match node {
            Node::Step(step) => self.steps.get(step).copied(),
            Node::Join(join) => self.joins.get(join).map(|(needs, _)| *needs),
        };
        let nodes = needs.into_iter().flat_map(|needs| {
            let steps = needs.steps.iter().map(|StepId(step)| Node::Step(*step));
            steps.chain(needs.joins.iter().map(|JoinId(join)| Node::Join(*join)))
        });
        nodes.collect()
    }
}

fn count(rounds: &[Option<usize>]) -> usize {
    rounds.iter().flatten().count()
}

fn fill(rounds: &mut [Option<usize>], place: usize, round: Option<usize>) {
    if let Some(slot) = rounds.get_mut(place)
        && slot.is_none()
    {
        *slot = round;
    }
}

/// The last round of what is needed, if all of it has one.
fn last(needs: &Needs, steps: &[Option<usize>], joins: &[Option<usize>]) -> Option<usize> {
    let steps = needs
        .steps
        .iter()
        .map(|StepId(step)| steps.get(*step).copied().flatten());
    let joins = needs
        .joins
        .iter()
        .map(|JoinId(join)| joins.get(*join).copied().flatten());
    steps
        .chain(joins)
        .try_fold(0, |last, round| Some(last.max(round?)))
}
