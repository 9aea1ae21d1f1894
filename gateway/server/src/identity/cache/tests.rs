use std::time::Duration;

use gateway_core::caller::{Caller, Rights};
use idp_token::digest::Alias;
use idp_token::epoch::Seq;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;
use idp_token::value::{Algorithm, Claims, SigningKey};

use super::super::entry::Value;
use super::*;

const NOW: u64 = 1_800_000_000;
const NOW_SHORT: u32 = 1_800_000_000;
const BOOT: BootTime = BootTime(Duration::from_secs(1000));

/// Makes entries as look-ups do.
struct Maker {
    fence: Fence,
    signing: SigningKey,
}

/// What a test changes of an ordinary token.
type Change = fn(&mut Claims, &mut Caller);

impl Maker {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        Self {
            fence: Fence::new(&[1; 16], 1 << 10, 64, Seq(7)),
            signing: SigningKey::from_pkcs8(Algorithm::Es256, key.serialized_der()).unwrap(),
        }
    }

    fn entry(&self, number: u64, change: Change) -> Entry {
        let digest = digest(number);
        let id = |salt: u64| {
            let half = TokenDigest::of(&(number ^ salt << 32).to_be_bytes());
            SessionId(*half.as_bytes())
        };
        let subject = id(2).to_string();
        let mut caller = Caller {
            tid: Alias::of(&digest).tid(),
            session: Some(id(1)),
            subject: subject.clone().into(),
            rights: Arc::new(Rights::new(
                "shop",
                "default",
                "read write",
                &["member".to_owned()],
            )),
            auth_time: Some(UnixSeconds(NOW - 5)),
        };
        let mut claims = Claims {
            issuer: "https://login.example.com".to_owned(),
            audience: vec!["pay".to_owned()],
            subject,
            session: Some(id(1).to_string()),
            client_id: "shop".to_owned(),
            scope: "read write".to_owned(),
            roles: vec!["member".to_owned()],
            auth_time: Some(UnixSeconds(NOW - 5)),
            amr: vec!["pwd".to_owned()],
            issued_at: UnixSeconds(NOW),
            expires_at: UnixSeconds(NOW + 600),
            id: Alias::of(&digest).value_token_id(NOW_SHORT).to_string(),
        };
        change(&mut claims, &mut caller);
        let text = self.signing.sign(&claims).unwrap();
        let session = caller.session.unwrap_or(SessionId([0; 16]));
        let marks = self
            .fence
            .marks(&session.to_string(), &caller.subject, "shop", "default");
        let value = Value {
            text: text.as_str().into(),
            renews_at: UnixSeconds(NOW + 480),
            expires_at: claims.expires_at,
        };
        let idle = Some((Duration::from_secs(900), Duration::from_secs(15)));
        Entry::new(
            (digest, caller),
            (self.fence.stamp(), marks),
            Some(value),
            (UnixSeconds(NOW + 3600), idle),
            BOOT,
        )
    }
}

fn digest(number: u64) -> TokenDigest {
    TokenDigest::of(&number.to_be_bytes())
}

/// All that matters of an entry.
fn facts(entry: &Entry) -> impl PartialEq + std::fmt::Debug {
    let value = entry.value.as_ref();
    (
        (entry.digest, entry.stamp, entry.marks, entry.caller.clone()),
        value.map(|it| (it.text.as_str().to_owned(), it.renews_at, it.expires_at)),
        (
            entry.ends_at,
            entry.idle,
            entry.report_after,
            entry.told_at(),
        ),
    )
}

/// Without what a person has.
fn machine(claims: &mut Claims, caller: &mut Caller) {
    claims.subject = "shop".to_owned();
    claims.auth_time = None;
    claims.amr.clear();
    claims.roles.clear();
    caller.subject = "shop".into();
    caller.auth_time = None;
    caller.rights = Arc::new(Rights::new("shop", "default", "read write", &[]));
}

#[test]
fn what_is_packed_comes_out_as_it_was() {
    let maker = Maker::new();
    let changes: [Change; 4] = [
        |_, _| {},
        machine,
        |claims, _| claims.audience = vec!["a\"b".to_owned(), "\"iat\":5,".to_owned()],
        |claims, _| claims.amr = vec!["\"sid\":\"x".to_owned()],
    ];
    let packed = Packed::new(1 << 20);
    for (number, change) in (0..).zip(changes) {
        let entry = maker.entry(number, change);
        packed.insert(&entry);
        let found = packed.find(&digest(number), &maker.fence);
        let found = found.unwrap_or_else(|| panic!("{number} was not packed"));
        assert_eq!(facts(&found), facts(&entry), "{number}");
    }
}

#[test]
fn what_cannot_be_packed_is_remembered_all_the_same() {
    let maker = Maker::new();
    let changes: [Change; 5] = [
        |claims, _| claims.id = "another".to_owned(),
        |claims, caller| {
            claims.subject = "ann".to_owned();
            caller.subject = "ann".into();
        },
        |claims, _| claims.session = Some("another".to_owned()),
        |claims, _| claims.amr = vec!["x".repeat(5000)],
        |_, caller| caller.session = None,
    ];
    let cache = Cache::new(1 << 20);
    for (number, change) in (0..).zip(changes) {
        // What was packed before is not found in its place.
        cache.insert(Arc::new(maker.entry(number, |_, _| {})));
        let entry = Arc::new(maker.entry(number, change));
        cache.insert(Arc::clone(&entry));
        assert!(
            cache.packed.find(&digest(number), &maker.fence).is_none(),
            "{number}"
        );
        let found = cache.find(&digest(number), &maker.fence).unwrap();
        assert_eq!(facts(found.entry()), facts(&entry), "{number}");
    }
}

#[test]
fn the_latest_that_was_learned_counts_and_what_is_forgotten_is_gone() {
    let (maker, cache) = (Maker::new(), Cache::new(1 << 20));
    cache.insert(Arc::new(maker.entry(1, |_, _| {})));
    cache.insert(Arc::new(maker.entry(1, machine)));
    for found in [
        cache.find(&digest(1), &maker.fence).unwrap().entry(),
        &Arc::new(cache.packed.find(&digest(1), &maker.fence).unwrap()),
    ] {
        assert_eq!(&*found.caller.subject, "shop");
    }
    cache.remove(&digest(1));
    assert!(cache.find(&digest(1), &maker.fence).is_none());
}

#[test]
fn uses_and_renewals_are_known_of_an_entry_however_it_is_found() {
    let (maker, cache) = (Maker::new(), Cache::new(1 << 20));
    cache.insert(Arc::new(maker.entry(1, |_, _| {})));
    let later = BootTime(BOOT.0 + Duration::from_secs(20));
    let found = cache.find(&digest(1), &maker.fence).unwrap();
    cache.note_told(found.entry(), later);
    assert!(cache.begin_renewal(found.entry()));
    let packed = cache.packed.find(&digest(1), &maker.fence).unwrap();
    assert_eq!(packed.told_at(), later);
    let late = UnixSeconds(NOW + 500);
    assert!(!packed.is_to_be_renewed(late) && !found.entry().is_to_be_renewed(late));
    assert!(!cache.begin_renewal(&packed));
    cache.note_not_renewed(&digest(1));
    let packed = cache.packed.find(&digest(1), &maker.fence).unwrap();
    assert!(packed.is_to_be_renewed(late) && found.entry().is_to_be_renewed(late));
}

#[test]
fn all_of_it_never_takes_more_than_it_may_and_a_session_takes_little() {
    let maker = Maker::new();
    let bytes_max = 1 << 20;
    let cache = Cache::new(bytes_max);
    let sample = maker.entry(0, |_, _| {});
    let make = |number: u64| {
        // Signing takes longer than all the rest; one signature is as good as another here.
        let entry = maker.entry(0, |_, _| {});
        let caller = entry.caller.clone();
        let value = Value {
            text: retold(&sample, number).as_str().into(),
            ..entry.value.unwrap()
        };
        Arc::new(Entry::new(
            (digest(number), caller),
            (entry.stamp, entry.marks),
            Some(value),
            (entry.ends_at, None),
            BOOT,
        ))
    };
    for number in 0..8_000 {
        cache.insert(make(number));
        assert!(
            cache.bytes() <= bytes_max,
            "{} after {number}",
            cache.bytes()
        );
    }
    let left = (0..8_000).filter(|number| cache.find(&digest(*number), &maker.fence).is_some());
    let left = left.count() as u64;
    assert!(left > bytes_max / 160 * 9 / 10, "{left} of what fits");
}

/// The token of another number.
fn retold(sample: &Entry, number: u64) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let text = sample.value.as_ref().unwrap().text.as_str();
    let [header, payload, signature] = text.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let id = |number| {
        Alias::of(&digest(number))
            .value_token_id(NOW_SHORT)
            .to_string()
    };
    let payload = payload.replace(&id(0), &id(number));
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload))
}
