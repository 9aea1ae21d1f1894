//! A model check: every order in which fetches, fills, invalidations and writes at the source can meet.
//!
//! The search is over explicit states. What must hold in each: once an invalidation was made after the
//! last write, and nothing is under way that is older, nobody is shown what was there before it.

use std::collections::{HashSet, VecDeque};

use super::*;

#[test]
fn whoever_comes_second_follows_until_the_flight_ends() {
    let mut flights = Flights::default();
    let Turn::Lead(ticket) = flights.begin(&"7") else {
        panic!("nobody leads");
    };
    assert_eq!(flights.begin(&"7"), Turn::Follow(ticket));
    assert!(matches!(flights.begin(&"9"), Turn::Lead(_)));
    assert!(flights.end(&"7", ticket));
    assert!(matches!(flights.begin(&"7"), Turn::Lead(_)));
    assert_eq!(flights.len(), 2);
}

#[test]
fn a_flight_that_was_made_void_ends_nobody_elses() {
    let mut flights = Flights::default();
    let Turn::Lead(void) = flights.begin(&"7") else {
        panic!("nobody leads");
    };
    flights.invalidate(&"7");
    let Turn::Lead(good) = flights.begin(&"7") else {
        panic!("the old flight is still there");
    };
    assert!(!flights.end(&"7", void));
    assert!(flights.end(&"7", good));
    assert!(!flights.end(&"7", good), "a ticket is good once");
    assert!(flights.is_empty());
}

#[test]
fn invalidations_reach_the_keys_they_mean() {
    let mut flights = Flights::default();
    let lead = |flights: &mut Flights<u32>, key| match flights.begin(&key) {
        Turn::Lead(ticket) => ticket,
        Turn::Follow(_) => panic!("{key} is under way"),
    };
    let tickets = [1, 2, 3].map(|key| lead(&mut flights, key));
    flights.invalidate_where(|key| *key < 3);
    assert_eq!(
        [1, 2, 3].map(|key| flights.end(&key, tickets[key as usize - 1])),
        [false, false, true]
    );
    let ticket = lead(&mut flights, 4);
    flights.invalidate_all();
    assert!(!flights.end(&4, ticket));
}

#[test]
fn an_older_version_never_replaces_a_newer_one() {
    #[rustfmt::skip]
    let cases = [
        (None,            None,             true),
        (Some("3"),       None,             true),
        (None,            Some("3"),        true),
        (Some("3"),       Some("3"),        true),
        (Some("3"),       Some("4"),        true),
        (Some("4"),       Some("3"),        false),
        (Some("9"),       Some("10"),       true),
        (Some("10"),      Some("9"),        false),
        (Some("010"),     Some("9"),        false),
        (Some("0"),       Some("00"),       true),
        (Some("\"a\""),   Some("\"b\""),    true),
        (Some("99999999999999999999999998"), Some("99999999999999999999999999"), true),
        (Some("99999999999999999999999999"), Some("99999999999999999999999998"), false),
    ];
    for (held, brought, expected) in cases {
        assert_eq!(may_replace(held, brought), expected, "{held:?} {brought:?}");
    }
}

const FETCHES: usize = 3;
const WRITES: u8 = 2;

/// One key, its source and its cache, and those who fetch it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    /// What the source holds: how often it was written.
    source: u8,
    /// Writes that were followed by an invalidation.
    invalidated: u8,
    cached: Option<u8>,
    under_way: Option<u64>,
    generation: u64,
    fetches: [Fetch; FETCHES],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Fetch {
    New,
    /// The request is on its way.
    Sent(u64),
    /// The source was read; the answer is on its way back.
    Read(u64, u8),
    Done,
}

impl World {
    fn flights(&self) -> Flights<()> {
        Flights {
            generation: self.generation,
            under_way: self.under_way.map(|it| ((), it)).into_iter().collect(),
        }
    }

    fn keep(&mut self, flights: &Flights<()>) {
        self.generation = flights.generation;
        self.under_way = flights.under_way.get(&()).copied();
    }

    /// Everything that can happen next. `publish` decides whether a fill may be kept.
    fn next(&self, publish: fn(&mut Flights<()>, Ticket) -> bool) -> Vec<Self> {
        let mut worlds = Vec::new();
        if self.source < WRITES {
            let source = self.source + 1;
            worlds.push(Self {
                source,
                ..self.clone()
            });
        }
        if self.invalidated < self.source {
            let mut world = self.clone();
            let mut flights = world.flights();
            flights.invalidate(&());
            world.keep(&flights);
            world.cached = None;
            world.invalidated = world.source;
            worlds.push(world);
        }
        for (place, fetch) in self.fetches.iter().enumerate() {
            let mut world = self.clone();
            let mut flights = world.flights();
            world.fetches[place] = match *fetch {
                Fetch::New => match flights.begin(&()) {
                    Turn::Lead(ticket) => Fetch::Sent(ticket.generation),
                    Turn::Follow(_) => continue,
                },
                Fetch::Sent(generation) => Fetch::Read(generation, self.source),
                Fetch::Read(generation, value) => {
                    if publish(&mut flights, Ticket { generation }) {
                        world.cached = Some(value);
                    }
                    Fetch::Done
                }
                Fetch::Done => continue,
            };
            world.keep(&flights);
            worlds.push(world);
        }
        worlds
    }

    /// What was made void is not shown again.
    fn is_sound(&self) -> bool {
        self.cached.is_none_or(|cached| cached >= self.invalidated)
    }
}

/// How many states there are, and whether all of them are sound.
fn search(publish: fn(&mut Flights<()>, Ticket) -> bool) -> (usize, bool) {
    let first = World {
        source: 0,
        invalidated: 0,
        cached: None,
        under_way: None,
        generation: 0,
        fetches: [Fetch::New; FETCHES],
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut left = VecDeque::from([first]);
    let mut is_sound = true;
    while let Some(world) = left.pop_front() {
        is_sound &= world.is_sound();
        for next in world.next(publish) {
            if seen.insert(next.clone()) {
                left.push_back(next);
            }
        }
    }
    (seen.len(), is_sound)
}

#[test]
fn what_was_made_void_is_never_shown_again_in_any_order() {
    let (states, is_sound) = search(|flights, ticket| flights.end(&(), ticket));
    assert!(states > 500, "{states}");
    assert!(is_sound);
}

#[test]
fn without_the_generation_there_is_an_order_that_shows_it() {
    let (_, is_sound) = search(|flights, _| {
        flights.under_way.remove(&());
        true
    });
    assert!(!is_sound);
    let (_, is_sound) = search(|flights, ticket| {
        let is_any_under_way = !flights.is_empty();
        let _ = flights.end(&(), ticket);
        is_any_under_way
    });
    assert!(!is_sound, "that something is under way is not enough");
}
