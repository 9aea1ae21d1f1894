//! The two books side by side: a pure function from what was sent and what was heard to a verdict.

mod verdict;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::entry::Entry;
use super::fate::{Answered, Echo, Fate, Fault, Sent};
use super::filling::{Digest, request_body};
use super::log::{Heard, State};

pub use verdict::{Kind, Verdict, Violation};

/// A read may be tried twice more.
const READ_SIGHTINGS_MAX: usize = 3;

/// Says what must not be. The books must be closed: nothing is on its way any more.
pub fn compare(sent: &[Sent], heard: &[Heard]) -> Verdict {
    let mut sightings: BTreeMap<&str, Vec<&Heard>> = BTreeMap::new();
    for line in heard {
        if let Some(id) = &line.id {
            sightings.entry(id).or_default().push(line);
        }
    }
    let mut verdict = Verdict::default();
    for Sent { entry, fate } in sent {
        verdict.count(fate);
        let seen = sightings.get(entry.id.as_str());
        let seen = seen.map_or(&[][..], Vec::as_slice);
        check_sightings(entry, seen, &mut verdict);
        check_fate(entry, fate, seen, &mut verdict);
    }
    check_invented(sent, &sightings, &mut verdict);
    check_garbled(heard, &mut verdict);
    verdict.heard = heard.len();
    verdict
}

fn check_sightings(entry: &Entry, seen: &[&Heard], verdict: &mut Verdict) {
    let allowed = if entry.method.is_read() {
        READ_SIGHTINGS_MAX
    } else {
        1
    };
    verdict.heard_again += seen.len().saturating_sub(1);
    if seen.len() > allowed {
        let what = format!("heard {} times, at most {allowed} allowed", seen.len());
        verdict.add(Kind::Repeated, entry, what, seen);
    }
    let planned = match entry.body {
        Some(parcel) => Digest::of(&request_body(&entry.id, parcel)),
        None => Digest::EMPTY,
    };
    for heard in seen.iter().filter(|heard| heard.state == State::Whole) {
        let is_as_sent = heard.method == entry.method.as_str()
            && heard.target == entry.path
            && heard.body == planned;
        if !is_as_sent {
            let Heard {
                method,
                target,
                body,
                ..
            } = heard;
            let what = format!("heard as {method} {target} ({body}), sent with ({planned})");
            verdict.add(Kind::Altered, entry, what, &[heard]);
        }
    }
}

fn check_fate(entry: &Entry, fate: &Fate, seen: &[&Heard], verdict: &mut Verdict) {
    match fate {
        Fate::Answered(answered) => check_answer(entry, answered, seen, verdict),
        Fate::Broken(Fault::Malformed, why) => {
            verdict.add(Kind::MixedUp, entry, why.clone(), seen);
        }
        Fate::Broken(Fault::Unanswered | Fault::Truncated | Fault::Timeout, _) => {}
        Fate::NotSent(why) if !seen.is_empty() => {
            let what = format!("heard, but not sent: {why}");
            verdict.add(Kind::Invented, entry, what, seen);
        }
        Fate::NotSent(_) => {}
    }
}

fn check_answer(entry: &Entry, answered: &Answered, seen: &[&Heard], verdict: &mut Verdict) {
    let status = answered.status;
    let is_success = (200..300).contains(&status);
    if is_success && !seen.iter().any(|heard| heard.state == State::Whole) {
        let what = format!("answered with {status}, but never heard whole");
        verdict.add(Kind::Lost, entry, what, seen);
    }
    match &answered.id {
        None if status < 400 => {
            let what = format!("answered with {status}, which no service signed");
            verdict.add(Kind::MixedUp, entry, what, seen);
        }
        // The gateway's own refusals are nobody's answer.
        None => {}
        Some(other) if *other != entry.id => {
            let what = format!("answered with {status} for {other}");
            verdict.add(Kind::MixedUp, entry, what, seen);
        }
        Some(_) => match &answered.echo {
            Echo::Own => {}
            Echo::Short { bytes, expected } => {
                let what =
                    format!("{status} with {bytes} bytes of {expected}, as if they were all");
                verdict.add(Kind::Short, entry, what, seen);
            }
            Echo::Foreign(line) => {
                let what = format!("answered with {status} and a body that begins {line:?}");
                verdict.add(Kind::MixedUp, entry, what, seen);
            }
        },
    }
}

fn check_invented(sent: &[Sent], sightings: &BTreeMap<&str, Vec<&Heard>>, verdict: &mut Verdict) {
    let known: BTreeSet<&str> = sent.iter().map(|sent| sent.entry.id.as_str()).collect();
    for (_, seen) in sightings.iter().filter(|(id, _)| !known.contains(*id)) {
        verdict
            .violations
            .push(unsent(Kind::Invented, "nobody sent it", seen));
    }
}

/// What is no request may be the end of a body that was taken for a head.
fn check_garbled(heard: &[Heard], verdict: &mut Verdict) {
    let is_garbled = |heard: &&Heard| matches!(heard.state, State::Malformed(_));
    for heard in heard.iter().filter(is_garbled) {
        verdict
            .violations
            .push(unsent(Kind::Garbled, "no request at all", &[heard]));
    }
}

/// Something that is not known from the client's book.
fn unsent(kind: Kind, what: &str, seen: &[&Heard]) -> Violation {
    let first = seen.first();
    let or_nothing = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let (method, target) = first.map_or(("", ""), |heard| (&heard.method, &heard.target));
    Violation {
        kind,
        id: or_nothing(first.and_then(|heard| heard.id.as_deref())),
        request: format!("{method} {target}"),
        what: what.to_owned(),
        seen: seen.iter().map(|heard| heard.to_string()).collect(),
    }
}
