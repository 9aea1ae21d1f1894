//! What is due next, and which values it is filled with.

use std::time::Duration;

use super::scenario::Scenario;
use super::values::Turn;
use crate::dice::Dice;

/// A request that is due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ticket {
    pub(super) due: Duration,
    /// Of which kind it is, and which values it is filled with.
    pub(super) turn: Turn,
    /// Whether it had to wait for a connection.
    pub(super) waited: bool,
}

/// One of several workers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) worker: usize,
    pub(super) workers: usize,
}

impl Share {
    #[cfg(test)]
    pub(super) const ALONE: Self = Self {
        worker: 0,
        workers: 1,
    };

    /// Its part of so many.
    pub(super) fn of(self, all: usize) -> usize {
        all / self.workers + usize::from(self.worker < all % self.workers)
    }
}

/// Which kind of request is next: in a fixed order, as often as their weights say.
pub(super) struct Deal {
    order: Vec<usize>,
    place: usize,
    /// Of each kind, what its next request is filled with: with turns of its own, it comes by every value.
    turns: Vec<u64>,
    stride: u64,
}

impl Deal {
    pub(super) fn new(scenario: &Scenario, share: Share) -> Self {
        let mut order = Vec::new();
        for (kind, request) in scenario.requests.iter().enumerate() {
            order.extend(std::iter::repeat_n(kind, request.weight as usize));
        }
        Dice::of(scenario.seed, &["order"]).shuffle(&mut order);
        // Workers begin at different places, so that a short run has every kind in it.
        let place = order.len() * share.worker / share.workers.max(1);
        Self {
            order,
            place,
            turns: vec![share.worker as u64; scenario.requests.len()],
            stride: share.workers as u64,
        }
    }

    pub(super) fn next(&mut self, due: Duration) -> Ticket {
        let kind = self.order.get(self.place).copied().unwrap_or_default();
        self.place += 1;
        if self.place >= self.order.len() {
            self.place = 0;
        }
        let number = self.turns.get_mut(kind).map_or(0, |next| {
            let number = *next;
            *next += self.stride;
            number
        });
        Ticket {
            due,
            turn: Turn { kind, number },
            waited: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn scenario() -> Scenario {
        let text = "target: http://127.0.0.1:1\nlasts: 1s\nrate: 1\nrequests:\n\
                    - { name: a, weight: 3, get: /a }\n- { name: b, weight: 1, get: /b }\n";
        Scenario::parse("test", text, Path::new(".")).unwrap()
    }

    #[test]
    fn kinds_come_as_often_as_they_weigh_and_each_by_every_turn() {
        let scenario = scenario();
        for workers in [1, 2, 3] {
            let mut seen = [Vec::new(), Vec::new()];
            for worker in 0..workers {
                let mut deal = Deal::new(&scenario, Share { worker, workers });
                for _ in 0..40 {
                    let ticket = deal.next(Duration::ZERO);
                    seen[ticket.turn.kind].push(ticket.turn.number);
                }
            }
            let [mut often, mut seldom] = seen;
            assert_eq!((often.len(), seldom.len()), (30 * workers, 10 * workers));
            often.sort_unstable();
            seldom.sort_unstable();
            assert_eq!(often, (0..30 * workers as u64).collect::<Vec<_>>());
            assert_eq!(seldom, (0..10 * workers as u64).collect::<Vec<_>>());
        }
    }
}
