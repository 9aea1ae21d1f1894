//! Keys change, and nobody meets a signature or a tag that they cannot know.

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use idp_token::filter::{FilterKeyId, FilterKeys};
use idp_token::reference::{AbsoluteEnd, ReferenceToken};
use idp_token::time::UnixSeconds;
use idp_token::value::{Algorithm, KeySet, LIFETIME_MAX};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::world::World;
use crate::audit::{Event, KeysAct};
use crate::change::{Kind as ChangeKind, Target};
use crate::client::Lifetimes;
use crate::decision::Decision;
use crate::keyring::{
    COPY_KEPT, FilterRotation, KNOWN_BEFORE, KeySecret, Keyring, Material, PrivateKey, Rotation,
    RotationError, SIGNED_KEPT, TAGGED_KEPT, begin, rotate_filter, rotate_signing, tidy,
};
use crate::provider::{LoginLifetimes, Provider, Settings};
use crate::record::{PasswordHash, Record};
use crate::store::Key;

fn private_key(seed: u8) -> PrivateKey {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let der = Zeroizing::new(pair.to_pkcs8().unwrap().as_ref().to_vec());
    PrivateKey::new(Algorithm::EdDsa, der).unwrap()
}

fn secret(byte: u8) -> KeySecret {
    KeySecret::new([byte; 32])
}

fn material(seed: u8) -> Material {
    Material {
        signing: private_key(seed),
        next: private_key(seed + 1),
        filter: secret(seed),
        refresh: secret(seed + 1),
        client_secrets: secret(seed + 2),
        dummy_password: PasswordHash("hash of nobody".to_owned()),
        partition: 7,
    }
}

fn scheduled(seed: u8) -> Rotation {
    Rotation::Scheduled {
        next: private_key(seed),
    }
}

/// A world with keys of the seeds 1 and 2.
struct Keys(World);

impl Keys {
    fn begin() -> Self {
        let keys = Self(World::new());
        assert!(!keys.begin_with(1).transaction.is_empty());
        keys
    }

    fn begin_with(&self, seed: u8) -> Decision<Keyring> {
        let now = self.0.now();
        self.0.run(|view, _| begin(view, &material(seed), now))
    }

    fn ring(&self) -> Keyring {
        let found = self.0.store.read_now(&[Key::Keyring]).remove(0).unwrap();
        let Record::Keyring(keyring) = found.record else {
            panic!("another record");
        };
        *keyring
    }

    fn rotate(&self, rotation: &Rotation) -> Decision<Result<(), RotationError>> {
        let now = self.0.now();
        self.0
            .run(|view, _| rotate_signing(view, rotation, None, now))
    }

    fn rotate_filter(&self, seed: u8) -> Result<FilterRotation, RotationError> {
        let now = self.0.now();
        let decided = self
            .0
            .run(|view, _| rotate_filter(view, &secret(seed), Some("root"), now));
        decided.answer
    }

    fn tidy(&self) -> Decision<bool> {
        let now = self.0.now();
        self.0.run(|view, _| tidy(view, now))
    }

    /// The ids of what is published, and of what signs.
    fn published(&self) -> (Vec<String>, String) {
        let signing = self.ring().signing.read().unwrap();
        let set = KeySet::parse(signing.key_set.as_bytes()).unwrap();
        let ids = set.keys().iter().map(|key| key.id().to_owned());
        (ids.collect(), signing.key.id().to_owned())
    }

    fn filter_keys(&self) -> FilterKeys {
        self.ring().filter.told().unwrap().filter_keys()
    }

    fn pass(&self, span: Duration) {
        self.0.pass(span.as_secs());
    }
}

fn id_of(seed: u8) -> String {
    let key = private_key(seed).read().unwrap();
    key.id().to_owned()
}

#[test]
fn keys_are_made_once() {
    let keys = Keys(World::new());
    let begun = keys.begin_with(1);
    assert_eq!(begun.audit.unwrap().event, Event::Keys(KeysAct::Begun));
    assert!(begun.transaction.changes().is_empty());
    assert_eq!(begun.answer, keys.ring());
    assert_eq!(keys.published(), (vec![id_of(1), id_of(2)], id_of(1)));

    let again = keys.begin_with(50);
    assert!(again.transaction.is_empty() && again.audit.is_none());
    assert_eq!(again.answer, begun.answer);
}

#[test]
fn a_provider_is_made_of_its_keys() {
    let keys = Keys::begin();
    let settings = Settings {
        issuer: "https://id.example".to_owned(),
        logins: LoginLifetimes::PAYMENT,
    };
    let provider = Provider::new(settings, &keys.ring()).unwrap();
    assert_eq!(provider.issuer, "https://id.example");
    assert_eq!(provider.partition, 7);
    assert_eq!(provider.filter_keys.tagging_id(), FilterKeyId::FIRST);
    assert_eq!(provider.dummy_password.0, "hash of nobody");
    let digest = crate::client::SecretKey::new(&[3; 32]).digest(b"s");
    assert_eq!(provider.secret_key.digest(b"s"), digest);
}

#[test]
fn the_next_key_takes_over_once_everybody_knows_it() {
    let keys = Keys::begin();
    let begun_at = keys.0.now();
    let ready_at = begun_at.after(KNOWN_BEFORE);
    keys.pass(KNOWN_BEFORE - Duration::from_secs(1));
    let early = keys.rotate(&scheduled(3));
    assert_eq!(early.answer, Err(RotationError::NotKnownYet { ready_at }));
    assert!(early.transaction.is_empty() && early.audit.is_none());

    keys.pass(Duration::from_secs(1));
    for known in [1, 2] {
        let refused = keys.rotate(&scheduled(known)).answer;
        assert_eq!(refused, Err(RotationError::Same));
    }
    let rotated = keys.rotate(&scheduled(3));
    assert_eq!(rotated.answer, Ok(()));
    let act = Event::Keys(KeysAct::SigningRotated);
    assert_eq!(rotated.audit.unwrap().event, act);
    assert!(rotated.transaction.changes().is_empty(), "nothing is over");
    let all = vec![id_of(2), id_of(3), id_of(1)];
    assert_eq!(keys.published(), (all, id_of(2)));
    assert_eq!(keys.rotate(&scheduled(1)).answer, Err(RotationError::Same));
}

#[test]
fn a_key_that_signed_goes_when_nothing_of_it_is_left() {
    let keys = Keys::begin();
    keys.pass(KNOWN_BEFORE);
    assert_eq!(keys.rotate(&scheduled(3)).answer, Ok(()));
    keys.pass(SIGNED_KEPT - Duration::from_secs(1));
    let early = keys.tidy();
    assert!(!early.answer && early.transaction.is_empty() && early.audit.is_none());

    keys.pass(Duration::from_secs(1));
    let tidied = keys.tidy();
    assert!(tidied.answer && tidied.transaction.changes().is_empty());
    let act = Event::Keys(KeysAct::Dropped);
    assert_eq!(tidied.audit.unwrap().event, act);
    assert_eq!(keys.published(), (vec![id_of(2), id_of(3)], id_of(2)));
}

#[test]
fn after_a_leak_no_old_key_is_left_and_everybody_hears_of_it() {
    let keys = Keys::begin();
    let session = keys.0.begin().session;
    keys.pass(KNOWN_BEFORE);
    assert_eq!(keys.rotate(&scheduled(3)).answer, Ok(()));
    let leaked = |signing, next| Rotation::Compromised {
        signing: private_key(signing),
        next: private_key(next),
    };
    for (signing, next) in [(1, 9), (2, 9), (9, 3), (9, 9)] {
        let refused = keys.rotate(&leaked(signing, next)).answer;
        assert_eq!(refused, Err(RotationError::Same), "{signing} {next}");
    }

    let replaced = keys.rotate(&leaked(4, 5));
    assert_eq!(replaced.answer, Ok(()));
    assert_eq!(keys.published(), (vec![id_of(4), id_of(5)], id_of(4)));
    let act = Event::Keys(KeysAct::SigningReplaced);
    assert_eq!(replaced.audit.unwrap().event, act);
    let changes = replaced.transaction.changes();
    let [change] = changes else {
        panic!("{changes:?}");
    };
    let told = (&change.target, change.kind, change.until);
    assert_eq!(told, (&Target::Realm, ChangeKind::Changed, None));
    assert!(!keys.0.is_over(session), "sessions go on");
}

#[test]
fn without_keys_there_is_nothing_to_rotate() {
    let keys = Keys(World::new());
    let absent = RotationError::Absent;
    assert_eq!(keys.rotate(&scheduled(3)).answer, Err(absent));
    assert_eq!(keys.rotate_filter(3), Err(absent));
    assert!(!keys.tidy().answer);
}

#[test]
fn a_rotation_is_due_when_its_time_has_come_and_not_before_the_next_key_is_known() {
    let keys = Keys::begin();
    let signing = keys.ring().signing;
    let since = keys.0.now();
    let day = Duration::from_secs(24 * 60 * 60);
    assert_eq!(signing.due_at(day), since.after(day));
    assert_eq!(signing.due_at(Duration::ZERO), since.after(KNOWN_BEFORE));
}

#[test]
fn a_filter_key_is_taken_before_it_tags_and_until_its_last_token_is_over() {
    let keys = Keys::begin();
    assert_eq!(keys.rotate_filter(1), Err(RotationError::Same));
    let ready_at = keys.0.now().after(KNOWN_BEFORE);
    assert_eq!(
        keys.rotate_filter(9),
        Ok(FilterRotation::Announced { ready_at })
    );
    assert_eq!(keys.ring().filter.due_at(), Some(ready_at));
    assert_eq!(keys.filter_keys().tagging_id(), FilterKeyId::FIRST);

    keys.pass(KNOWN_BEFORE - Duration::from_secs(1));
    let early = RotationError::NotKnownYet { ready_at };
    assert_eq!(keys.rotate_filter(10), Err(early));
    assert!(!keys.tidy().answer, "it is yet to be used");
    keys.pass(Duration::from_secs(1));
    let until = keys.0.now().after(TAGGED_KEPT);
    let tags = FilterRotation::Tags { old_until: until };
    assert_eq!(keys.rotate_filter(10), Ok(tags));
    assert_eq!(keys.filter_keys().tagging_id(), FilterKeyId::FIRST.next());
    assert_eq!(keys.ring().filter.tagging.secret, secret(9));
    assert_eq!(keys.ring().filter.due_at(), None);

    keys.pass(TAGGED_KEPT - Duration::from_secs(1));
    let early = RotationError::StillNeeded { until };
    assert_eq!(keys.rotate_filter(11), Err(early));
    assert!(!keys.tidy().answer);
    keys.pass(Duration::from_secs(1));
    assert!(keys.tidy().answer);
    assert_eq!(keys.ring().filter.other, None);
    assert!(keys.rotate_filter(11).is_ok());
}

#[test]
fn a_filter_key_whose_time_is_over_need_not_be_dropped_to_be_followed() {
    let keys = Keys::begin();
    for seed in [20, 21] {
        assert!(keys.rotate_filter(seed).is_ok());
        keys.pass(KNOWN_BEFORE);
        assert!(keys.rotate_filter(seed).is_ok());
        assert_eq!(keys.ring().filter.tagging.secret, secret(seed));
        keys.pass(TAGGED_KEPT);
    }
}

#[test]
fn the_ids_of_filter_keys_go_round() {
    let keys = Keys::begin();
    for seed in 0..16 {
        let id = keys.filter_keys().tagging_id();
        assert_eq!(id.get(), seed);
        assert!(keys.rotate_filter(100 + seed).is_ok());
        keys.pass(KNOWN_BEFORE);
        assert!(keys.rotate_filter(0).is_ok());
        keys.pass(TAGGED_KEPT);
    }
    assert_eq!(keys.filter_keys().tagging_id(), FilterKeyId::FIRST);
}

#[test]
fn no_key_is_shown() {
    let keys = Keys::begin();
    let shown = format!("{:?} {:?} {:?}", keys.ring(), material(3), scheduled(3));
    for bytes in ["1, 1, 1", "2, 2, 2", "3, 3, 3", "0101", "0303", "hash of"] {
        assert!(!shown.contains(bytes), "{bytes} in {shown}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Rotate,
    RotateFilter,
    Tidy,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        3 => Just(Step::Rotate),
        2 => Just(Step::RotateFilter),
        1 => Just(Step::Tidy),
    ];
    // Mostly minutes, sometimes hours: both kinds of span end within a run.
    let pause = prop_oneof![4 => 1_u64..400, 1 => 400..40_000_u64];
    proptest::collection::vec((pause, step), 1..60)
}

/// What somebody fetched, and from when on they had it.
struct Copy {
    at: UnixSeconds,
    ids: Vec<String>,
    filter: FilterKeys,
}

/// What is about: signed or tagged then, by this.
struct Made {
    at: UnixSeconds,
    signed_by: String,
    tagged: ReferenceToken,
}

fn assert_all_are_known(copies: &[Copy], made: &[Made], now: UnixSeconds) {
    // Each copy is what there was until the next one was to be had.
    let nexts = copies.iter().skip(1).map(|copy| copy.at).chain([now]);
    let held = copies.iter().zip(nexts);
    for (copy, _) in held.filter(|(_, until)| now.since(*until) <= COPY_KEPT) {
        for made in made {
            let age = now.since(made.at);
            let is_known = copy.ids.contains(&made.signed_by);
            assert!(age >= LIFETIME_MAX || is_known, "signed {age:?} ago");
            let spelled = made.tagged.spell();
            let parsed = ReferenceToken::parse(spelled.as_str().as_bytes(), &copy.filter, now);
            assert!(
                age >= Lifetimes::ACCESS_MAX || parsed.is_ok(),
                "tagged {age:?} ago"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However often keys change, and however late copies of them are renewed.
    #[test]
    fn whatever_is_about_is_known_to_whoever_has_a_copy(steps in steps()) {
        let keys = Keys::begin();
        let (mut copies, mut made) = (Vec::new(), Vec::new());
        let mut seed = 3;
        for (pause, step) in steps {
            let now = keys.0.now();
            let ring = keys.ring();
            prop_assert!(ring.signing.retired.len() <= 2, "they do not pile up");
            let (ids, signed_by) = keys.published();
            let filter = keys.filter_keys();
            let end = AbsoluteEnd::new(now.after(Lifetimes::ACCESS_MAX)).unwrap();
            let tagged = ReferenceToken::mint(&filter, 7, end, [seed; 16]);
            copies.push(Copy { at: now, ids, filter });
            made.push(Made { at: now, signed_by, tagged });
            assert_all_are_known(&copies, &made, now);
            keys.0.pass(pause);
            seed += 1;
            // Some of these are refused; that is part of the promise.
            match step {
                Step::Rotate => drop(keys.rotate(&scheduled(seed))),
                Step::RotateFilter => drop(keys.rotate_filter(seed)),
                Step::Tidy => drop(keys.tidy()),
            }
        }
    }
}
