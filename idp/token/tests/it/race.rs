//! Can a change slip in between a look-up and the cache?
//!
//! Two look-ups, a role change and a kill, in every order there is: the steps of the store, the
//! reader of the log and the two threads that fill the cache. Searched twice, so that what the
//! fence is for stays shown: without it there is an order in which a killed session is served.

use idp_token::epoch::Seq;
use idp_token::fence::{Fence, Marks, Scope, Stamp};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// The identity provider publishes the next change: epoch, record and log entry at once.
    Publish,
    /// The gateway's reader applies the next entry of the log.
    Apply,
    Stamp(usize),
    Read(usize),
    Insert(usize),
}

const STEPS_OF_FILL: [fn(usize) -> Step; 3] = [Step::Stamp, Step::Read, Step::Insert];
const CHANGES: u64 = 2;

/// What the store says about the session: how many of the changes it knows.
type Record = u64;

#[derive(Default, Clone, Copy)]
struct Thread {
    steps_done: usize,
    stamp: Option<Stamp>,
    read: Option<Record>,
}

struct World {
    fence: Fence,
    marks: Marks,
    published: u64,
    applied: u64,
    threads: [Thread; 2],
    cache: Option<(Stamp, Record)>,
}

impl World {
    fn new() -> Self {
        let fence = Fence::new(&[1; 16], 64, 4, Seq(0));
        let marks = fence.marks("s", "ann", "app", "acme");
        Self {
            fence,
            marks,
            published: 0,
            applied: 0,
            threads: [Thread::default(); 2],
            cache: None,
        }
    }

    fn possible(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.published < CHANGES {
            steps.push(Step::Publish);
        }
        if self.applied < self.published {
            steps.push(Step::Apply);
        }
        for (at, thread) in self.threads.iter().enumerate() {
            steps.extend(STEPS_OF_FILL.get(thread.steps_done).map(|step| step(at)));
        }
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish => self.published += 1,
            Step::Apply => {
                self.applied += 1;
                let scope = if self.applied == 1 {
                    Scope::Subject("ann")
                } else {
                    Scope::Session("s")
                };
                self.fence.apply(Seq(self.applied), scope);
            }
            Step::Stamp(at) => self.threads[at].stamp = Some(self.fence.stamp()),
            Step::Read(at) => self.threads[at].read = Some(self.published),
            Step::Insert(at) => {
                let thread = self.threads[at];
                self.cache = thread.stamp.zip(thread.read);
            }
        }
        if let Step::Stamp(at) | Step::Read(at) | Step::Insert(at) = step {
            self.threads[at].steps_done += 1;
        }
    }

    /// Whether a request now would be answered from a record that lacks a change that the gateway
    /// has read.
    fn serves_what_is_void(&self, judge: fn(&World, Stamp) -> bool) -> bool {
        self.cache
            .is_some_and(|(stamp, record)| record < self.applied && judge(self, stamp))
    }
}

/// All orders, each replayed from the start; gives how many ended and the first that went wrong.
fn search(judge: fn(&World, Stamp) -> bool) -> (usize, Option<Vec<Step>>) {
    let mut open = vec![Vec::new()];
    let mut ended = 0;
    while let Some(steps) = open.pop() {
        let mut world = World::new();
        for step in &steps {
            world.take(*step);
        }
        if world.serves_what_is_void(judge) {
            return (ended, Some(steps));
        }
        let possible = world.possible();
        ended += usize::from(possible.is_empty());
        open.extend(
            possible
                .into_iter()
                .map(|step| [steps.as_slice(), &[step]].concat()),
        );
    }
    (ended, None)
}

#[test]
fn in_no_order_is_a_killed_session_served_from_the_cache() {
    let (ended, wrong) = search(|world, stamp| world.fence.holds(stamp, &world.marks));
    assert_eq!(wrong, None);
    assert!(ended > 1000, "{ended} orders");
}

#[test]
fn without_the_fence_there_is_an_order_in_which_it_is() {
    let (_, wrong) = search(|_, _| true);
    assert!(wrong.is_some());
}

/// Taking the stamp after the look-up is the mistake that looks harmless.
#[test]
fn a_stamp_that_is_taken_too_late_would_be_found_out() {
    let late = |world: &World, _: Stamp| world.fence.holds(world.fence.stamp(), &world.marks);
    assert!(search(late).1.is_some());
}
