//! Every parser of what comes from outside, as a function that takes any bytes and that fails if what was
//! read would be spelled otherwise. `loadtest/fuzz` runs the same functions.

use idp_token::ask::keys::ToldKeys;
use idp_token::ask::report::Report;
use idp_token::ask::resolve::{read_answers, read_questions, write_answers, write_questions};
use idp_token::ask::uses::{read_uses, write_uses};
use idp_token::digest::TokenDigest;
use idp_token::external::answer::Answer;
use idp_token::external::jwt::{self, Kind, Signature};
use idp_token::external::{ClaimName, Policy};
use idp_token::filter::{FilterKey, FilterKeyId, FilterKeys};
use idp_token::log::{Entry, Page};
use idp_token::reference::ReferenceToken;
use idp_token::refresh::{FamilySalt, PresentedRefresh, RefreshKey};
use idp_token::session::Session;
use idp_token::time::UnixSeconds;
use idp_token::value::{Algorithm, Expectations, KeySet, LIFETIME_MAX, Verifier};
use std::time::Duration;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const KEYS: &str = include_str!("../../corpus/keys/good-ed25519.json");

/// Each target takes any bytes; true if it read them.
pub(crate) type Target = fn(&[u8]) -> bool;

fn reference(bytes: &[u8]) -> bool {
    let key = |id| FilterKey::new(FilterKeyId::new(id).unwrap(), &[id; 32]);
    let keys = FilterKeys::new(key(3)).with_other(key(4)).unwrap();
    let read = ReferenceToken::parse(bytes, &keys, NOW);
    if let Ok(token) = &read {
        assert_eq!(token.spell().as_str().as_bytes(), bytes);
    }
    read.is_ok()
}

fn refresh(bytes: &[u8]) -> bool {
    let (key, salt) = (RefreshKey::new([1; 32]), FamilySalt::new([2; 16]));
    let Ok(presented) = PresentedRefresh::parse(bytes) else {
        return false;
    };
    let read = presented.verify(&key, &salt);
    if let Ok(token) = read {
        assert_eq!(token.spell(&key, &salt).as_str().as_bytes(), bytes);
    }
    read.is_ok()
}

fn value(bytes: &[u8]) -> bool {
    let expectations = Expectations {
        issuer: "https://id.example".to_owned(),
        audience: "pay".to_owned(),
        leeway: Duration::ZERO,
        lifetime_max: LIFETIME_MAX,
    };
    let verifier = Verifier::new(expectations, KeySet::parse(KEYS.as_bytes()).unwrap());
    str::from_utf8(bytes).is_ok_and(|text| verifier.verify(text, NOW).is_ok())
}

fn keys(bytes: &[u8]) -> bool {
    KeySet::parse(bytes).is_ok()
}

fn keys_external(bytes: &[u8]) -> bool {
    KeySet::parse_external(bytes).is_ok()
}

fn external() -> Policy {
    Policy {
        issuer: "https://id.example".to_owned(),
        audience: vec!["pay".to_owned()],
        roles: ClaimName::default(),
        max_age: LIFETIME_MAX,
    }
}

/// The very tokens that are read as our own: by these rules too, and by the same key.
fn value_external(bytes: &[u8]) -> bool {
    let keys = KeySet::parse_external(KEYS.as_bytes()).unwrap().set;
    let signature = Signature {
        algorithms: vec![Algorithm::EdDsa],
        kind: Kind::AccessToken,
    };
    let rules = (&external(), &signature);
    str::from_utf8(bytes).is_ok_and(|text| jwt::verify(text, &keys, rules, NOW).is_ok())
}

fn introspection(bytes: &[u8]) -> bool {
    Answer::read(bytes, &external(), NOW).is_ok()
}

fn session(bytes: &[u8]) -> bool {
    let read = Session::read(bytes);
    if let Ok(session) = &read {
        assert_eq!(
            Session::read(session.write().as_bytes()).as_ref(),
            Ok(session)
        );
    }
    read.is_ok()
}

fn log(bytes: &[u8]) -> bool {
    let read = Entry::read(bytes);
    if let Ok(entry) = &read {
        assert_eq!(Entry::read(entry.write().as_bytes()).as_ref(), Ok(entry));
    }
    read.is_ok()
}

fn log_page(bytes: &[u8]) -> bool {
    let read = Page::read(bytes);
    if let Ok(page) = &read {
        assert_eq!(Page::read(page.write().as_bytes()).as_ref(), Ok(page));
    }
    read.is_ok()
}

fn questions(bytes: &[u8]) -> bool {
    let read = read_questions(bytes);
    if let Ok(questions) = &read {
        let written = write_questions(questions);
        let again = read_questions(written.as_bytes()).unwrap();
        assert_eq!(write_questions(&again), written);
    }
    read.is_ok()
}

fn answers(bytes: &[u8]) -> bool {
    let asked = TokenDigest::from_bytes([1; 16]);
    let read = read_answers(bytes, &[asked]);
    if let Ok(answers) = &read {
        let written = write_answers([(asked, &answers[0])]);
        assert_eq!(read_answers(written.as_bytes(), &[asked]), read);
    }
    read.is_ok()
}

fn uses(bytes: &[u8]) -> bool {
    let read = read_uses(bytes);
    if let Ok(uses) = &read {
        assert_eq!(read_uses(write_uses(uses).as_bytes()), read);
    }
    read.is_ok()
}

fn report(bytes: &[u8]) -> bool {
    let read = Report::read(bytes);
    if let Ok(report) = &read {
        assert_eq!(Report::read(report.write().as_bytes()), read);
    }
    read.is_ok()
}

fn filter_keys(bytes: &[u8]) -> bool {
    let read = ToldKeys::read(bytes);
    if let Ok(keys) = &read {
        assert_eq!(ToldKeys::read(keys.write().as_bytes()).as_ref(), Ok(keys));
    }
    read.is_ok()
}

pub(crate) const TARGETS: [(&str, Target); 15] = [
    ("reference", reference),
    ("refresh", refresh),
    ("value", value),
    ("value", value_external),
    ("keys", keys),
    ("keys-external", keys_external),
    ("introspection", introspection),
    ("session", session),
    ("log", log),
    ("log-page", log_page),
    ("questions", questions),
    ("answers", answers),
    ("uses", uses),
    ("report", report),
    ("filter-keys", filter_keys),
];
