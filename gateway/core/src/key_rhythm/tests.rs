use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> BootTime {
    BootTime(Duration::from_millis(millis))
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A rhythm of 30 s whose first fetch went well at `millis`.
fn fetched(millis: u64) -> KeyRhythm {
    let mut rhythm = KeyRhythm::new(Duration::from_secs(60));
    fetch(&mut rhythm, millis, true);
    rhythm
}

fn fetch(rhythm: &mut KeyRhythm, millis: u64, went_well: bool) {
    rhythm.begin(at(millis));
    rhythm.end(went_well);
}

#[test]
fn keys_are_fetched_at_a_rhythm_and_sooner_where_that_failed() {
    let mut rhythm = KeyRhythm::new(Duration::from_secs(60));
    assert_eq!(rhythm.pause(at(7)), Duration::ZERO);
    fetch(&mut rhythm, 100, false);
    assert_eq!(rhythm.pause(at(100)), RETRY);
    fetch(&mut rhythm, 1_100, true);
    assert_eq!(rhythm.pause(at(1_100)), millis(30_000));
    assert_eq!(rhythm.pause(at(31_099)), millis(1));
    assert_eq!(rhythm.pause(at(99_000)), Duration::ZERO);
    fetch(&mut rhythm, 31_100, false);
    assert_eq!(rhythm.pause(at(31_100)), COOLDOWN);

    for (max_age, every) in [(1, 5), (10, 5), (12, 6), (1_800, 900), (86_400, 900)] {
        let mut rhythm = KeyRhythm::new(Duration::from_secs(max_age));
        fetch(&mut rhythm, 0, true);
        assert_eq!(rhythm.pause(at(0)), Duration::from_secs(every), "{max_age}");
    }
}

#[test]
fn a_key_that_is_not_there_is_looked_for_once_in_a_while() {
    let mut rhythm = fetched(0);
    assert!(!rhythm.is_due(at(10)));
    assert_eq!(rhythm.missing(at(10)), Missing::Wait);
    assert_eq!(rhythm.missing(at(11)), Missing::Wait, "it is to begin");
    assert!(rhythm.is_due(at(11)));
    rhythm.begin(at(12));
    assert!(!rhythm.is_due(at(12)));
    assert_eq!(rhythm.missing(at(13)), Missing::Wait, "it is under way");
    rhythm.end(true);
    assert_eq!(rhythm.missing(at(14)), Missing::Absent);
    assert_eq!(rhythm.missing(at(5_009)), Missing::Absent);
    assert_eq!(rhythm.missing(at(5_010)), Missing::Wait);
    rhythm.begin(at(5_010));
    rhythm.end(false);
    assert_eq!(rhythm.missing(at(5_011)), Missing::Unknown);
    // A fetch that nobody asked for tells as well.
    fetch(&mut rhythm, 6_000, true);
    assert_eq!(rhythm.missing(at(6_001)), Missing::Absent);
}

#[test]
fn without_keys_nobody_knows_unless_they_are_on_their_way() {
    let mut rhythm = KeyRhythm::new(Duration::from_secs(60));
    assert_eq!(rhythm.missing(at(0)), Missing::Unknown);
    rhythm.begin(at(0));
    assert_eq!(rhythm.missing(at(1)), Missing::Wait);
    rhythm.end(false);
    assert_eq!(rhythm.missing(at(2)), Missing::Unknown);
    assert!(!rhythm.may_trust(at(2)));
}

#[test]
fn keys_are_kept_while_fetches_fail_and_for_a_day_at_most() {
    let mut rhythm = fetched(0);
    let day = u64::try_from(KEPT_MAX.as_millis()).unwrap();
    for hour in 1..24 {
        fetch(&mut rhythm, hour * 3_600_000, false);
    }
    assert!(rhythm.may_trust(at(day - 1)));
    assert!(!rhythm.may_trust(at(day)));
    assert_eq!(rhythm.missing(at(day)), Missing::Unknown);
    assert_eq!(rhythm.pause(at(day - 3_600_000)), COOLDOWN);
    fetch(&mut rhythm, day, true);
    assert!(rhythm.may_trust(at(day)));
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// A token with a made-up key.
    Token,
    Begin,
    End(bool),
    Later(u64),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Token),
        2 => Just(Event::Begin),
        2 => any::<bool>().prop_map(Event::End),
        3 => (0..7_000_u64).prop_map(Event::Later),
    ]
}

proptest! {
    #[test]
    fn whatever_is_sent_keys_are_asked_for_once_in_a_cooldown_and_one_at_a_time(
        events in prop::collection::vec(any_event(), 1..200),
    ) {
        let mut rhythm = fetched(0);
        let (mut now, mut is_under_way, mut is_wanted) = (0, false, false);
        let mut asked: Vec<u64> = Vec::new();
        for event in events {
            match event {
                Event::Token => {
                    let told = rhythm.missing(at(now));
                    let is_on_its_way = is_under_way || is_wanted;
                    prop_assert!(!is_on_its_way || told == Missing::Wait);
                    if told == Missing::Wait && !is_on_its_way {
                        asked.push(now);
                        is_wanted = true;
                    }
                }
                Event::Begin if !is_under_way => {
                    rhythm.begin(at(now));
                    (is_under_way, is_wanted) = (true, false);
                }
                Event::End(went_well) if is_under_way => {
                    rhythm.end(went_well);
                    is_under_way = false;
                }
                Event::Later(millis) => now += millis,
                Event::Begin | Event::End(_) => {}
            }
        }
        for pair in asked.windows(2) {
            prop_assert!(pair[1] - pair[0] >= 5_000, "{pair:?}");
        }
    }
}
