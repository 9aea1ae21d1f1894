//! Every state that can be reached, the nearest first.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::world::{Step, World};

/// More would be no test any more.
const STATES_MAX: usize = 3_000_000;

#[derive(Debug)]
pub(super) struct Found {
    pub(super) states: usize,
    /// The shortest way to a state that must not be.
    pub(super) wrong: Option<Vec<Step>>,
}

/// A state is remembered by its hash: that two share one is as good as impossible, and would hide
/// a state rather than invent one.
fn digest(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

struct Visit {
    from: Option<usize>,
    by: Option<Step>,
}

pub(super) fn search(start: World) -> Found {
    let mut seen = HashSet::from([digest(&start)]);
    let mut visits = vec![Visit {
        from: None,
        by: None,
    }];
    let mut open = VecDeque::from([(0, start)]);
    while let Some((at, world)) = open.pop_front() {
        if world.is_wrong() {
            let wrong = Some(way(&visits, at));
            let states = visits.len();
            return Found { states, wrong };
        }
        for step in world.steps() {
            let mut next = world.clone();
            next.take(step);
            if seen.insert(digest(&next)) {
                open.push_back((visits.len(), next));
                visits.push(Visit {
                    from: Some(at),
                    by: Some(step),
                });
            }
        }
        assert!(visits.len() < STATES_MAX, "too many states");
    }
    Found {
        states: visits.len(),
        wrong: None,
    }
}

fn way(visits: &[Visit], mut at: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(from) = visits[at].from {
        steps.extend(visits[at].by);
        at = from;
    }
    steps.reverse();
    steps
}
