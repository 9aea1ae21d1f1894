use std::time::Duration;

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds {
    keys_max: 3,
    bytes_max: 30,
    calls_max: 4,
    flights_max: 1000,
    waiters_max: 100,
};

#[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
fn start() -> Instant {
    Instant::now()
}

fn scope(name: &str) -> Scope {
    Scope::Private(name.as_bytes().into())
}

fn asking(name: &str) -> Asking<'static> {
    Asking {
        scope: scope(name),
        credential: None,
        deadline: start() + Duration::from_secs(1),
    }
}

fn weighed<'a>(keys: &'a [&'a str]) -> impl Iterator<Item = Weighed> + 'a {
    keys.iter().map(|key| Weighed {
        key: (*key).into(),
        bytes: 10,
    })
}

fn names<V>(batches: &[Batch<V>]) -> Vec<Vec<String>> {
    let names = |batch: &Batch<V>| {
        let parts = batch.parts.iter();
        parts.map(|part| part.slot.key.to_string()).collect()
    };
    batches.iter().map(names).collect()
}

fn all<V: Clone>(batch: &Batch<V>, value: &V, is_shareable: bool) -> Vec<Option<Landed<V>>> {
    let landed = Landed {
        value: value.clone(),
        is_shareable,
    };
    vec![Some(landed); batch.parts.len()]
}

fn told<V>(wait: Wait<V>) -> Option<Told<V>> {
    match wait {
        Wait::Until(mut receiver) => receiver.try_recv().ok(),
        Wait::Full => panic!("there is room"),
    }
}

#[test]
fn keys_that_come_while_a_call_is_under_way_go_with_the_next() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (_, mut first) = queue.ask(&asking("a"), weighed(&["1"]));
    assert_eq!(names(&first), [["1"]]);
    let (_, none) = queue.ask(&asking("a"), weighed(&["2", "1"]));
    assert!(none.is_empty());
    let (_, none) = queue.ask(&asking("a"), weighed(&["3"]));
    assert!(none.is_empty());

    let batch = first.remove(0);
    let landed = all(&batch, &7, true);
    let next = queue.land(batch, landed, |_, _, _| {});
    assert_eq!(names(&next), [["2", "3"]]);
    drop(next);
    assert!(queue.is_empty());
}

#[test]
fn a_call_has_the_time_of_whoever_waits_longest_and_the_credential_of_the_last() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (_, mut first) = queue.ask(&asking("a"), weighed(&["1"]));
    let began = start();
    let credentials = ["old", "new"].map(HeaderValue::from_static);
    for (key, seconds, credential) in [
        ("2", 1, &credentials[0]),
        ("2", 5, &credentials[0]),
        ("2", 2, &credentials[0]),
        ("3", 3, &credentials[1]),
    ] {
        let asking = Asking {
            credential: Some(credential),
            deadline: began + Duration::from_secs(seconds),
            ..asking("a")
        };
        let (_, none) = queue.ask(&asking, weighed(&[key]));
        assert!(none.is_empty());
    }
    let batch = first.remove(0);
    let landed = all(&batch, &7, true);
    let next = queue.land(batch, landed, |_, _, _| {}).remove(0);
    assert_eq!(next.deadline, began + Duration::from_secs(5));
    assert_eq!(next.credential.as_ref(), Some(&credentials[1]));
}

#[test]
fn what_was_asked_for_anew_is_asked_for_once_while_the_old_call_ends() {
    let generations = Arc::new(Generations::new());
    let queue = Queue::<u8>::new(BOUNDS, Arc::clone(&generations));
    let (_, mut first) = queue.ask(&asking("a"), weighed(&["1"]));
    generations.invalidate("1");
    let (mut second, _) = queue.ask(&asking("a"), weighed(&["1"]));
    let batch = first.remove(0);
    let landed = all(&batch, &7, true);
    let mut next = queue.land(batch, landed, |_, _, _| panic!("it is of before"));
    assert_eq!(names(&next), [["1"]]);
    let (mut third, none) = queue.ask(&asking("a"), weighed(&["1"]));
    assert!(none.is_empty());
    let batch = next.remove(0);
    let landed = all(&batch, &8, true);
    let mut kept = 0;
    assert!(queue.land(batch, landed, |_, _, _| kept += 1).is_empty());
    assert_eq!(kept, 1);
    for wait in [second.remove(0), third.remove(0)] {
        assert_eq!(told(wait), Some(Told::Value(8)));
    }
    assert!(queue.is_empty());
}

#[test]
fn all_that_one_asks_for_goes_out_at_once_in_calls_of_bounded_size() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (_, batches) = queue.ask(&asking("a"), weighed(&["1", "2", "3", "4"]));
    assert_eq!(names(&batches), [vec!["1", "2", "3"], vec!["4"]]);

    let long = |key: &str| Weighed {
        key: key.into(),
        bytes: 15,
    };
    let keys = ["5", "6", "7"].map(long);
    let (_, batches) = queue.ask(&asking("b"), keys.into_iter());
    assert_eq!(names(&batches), [vec!["5", "6"], vec!["7"]]);
}

#[test]
fn a_full_call_waits_for_nobody() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (_, _first) = queue.ask(&asking("a"), weighed(&["1"]));
    let (_, none) = queue.ask(&asking("a"), weighed(&["2", "3"]));
    assert!(none.is_empty());
    let (_, full) = queue.ask(&asking("a"), weighed(&["4", "5"]));
    assert_eq!(names(&full), [["2", "3", "4"]]);
}

#[test]
fn two_scopes_are_never_in_one_call() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (_, first) = queue.ask(&asking("a"), weighed(&["1"]));
    let (_, second) = queue.ask(&asking("b"), weighed(&["1"]));
    assert_eq!(
        (names(&first), names(&second)),
        (vec![vec!["1".into()]], vec![vec!["1".into()]])
    );
    assert_ne!(first[0].scope, second[0].scope);
}

#[test]
fn others_get_what_was_asked_for_by_one_who_left() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (leader, mut batches) = queue.ask(&asking("a"), weighed(&["1"]));
    let (mut follower, _) = queue.ask(&asking("a"), weighed(&["1"]));
    drop(leader);
    let batch = batches.remove(0);
    let landed = all(&batch, &7, true);
    queue.land(batch, landed, |_, _, _| {});
    assert_eq!(told(follower.remove(0)), Some(Told::Value(7)));
}

#[test]
fn what_may_not_be_shared_reaches_the_first_alone() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (mut first, mut batches) = queue.ask(&asking("a"), weighed(&["1"]));
    let (mut second, _) = queue.ask(&asking("a"), weighed(&["1"]));
    let batch = batches.remove(0);
    let landed = all(&batch, &7, false);
    queue.land(batch, landed, |_, _, _| {});
    assert_eq!(told(first.remove(0)), Some(Told::Value(7)));
    assert_eq!(told(second.remove(0)), Some(Told::NotShared));
}

#[test]
fn a_call_that_comes_to_nothing_leaves_nobody_waiting() {
    let queue = Queue::<u8>::new(BOUNDS, Arc::new(Generations::new()));
    let (mut first, batches) = queue.ask(&asking("a"), weighed(&["1"]));
    let (mut behind, _) = queue.ask(&asking("a"), weighed(&["2"]));
    drop(batches);
    assert_eq!(told(first.remove(0)), None);
    assert_eq!(told(behind.remove(0)), None);
    assert!(queue.is_empty());
}

#[test]
fn waiters_and_keys_are_taken_at_their_limit_and_not_past_it() {
    let bounds = Bounds {
        flights_max: 2,
        waiters_max: 2,
        ..BOUNDS
    };
    let queue = Queue::<u8>::new(bounds, Arc::new(Generations::new()));
    let is_full = |keys: &[&str]| {
        let (waits, batches) = queue.ask(&asking("a"), weighed(keys));
        std::mem::forget(batches);
        waits
            .iter()
            .map(|wait| matches!(wait, Wait::Full))
            .collect::<Vec<_>>()
    };
    assert_eq!(is_full(&["1", "1", "1"]), [false, false, true]);
    assert_eq!(is_full(&["2", "3"]), [false, true]);
}

/// What is done to a queue, in any order.
#[derive(Debug, Clone)]
enum Step {
    Ask {
        scope: usize,
        keys: Vec<usize>,
    },
    /// The service looks at what a call asks for.
    Read(usize),
    Land(usize),
    Abandon(usize),
    Leave(usize),
    Write(usize),
    Invalidate(usize),
    InvalidateAll,
}

const SCOPES: [&str; 2] = ["a", "b"];
const KEYS: [&str; 4] = ["1", "2", "3", "4"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2_usize, prop::collection::vec(0..KEYS.len(), 1..4))
            .prop_map(|(scope, keys)| Step::Ask { scope, keys }),
        4 => any::<usize>().prop_map(Step::Read),
        4 => any::<usize>().prop_map(Step::Land),
        1 => any::<usize>().prop_map(Step::Abandon),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => (0..KEYS.len()).prop_map(Step::Write),
        2 => (0..KEYS.len()).prop_map(Step::Invalidate),
        1 => Just(Step::InvalidateAll),
    ];
    prop::collection::vec(step, 1..60)
}

/// Whose value it is, of which key, and of which moment.
type Seen = (Scope, String, u64);

struct World {
    queue: Arc<Queue<Seen>>,
    generations: Arc<Generations>,
    /// Versions as the service has them, and as of the last invalidation.
    now: [u64; KEYS.len()],
    floor: [u64; KEYS.len()],
    /// Calls under way, with what the service saw once it looked.
    calls: Vec<(Batch<Seen>, Option<Vec<u64>>)>,
    /// Who waits, for what, and for how new a state at least.
    waiting: Vec<(Scope, usize, u64, oneshot::Receiver<Told<Seen>>)>,
    kept: HashMap<Slot, (Generation, Seen)>,
}

impl World {
    fn new() -> Self {
        let generations = Arc::new(Generations::new());
        Self {
            queue: Queue::new(BOUNDS, Arc::clone(&generations)),
            generations,
            now: Default::default(),
            floor: Default::default(),
            calls: Vec::new(),
            waiting: Vec::new(),
            kept: HashMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask { scope, keys } => self.ask(SCOPES[scope], &keys),
            Step::Read(at) if !self.calls.is_empty() => {
                let at = at % self.calls.len();
                let (batch, seen) = &mut self.calls[at];
                let versions = batch
                    .parts
                    .iter()
                    .map(|part| self.now[place(&part.slot.key)]);
                *seen = Some(versions.collect());
            }
            Step::Land(at) if !self.calls.is_empty() => self.land(at % self.calls.len()),
            Step::Abandon(at) if !self.calls.is_empty() => {
                self.calls.remove(at % self.calls.len());
            }
            Step::Leave(at) if !self.waiting.is_empty() => {
                self.waiting.remove(at % self.waiting.len());
            }
            Step::Read(_) | Step::Land(_) | Step::Abandon(_) | Step::Leave(_) => {}
            Step::Write(key) => self.now[key] += 1,
            Step::Invalidate(key) => {
                self.generations.invalidate(KEYS[key]);
                self.floor[key] = self.now[key];
            }
            Step::InvalidateAll => {
                self.generations.invalidate_all();
                self.floor = self.now;
            }
        }
        self.look();
    }

    fn ask(&mut self, scope_name: &str, keys: &[usize]) {
        let wanted: Vec<_> = keys.iter().map(|key| KEYS[*key]).collect();
        let (waits, batches) = self.queue.ask(&asking(scope_name), weighed(&wanted));
        for (key, wait) in keys.iter().zip(waits) {
            let Wait::Until(receiver) = wait else {
                panic!("there is room");
            };
            let floor = self.floor[*key];
            self.waiting
                .push((scope(scope_name), *key, floor, receiver));
        }
        self.begin(batches);
    }

    fn begin(&mut self, batches: Vec<Batch<Seen>>) {
        for batch in batches {
            assert!(
                batch
                    .parts
                    .iter()
                    .all(|part| part.slot.scope == batch.scope)
            );
            assert!((1..=BOUNDS.keys_max).contains(&batch.parts.len()));
            self.calls.push((batch, None));
        }
    }

    fn land(&mut self, at: usize) {
        if self.calls[at].1.is_none() {
            return;
        }
        let (batch, seen) = self.calls.remove(at);
        let values = batch.parts.iter().zip(seen.unwrap());
        let landed = values.map(|(part, version)| {
            let value = (batch.scope.clone(), part.slot.key.to_string(), version);
            Some(Landed {
                value,
                is_shareable: true,
            })
        });
        let landed = landed.collect();
        let queue = Arc::clone(&self.queue);
        let next = queue.land(batch, landed, |slot, generation, value| {
            self.kept.insert(slot.clone(), (generation, value.clone()));
        });
        self.begin(next);
    }

    /// Nobody is told, and nothing is held, that is another's or older than an invalidation.
    fn look(&mut self) {
        self.waiting
            .retain_mut(|(scope, key, floor, receiver)| match receiver.try_recv() {
                Ok(Told::Value((of, name, version))) => {
                    assert_eq!((&of, &*name), (&*scope, KEYS[*key]));
                    assert!(version >= *floor, "{name} of {version}, not {floor}");
                    false
                }
                Ok(Told::NotShared) => panic!("all is shareable here"),
                Err(oneshot::error::TryRecvError::Empty) => true,
                Err(oneshot::error::TryRecvError::Closed) => false,
            });
        for (slot, (generation, (of, name, version))) in &self.kept {
            assert_eq!((of, &**name), (&slot.scope, &*slot.key));
            if *generation == self.generations.of(name) {
                assert!(
                    *version >= self.floor[place(name)],
                    "kept {name} of {version}"
                );
            }
        }
    }

    fn settle(&mut self) {
        while let Some((_, seen)) = self.calls.first() {
            match seen {
                None => self.step(Step::Read(0)),
                Some(_) => self.step(Step::Land(0)),
            }
        }
        assert!(self.waiting.is_empty(), "somebody waits for nothing");
        assert!(self.queue.is_empty());
    }
}

fn place(key: &str) -> usize {
    KEYS.iter().position(|known| *known == key).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_the_order_nobody_gets_anothers_or_what_is_older_than_an_invalidation(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
    }
}
