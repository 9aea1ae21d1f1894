use std::collections::{BTreeSet, HashSet};

use super::*;

const LIMITS: Limits = Limits {
    calls_max: 2,
    keys_max: 2,
    waiting_max: 3,
};

fn keys(groups: &[Group<u8, usize>]) -> Vec<(u8, Vec<usize>)> {
    let groups = groups.iter();
    groups
        .map(|group| (group.key, group.waiting.clone()))
        .collect()
}

#[test]
fn who_asks_alone_waits_for_nobody() {
    let mut queue = Queue::new(LIMITS);
    assert_eq!(queue.join(b'a', 1), Ok(Joined::Call));
    assert_eq!(keys(&queue.take(|_| true)), [(b'a', vec![1])]);
    assert_eq!(queue.join(b'b', 2), Ok(Joined::Call));
    assert_eq!(keys(&queue.take(|_| true)), [(b'b', vec![2])]);
}

#[test]
fn what_comes_while_all_calls_are_under_way_goes_out_together_and_each_key_once() {
    let mut queue = Queue::new(LIMITS);
    for item in 0..2 {
        queue.join(b'x', item).unwrap();
        queue.take(|_| true);
    }
    for (key, item) in [(b'a', 2), (b'b', 3), (b'a', 4)] {
        assert_eq!(queue.join(key, item), Ok(Joined::Wait));
    }
    let taken = keys(&queue.take(|_| true));
    assert_eq!(taken, [(b'a', vec![2, 4]), (b'b', vec![3])]);
    assert!(queue.take(|_| true).is_empty());
    assert_eq!(queue.join(b'c', 5), Ok(Joined::Call), "that call is over");
}

#[test]
fn a_queue_is_full_at_its_bound_and_not_before() {
    let mut queue = Queue::new(LIMITS);
    for item in 0..LIMITS.waiting_max {
        assert!(queue.join(b'a', item).is_ok(), "{item}");
    }
    assert_eq!(queue.join(b'a', 9), Err(Full));
    queue.take(|_| true);
    assert!(queue.join(b'a', 9).is_ok());
}

#[test]
fn a_call_has_as_many_keys_as_it_may_and_no_more() {
    let mut queue = Queue::new(LIMITS);
    for (key, item) in [(b'a', 1), (b'b', 2), (b'c', 3)] {
        queue.join(key, item).unwrap();
    }
    let first = keys(&queue.take(|_| true));
    assert_eq!(first, [(b'a', vec![1]), (b'b', vec![2])]);
    assert_eq!(keys(&queue.take(|_| true)), [(b'c', vec![3])]);
}

#[test]
fn who_gave_up_is_asked_about_no_more() {
    let mut queue = Queue::new(LIMITS);
    for (key, item) in [(b'a', 1), (b'b', 2)] {
        queue.join(key, item).unwrap();
    }
    assert_eq!(keys(&queue.take(|item| *item != 1)), [(b'b', vec![2])]);
}

/// One step of a world of some who ask and the calls that are made for them.
#[derive(Debug, Clone, Copy)]
enum Step {
    Join,
    GiveUp(usize),
    /// A call begins, or has its answers and goes on.
    Take(usize),
    /// The task of a call ends too early, as in a panic.
    Break(usize),
}

const ASKERS: usize = 4;

/// Calls by the askers they took, and what became of everybody.
#[derive(Debug, Clone, Default)]
struct World {
    joined: usize,
    gave_up: BTreeSet<usize>,
    served: BTreeSet<usize>,
    broken: BTreeSet<usize>,
    calls: Vec<Option<Vec<usize>>>,
    breaks: usize,
}

impl World {
    fn possible(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.joined < ASKERS {
            steps.push(Step::Join);
        }
        let may_give_up = |asker: &usize| !self.gave_up.contains(asker);
        if self.gave_up.len() < 2 {
            steps.extend((0..self.joined).filter(may_give_up).map(Step::GiveUp));
        }
        for (at, call) in self.calls.iter().enumerate() {
            if call.is_some() {
                steps.push(Step::Take(at));
                if self.breaks < 1 {
                    steps.push(Step::Break(at));
                }
            }
        }
        steps
    }

    fn take(&mut self, queue: &mut Queue<u8, usize>, step: Step) {
        match step {
            Step::Join => {
                // Two of them ask the same.
                let key = u8::try_from(self.joined % 3).unwrap();
                match queue.join(key, self.joined) {
                    Ok(Joined::Call) => self.calls.push(Some(Vec::new())),
                    Ok(Joined::Wait) => {}
                    Err(Full) => {
                        self.broken.insert(self.joined);
                    }
                }
                self.joined += 1;
            }
            Step::GiveUp(asker) => {
                self.gave_up.insert(asker);
            }
            Step::Take(at) => {
                let done = self.calls[at].take().unwrap();
                self.served.extend(done);
                let taken = queue.take(|asker| !self.gave_up.contains(asker));
                let keys: HashSet<_> = taken.iter().map(|group| group.key).collect();
                assert_eq!(keys.len(), taken.len(), "a key is asked twice");
                assert!(taken.len() <= LIMITS.keys_max);
                let taken: Vec<_> = taken.into_iter().flat_map(|it| it.waiting).collect();
                self.calls[at] = (!taken.is_empty()).then_some(taken);
            }
            Step::Break(at) => {
                self.broken.extend(self.calls[at].take().unwrap());
                self.breaks += 1;
                let sent_away = queue.abandon().into_iter().map(|(_, asker)| asker);
                self.broken.extend(sent_away);
            }
        }
        let under_way = self.calls.iter().flatten().count();
        assert!(under_way <= LIMITS.calls_max, "too many calls");
        assert_eq!(queue.calls, under_way, "a call was lost count of");
    }

    /// Nobody is waiting for a call that will never be made.
    fn check_nobody_is_stranded(&self, queue: &Queue<u8, usize>) {
        let under_way = self.calls.iter().flatten().count();
        if under_way == 0 {
            assert!(queue.waiting.is_empty(), "stranded: {:?}", queue.waiting);
            for asker in 0..self.joined {
                let is_over = self.served.contains(&asker)
                    || self.gave_up.contains(&asker)
                    || self.broken.contains(&asker);
                assert!(is_over, "{asker} waits for ever");
            }
        }
    }
}

/// Every state that can be reached, each looked at once.
#[test]
fn in_no_order_does_anybody_wait_for_a_call_that_is_not_made() {
    let mut open = vec![(World::default(), Queue::new(LIMITS))];
    let mut seen = HashSet::new();
    while let Some((world, queue)) = open.pop() {
        if !seen.insert(format!("{world:?} {queue:?}")) {
            continue;
        }
        world.check_nobody_is_stranded(&queue);
        for step in world.possible() {
            let (mut world, mut queue) = (world.clone(), queue.clone());
            world.take(&mut queue, step);
            open.push((world, queue));
        }
    }
    assert!(seen.len() > 1000, "{} states", seen.len());
}
