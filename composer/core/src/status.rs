//! What is told of how an answer came to be: `Cache-Status` (RFC 9211) and `Composition-Status`.

use std::fmt::Write as _;

use crate::plan::{Endpoint, Lookup, LookupSource, Plan};

use crate::compose::Part;

/// What was done for a part of one answer. For a step each number is at most one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Found in a cache or a table, fresh.
    pub hits: u64,
    /// Found, and used although it is stale.
    pub stale: u64,
    /// Found in the second level, which costs no call.
    pub second_level: u64,
    /// Fetched by a call, own or another request's.
    pub fetched: u64,
    /// Asked for and unchanged (304, or unchanged in a batch).
    pub unchanged: u64,
    /// Fetched by a call that was already under way for somebody else.
    pub shared: u64,
    /// Not to be had.
    pub failed: u64,
    /// Calls that were made for this request.
    pub calls: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.stale += other.stale;
        self.second_level += other.second_level;
        self.fetched += other.fetched;
        self.unchanged += other.unchanged;
        self.shared += other.shared;
        self.failed += other.failed;
        self.calls += other.calls;
    }
}

/// One member for each part, in the order in which they answered.
pub(crate) fn cache_status(plan: &Plan, endpoint: &Endpoint, parts: &[(Part, Tally)]) -> String {
    let mut text = String::new();
    for (part, tally) in parts {
        let (name, is_kept) = match part {
            Part::Step(step) => match endpoint.step(*step) {
                Some(step) => (&step.name, step.cache.is_some()),
                None => continue,
            },
            Part::Lookup(lookup) => match plan.lookup(*lookup) {
                Some(lookup) => (&lookup.name, is_kept(lookup)),
                None => continue,
            },
        };
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name);
        push_member(&mut text, *part, *tally, is_kept);
    }
    text
}

fn is_kept(lookup: &Lookup) -> bool {
    match &lookup.source {
        LookupSource::Batch { cache, .. } => cache.is_some(),
        LookupSource::Table { .. } => true,
    }
}

/// RFC 9211, section 2: `hit` where nothing went forward, else why it did.
fn push_member(text: &mut String, part: Part, tally: Tally, is_kept: bool) {
    let remembered = tally.hits + tally.stale + tally.second_level;
    let forwarded = tally.fetched + tally.unchanged + tally.failed;
    text.push_str(match (is_kept, forwarded, remembered) {
        (_, 0, _) => ";hit",
        (false, _, _) => ";fwd=bypass",
        (true, _, 0) if tally.unchanged > 0 && tally.fetched == 0 => ";fwd=stale",
        (true, _, 0) => ";fwd=miss",
        (true, _, _) => ";fwd=partial",
    });
    if tally.shared > 0 && tally.shared == forwarded {
        text.push_str(";collapsed");
    }
    if matches!(part, Part::Step(_)) && tally.stale == 0 {
        return;
    }
    let counts = [
        ("fresh", tally.hits),
        ("stale", tally.stale),
        ("redis", tally.second_level),
        ("fetched", tally.fetched),
        ("unchanged", tally.unchanged),
        ("failed", tally.failed),
        ("calls", tally.calls),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let _ = write!(text, ";detail=\"{}\"", counts.join(", "));
}

/// Whether everything is there, and what it took: `partial;calls=3;naive=202`.
pub(crate) fn composition_status(is_partial: bool, calls: u64, naive: u64) -> String {
    let word = if is_partial { "partial" } else { "complete" };
    format!("{word};calls={calls};naive={naive}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{LookupId, StepId};

    #[test]
    fn a_part_is_told_as_a_cache_would() {
        let (step, lookup) = (Part::Step(StepId(0)), Part::Lookup(LookupId(0)));
        let tally = Tally::default();
        let fetched = Tally {
            fetched: 3,
            calls: 1,
            ..tally
        };
        #[rustfmt::skip]
        let cases = [
            (step, Tally { fetched: 1, calls: 1, ..tally }, false, ";fwd=bypass"),
            (step, Tally { fetched: 1, calls: 1, ..tally }, true, ";fwd=miss"),
            (step, Tally { hits: 1, ..tally }, true, ";hit"),
            (step, Tally { unchanged: 1, calls: 1, ..tally }, true, ";fwd=stale"),
            (step, Tally { fetched: 1, shared: 1, ..tally }, true, ";fwd=miss;collapsed"),
            (step, Tally { stale: 1, ..tally }, true, ";hit;detail=\"stale 1\""),
            (lookup, Tally { hits: 97, ..tally }, true, ";hit;detail=\"fresh 97\""),
            (lookup, fetched, true, ";fwd=miss;detail=\"fetched 3, calls 1\""),
            (lookup, Tally { hits: 97, ..fetched }, true,
                ";fwd=partial;detail=\"fresh 97, fetched 3, calls 1\""),
            (lookup, Tally { hits: 95, second_level: 2, ..tally }, true,
                ";hit;detail=\"fresh 95, redis 2\""),
            (lookup, Tally { second_level: 2, ..fetched }, true,
                ";fwd=partial;detail=\"redis 2, fetched 3, calls 1\""),
            (lookup, Tally { failed: 2, calls: 1, ..tally }, true,
                ";fwd=miss;detail=\"failed 2, calls 1\""),
        ];
        for (part, tally, is_kept, expected) in cases {
            let mut text = String::new();
            push_member(&mut text, part, tally, is_kept);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn the_whole_is_told_with_what_it_would_have_cost() {
        assert_eq!(
            composition_status(false, 2, 202),
            "complete;calls=2;naive=202"
        );
        assert_eq!(composition_status(true, 3, 3), "partial;calls=3;naive=3");
    }
}
