//! What does this gateway think of a token? For an operator who has it.
//!
//! It is asked by digest, so that no token comes this way, and nothing is looked up for it: what is
//! told is what a request would meet at this moment.

use gateway_core::verdict::{Decision, Gap};
use idp_token::digest::{Tid, TokenDigest};
use idp_token::lease::Tolerance;
use serde_json::{Value, json};

use super::Identity;
use super::cache::Found;
use super::entry::Entry;
use super::gate::Moment;

impl Identity {
    pub(crate) fn inspect(&self, digest: &TokenDigest) -> Value {
        let now = Moment::now();
        let knowledge = &self.following.knowledge;
        let found = self.cache.find(digest, knowledge.fence());
        let known = found.as_ref().map(Found::entry);
        let decision = self.judge(known.map(|entry| &**entry), Tolerance::Strict, now);
        let is_stranger = known.is_none() && self.strangers.has(digest, now.boot);
        let age = knowledge.age(now.boot);
        let mut told = json!({
            "tid": Tid::of(digest).to_string(),
            "remembered": known.is_some(),
            "would": if is_stranger { "refuse it: it is not good".to_owned() } else { word(decision) },
            "lease_age_ms": age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            "applied": knowledge.stamp().seq().0,
        });
        if let (Some(entry), Some(members)) = (known, told.as_object_mut()) {
            tell(entry, members);
        }
        told
    }
}

fn tell(entry: &Entry, members: &mut serde_json::Map<String, Value>) {
    let rights = &entry.caller.rights;
    let value = entry.value.as_ref();
    for (name, said) in [
        ("learned_after", json!(entry.stamp.seq().0)),
        (
            "session",
            json!(entry.caller.session.map(|id| id.to_string())),
        ),
        ("subject", json!(entry.caller.subject)),
        ("client", json!(rights.client())),
        ("scope", json!(rights.scope())),
        ("ends_at", json!(entry.ends_at.0)),
        (
            "value_token_until",
            json!(value.map(|value| value.expires_at.0)),
        ),
    ] {
        members.insert(name.to_owned(), said);
    }
}

fn word(decision: Decision) -> String {
    match decision {
        Decision::Serve(_) => "serve it".to_owned(),
        Decision::Refuse(invalid) => format!("refuse it: {invalid}"),
        Decision::Refetch(gap) => format!("look it up: {}", why(gap)),
        Decision::Ask(gap) => format!("ask the identity provider: {}", why(gap)),
    }
}

fn why(gap: Gap) -> &'static str {
    match gap {
        Gap::Unknown => "nothing is remembered",
        Gap::Void => "a change was published since",
        Gap::Stale => "the lease has run out",
        Gap::Idle => "it was not used here for long",
        Gap::Spent => "its value token has expired",
    }
}
