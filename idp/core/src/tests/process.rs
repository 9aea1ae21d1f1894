//! A rule that runs beside others, one step at a time: a read of what it needs, or a commit.

use crate::decision::{Decided, Decision, Random};
use crate::view::{Need, View};

use super::world::World;

type Rule<'w, A> = Box<dyn Fn(&View, &Random) -> Decided<A> + 'w>;

pub(super) struct Process<'w, A> {
    world: &'w World,
    rule: Rule<'w, A>,
    view: View,
    random: Random,
    decided: Option<Decision<A>>,
    pub(super) answer: Option<A>,
}

impl<'w, A> Process<'w, A> {
    pub(super) fn new(world: &'w World, rule: impl Fn(&View, &Random) -> Decided<A> + 'w) -> Self {
        Self {
            world,
            rule: Box::new(rule),
            view: View::default(),
            random: world.draw(),
            decided: None,
            answer: None,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.answer.is_some()
    }

    pub(super) fn step(&mut self) {
        if self.is_done() {
            return;
        }
        if let Some(decision) = self.decided.take() {
            self.commit(decision);
            return;
        }
        match (self.rule)(&self.view, &self.random) {
            Err(Need(keys)) => {
                let stored = self.world.store.read_now(&keys);
                self.view.add(keys, stored);
            }
            Ok(decision) if decision.transaction.is_empty() => self.answer = Some(decision.answer),
            Ok(decision) => self.decided = Some(decision),
        }
    }

    /// Goes on until there is nothing left but to commit.
    pub(super) fn decide(&mut self) {
        while self.decided.is_none() {
            assert!(!self.is_done(), "there is nothing to commit");
            self.step();
        }
    }

    fn commit(&mut self, decision: Decision<A>) {
        match self.world.commit(&decision.transaction) {
            Ok(()) => self.answer = Some(decision.answer),
            Err(_) => {
                self.view = View::default();
                self.random = self.world.draw();
            }
        }
    }
}

/// Runs all to their ends. The schedule says whose turn it is; when it is used up, turns go round.
pub(super) fn run_all<A>(processes: &mut [Process<'_, A>], schedule: &[usize]) {
    let count = processes.len();
    let turns = schedule
        .iter()
        .copied()
        .chain(0..)
        .take(schedule.len() + count * 1000);
    for turn in turns {
        if processes.iter().all(Process::is_done) {
            return;
        }
        processes[turn % count].step();
    }
    panic!("these never come to an end");
}

/// Every way in which two of so many steps can be shuffled.
pub(super) fn shuffles(steps: usize) -> impl Iterator<Item = Vec<usize>> {
    let all = 0_u32..1 << (2 * steps);
    let bits = move |word: u32| (0..2 * steps).map(move |at| usize::from(word >> at & 1 == 1));
    all.filter(move |word| word.count_ones() as usize == steps)
        .map(move |word| bits(word).collect())
}
